//! Holds the place of a join while roles start: making a database takes longer than a machine may be silent.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Result;

use crate::message::{Done, Request};
use crate::place::Place;
use crate::record::Member;

/// A place that hangs on a lease.
#[derive(Debug, Clone, Copy)]
pub struct Lease<'a> {
    /// The machine.
    pub place: &'a Place,
    /// What it is about to be.
    pub member: &'a Member,
    /// Which join.
    pub join: &'a str,
    /// The place is gone after so many seconds of silence.
    pub seconds: u64,
}

impl Lease<'_> {
    /// Does something, however long it takes, while the place is held.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let (done, is_done) = mpsc::channel();
            scope.spawn(move || self.hold(&is_done));
            let result = work();
            drop::<mpsc::Sender<()>>(done);
            result
        })
    }

    fn hold(&self, is_done: &Receiver<()>) {
        let pause = Duration::from_millis(self.seconds * 1000 / 3);
        while is_done.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let hold = Request::Hold { join: self.join.to_owned() };
            let held: Result<Done> =
                self.member.connect(self.place).and_then(|mut channel| channel.ask(&hold));
            // Whoever works asks the core next, and hears of it.
            if let Err(error) = held {
                eprintln!("firstboot: holding the place of this machine: {error:#}");
            }
        }
    }
}
