//! Runs a program inside a tree, in namespaces of its own where there may be any.
//!
//! [`Spec`] says what to run; [`spawn`] starts it and returns a [`Child`]. The run has its own process, mount, IPC,
//! host name and (unless asked otherwise) network namespace, a small `/dev`, and a filter that answers sync calls
//! with success. It ends when the program ends, when [`Child::kill`] is called or the value dropped, and when the
//! process that started it ends, by whatever signal.
//!
//! Without namespaces ([`Spec::namespaces`]) the tree itself is made ready for the time of the run, and a supervisor that
//! adopts orphans ends what the program leaves; host name, network and processes are then those of the caller.
//!
//! ```text
//! worker ── clone ──▶ PID 1 (outside the tree): steps, reaps, reports ── clone ──▶ chroot, filter, execve
//! ```

mod child;
mod launch;
mod mountpoint;
mod outside;
mod plain;
mod step;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub use launch::{Child, Error, spawn};

/// A program to be run inside a tree.
#[derive(Debug)]
pub struct Spec {
    /// The tree, a folder.
    pub root: PathBuf,
    /// The program (a path inside the tree, or a name that is looked up in the `PATH` of `environment`), and its arguments.
    pub arguments: Vec<OsString>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    /// A path inside the tree.
    pub working_directory: PathBuf,
    /// Whether the run has namespaces of its own.
    pub namespaces: bool,
    /// Whether the program sees the network of the worker, with its name servers and hosts.
    pub network: bool,
    /// Whether `/sys` is visible, read-only.
    pub sysfs: bool,
    /// Whether sync calls do nothing.
    pub suppress_sync: bool,
    /// Whether the program becomes the foreground of the terminal on its standard input.
    pub terminal: bool,
    /// Scripts over files of the tree.
    pub masks: Vec<Mask>,
    /// Files and folders of the host inside the tree.
    pub binds: Vec<Bind>,
    /// Descriptors and the numbers under which the program sees them, 0 to 2 among them.
    pub descriptors: Vec<(OwnedFd, i32)>,
}

/// A script that stands over a file of the tree.
#[derive(Debug, Clone)]
pub struct Mask {
    /// A path inside the tree.
    pub path: PathBuf,
    /// The script, with its `#!` line.
    pub script: String,
    /// What happens when the tree has no such file.
    pub absent: Absent,
}

/// What to do about a mask whose file the tree does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// No mask, then.
    Skip,
    /// An empty file is made, and removed after the run.
    Provide,
}

/// A file or folder of the host that is visible inside the tree. Its place is made, and removed after the run, when
/// the tree does not have it.
#[derive(Debug, Clone)]
pub struct Bind {
    /// A file or folder of the host.
    pub from: PathBuf,
    /// A path inside the tree.
    pub at: PathBuf,
    /// Whether the program may write to it.
    pub read_only: bool,
}

impl Spec {
    /// A run of `program` in `root` with nothing else: no arguments, environment or descriptors.
    pub fn new(root: impl Into<PathBuf>, program: impl Into<OsString>) -> Self {
        Self {
            root: root.into(),
            arguments: vec![program.into()],
            environment: Vec::new(),
            working_directory: "/".into(),
            namespaces: true,
            network: false,
            sysfs: false,
            suppress_sync: true,
            terminal: false,
            masks: Vec::new(),
            binds: Vec::new(),
            descriptors: Vec::new(),
        }
    }
}
