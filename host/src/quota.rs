//! Quotas of the filesystem that an opened folder is on, by `quotactl_fd(2)` (Linux 5.14): no device, no quota files.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;

/// From `linux/quota.h` and `linux/dqblk_xfs.h`.
const Q_QUOTAON: u32 = 0x80_0002;
const Q_GETQUOTA: u32 = 0x80_0007;
const Q_SETQUOTA: u32 = 0x80_0008;
const Q_GETNEXTQUOTA: u32 = 0x80_0009;
const Q_XGETQSTATV: u32 = 0x5808;
const QFMT_VFS_V1: u32 = 4;
/// `QIF_BLIMITS | QIF_ILIMITS`.
const LIMITS: u32 = 1 | 4;
/// Limits on space are in units of this many bytes.
const UNIT: u64 = 1024;
/// `_IOR('X', 31, struct fsxattr)` and `_IOW('X', 32, struct fsxattr)` of `linux/fs.h`.
const FS_IOC_FSGETXATTR: libc::c_ulong = 0x801c_581f;
const FS_IOC_FSSETXATTR: libc::c_ulong = 0x401c_5820;
const FS_XFLAG_PROJINHERIT: u32 = 0x200;

/// Whom limits are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
    /// A project: the files below folders that are given to it.
    Project,
}

/// Whether use is counted, and limits hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// Use is counted.
    pub counts: bool,
    /// Limits hold.
    pub enforces: bool,
}

/// A limit that may be passed for a while, and one that may not; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// May be passed for a while.
    pub soft: u64,
    /// May not be passed.
    pub hard: u64,
}

impl Limit {
    /// Tells whether the kernel's limit is this one, which it keeps in units of 1 KiB.
    pub fn is_about(self, kept: Self) -> bool {
        let near = |wanted: u64, kept: u64| kept >= wanted && kept - wanted < UNIT;
        near(self.soft, kept.soft) && near(self.hard, kept.hard)
    }
}

/// What one user, group or project uses and may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// The number of the user, group or project.
    pub id: u32,
    /// Bytes that are used.
    pub bytes: u64,
    /// Their limit.
    pub byte_limit: Limit,
    /// Files, folders and links.
    pub inodes: u64,
    /// Their limit.
    pub inode_limit: Limit,
}

/// `struct if_nextdqblk`, of which `struct if_dqblk` is the front.
#[repr(C)]
#[derive(Default)]
struct Block {
    byte_hard: u64,
    byte_soft: u64,
    bytes: u64,
    inode_hard: u64,
    inode_soft: u64,
    inodes: u64,
    byte_time: u64,
    inode_time: u64,
    valid: u32,
    id: u32,
}

/// `struct fs_quota_statv`.
#[repr(C)]
struct Status {
    version: i8,
    padding: u8,
    flags: u16,
    rest: [u32; 39],
}

/// `struct fsxattr`.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    copy_size: u32,
    padding: [u8; 8],
}

fn call<T>(folder: &File, command: u32, kind: Kind, id: u32, data: *mut T) -> io::Result<()> {
    let command = command << 8 | kind as u32;
    // SAFETY: each caller passes the structure that its command reads or writes, or null where there is none.
    Errno::result(unsafe { libc::syscall(libc::SYS_quotactl_fd, folder.as_raw_fd(), command, id, data) })?;
    Ok(())
}

/// Tells whether use is counted and limits hold; neither where the filesystem has no quotas.
///
/// # Errors
///
/// As `quotactl(2)`, but for a filesystem that has none.
pub fn state(folder: &File, kind: Kind) -> io::Result<State> {
    let mut status = Status { version: 1, padding: 0, flags: 0, rest: [0; 39] };
    match call(folder, Q_XGETQSTATV, kind, 0, &raw mut status) {
        Ok(()) => {}
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::ESRCH | libc::EOPNOTSUPP)) => {
            return Ok(State::default());
        }
        Err(error) => return Err(error),
    }
    let bits = status.flags >> (2 * kind as u32);
    Ok(State { counts: bits & 1 != 0, enforces: bits & 2 != 0 })
}

