//! Runs a program inside a tree.
//!
//! Unless the worker has none itself, every run has its own process, mount, IPC, host name and (unless the step asks otherwise) network namespace, a
//! small `/dev`, a clean environment, sync calls that do nothing, and stubs that keep services from starting. The
//! stubs are bound over files in the run's own mount namespace; the tree itself never sees them.
//!
//! ```text
//! sandbox.command(root, "/usr/bin/dpkg").args(["--configure", "-a"]).run()?
//! ```

use std::ffi::OsString;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use host::capture::Log;
use host::sandbox::{Absent, Bind, Mask, Spec};

mod error;
mod run;

pub use error::SandboxError;
pub use host::worker::Isolation;
pub use run::{Output, Running};

/// The environment of every run; a command adds to it or overrides it.
const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LC_ALL", "C.UTF-8"),
    ("HOME", "/root"),
    ("TERM", "dumb"),
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBCONF_NONINTERACTIVE_SEEN", "true"),
];

/// Keeps services from starting: where, by which script, and what happens in a tree without that file.
const SERVICE_STUBS: [(&str, &str, Absent); 2] = [
    // invoke-rc.d(8) and deb-systemd-invoke(1p) ask it before they start a service; 101 means no.
    ("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", Absent::Provide),
    // For scripts that ask no policy.
    (
        "/sbin/start-stop-daemon",
        "#!/bin/sh\necho 'start-stop-daemon: nothing is started while an image is built' >&2\n",
        Absent::Skip,
    ),
];

/// A function of the shell, for copies of scripts that are bound over a tree's own: what `basename` says, without running it.
pub const BASENAME: &str = include_str!("basename.sh");

/// Runs programs inside trees.
#[derive(Debug, Clone)]
pub struct Sandbox {
    isolation: Isolation,
    epoch: Option<i64>,
    log: Option<Log>,
}

impl Sandbox {
    /// A sandbox for a worker with `isolation`.
    pub fn new(isolation: Isolation) -> Self {
        Self { isolation, epoch: None, log: None }
    }

    /// Sets `SOURCE_DATE_EPOCH` of every run.
    #[must_use]
    pub fn with_epoch(mut self, epoch: i64) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Copies what programs print to `file`.
    #[must_use]
    pub fn with_log(mut self, file: std::fs::File) -> Self {
        self.log = Some(Log::new(file));
        self
    }

    /// Returns which namespaces the worker has.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// Starts to describe a run of `program` in `root`.
    pub fn command(&self, root: &Path, program: &str) -> Command<'_> {
        let mut spec = Spec::new(root, program);
        spec.namespaces = self.isolation != Isolation::Chroot;
        spec.environment = ENVIRONMENT.iter().map(|(key, value)| (key.into(), value.into())).collect();
        if let Some(epoch) = self.epoch {
            spec.environment.push(("SOURCE_DATE_EPOCH".into(), epoch.to_string().into()));
        }
        // A tree that is only unpacked (the tools tree, or one just begun) may have no services to keep.
        if root.join("usr/sbin").is_dir() {
            let mask = |(path, script, absent): (&str, &str, Absent)| Mask {
                path: path.into(),
                script: script.into(),
                absent,
            };
            spec.masks = SERVICE_STUBS.map(mask).into();
        }
        Command { sandbox: self, spec, stdin: Stdin::Null, failed: None }
    }
}

/// Where a program's standard input comes from.
#[derive(Debug)]
enum Stdin {
    Null,
    File(std::fs::File),
    Bytes(Vec<u8>),
}

/// A run that is being described.
#[derive(Debug)]
#[must_use = "nothing runs before `run`, `spawn_with_stdin` or `interactive`"]
pub struct Command<'a> {
    sandbox: &'a Sandbox,
    spec: Spec,
    stdin: Stdin,
    failed: Option<std::io::Error>,
}

impl Command<'_> {
    /// Adds an argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.spec.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(mut self, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.spec.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let key = key.into();
        self.spec.environment.retain(|(existing, _)| *existing != key);
        self.spec.environment.push((key, value.into()));
        self
    }

    /// Sets whether the program may use the network; not by default.
    pub fn network(mut self, allowed: bool) -> Self {
        self.spec.network = allowed;
        self
    }

    /// Shows `/sys`, read-only.
    pub fn sysfs(mut self) -> Self {
        self.spec.sysfs = true;
        self
    }

    /// Puts a script over the file at `path`; nothing happens when the tree has no such file.
    pub fn mask(mut self, path: &str, script: &str) -> Self {
        self.spec.masks.push(Mask { path: path.into(), script: script.into(), absent: Absent::Skip });
        self
    }

    /// Leaves out the stubs that keep services from starting, for dpkg when it replaces such a file itself: nothing can
    /// be renamed onto a file that something is mounted on.
    pub fn without_service_stubs(mut self) -> Self {
        let stub = |mask: &Mask| SERVICE_STUBS.iter().any(|(path, ..)| mask.path == Path::new(path));
        self.spec.masks.retain(|mask| !stub(mask));
        self
    }

    /// Leaves the file at `path` as it is, for programs that move it.
    pub fn unmask(mut self, path: &str) -> Self {
        self.spec.masks.retain(|mask| mask.path != Path::new(path));
        self
    }

    /// Makes a file or folder of the host visible at `inside`. Its place is made, and gone after the run, when the tree
    /// has none.
    pub fn bind(mut self, from: &Path, inside: &str) -> Self {
        self.spec.binds.push(Bind { from: from.to_owned(), at: inside.into(), read_only: false });
        self
    }

    /// Gives the program a descriptor under `number`.
    pub fn inherit(mut self, fd: BorrowedFd<'_>, number: i32) -> Self {
        match fd.try_clone_to_owned() {
            Ok(fd) => self.give(fd, number),
            Err(error) => self.failed = Some(error),
        }
        self
    }

    /// Starts the program in this folder of the tree.
    pub fn working_directory(mut self, folder: &str) -> Self {
        self.spec.working_directory = folder.into();
        self
    }

    /// Takes standard input from a file.
    pub fn stdin_from(mut self, file: std::fs::File) -> Self {
        self.stdin = Stdin::File(file);
        self
    }

    /// Takes standard input from memory.
    pub fn stdin_bytes(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = Stdin::Bytes(bytes);
        self
    }

    fn give(&mut self, fd: OwnedFd, number: i32) {
        self.spec.descriptors.push((fd, number));
    }
}

#[cfg(test)]
mod tests;
