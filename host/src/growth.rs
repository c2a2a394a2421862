//! Growing what is in use: a partition of a disk that is mounted, and the filesystem in it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// From `linux/blkpg.h`.
const BLKPG: libc::c_ulong = 0x1269;
const BLKPG_RESIZE_PARTITION: libc::c_int = 3;
/// `_IOW('f', 16, __u64)` of `fs/ext4/ext4.h`.
const EXT4_IOC_RESIZE_FS: libc::c_ulong = 0x4008_6610;
/// `_IOR('X', 124, struct xfs_fsop_geom_v1)` and `_IOW('X', 110, struct xfs_growfs_data)` of `xfs_fs.h`.
const XFS_IOC_FSGEOMETRY_V1: libc::c_ulong = 0x8070_5864;
const XFS_IOC_FSGROWFSDATA: libc::c_ulong = 0x4010_586e;
/// `_IOW(0x94, 3, struct btrfs_ioctl_vol_args)` of `linux/btrfs.h`.
const BTRFS_IOC_RESIZE: libc::c_ulong = 0x5000_9403;

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct BlkpgArgument {
    operation: libc::c_int,
    flags: libc::c_int,
    length: libc::c_int,
    data: *mut BlkpgPartition,
}

/// `struct blkpg_partition`; places in bytes.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: libc::c_int,
    device_name: [u8; 64],
    volume_name: [u8; 64],
}

/// `struct xfs_fsop_geom_v1`.
#[repr(C)]
#[derive(Default)]
struct XfsGeometry {
    block_size: u32,
    extent_size: u32,
    group_blocks: u32,
    groups: u32,
    log_blocks: u32,
    sector_size: u32,
    inode_size: u32,
    inode_percent: u32,
    data_blocks: u64,
    realtime: [u64; 2],
    log_start: u64,
    uuid: [u8; 16],
    stripe: [u32; 2],
    version: i32,
    flags: u32,
    log_sector_size: u32,
    realtime_sector_size: u32,
    directory_block_size: u32,
}

/// `struct xfs_growfs_data`.
#[repr(C)]
struct XfsGrowth {
    blocks: u64,
    inode_percent: u32,
}

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
struct BtrfsArguments {
    fd: i64,
    name: [u8; 4088],
}

/// A filesystem that grows while it is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrowingFilesystem {
    /// ext2, ext3 and ext4.
    Ext,
    /// XFS.
    Xfs,
    /// btrfs, its first device.
    Btrfs,
}

/// Tells the kernel that a partition of the opened disk is so long now, in bytes; it may be mounted.
///
/// # Errors
///
/// As the `BLKPG` request of `ioctl(2)`.
pub fn resize_partition(disk: &File, number: u32, start: u64, length: u64) -> io::Result<()> {
    let mut partition = BlkpgPartition {
        start: start.try_into().map_err(io::Error::other)?,
        length: length.try_into().map_err(io::Error::other)?,
        number: number.try_into().map_err(io::Error::other)?,
        device_name: [0; 64],
        volume_name: [0; 64],
    };
    let mut argument = BlkpgArgument {
        operation: BLKPG_RESIZE_PARTITION,
        flags: 0,
        // 152, the size of the structure above.
        length: size_of::<BlkpgPartition>() as libc::c_int,
        data: &raw mut partition,
    };
    // SAFETY: both structures are those of the kernel's header, and live through the call.
    Errno::result(unsafe { libc::ioctl(disk.as_raw_fd(), BLKPG as _, &raw mut argument) })?;
    Ok(())
}

/// Makes the filesystem that is mounted at an opened folder as large as its device, which has `bytes`.
///
/// # Errors
///
/// As the filesystem's own request of `ioctl(2)`.
pub fn grow(kind: GrowingFilesystem, folder: &File, bytes: u64) -> io::Result<()> {
    match kind {
        GrowingFilesystem::Ext => grow_ext(folder, bytes),
        GrowingFilesystem::Xfs => grow_xfs(folder, bytes),
        GrowingFilesystem::Btrfs => grow_btrfs(folder),
    }
}

