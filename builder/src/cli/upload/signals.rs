//! Ctrl-C: the work stops at its next step and cleans up; at a second signal, or when a service does not answer, the
//! program ends at once and the journal names what is left.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use host::terminal::Interrupts;

use crate::cli::terminal;
use crate::error::ExitCode;
use crate::upload::{Interrupt, Kind, UploadError};

/// How long cleaning up may take.
const CLEANING: Duration = Duration::from_secs(30);

/// What is waited for.
enum Event {
    Signal(i32),
    Done(Result<()>),
}

/// Does `work` and returns the exit code: 128 + N after signal N.
pub(super) fn heed(work: impl FnOnce(Interrupt) -> Result<()> + Send) -> Result<u8> {
    let interrupts = Interrupts::block().context("holding signals back")?;
    let (sender, events) = channel();
    let (signals, interrupt) = (sender.clone(), Interrupt::default());
    thread::spawn(move || {
        while let Ok(signal) = interrupts.wait() {
            if signals.send(Event::Signal(signal)).is_err() {
                break;
            }
        }
    });
    thread::scope(|scope| {
        let flag = interrupt.clone();
        scope.spawn(move || {
            let done = work(flag);
            // Whoever does not listen any more has left.
            let _ = sender.send(Event::Done(done));
        });
        let signal = match events.recv() {
            Ok(Event::Done(done)) => return done.map(|()| ExitCode::Success as u8),
            Ok(Event::Signal(signal)) => signal,
            Err(_) => return Ok(ExitCode::Failure as u8),
        };
        let code = u8::try_from(128 + signal).unwrap_or(ExitCode::Failure as u8);
        terminal::say("interrupted; cleaning up");
        interrupt.raise();
        match events.recv_timeout(CLEANING) {
            Ok(Event::Done(done)) => {
                terminal::say(&last_words(done));
                Ok(code)
            }
            Ok(Event::Signal(_)) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                terminal::say(
                    "ended before it was clean; `bootwright upload clean IMAGE` removes what is left",
                );
                // A scope waits for its threads; this one waits for a server.
                std::process::exit(i32::from(code));
            }
        }
    })
}

fn last_words(done: Result<()>) -> String {
    match done {
        Ok(()) => "it was done already".to_owned(),
        Err(error) => match error.downcast_ref::<UploadError>() {
            Some(ours) if ours.kind == Kind::Interrupted => ours.hint().to_owned(),
            _ => format!("{error:#}"),
        },
    }
}