/// Makes limits hold where use is counted already.
///
/// # Errors
///
/// As `quotactl(2)`.
pub fn enforce(folder: &File, kind: Kind) -> io::Result<()> {
    match call(folder, Q_QUOTAON, kind, QFMT_VFS_V1, std::ptr::null_mut::<u8>()) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        other => other,
    }
}

/// Reads what `id` uses and may use. XFS knows nothing of who has neither used anything nor got a limit yet.
///
/// # Errors
///
/// As `quotactl(2)`.
pub fn usage(folder: &File, kind: Kind, id: u32) -> io::Result<Usage> {
    let mut block = Block::default();
    match call(folder, Q_GETQUOTA, kind, id, &raw mut block) {
        Ok(()) => Ok(Usage { id, ..block.into() }),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Usage { id, ..Usage::default() }),
        Err(error) => Err(error),
    }
}

/// Reads the first number from `id` on that uses something or has a limit; none if there is none.
///
/// # Errors
///
/// As `quotactl(2)`.
pub fn next(folder: &File, kind: Kind, id: u32) -> io::Result<Option<Usage>> {
    let mut block = Block::default();
    match call(folder, Q_GETNEXTQUOTA, kind, id, &raw mut block) {
        Ok(()) => Ok(Some(block.into())),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sets the limits of `id`; limits on space are rounded up to the kernel's unit of 1 KiB.
///
/// # Errors
///
/// As `quotactl(2)`.
pub fn set(folder: &File, kind: Kind, id: u32, bytes: Limit, inodes: Limit) -> io::Result<()> {
    let mut block = Block {
        byte_hard: bytes.hard.div_ceil(UNIT),
        byte_soft: bytes.soft.div_ceil(UNIT),
        inode_hard: inodes.hard,
        inode_soft: inodes.soft,
        valid: LIMITS,
        ..Block::default()
    };
    call(folder, Q_SETQUOTA, kind, id, &raw mut block)
}

/// Gives an opened file or folder to a project; what is made in a folder later belongs to the project as well.
///
/// # Errors
///
/// As the request of `ioctl(2)`; a filesystem without projects refuses.
pub fn give_to_project(file: &File, project: u32) -> io::Result<()> {
    let mut attributes = attributes(file)?;
    attributes.project = project;
    if file.metadata()?.is_dir() {
        attributes.flags |= FS_XFLAG_PROJINHERIT;
    }
    // SAFETY: the request reads one structure of the kernel's header, which lives through the call.
    Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSSETXATTR as _, &raw mut attributes) })?;
    Ok(())
}

/// Returns the project of an opened file or folder; 0 is none.
///
/// # Errors
///
/// As [`give_to_project`].
pub fn project_of(file: &File) -> io::Result<u32> {
    attributes(file).map(|attributes| attributes.project)
}

fn attributes(file: &File) -> io::Result<Attributes> {
    let mut attributes = Attributes::default();
    // SAFETY: the request writes one structure of the kernel's header, which this one has the shape of.
    Errno::result(unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FSGETXATTR as _, &raw mut attributes) })?;
    Ok(attributes)
}

impl From<Block> for Usage {
    fn from(block: Block) -> Self {
        let bytes = |units: u64| units.saturating_mul(UNIT);
        Self {
            id: block.id,
            bytes: block.bytes,
            byte_limit: Limit { soft: bytes(block.byte_soft), hard: bytes(block.byte_hard) },
            inodes: block.inodes,
            inode_limit: Limit { soft: block.inode_soft, hard: block.inode_hard },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernel_s_sizes() {
        assert_eq!((size_of::<Block>(), size_of::<Status>(), size_of::<Attributes>()), (72, 160, 28));
    }

    #[test]
    fn a_filesystem_without_quotas_says_so() {
        let folder = File::open("/proc/self").expect("a folder");
        for kind in [Kind::User, Kind::Group, Kind::Project] {
            assert_eq!(state(&folder, kind).expect("an answer"), State::default());
            assert!(set(&folder, kind, 1000, Limit::default(), Limit::default()).is_err());
        }
        give_to_project(&folder, 7).expect_err("proc has no projects");
        project_of(&folder).expect_err("proc has no projects");
    }
}
