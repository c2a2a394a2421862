//! Loop devices: a byte range of a file as a block device.
//!
//! The device is configured by one system call (`LOOP_CONFIGURE`, Linux 5.8) and freed by the kernel with its last
//! user, so that there is no instant at which a kill leaves one. The kernel's partition scanning is not used: each
//! partition has a device of its own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

/// From `linux/loop.h`.
const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// Others may take the free device first; then the next one is asked for.
const TRIES: usize = 64;

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A byte range of a file as a block device. The device is freed when this value and every mount of it are gone.
#[derive(Debug)]
pub struct LoopDevice {
    device: File,
    path: PathBuf,
}

impl LoopDevice {
    /// Makes a device of `length` bytes of `backing` from `offset` on.
    ///
    /// # Errors
    /// When the kernel refuses, as it does to all but root, or `/dev` has no loop devices.
    pub fn attach(backing: &File, offset: u64, length: u64, read_only: bool) -> io::Result<Self> {
        let control =
            OpenOptions::new().read(true).write(true).open("/dev/loop-control").map_err(no_devices)?;
        for _ in 0..TRIES {
            // SAFETY: the request takes no argument.
            let number = Errno::result(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE) })?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = OpenOptions::new().read(true).write(!read_only).open(&path).map_err(no_devices)?;
            match configure(&device, backing, offset, length, read_only) {
                Ok(()) => return Ok(Self { device, path }),
                Err(Errno::EBUSY) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::Error::other("every loop device that was free was taken by somebody else"))
    }

    /// Returns the device's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the device back; the kernel frees it when nothing has it mounted.
    ///
    /// # Errors
    /// When what was written through it cannot be stored.
    pub fn close(self) -> io::Result<()> {
        let writable = nix::fcntl::fcntl(&self.device, nix::fcntl::FcntlArg::F_GETFL)? & libc::O_ACCMODE != 0;
        if writable { self.device.sync_all() } else { Ok(()) }
    }
}

fn no_devices(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::new(
            error.kind(),
            "there are no loop devices in /dev; in a container, run it with the host's /dev and CAP_SYS_ADMIN",
        );
    }
    error
}

fn configure(device: &File, backing: &File, offset: u64, length: u64, read_only: bool) -> Result<(), Errno> {
    // SAFETY: the structure is plain numbers, for which all zeroes are valid.
    let mut config: LoopConfig = unsafe { std::mem::zeroed() };
    config.fd = backing.as_raw_fd().cast_unsigned();
    config.info.offset = offset;
    config.info.size_limit = length;
    config.info.flags = LO_FLAGS_AUTOCLEAR | if read_only { LO_FLAGS_READ_ONLY } else { 0 };
    // SAFETY: the structure lives through the call and is of the type that this request reads.
    Errno::result(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    /// Whether the kernel knows a backing file for the device.
    fn is_used(path: &Path) -> bool {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        Path::new("/sys/block").join(name).join("loop").exists()
    }

    #[test]
    fn a_range_is_readable_and_the_device_free_afterwards() {
        if !crate::worker::is_root() || !Path::new("/dev/loop-control").exists() {
            eprintln!("needs root and loop devices");
            return;
        }
        let file = crate::sparse::create_unnamed(&std::env::temp_dir()).expect("a file");
        file.set_len(1 << 20).expect("sized");
        file.write_all_at(b"in the range", 512 * 1024).expect("written");
        let device = LoopDevice::attach(&file, 512 * 1024, 4096, true).expect("attached");
        let path = device.path().to_owned();
        assert!(is_used(&path));
        let bytes = std::fs::read(&path).expect("read");
        assert_eq!(bytes.len(), 4096);
        assert!(bytes.starts_with(b"in the range\0"));
        // Kernels differ in what refuses a writer, the open or the write; what they say of the device does not differ.
        let name = path.file_name().expect("a name");
        let said = std::fs::read_to_string(Path::new("/sys/block").join(name).join("ro")).expect("sysfs");
        assert_eq!(said.trim(), "1", "it is read-only");
        device.close().expect("closed");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while is_used(&path) && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert!(!is_used(&path));
    }
}
