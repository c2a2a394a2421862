//! What is done inside the new namespaces before the program starts, as data.
//!
//! Steps are made by the worker, where memory may be allocated and errors are easy, and applied by the new process,
//! where neither is so: [`Step::apply`] works on what is already there and answers with a bare error number, which
//! the worker turns into words with [`Step::describe`].
//!
//! Every path inside the tree is resolved as the tree's own programs would see it, so that a link such as
//! `sbin -> usr/sbin` works and none leads out.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::Mode;

use crate::sys;

#[derive(Debug)]
pub(super) enum Step {
    /// Cuts the new mount namespace off from the one it was copied from.
    PrivateMounts,
    Hostname(&'static str),
    Loopback,
    /// Forgets the caller's supplementary groups.
    Groups,
    /// A process table, with `sys` below it read-only.
    Proc,
    /// An empty tmpfs on `dev`.
    Dev,
    /// A folder in `dev`.
    DevDirectory {
        name: &'static CStr,
        mode: Mode,
    },
    /// A device of the host in `dev`.
    DevNode {
        name: &'static CStr,
        host: &'static CStr,
    },
    DevLink {
        name: &'static CStr,
        to: &'static CStr,
    },
    /// A terminal multiplexer of its own on `dev/pts`.
    DevPts,
    /// A script over a file of the tree.
    Mask {
        at: CString,
        script: Vec<u8>,
    },
    /// A file or folder of the host over one of the tree.
    Bind {
        from: CString,
        at: CString,
        read_only: bool,
    },
}

const SCRIPT: &CStr = c".script";

impl Step {
    pub(super) fn describe(&self) -> String {
        let text = |path: &CStr| path.to_string_lossy().into_owned();
        match self {
            Self::PrivateMounts => "making mounts private".into(),
            Self::Hostname(name) => format!("setting the host name '{name}'"),
            Self::Loopback => "bringing the loopback interface up".into(),
            Self::Groups => "dropping supplementary groups".into(),
            Self::Proc => "mounting '/proc'".into(),
            Self::Dev => "mounting '/dev'".into(),
            Self::DevDirectory { name, .. } => format!("creating '/dev/{}'", text(name)),
            Self::DevNode { name, .. } => format!("binding the host's '/dev/{}'", text(name)),
            Self::DevLink { name, .. } => format!("linking '/dev/{}'", text(name)),
            Self::DevPts => "mounting '/dev/pts'".into(),
            Self::Mask { at, .. } => format!("masking '/{}'", text(at)),
            Self::Bind { from, at, .. } => format!("binding '{}' on '/{}'", text(from), text(at)),
        }
    }

