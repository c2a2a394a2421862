//! Disks that live in memory and vanish with the last process that has them open.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

use super::MachineError;

/// Returns an unnamed file that holds `bytes`.
pub fn create(name: &str, bytes: &[u8]) -> Result<File, MachineError> {
    let failed = MachineError::host("making a disk in memory");
    let descriptor = host::child::memory_file(name).map_err(&failed)?;
    let mut file = File::from(descriptor);
    file.write_all(bytes).map_err(&failed)?;
    Ok(file)
}

/// Returns the path under which a child that inherits the file opens it.
pub fn path_in_child(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
