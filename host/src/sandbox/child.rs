//! The two processes of a sandboxed run: PID 1 of the new namespace, and the program.
//!
//! PID 1 stays outside the tree: it applies the steps, starts the program, reaps what the program leaves behind and
//! reports the program's status. When the program ends, or the worker does, PID 1 ends, and with it the kernel ends
//! every process of the namespace. Because its root differs from the program's, Debian's `ischroot` answers yes.
//!
//! All code here runs after `clone` in a copy of a process that may have had threads: it allocates nothing, takes no
//! lock and never unwinds.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc::{self, c_char};
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, chdir, chroot, fchdir, setsid};

use super::step::Step;
use crate::seccomp::Filter;
use crate::{descendants, sys};

/// Everything that the new processes need, made before they exist.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) root: CString,
    pub(super) steps: Vec<Step>,
    /// Where the program may be, in the order of the search path.
    pub(super) candidates: Vec<CString>,
    pub(super) arguments: PointerTable,
    pub(super) environment: PointerTable,
    pub(super) working_directory: CString,
    /// Descriptors of the program: ours, and the number that the program sees. Ours are above all those numbers.
    pub(super) descriptors: Vec<(RawFd, RawFd)>,
    /// Descriptors that PID 1 keeps open, ascending.
    pub(super) keep: Vec<RawFd>,
    pub(super) report: RawFd,
    pub(super) lifeline: RawFd,
    pub(super) filter: Option<Filter>,
    /// Whether the kernel ends everything with PID 1; else PID 1 does.
    pub(super) namespaces: bool,
    /// The program gets the terminal's foreground, rather than a session without terminal.
    pub(super) terminal: bool,
}

/// A null-terminated table of C strings, as `execve` takes it.
#[derive(Debug)]
pub(super) struct PointerTable {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl PointerTable {
    pub(super) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// A message from the new processes to the worker.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Report {
    pub(super) kind: ReportKind,
    pub(super) index: u32,
    pub(super) value: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct ReportKind(pub(super) u32);

impl ReportKind {
    pub(super) const STEP: Self = Self(1);
    pub(super) const ROOT: Self = Self(2);
    pub(super) const FORK: Self = Self(3);
    pub(super) const ENTER: Self = Self(4);
    pub(super) const EXECUTE: Self = Self(5);
    pub(super) const ENDED: Self = Self(6);
}

impl Report {
    pub(super) const SIZE: usize = size_of::<Self>();

    fn send(self, to: RawFd) {
        // SAFETY: the structure is three 32-bit numbers without padding; a pipe takes so few bytes as one piece.
        unsafe { libc::write(to, (&raw const self).cast(), Self::SIZE) };
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        Some(Self { kind: ReportKind(number(0)?), index: number(4)?, value: number(8)? as i32 })
    }
}

/// PID 1. All signals are blocked when it starts.
pub(super) fn init(prepared: &Prepared) -> ! {
    close_all_but(&prepared.keep);
    if !prepared.namespaces {
        descendants::adopt_orphans();
    }
    match start(prepared) {
        Ok(program) => {
            supervise(prepared, program);
            if !prepared.namespaces {
                descendants::end_all_signal_safe(program);
            }
        }
        Err(report) => report.send(prepared.report),
    }
    sys::exit_now(0)
}

fn start(prepared: &Prepared) -> Result<libc::pid_t, Report> {
    // SAFETY: sets a name of at most 15 bytes, for people who look at the process table.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"bootwright-init".as_ptr()) };
    umask(Mode::empty());
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(prepared.root.as_c_str(), flags, Mode::empty())
        .map_err(|errno| report(ReportKind::ROOT, 0, errno))?;
    for (index, step) in prepared.steps.iter().enumerate() {
        step.apply(root.as_fd()).map_err(|errno| report(ReportKind::STEP, index, errno))?;
    }
    let mut program = Program { prepared, root: root.as_fd() };
    // SAFETY: `become_program` writes to its own stack and to descriptors and signal actions that are its own; it gets
    // the type that it expects, which lives until it is done.
    unsafe { sys::clone_until_execution(become_program, (&raw mut program).cast()) }
        .map_err(|errno| report(ReportKind::FORK, 0, errno))
}

/// What the second process works on, in the memory of PID 1.
struct Program<'p> {
    prepared: &'p Prepared,
    root: BorrowedFd<'p>,
}

extern "C" fn become_program(program: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `start` passes a `Program`, and waits.
    let program = unsafe { &*program.cast::<Program<'_>>() };
    execute(program.prepared, program.root).send(program.prepared.report);
    127
}

fn report(kind: ReportKind, index: usize, errno: Errno) -> Report {
    Report { kind, index: index as u32, value: errno as i32 }
}

/// Waits for the program, reaping whatever else ends, and for the end of the worker.
fn supervise(prepared: &Prepared, program: libc::pid_t) {
    let Ok(children) = SignalFd::with_flags(&SigSet::all(), SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
    else {
        return;
    };
    // Copies of the program's pipes would keep their other ends from seeing the end.
    let (report, lifeline, signals) = (prepared.report, prepared.lifeline, children.as_raw_fd());
    let mut keep = [report, lifeline, signals];
    keep.sort_unstable();
    close_all_but(&keep);
    loop {
        let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [poll(signals), poll(lifeline)];
        // SAFETY: the array lives through the call and has two entries.
        unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) };
        let [_, worker] = fds;
        if worker.revents != 0 {
            return;
        }
        while let Ok(Some(_)) = children.read_signal() {}
        if let Some(status) = reap(program) {
            return Report { kind: ReportKind::ENDED, index: 0, value: status }.send(report);
        }
    }
}

/// Reaps all that has ended; the wait status of `program` when it is among them.
fn reap(program: libc::pid_t) -> Option<i32> {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives through the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid == program {
            return Some(status);
        }
        if pid <= 0 {
            return None;
        }
    }
}

