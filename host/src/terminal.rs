//! The terminal in raw mode, and signals as values.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

/// Standard input in raw mode: every key comes as it is typed. Dropping it restores what was before.
#[derive(Debug)]
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Switches standard input to raw mode.
    ///
    /// # Errors
    ///
    /// When standard input is no terminal.
    pub fn enter() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before) {
            tracing::debug!("restoring the terminal: {error}");
        }
    }
}

/// The signals that ask a program to end, held back so that a thread can wait for them.
#[derive(Debug)]
pub struct Interrupts {
    signals: SigSet,
}

impl Interrupts {
    /// Holds back SIGINT, SIGTERM and SIGHUP in this thread and in those that it starts from now on.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn block() -> io::Result<Self> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block()?;
        Ok(Self { signals })
    }

    /// Waits for one of them and returns its number.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn wait(&self) -> io::Result<i32> {
        Ok(self.signals.wait()? as i32)
    }
}

/// Which process group the terminal on standard input belongs to, to be given back after a child had it.
#[derive(Debug)]
pub struct Foreground(Option<Pid>);

impl Foreground {
    /// Remembers the present one; there is none without a terminal.
    pub fn remember() -> Self {
        Self(tcgetpgrp(io::stdin()).ok())
    }

    /// Gives the terminal back.
    pub fn restore(self) {
        let Some(group) = self.0 else { return };
        // In the background, where this process is now, the call raises SIGTTOU unless that is held back.
        let mut background = SigSet::empty();
        background.add(Signal::SIGTTOU);
        let before = background.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        if let Err(error) = tcsetpgrp(io::stdin(), group) {
            tracing::debug!("taking the terminal back: {error}");
        }
        if let Ok(before) = before {
            let _ = before.thread_set_mask(); // cannot fail with a mask that was in force
        }
    }
}