    /// Async-signal-safe.
    pub(super) fn apply(&self, root: BorrowedFd<'_>) -> Result<(), Errno> {
        match self {
            Self::PrivateMounts => make_private(),
            Self::Hostname(name) => nix::unistd::sethostname(name),
            Self::Loopback => loopback_up(),
            Self::Groups => drop_groups(),
            Self::Proc => mount_proc(root),
            Self::Dev => {
                let options = [(c"mode", c"0755"), (c"size", c"64M")];
                sys::attach(sys::new_filesystem(c"tmpfs", &options)?, below(root, c"dev")?)
            }
            Self::DevDirectory { name, mode } => {
                let dev = below(root, c"dev")?;
                nix::sys::stat::mkdirat(&dev, *name, *mode)
            }
            Self::DevNode { name, host } => {
                let dev = below(root, c"dev")?;
                let node = create(dev.as_fd(), name, Mode::from_bits_truncate(0o644))?;
                sys::attach(sys::clone_mount(None, host)?, node)
            }
            Self::DevLink { name, to } => nix::unistd::symlinkat(*to, below(root, c"dev")?, *name),
            Self::DevPts => {
                let options = [(c"mode", c"0620"), (c"ptmxmode", c"0666"), (c"gid", c"5")];
                sys::attach(sys::new_filesystem(c"devpts", &options)?, below(root, c"dev/pts")?)
            }
            Self::Mask { at, script } => mask(root, at, script),
            Self::Bind { from, at, read_only } => {
                let mount = sys::clone_mount(None, from)?;
                if *read_only {
                    sys::make_read_only(mount.as_fd())?;
                }
                sys::attach(mount, below(root, at)?)
            }
        }
    }
}

fn below(root: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd, Errno> {
    sys::open_in_root(root, path, libc::O_PATH)
}

fn create(directory: BorrowedFd<'_>, name: &CStr, mode: Mode) -> Result<OwnedFd, Errno> {
    use nix::fcntl::OFlag;
    nix::fcntl::openat(
        directory,
        name,
        OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC,
        mode,
    )
}

fn make_private() -> Result<(), Errno> {
    use nix::mount::{MsFlags, mount};
    mount(None::<&CStr>, c"/", None::<&CStr>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&CStr>)
}

/// A user namespace whose group map was written without privilege does not allow this, and needs it not.
fn drop_groups() -> Result<(), Errno> {
    // SAFETY: no group is read from the null pointer, as the count is zero. The raw call, because the C library's
    // wrapper would signal threads that do not exist in this process.
    match Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) }) {
        Ok(_) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// In a container whose own `/proc` is partly hidden the kernel allows no new instance in a user namespace; the
/// container's serves as well, with other process numbers.
fn mount_proc(root: BorrowedFd<'_>) -> Result<(), Errno> {
    match sys::new_filesystem(c"proc", &[]) {
        Ok(proc) => sys::attach(proc, below(root, c"proc")?)?,
        Err(Errno::EPERM) => return sys::attach(sys::clone_mount(None, c"/proc")?, below(root, c"proc")?),
        Err(errno) => return Err(errno),
    }
    // Kernel settings are the host's: a package that writes them must not change the machine that builds.
    for path in [c"proc/sys", c"proc/sysrq-trigger"] {
        let target = match below(root, path) {
            Err(Errno::ENOENT) => continue,
            other => other?,
        };
        let copy = sys::clone_mount(Some(target.as_fd()), c"")?;
        sys::make_read_only(copy.as_fd())?;
        sys::attach(copy, target)?;
    }
    Ok(())
}

/// Writes the script to a nameless file of the private `/dev` and binds it over the path.
fn mask(root: BorrowedFd<'_>, at: &CStr, script: &[u8]) -> Result<(), Errno> {
    let target = below(root, at)?;
    let dev = below(root, c"dev")?;
    let file = create(dev.as_fd(), SCRIPT, Mode::from_bits_truncate(0o755))?;
    let mut rest = script;
    while !rest.is_empty() {
        let written = nix::unistd::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    drop(file); // a file open for writing cannot be executed
    let mount = sys::clone_mount(Some(dev.as_fd()), SCRIPT)?;
    sys::attach(mount, target)?;
    nix::unistd::unlinkat(&dev, SCRIPT, nix::unistd::UnlinkatFlags::NoRemoveDir)
}

fn loopback_up() -> Result<(), Errno> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain bytes and numbers, for which all zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request lives through the call and is of the type that this ioctl reads.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) })
        .map(drop)
}

/// The steps that every run starts with.
pub(super) fn standard(network: bool) -> Vec<Step> {
    let mut steps = vec![Step::PrivateMounts, Step::Hostname("localhost"), Step::Groups];
    if !network {
        steps.push(Step::Loopback);
    }
    steps.extend([Step::Proc, Step::Dev]);
    for (name, host) in [
        (c"null", c"/dev/null"),
        (c"zero", c"/dev/zero"),
        (c"full", c"/dev/full"),
        (c"random", c"/dev/random"),
        (c"urandom", c"/dev/urandom"),
        (c"tty", c"/dev/tty"),
    ] {
        steps.push(Step::DevNode { name, host });
    }
    steps.push(Step::DevDirectory { name: c"pts", mode: Mode::from_bits_truncate(0o755) });
    steps.push(Step::DevDirectory { name: c"shm", mode: Mode::from_bits_truncate(0o1777) });
    steps.push(Step::DevPts);
    for (name, to) in [
        (c"ptmx", c"pts/ptmx"),
        (c"fd", c"/proc/self/fd"),
        (c"stdin", c"fd/0"),
        (c"stdout", c"fd/1"),
        (c"stderr", c"fd/2"),
    ] {
        steps.push(Step::DevLink { name, to });
    }
    steps
}
