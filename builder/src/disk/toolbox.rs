//! Running a program of the tools tree on the disk file.

use std::fmt::Debug;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use crate::rootfs::tar_stream::TreeStreamError;
use crate::sandbox::Sandbox;

/// One run of a program.
#[derive(Debug)]
pub struct Call<'a> {
    /// Absolute path inside the tools tree.
    pub program: &'a str,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment beyond the clean one.
    pub env: Vec<(&'static str, String)>,
    /// Files that the program sees as these descriptors.
    pub inherit: Vec<(&'a File, i32)>,
}

/// Writes the standard input of a program.
pub type Feed<'a> = &'a mut (dyn FnMut(&mut dyn Write) -> Result<(), TreeStreamError> + Send);

/// Why a program failed.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be run, ended with an error, or did not take its input; its own words are in the source.
    #[error("running '{program}' of the tools tree")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was to be fed to it could not be read.
    #[error(transparent)]
    Feed(TreeStreamError),
    /// It ended well but complained.
    #[error("'{program}' of the tools tree complained: {message}")]
    Complained {
        /// The program.
        program: String,
        /// What it said.
        message: String,
    },
}

/// Runs programs of the tools tree.
pub trait Toolbox: Debug {
    /// Runs `call` to its end, its standard input written by `feed`, and returns the end of its standard error.
    ///
    /// # Errors
    /// When it cannot be run or ends with an error. If both program and feed fail, the program's error is told
    /// unless the feed failed by itself (the tree could not be read).
    fn run(&self, call: Call<'_>, feed: Feed<'_>) -> Result<String, ToolError>;
}

/// The tools tree of a build, its programs run in the sandbox.
#[derive(Debug)]
pub struct SandboxToolbox<'a> {
    sandbox: &'a Sandbox,
    root: &'a Path,
}

impl<'a> SandboxToolbox<'a> {
    /// Runs programs of the tools tree at `root`.
    pub fn new(sandbox: &'a Sandbox, root: &'a Path) -> Self {
        Self { sandbox, root }
    }
}

impl Toolbox for SandboxToolbox<'_> {
    fn run(&self, call: Call<'_>, feed: Feed<'_>) -> Result<String, ToolError> {
        let failed =
            |source| ToolError::Failed { program: call.program.to_owned(), source: Box::new(source) };
        let mut command = self.sandbox.command(self.root, call.program).args(call.args);
        for (key, value) in call.env {
            command = command.env(key, value);
        }
        for (file, number) in call.inherit {
            command = command.inherit(file.as_fd(), number);
        }
        let mut running = command.spawn_with_stdin().map_err(failed)?;
        let fed = feed(&mut running);
        let ended = running.finish();
        match (fed, ended) {
            (Ok(()), ended) => ended.map(|output| output.stderr_tail).map_err(failed),
            // The pipe broke because the program ended: what it says is the first cause.
            (Err(TreeStreamError::Write { .. }), Err(error)) => Err(failed(error)),
            (Err(error), _) => Err(ToolError::Feed(error)),
        }
    }
}