fn grow_ext(folder: &File, bytes: u64) -> io::Result<()> {
    let block = nix::sys::statfs::fstatfs(folder)?.block_size();
    let mut blocks = bytes / u64::try_from(block).map_err(io::Error::other)?.max(1);
    // SAFETY: the request reads one number of 64 bits, which lives through the call.
    Errno::result(unsafe { libc::ioctl(folder.as_raw_fd(), EXT4_IOC_RESIZE_FS as _, &raw mut blocks) })?;
    Ok(())
}

fn grow_xfs(folder: &File, bytes: u64) -> io::Result<()> {
    let mut geometry = XfsGeometry::default();
    // SAFETY: the request writes one structure of the kernel's header, which this one has the shape of.
    Errno::result(unsafe { libc::ioctl(folder.as_raw_fd(), XFS_IOC_FSGEOMETRY_V1 as _, &raw mut geometry) })?;
    let blocks = bytes / u64::from(geometry.block_size.max(1));
    if blocks <= geometry.data_blocks {
        return Ok(());
    }
    let mut growth = XfsGrowth { blocks, inode_percent: geometry.inode_percent };
    // SAFETY: the request reads one structure of the kernel's header, which lives through the call.
    Errno::result(unsafe { libc::ioctl(folder.as_raw_fd(), XFS_IOC_FSGROWFSDATA as _, &raw mut growth) })?;
    Ok(())
}

fn grow_btrfs(folder: &File) -> io::Result<()> {
    let mut arguments = BtrfsArguments { fd: 0, name: [0; 4088] };
    arguments.name[..3].copy_from_slice(b"max");
    // SAFETY: the request reads one structure of the kernel's header, which lives through the call.
    Errno::result(unsafe { libc::ioctl(folder.as_raw_fd(), BTRFS_IOC_RESIZE as _, &raw mut arguments) })?;
    Ok(())
}

