//! Starting a described run, and taking what it prints.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::thread::JoinHandle;

use host::capture::{Captured, TAIL_LINES, capture};
use host::sandbox::{Child, spawn};
use host::terminal::Foreground;

use super::{Command, Isolation, SandboxError, Stdin};

/// What a successful run printed.
#[derive(Debug)]
pub struct Output {
    /// Standard output, whole.
    pub stdout: Vec<u8>,
    /// The last lines of standard error.
    pub stderr_tail: String,
}

/// A run whose standard input is being written; [`Running::finish`] ends it.
#[derive(Debug)]
pub struct Running {
    stdin: Option<io::PipeWriter>,
    started: Started,
}

#[derive(Debug)]
struct Started {
    isolation: Isolation,
    child: Child,
    reader: JoinHandle<io::Result<Captured>>,
    command: String,
}

impl Command<'_> {
    /// Runs the program to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends with anything but success: its command line, status and last lines.
    pub fn run(mut self) -> Result<Output, SandboxError> {
        let feed = match std::mem::replace(&mut self.stdin, Stdin::Null) {
            Stdin::Bytes(bytes) => Some(bytes),
            other => {
                self.stdin = other;
                None
            }
        };
        let Some(bytes) = feed else { return self.start()?.finish() };
        let mut running = self.spawn_with_stdin()?;
        match running.write_all(&bytes) {
            // A program that ends without reading it all says itself whether that is right.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let command = running.started.command.clone();
                Err(SandboxError::Pipe { command, source: error })
            }
            _ => running.finish(),
        }
    }

    /// Starts the program with a pipe as its standard input.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn spawn_with_stdin(mut self) -> Result<Running, SandboxError> {
        let (reader, writer) = io::pipe().map_err(|source| self.pipe_error(source))?;
        self.stdin = Stdin::File(File::from(OwnedFd::from(reader)));
        Ok(Running { stdin: Some(writer), started: self.start()? })
    }

    /// Runs the program on this process's terminal and returns how it ended.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn interactive(mut self) -> Result<ExitStatus, SandboxError> {
        let command = shown(&self.spec.arguments);
        for (number, fd) in
            [io::stdin().as_fd(), io::stdout().as_fd(), io::stderr().as_fd()].into_iter().enumerate()
        {
            let copy = fd.try_clone_to_owned().map_err(|source| self.pipe_error(source))?;
            self.give(copy, i32::try_from(number).unwrap_or(0));
        }
        self.spec.terminal = true;
        let setup = |source| SandboxError::Setup { command: command.clone(), source };
        let foreground = Foreground::remember();
        let ended = spawn(self.spec).and_then(Child::wait);
        foreground.restore();
        ended.map_err(setup)
    }

    fn start(mut self) -> Result<Started, SandboxError> {
        if let Some(source) = self.failed.take() {
            return Err(self.pipe_error(source));
        }
        let stdin = match std::mem::replace(&mut self.stdin, Stdin::Null) {
            Stdin::File(file) => file,
            Stdin::Null | Stdin::Bytes(_) => {
                File::open("/dev/null").map_err(|source| self.pipe_error(source))?
            }
        };
        let (stdout_reader, stdout_writer) = io::pipe().map_err(|source| self.pipe_error(source))?;
        let (stderr_reader, stderr_writer) = io::pipe().map_err(|source| self.pipe_error(source))?;
        self.give(stdin.into(), 0);
        self.give(stdout_writer.into(), 1);
        self.give(stderr_writer.into(), 2);
        let command = shown(&self.spec.arguments);
        tracing::debug!("running {command} in {}", self.spec.root.display());
        let child =
            spawn(self.spec).map_err(|source| SandboxError::Setup { command: command.clone(), source })?;
        let log = self.sandbox.log.clone();
        if let Some(log) = &log {
            log.write(format!("$ {command}\n").as_bytes());
        }
        let reader = std::thread::spawn(move || {
            capture(Some(stdout_reader.into()), Some(stderr_reader.into()), log.as_ref())
        });
        Ok(Started { isolation: self.sandbox.isolation, child, reader, command })
    }

    fn pipe_error(&self, source: io::Error) -> SandboxError {
        SandboxError::Pipe { command: shown(&self.spec.arguments), source }
    }
}

impl Started {
    fn finish(self) -> Result<Output, SandboxError> {
        let Self { isolation, child, reader, command } = self;
        let status = child.wait();
        let captured = reader
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread that reads its output ended")))
            .map_err(|source| SandboxError::Pipe { command: command.clone(), source })?;
        let status = status.map_err(|source| SandboxError::Setup { command: command.clone(), source })?;
        if !status.success() {
            let tail = captured.both.lines(TAIL_LINES);
            let hint = if isolation == Isolation::Chroot { lacks(&tail) } else { String::new() };
            return Err(SandboxError::Failed { command, status, tail, hint });
        }
        Ok(Output { stdout: captured.stdout, stderr_tail: captured.stderr.lines(TAIL_LINES) })
    }
}

impl Running {
    /// Closes standard input and waits for the program's end.
    ///
    /// # Errors
    ///
    /// As [`Command::run`].
    pub fn finish(mut self) -> Result<Output, SandboxError> {
        drop(self.stdin.take());
        self.started.finish()
    }
}

impl Write for Running {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stdin {
            Some(stdin) => stdin.write(bytes),
            None => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What to consider when a program without namespaces has failed: who failed, as dpkg has it, and what it may have lacked.
fn lacks(tail: &str) -> String {
    let failed = tail.lines().find_map(|line| line.strip_prefix("dpkg: error processing package "));
    let who = failed.and_then(|rest| rest.split_whitespace().next());
    let who = who.map_or_else(|| "the program".to_owned(), |name| format!("the package '{name}'"));
    format!(
        "\n  hint: at isolation level 'chroot' there is no /proc, /sys, terminal multiplexer or network of its own; if {who} \
         needs one, give this container CAP_SYS_ADMIN, or user namespaces, and build with `--isolation root` or `user`"
    )
}

/// A command line that can be pasted into a shell.
fn shown(arguments: &[OsString]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let text = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            text.into_owned()
        } else {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}
