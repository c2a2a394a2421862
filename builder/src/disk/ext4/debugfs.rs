//! Attributes of ext3 and ext2 that mke2fs drops: of a tar stream it takes only capabilities. Access lists and users' own
//! attributes are set afterwards by debugfs, which writes them in ext4's form.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

use crate::disk::DiskError;
use crate::disk::toolbox::{ToolError, Toolbox};
use crate::rootfs::tar_stream::Entry;

use super::Job;
use super::tools::{call_on_partition, partition};

const DEBUGFS: &str = "/usr/sbin/debugfs";
const CAPABILITY: &[u8] = b"security.capability";

pub(super) fn write(job: &Job<'_>, toolbox: &dyn Toolbox) -> Result<(), DiskError> {
    let entries = job.scan.map_or(&[][..], |scan| scan.entries());
    let mut script = String::new();
    for entry in entries {
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| name != CAPABILITY) {
            push_command(&mut script, entry, name, value)?;
        }
    }
    if script.is_empty() {
        return Ok(());
    }
    let args = ["-w", "-f", "-", &partition(job)].map(str::to_owned).to_vec();
    let mut feed = |out: &mut dyn std::io::Write| Ok(out.write_all(script.as_bytes())?);
    let said = toolbox.run(call_on_partition(job, DEBUGFS, args), &mut feed)?;
    // debugfs ends well whatever happened; its banner is the only thing it may say.
    let complaints: Vec<&str> =
        said.lines().filter(|line| !line.is_empty() && !line.starts_with("debugfs ")).collect();
    if complaints.is_empty() {
        return Ok(());
    }
    Err(ToolError::Complained { program: DEBUGFS.into(), message: complaints.join("; ") }.into())
}

fn push_command(script: &mut String, entry: &Entry, name: &[u8], value: &[u8]) -> Result<(), DiskError> {
    let path = quoted(entry.path.as_os_str().as_bytes());
    let name = std::str::from_utf8(name).ok().and_then(|name| quoted(name.as_bytes()));
    let (Some(path), Some(name)) = (path, name) else {
        return Err(DiskError::unfit(
            format!("extended attributes of '/{}'", entry.path.display()),
            "a path or attribute name with line breaks or invalid UTF-8 cannot carry them; rename it or remove them",
        ));
    };
    let _ = write!(script, "ea_set \"/{path}\" \"{name}\" \"");
    for byte in value {
        let _ = write!(script, "\\{byte:03o}");
    }
    script.push_str("\"\n");
    Ok(())
}

/// Returns text as it stands between debugfs's double quotes, where only the quote itself must be doubled.
fn quoted(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains(['\n', '\r', '\0'])).then(|| text.replace('"', "\"\""))
}
