//! Programs of the tools tree on the partition: what they are told in common, and quotas.

use std::io::Write;

use super::Job;
use crate::disk::DiskError;
use crate::disk::toolbox::{Call, Toolbox};
use crate::rootfs::tar_stream::TreeStreamError;

/// The disk's descriptor as the tools see it.
pub(super) const DISK: i32 = 8;

/// Turns quotas on, which counts what is there.
pub(super) fn enable_quotas(job: &Job<'_>, toolbox: &dyn Toolbox) -> Result<(), DiskError> {
    if job.filesystem.quota.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = job.filesystem.quota.iter().map(|kind| kind.mount_option()).collect();
    let args = ["-O", "quota", "-Q", &kinds.join(","), &partition(job)].map(str::to_owned).to_vec();
    toolbox.run(call_on_partition(job, "/usr/sbin/tune2fs", args), &mut no_input)?;
    Ok(())
}

pub(super) fn call_on_partition<'a>(job: &'a Job<'_>, program: &'a str, args: Vec<String>) -> Call<'a> {
    Call { program, args, env: environment(job), inherit: vec![(job.disk, DISK)] }
}

fn no_input(_: &mut dyn Write) -> Result<(), TreeStreamError> {
    Ok(())
}

/// Both names of the same wish: mke2fs takes the first for files, the library the second for the superblock.
pub(super) fn environment(job: &Job<'_>) -> Vec<(&'static str, String)> {
    vec![("SOURCE_DATE_EPOCH", job.epoch.to_string()), ("E2FSPROGS_FAKE_TIME", job.epoch.to_string())]
}

pub(super) fn descriptor(number: i32) -> String {
    format!("/proc/self/fd/{number}")
}

/// The disk as tools that know no offset option take it.
pub(super) fn partition(job: &Job<'_>) -> String {
    format!("{}?offset={}", descriptor(DISK), job.extent.start)
}
