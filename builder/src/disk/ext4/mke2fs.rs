//! ext3 and ext2: made by mke2fs of the tools tree from our tar stream, straight into the disk file.
//!
//! Everything that a newer mke2fs or another configuration could change is said here. The file is fresh, so mke2fs is
//! told that it reads as zeroes and writes only what is not.

use std::io::Write;

use super::features::Features;
use super::tools::{DISK, descriptor, environment};
use super::{BLOCK, INODE_SIZE, Job, RESERVED_PERCENT, hash_seed, size};
use crate::disk::DiskError;
use crate::disk::toolbox::{Call, Toolbox};
use crate::plan::FilesystemKind;
use crate::rootfs::tar_stream::StreamOptions;

/// Nothing but the types that mke2fs looks for, so that only our arguments count.
const TEXT: &str = "\
[defaults]
\tbase_features = none
\tdefault_mntopts = acl,user_xattr
\tblocksize = 4096
\tinode_size = 256
\tinode_ratio = 16384
[fs_types]
\text2 = {
\t}
\text3 = {
\t}
\tfloppy = {
\t}
\tsmall = {
\t}
\tbig = {
\t}
\thuge = {
\t}
";

/// Its descriptor as mke2fs sees it.
const CONFIGURATION: i32 = 9;

/// Makes the filesystem, without the attributes that mke2fs drops.
pub(super) fn make(job: &Job<'_>, features: &Features, toolbox: &dyn Toolbox) -> Result<(), DiskError> {
    let configuration = host::sparse::create_unnamed(&std::env::temp_dir())
        .and_then(|mut file| file.write_all(TEXT.as_bytes()).map(|()| file))
        .map_err(|source| DiskError::io("writing mke2fs's configuration", source))?;
    let mut env = environment(job);
    env.push(("MKE2FS_CONFIG", descriptor(CONFIGURATION)));
    let call = Call {
        program: "/usr/sbin/mke2fs",
        args: arguments(job, features),
        env,
        inherit: vec![(job.disk, DISK), (&configuration, CONFIGURATION)],
    };
    let options = StreamOptions { epoch: job.epoch, inode_times: true };
    let mut feed = |out: &mut dyn Write| match job.scan {
        Some(scan) => scan.write(out, options),
        None => Ok(()),
    };
    toolbox.run(call, &mut feed)?;
    Ok(())
}

fn arguments(job: &Job<'_>, features: &Features) -> Vec<String> {
    let size = job.extent.length;
    let inodes = size::inode_count(size, job.scan.map_or(0, |scan| scan.entries().len() as u64));
    let kind = job.filesystem.kind;
    let mut args: Vec<String> = ["-q", "-F", "-t", kind.name()].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    option("-b", BLOCK.to_string());
    option("-I", INODE_SIZE.to_string());
    option("-N", inodes.to_string());
    option("-m", RESERVED_PERCENT.to_string());
    option("-O", features.list());
    if kind != FilesystemKind::Ext2 {
        option("-J", format!("size={}", size::journal(size) >> 20));
    }
    option("-U", job.filesystem.uuid.to_string());
    option("-L", job.filesystem.label.clone());
    let (start, seed) = (job.extent.start, hash_seed(job));
    option(
        "-E",
        format!("offset={start},hash_seed={seed},nodiscard,assume_storage_prezeroed=1,root_owner=0:0"),
    );
    if job.scan.is_some() {
        option("-d", "-".into());
    }
    args.extend([descriptor(DISK), format!("{}k", size >> 10)]);
    args
}
