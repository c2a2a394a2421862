//! From a [`Spec`] to a running [`Child`] and its status.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe2};

use super::child::{self, PointerTable, Prepared, Report, ReportKind, STAGES};
use super::mountpoint::{Kind, MountPoint, resolve};
use super::outside::{self, Noted};
use super::plain::{self, Content, Put};
use super::step::{Step, standard};
use super::{Absent, Spec};
use crate::seccomp::Filter;
use crate::{descendants, sys};

const NAMESPACES: libc::c_int =
    libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// How long to wait for what a killed supervisor left.
const PATIENCE: Duration = Duration::from_secs(5);

/// The PIDs 1 of all runs of this process.
static SUPERVISORS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn supervisors() -> MutexGuard<'static, BTreeSet<i32>> {
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tree is not there, or is no folder.
    #[error("opening the tree '{}': {source}", root.display())]
    Root {
        /// The tree.
        root: PathBuf,
        /// Why it cannot be entered.
        source: io::Error,
    },
    /// A place in the tree could not be made ready.
    #[error("preparing '{}' in the tree: {source}", path.display())]
    Prepare {
        /// The path inside the tree.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A path or an argument has a zero byte in it.
    #[error("'{0}' has a zero byte in it")]
    ZeroByte(String),
    /// The new process could not be made.
    #[error("starting a process with namespaces of its own: {0}")]
    Clone(io::Error),
    /// The new process could not be set up.
    #[error("{what}: {source}")]
    Setup {
        /// What was being done.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The program is not there or cannot be executed.
    #[error("executing '{}' in '{}': {source}", program.display(), root.display())]
    Execute {
        /// The program, as it was asked for.
        program: PathBuf,
        /// The tree.
        root: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The run needs what there is not without namespaces.
    #[error("'{0}' is only there with namespaces: use isolation level `root` or `user`")]
    NeedsNamespaces(&'static str),
    /// The run was killed from outside before it could report a status.
    #[error("the sandbox was killed")]
    Killed,
}

/// A running sandbox. Dropping it kills everything in it.
#[derive(Debug)]
pub struct Child {
    pid: Option<Pid>,
    report: fs::File,
    /// Closed, it tells PID 1 to end.
    lifeline: Option<OwnedFd>,
    namespaces: bool,
    steps: Vec<String>,
    root: PathBuf,
    program: PathBuf,
    // After the process is gone: field order is drop order, and `drop` has waited by then. What stands at a place goes
    // before the place.
    standing: Vec<Put>,
    _mountpoints: Vec<MountPoint>,
}

/// Starts a run. Errors of its set-up appear here or in [`Child::wait`].
///
/// # Errors
/// When the tree cannot be made ready or the kernel allows no new process.
pub fn spawn(spec: Spec) -> Result<Child, Error> {
    let root =
        fs::canonicalize(&spec.root).map_err(|source| Error::Root { root: spec.root.clone(), source })?;
    let Ready { steps, standing, mountpoints } =
        if spec.namespaces { steps_of(&spec, &root)? } else { without_namespaces(&spec, &root)? };
    let pipes = Pipes::new().map_err(Error::Clone)?;
    let floor = spec.descriptors.iter().map(|(_, number)| *number).max().unwrap_or(2).max(9) + 1;
    let raise = |fd: RawFd| raise(fd, floor).map_err(Error::Clone);
    let (report, lifeline) =
        (raise(pipes.report_write.as_raw_fd())?, raise(pipes.lifeline_read.as_raw_fd())?);
    let mut raised = Vec::with_capacity(spec.descriptors.len());
    for (fd, number) in &spec.descriptors {
        raised.push((raise(fd.as_raw_fd())?, *number));
    }
    let descriptors: Vec<_> = raised.iter().map(|(fd, number)| (fd.as_raw_fd(), *number)).collect();
    let mut keep: Vec<RawFd> = descriptors.iter().map(|(fd, _)| *fd).collect();
    keep.extend([report.as_raw_fd(), lifeline.as_raw_fd()]);
    keep.sort_unstable();
    let prepared = Prepared {
        root: c_string(root.as_os_str())?,
        steps,
        candidates: candidates(&spec)?,
        arguments: PointerTable::new(spec.arguments.iter().map(|a| c_string(a)).collect::<Result<_, _>>()?),
        environment: environment(&spec.environment)?,
        working_directory: c_string(spec.working_directory.as_os_str())?,
        descriptors,
        keep,
        report: report.as_raw_fd(),
        lifeline: lifeline.as_raw_fd(),
        filter: spec.suppress_sync.then(Filter::suppress_sync),
        namespaces: spec.namespaces,
        terminal: spec.terminal,
    };
    let pid = start(&prepared, spec.network).map_err(|errno| Error::Clone(errno.into()))?;
    supervisors().insert(pid.as_raw());
    Ok(Child {
        pid: Some(pid),
        report: fs::File::from(pipes.report_read),
        lifeline: Some(pipes.lifeline_write),
        namespaces: spec.namespaces,
        steps: prepared.steps.iter().map(Step::describe).collect(),
        program: spec.arguments.first().map(PathBuf::from).unwrap_or_default(),
        root,
        standing,
        _mountpoints: mountpoints,
    })
}

struct Pipes {
    report_read: OwnedFd,
    report_write: OwnedFd,
    lifeline_read: OwnedFd,
    lifeline_write: OwnedFd,
}

impl Pipes {
    fn new() -> io::Result<Self> {
        let (report_read, report_write) = pipe2(OFlag::O_CLOEXEC)?;
        let (lifeline_read, lifeline_write) = pipe2(OFlag::O_CLOEXEC)?;
        Ok(Self { report_read, report_write, lifeline_read, lifeline_write })
    }
}

/// A copy of a descriptor with a number of at least `floor`.
fn raise(fd: RawFd, floor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the caller holds the descriptor open.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let number = fcntl(borrowed, FcntlArg::F_DUPFD_CLOEXEC(floor))?;
    // SAFETY: the call has just made this descriptor.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

fn start(prepared: &Prepared, network: bool) -> Result<Pid, Errno> {
    let mut namespaces = if prepared.namespaces { NAMESPACES } else { 0 };
    if prepared.namespaces && !network {
        namespaces |= libc::CLONE_NEWNET;
    }
    // A signal handler of the worker must not run in the child.
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child goes straight to `init`, which keeps to the rules and never returns.
    let result = unsafe { sys::clone_process(namespaces) };
    if let Ok(None) = result {
        child::init(prepared);
    }
    before.thread_set_mask()?;
    match result? {
        Some(pid) => Ok(Pid::from_raw(pid)),
        None => Err(Errno::ECHILD), // not reached: `init` does not return
    }
}

/// What was made ready in the tree, and what is still to be done in the new namespaces.
struct Ready {
    steps: Vec<Step>,
    standing: Vec<Put>,
    mountpoints: Vec<MountPoint>,
}

/// Makes the folders that every Debian tree has; only a tree that is just being unpacked may lack them, and then they stay.
fn make_folders(root: &Path) -> Result<(), Error> {
    for folder in ["dev", "proc"] {
        match fs::create_dir(root.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::Prepare { path: folder.into(), source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts into the tree itself what would be mounted over it, as far as that is possible.
fn without_namespaces(spec: &Spec, root: &Path) -> Result<Ready, Error> {
    if spec.sysfs {
        return Err(Error::NeedsNamespaces("/sys"));
    }
    make_folders(root)?;
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Prepare { path, source }
    };
    let mut standing = vec![plain::put_devices(root).map_err(failed(Path::new("dev")))?];
    let mut mountpoints = Vec::new();
    let mut put = |path: &Path, content: Content<'_>, provide: bool| -> Result<(), Error> {
        let at = root.join(resolve(root, path).map_err(failed(path))?);
        if !provide && !at.exists() {
            return Ok(());
        }
        let folder = at.parent().and_then(|folder| folder.strip_prefix(root).ok()).unwrap_or(Path::new(""));
        mountpoints.push(MountPoint::provide(root, folder, Kind::Folder).map_err(failed(path))?);
        standing.push(plain::put(root, &at, content).map_err(failed(path))?);
        Ok(())
    };
    for mask in &spec.masks {
        put(&mask.path, Content::Script(&mask.script), mask.absent == Absent::Provide)?;
    }
    put(Path::new(outside::PROGRAM), Content::Script(outside::STUB), false)?;
    for bind in &spec.binds {
        put(&bind.at, Content::Of(&bind.from), true)?;
    }
    for file in network_files(spec) {
        put(file, Content::Of(file), true)?;
    }
    standing.reverse();
    Ok(Ready { steps: vec![Step::Groups], standing, mountpoints })
}

/// Files of the host that a program with network sees.
fn network_files(spec: &Spec) -> impl Iterator<Item = &'static Path> {
    let files = ["/etc/resolv.conf", "/etc/hosts"].map(Path::new);
    files.into_iter().filter(|file| spec.network && file.is_file())
}

fn steps_of(spec: &Spec, root: &Path) -> Result<Ready, Error> {
    let mut steps = standard(spec.network);
    let mut mountpoints = Vec::new();
    make_folders(root)?;
    for mask in &spec.masks {
        let provide = (mask.absent == Absent::Provide).then_some(Kind::File);
        if let Some(at) = place(root, &mask.path, provide, &mut mountpoints)? {
            steps.push(Step::Mask { at, script: mask.script.clone().into_bytes() });
        }
    }
    let kind = |from: &Path| if from.is_dir() { Kind::Folder } else { Kind::File };
    for bind in &spec.binds {
        if let Some(at) = place(root, &bind.at, Some(kind(&bind.from)), &mut mountpoints)? {
            steps.push(Step::Bind { from: c_string(bind.from.as_os_str())?, at, read_only: bind.read_only });
        }
    }
    if spec.sysfs
        && let Some(at) = place(root, Path::new("sys"), Some(Kind::Folder), &mut mountpoints)?
    {
        steps.push(Step::Bind { from: c"/sys".to_owned(), at, read_only: true });
    }
    for file in network_files(spec) {
        if let Some(at) = place(root, file, Some(Kind::File), &mut mountpoints)? {
            steps.push(Step::Bind { from: c_string(file.as_os_str())?, at, read_only: true });
        }
    }
    Ok(Ready { steps, standing: Vec::new(), mountpoints })
}

/// Where in the tree `path` is; makes it when `provide` says as what, else `None` when it is not there.
fn place(
    root: &Path,
    path: &Path,
    provide: Option<Kind>,
    made: &mut Vec<MountPoint>,
) -> Result<Option<CString>, Error> {
    let failed = |source| Error::Prepare { path: path.to_owned(), source };
    let inside = resolve(root, path).map_err(failed)?;
    match provide {
        Some(kind) => made.push(MountPoint::provide(root, &inside, kind).map_err(failed)?),
        None if !root.join(&inside).exists() => return Ok(None),
        None => {}
    }
    c_string(inside.as_os_str()).map(Some)
}

/// The paths to try, for a program that is named without a folder.
fn candidates(spec: &Spec) -> Result<Vec<CString>, Error> {
    let program = spec.arguments.first().map(OsString::as_os_str).unwrap_or_default();
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![c_string(program)?]);
    }
    let path = spec
        .environment
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or(OsStr::new("/usr/bin:/bin"), |(_, v)| v);
    std::env::split_paths(path).map(|folder| c_string(folder.join(program).as_os_str())).collect()
}

fn environment(variables: &[(OsString, OsString)]) -> Result<PointerTable, Error> {
    let line = |(key, value): &(OsString, OsString)| {
        let mut line = key.clone();
        line.push("=");
        line.push(value);
        c_string(&line)
    };
    Ok(PointerTable::new(variables.iter().map(line).collect::<Result<_, _>>()?))
}

fn c_string(text: &OsStr) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|_| Error::ZeroByte(text.to_string_lossy().into_owned()))
}

impl Child {
    /// Waits for the program's end. Everything else in the sandbox has ended when this returns.
    ///
    /// # Errors
    /// When the set-up failed, the program could not be executed, or the sandbox was killed.
    pub fn wait(mut self) -> Result<ExitStatus, Error> {
        let mut reports = Vec::new();
        let read = self.report.read_to_end(&mut reports);
        self.reap();
        read.map_err(Error::Clone)?;
        if reports.is_empty() && !self.namespaces {
            // Somebody killed the supervisor: what it would have ended is this process's now.
            descendants::end_all_but(&|pid| supervisors().contains(&pid), PATIENCE);
        }
        self.leave_tree();
        let mut status = Err(Error::Killed);
        for report in reports.chunks(Report::SIZE).filter_map(Report::parse) {
            if report.kind != ReportKind::ENDED {
                return Err(self.error(report));
            }
            status = Ok(ExitStatus::from_raw(report.value));
        }
        status
    }

    /// Kills everything in the sandbox and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(pid) = self.pid {
            self.lifeline = None;
            if self.namespaces {
                let _ = kill(pid, Signal::SIGKILL); // gone already: then there is nothing to do
            }
            self.reap();
        }
    }

    /// The process id of the sandbox's PID 1, as this process sees it.
    pub fn pid(&self) -> Option<i32> {
        self.pid.map(Pid::as_raw)
    }

    fn reap(&mut self) {
        if let Some(pid) = self.pid.take() {
            while waitpid(pid, None) == Err(Errno::EINTR) {}
            supervisors().remove(&pid.as_raw());
        }
    }

    /// Takes what stands in the tree away, and does what had to wait for that.
    fn leave_tree(&mut self) {
        if !self.namespaces {
            let noted = Noted::read(&self.root);
            // The devices stay until all is done: what the program makes in `dev` goes with them.
            let devices = self.standing.pop();
            self.standing.clear();
            noted.carry_out();
            drop(devices);
        }
    }

    fn error(&self, report: Report) -> Error {
        let source = io::Error::from_raw_os_error(report.value);
        let index = report.index as usize;
        match report.kind {
            ReportKind::ROOT => Error::Root { root: self.root.clone(), source },
            ReportKind::EXECUTE => {
                Error::Execute { program: self.program.clone(), root: self.root.clone(), source }
            }
            ReportKind::ENTER => {
                Error::Setup { what: STAGES.get(index).copied().unwrap_or("entering").to_owned(), source }
            }
            ReportKind::STEP => {
                Error::Setup { what: self.steps.get(index).cloned().unwrap_or_default(), source }
            }
            _ => Error::Clone(source),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