/// Asks btrfs to write an empty file in place, as a swap file has to be; other filesystems do so anyway.
pub fn write_in_place(file: &File) {
    /// `FS_IOC_SETFLAGS` and `FS_NOCOW_FL` of `linux/fs.h`.
    const FS_IOC_SETFLAGS: libc::c_ulong = 0x4008_6602;
    let mut flags: libc::c_long = 0x0080_0000;
    // SAFETY: the request reads one number, which lives through the call. A filesystem that does not know it refuses.
    let _ = unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_SETFLAGS as _, &raw mut flags) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_in_the_requests() {
        let size = |request: libc::c_ulong| (request >> 16 & 0x3fff) as usize;
        assert_eq!(size_of::<XfsGeometry>(), size(XFS_IOC_FSGEOMETRY_V1));
        assert_eq!(size_of::<XfsGrowth>(), size(XFS_IOC_FSGROWFSDATA));
        assert_eq!(size_of::<BtrfsArguments>(), size(BTRFS_IOC_RESIZE));
        assert_eq!(size_of::<BlkpgPartition>(), 152);
    }

    #[test]
    fn what_cannot_grow_says_so() {
        let file = File::open("/proc/self").expect("a folder");
        for kind in [GrowingFilesystem::Ext, GrowingFilesystem::Xfs, GrowingFilesystem::Btrfs] {
            grow(kind, &file, 1 << 20).expect_err("proc does not grow");
        }
        resize_partition(&file, 1, 0, 512).expect_err("proc has no partitions");
    }

    /// A sparse file that is removed with it.
    struct Sparse(std::path::PathBuf);

    impl Sparse {
        fn new(name: &str, bytes: u64) -> Self {
            let path = std::env::temp_dir().join(format!("host-growth-{name}-{}", std::process::id()));
            File::create(&path).expect("a file").set_len(bytes).expect("a length");
            Self(path)
        }
    }

    impl Drop for Sparse {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    fn run(program: &str, arguments: &[&str], path: &std::path::Path) -> Option<String> {
        let output = std::process::Command::new(program).args(arguments).arg(path).output().ok()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {stderr}");
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Bytes of the filesystem, before and after it grew to those of its device; none where it cannot be tried. It is
    /// made when the file has the first size, and the device has the second.
    fn grown_from(
        kind: GrowingFilesystem,
        name: &str,
        mkfs: &[&str],
        (small, bytes): (u64, u64),
    ) -> Option<(u64, u64)> {
        let disk = Sparse::new(name, small);
        run(&format!("mkfs.{name}"), mkfs, &disk.0)?;
        let backing = File::options().read(true).write(true).open(&disk.0).expect("opened");
        backing.set_len(bytes).expect("a length");
        let device = crate::loop_device::LoopDevice::attach(&backing, 0, bytes, false).ok()?;
        let folder = disk.0.with_extension("mount");
        std::fs::create_dir_all(&folder).expect("a folder");
        let what = crate::mount::Device { device: device.path(), kind: name, read_only: false, options: "" };
        let mount = crate::mount::device(what, &folder).ok()?;
        let opened = File::open(&folder).expect("opened");
        let size = || {
            let found = nix::sys::statfs::fstatfs(&opened).expect("statfs");
            found.blocks() * u64::try_from(found.block_size()).expect("a size")
        };
        let before = size();
        let result = grow(kind, &opened, bytes);
        let after = size();
        let again = grow(kind, &opened, bytes);
        drop(opened);
        mount.close().expect("unmounted");
        std::fs::remove_dir(&folder).expect("removed");
        // ext4 asks for CAP_SYS_RESOURCE, which root of a container may lack.
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
            return None;
        }
        result.and(again).expect("growing, and growing what has grown");
        Some((before, after))
    }

    #[test]
    fn privileged_filesystems_grow_while_they_are_mounted() {
        const MIB: u64 = 1 << 20;
        for (kind, name, mkfs, bytes) in [
            (GrowingFilesystem::Ext, "ext4", &["-q", "-b", "1024"][..], 64 * MIB),
            (GrowingFilesystem::Xfs, "xfs", &["-q"][..], 480 * MIB),
            (GrowingFilesystem::Btrfs, "btrfs", &["-q"][..], 256 * MIB),
        ] {
            let small = bytes * 2 / 3;
            let Some((before, after)) = grown_from(kind, name, mkfs, (small, bytes)) else {
                println!("skipped: {name} cannot be made or mounted here");
                continue;
            };
            assert!(after > before + bytes / 8, "{name}: {before} → {after}");
        }
    }

    #[test]
    fn privileged_partitions_grow_while_their_disk_is_open() {
        let disk = Sparse::new("partition", 8 << 20);
        let attached = std::process::Command::new("losetup")
            .args(["--find", "--show", "--partscan"])
            .arg(&disk.0)
            .output();
        let Some(output) = attached.ok().filter(|output| output.status.success()) else {
            return println!("skipped: no loop device with partitions");
        };
        let device = std::path::PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let name = device.file_name().expect("a name").to_string_lossy().into_owned();
        let size = || std::fs::read_to_string(format!("/sys/class/block/{name}p1/size")).unwrap_or_default();
        let added = std::process::Command::new("addpart").arg(&device).args(["1", "2048", "2048"]).status();
        let before = size();
        let result = File::open(&device).and_then(|opened| resize_partition(&opened, 1, 1 << 20, 6 << 20));
        let after = size();
        run("losetup", &["--detach"], &device).expect("detached");
        if !added.is_ok_and(|status| status.success()) {
            return println!("skipped: loop devices have no partitions here");
        }
        result.expect("resizing");
        assert_eq!((before.trim(), after.trim()), ("2048", "12288"));
    }
}