/// Becomes the program; returns only with the reason why it could not.
fn execute(prepared: &Prepared, root: BorrowedFd<'_>) -> Report {
    if let Err((stage, errno)) = enter(prepared, root) {
        return report(ReportKind::ENTER, stage, errno);
    }
    let mut errno = Errno::ENOENT;
    for candidate in &prepared.candidates {
        let (arguments, environment) = (prepared.arguments.as_ptr(), prepared.environment.as_ptr());
        // SAFETY: the path ends in NUL; both tables are null-terminated arrays of C strings that live in `prepared`.
        unsafe { libc::execve(candidate.as_ptr(), arguments, environment) };
        match Errno::last() {
            Errno::ENOENT | Errno::ENOTDIR => {}
            other => errno = other,
        }
    }
    report(ReportKind::EXECUTE, 0, errno)
}

/// What [`enter`] does, in its order; a failure names its place in this list.
pub(super) const STAGES: [&str; 6] = [
    "entering the tree (root needs CAP_SYS_CHROOT)",
    "entering the working directory",
    "limiting capabilities",
    "handing over descriptors",
    "suppressing sync calls",
    "taking the terminal",
];

fn enter(prepared: &Prepared, root: BorrowedFd<'_>) -> Result<(), (usize, Errno)> {
    fchdir(root).and_then(|()| chroot(c".")).map_err(|errno| (0, errno))?;
    chdir(prepared.working_directory.as_c_str()).map_err(|errno| (1, errno))?;
    if !prepared.namespaces {
        sys::die_with_parent();
    }
    limit_capabilities(prepared.namespaces).map_err(|errno| (2, errno))?;
    for &(ours, number) in &prepared.descriptors {
        // SAFETY: only numbers are passed; nothing in this process owns `number`.
        Errno::result(unsafe { libc::dup2(ours, number) }).map_err(|errno| (3, errno))?;
    }
    if let Some(filter) = &prepared.filter {
        match filter.install() {
            // A container's root may not, and syncs in earnest.
            Err(Errno::EACCES | Errno::EPERM) if !prepared.namespaces => {}
            other => other.map_err(|errno| (4, errno))?,
        }
    }
    if prepared.terminal {
        take_terminal().map_err(|errno| (5, errno))?;
    } else {
        // Fails only for a leader of a process group, which a new process is not.
        let _ = setsid();
    }
    umask(Mode::from_bits_truncate(0o022));
    reset_signals();
    Ok(())
}

/// Takes away what a package script must not do to the machine that builds, and what a user namespace would not allow
/// either: the tree comes out the same at every isolation level.
/// A container's root may lack the right to limit them, and then mostly lacks these too.
fn limit_capabilities(is_certain: bool) -> Result<(), Errno> {
    const MODULES: i32 = 16;
    const RAW_IO: i32 = 17;
    const REBOOT: i32 = 22;
    const TIME: i32 = 25;
    const MAKE_NODE: i32 = 27;
    const SYSTEM_LOG: i32 = 34;
    for capability in [MODULES, RAW_IO, REBOOT, TIME, MAKE_NODE, SYSTEM_LOG] {
        // SAFETY: only numbers are passed.
        let dropped = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        match Errno::result(dropped) {
            Err(Errno::EPERM) if !is_certain => {}
            other => drop(other?),
        }
    }
    Ok(())
}

fn take_terminal() -> Result<(), Errno> {
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    // SAFETY: only numbers are passed. SIGTTOU, which this would raise in the background, is blocked.
    if unsafe { libc::isatty(0) } == 1 {
        // SAFETY: as above.
        Errno::result(unsafe { libc::tcsetpgrp(0, libc::getpid()) })?;
    }
    Ok(())
}

/// Rust programs ignore SIGPIPE, and who started the worker may have ignored others; programs of the tree expect neither.
fn reset_signals() {
    /// The kernel's `sigaction`, which is no longer than this; all zeroes mean the default action.
    const DEFAULT: [u64; 4] = [0; 4];
    const SET_SIZE: usize = 8;
    for signal in 1..=64 {
        // SAFETY: the structure lives through the call. The raw call, because the C library refuses its own signals.
        // SIGKILL and SIGSTOP are refused by the kernel, and have no other action.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), std::ptr::null::<u64>(), SET_SIZE)
        };
    }
    // Cannot fail with a valid mask.
    let _ = SigSet::empty().thread_set_mask();
}

/// `keep` is ascending.
fn close_all_but(keep: &[RawFd]) {
    let mut first = 0_u32;
    for &fd in keep {
        let fd = fd as u32;
        if fd > first {
            sys::close_range(first, fd - 1);
        }
        first = fd + 1;
    }
    sys::close_range(first, u32::MAX);
}
