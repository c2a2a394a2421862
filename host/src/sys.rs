//! System calls that neither std nor nix wraps.
//!
//! Every function here allocates nothing and takes no lock, so that it may run between `clone` and `execve` in a
//! process whose other threads are gone.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH: libc::c_uint = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: libc::c_uint = 0x40;
const MOUNT_ATTR_RDONLY: u64 = 1;

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

fn owned(result: libc::c_long) -> Result<OwnedFd, Errno> {
    let fd = Errno::result(result)? as RawFd;
    // SAFETY: the system call has just returned this descriptor, and nothing else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Opens `path` below `root` as that root's own programs would see it: links never lead outside.
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: `open_how` is plain numbers, for which all zeroes are valid.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (flags | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: the path ends in NUL, and `how` lives through the call and has the size that is passed.
    owned(unsafe {
        libc::syscall(libc::SYS_openat2, root.as_raw_fd(), path.as_ptr(), &raw const how, size_of_val(&how))
    })
}

/// Tells whether the kernel has this kind of filesystem; it looks for a module if it has not.
pub(crate) fn knows_filesystem(kind: &CStr) -> bool {
    // SAFETY: `kind` ends in NUL.
    owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) }).is_ok()
}

/// A new instance of a filesystem, mounted nowhere yet.
pub(crate) fn new_filesystem(kind: &CStr, options: &[(&CStr, &CStr)]) -> Result<OwnedFd, Errno> {
    // SAFETY: `kind` ends in NUL.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    let fd = context.as_raw_fd();
    for (key, value) in options {
        // SAFETY: both strings end in NUL; the kernel copies them.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr(), 0)
        })?;
    }
    let none = std::ptr::null::<libc::c_char>();
    // SAFETY: this command takes neither key nor value.
    Errno::result(unsafe { libc::syscall(libc::SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, none, none, 0) })?;
    // SAFETY: only numbers are passed.
    owned(unsafe { libc::syscall(libc::SYS_fsmount, fd, FSMOUNT_CLOEXEC, 0) })
}

/// A copy of the mount of `path`, with the mounts below it, attached nowhere yet. An empty path is `directory`.
pub(crate) fn clone_mount(directory: Option<BorrowedFd<'_>>, path: &CStr) -> Result<OwnedFd, Errno> {
    let at = directory.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd());
    let empty = if path.is_empty() { libc::AT_EMPTY_PATH as libc::c_uint } else { 0 };
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | empty;
    // SAFETY: the path ends in NUL; the rest is numbers.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, at, path.as_ptr(), flags) })
}

/// Makes a detached mount, and all mounts below it, read-only.
pub(crate) fn make_read_only(mount: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = MountAttr { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH as libc::c_uint | AT_RECURSIVE;
    // SAFETY: the structure lives through the call and has the size that is passed.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount over an opened file or folder.
pub(crate) fn attach(mount: impl AsFd, target: impl AsFd) -> Result<(), Errno> {
    // SAFETY: both paths are empty strings; the rest is numbers.
    Errno::result(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            target.as_fd().as_raw_fd(),
            c"".as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
        )
    })
    .map(drop)
}

/// Creates a process as `fork` does, with namespaces of its own. Returns `None` in the child.
///
/// # Safety
/// The child must not allocate, take locks or unwind: other threads of this process may have held any lock.
pub(crate) unsafe fn clone_process(namespaces: libc::c_int) -> Result<Option<libc::pid_t>, Errno> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child works on a copy of this stack; the caller keeps to the rest.
    let pid = Errno::result(unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) })?;
    Ok((pid != 0).then_some(pid as libc::pid_t))
}

/// Creates a process that uses this one's memory until it executes a program or ends; this one is held up until then.
///
/// Unlike a plain fork it copies no page tables, which in a large process takes longer than all else.
///
/// # Safety
/// `run` must leave alone what this process relies on afterwards, and not unwind; `argument` must be what it expects.
pub(crate) unsafe fn clone_until_execution(
    run: extern "C" fn(*mut libc::c_void) -> libc::c_int,
    argument: *mut libc::c_void,
) -> Result<libc::pid_t, Errno> {
    const STACK: usize = 64 * 1024;
    let (protection, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK);
    // SAFETY: asks for new memory, which nothing else uses.
    let stack = unsafe { libc::mmap(std::ptr::null_mut(), STACK, protection, kind, -1, 0) };
    if stack == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: stacks grow down from the end of the new memory; the caller answers for `run` and `argument`.
    let result = unsafe { libc::clone(run, stack.byte_add(STACK), flags, argument) };
    let pid = Errno::result(result);
    // SAFETY: the new process has left this memory: CLONE_VFORK has held this one up until then.
    unsafe { libc::munmap(stack, STACK) };
    pid
}

/// Closes the descriptors `first..=last`; closing what is not open is no error.
pub(crate) fn close_range(first: u32, last: u32) {
    if first <= last {
        // SAFETY: only called in a child that owns none of these descriptors through a Rust value it still uses.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Asks for SIGKILL when the parent *thread* ends.
pub(crate) fn die_with_parent() {
    // SAFETY: only numbers are passed.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Ends the process at once: no destructors, no `atexit`.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: has no precondition.
    unsafe { libc::_exit(code) }
}
