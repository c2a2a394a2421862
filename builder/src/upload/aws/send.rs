//! Sends the blocks of a snapshot, in parallel, each until it is acknowledged.

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use aws_sdk_ebs::primitives::ByteStream;
use aws_sdk_ebs::types::ChecksumAlgorithm;
use contract::encoding::encode_base64;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::BLOCK;
use super::blocks::{self, Block, Summary};
use super::connection::Connection;
use super::failure::{failure, silence};
use super::record::Record;
use super::window::Window;
use crate::upload::{Kind, SourceImage, Told, UploadError};

/// How long a block may take at first. Doubles for one that took longer: on a narrow way many share it.
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_PATIENCE: Duration = Duration::from_secs(600);
/// How long AWS may not know the snapshot that it has just begun.
const FORGETFUL: Duration = Duration::from_secs(120);
/// Blocks that are read ahead.
const AHEAD: usize = 4;
/// How long a wait goes on without a look.
const SLICE: Duration = Duration::from_millis(50);

enum Event {
    /// The next block was read.
    Read(Block),
    /// One need not be sent: it is free, or the service has it.
    Spared,
    /// The disk is at its end.
    End(Result<Option<Summary>, UploadError>),
    /// A block was answered, after so long.
    Put(Try, Result<Duration, UploadError>),
}

/// A block and how often it was tried.
struct Try {
    block: Block,
    times: u32,
    /// Not before this.
    after: Instant,
    patience: Duration,
}

/// One sending.
pub(super) struct Sender<'a> {
    pub(super) connection: &'a Connection,
    pub(super) image: &'a SourceImage,
    pub(super) snapshot: &'a str,
    pub(super) send_free: bool,
    pub(super) told: &'a dyn Fn(Told),
}

/// What is on its way.
struct Traffic {
    window: Window,
    tasks: JoinSet<()>,
    waiting: VecDeque<Try>,
    flying: usize,
    tickets: SyncSender<()>,
    /// Tickets whose block has not come.
    asked: usize,
    progress: Instant,
    began: Instant,
    events: UnboundedSender<Event>,
}

impl Sender<'_> {
    /// Sends what `record` does not know the service to have.
    pub(super) fn send(&self, record: &mut Record) -> Result<Summary, UploadError> {
        let interrupt = &self.connection.patience.interrupt;
        let known = std::mem::take(&mut record.known);
        let (tickets, taken) = sync_channel(1 << 10);
        let (events, mut received) = unbounded_channel();
        let (image, send_free) = (self.image, self.send_free);
        thread::scope(|scope| {
            let reader = events.clone();
            scope.spawn(move || {
                let give =
                    |block: Option<Block>| reader.send(block.map_or(Event::Spared, Event::Read)).is_ok();
                let known = |index| known.get(&index).copied();
                let end = blocks::read(image, send_free, &known, &taken, interrupt, &give);
                // Nobody listens any more when sending failed first.
                let _ = reader.send(Event::End(end));
            });
            let now = Instant::now();
            let traffic = Traffic {
                window: Window::new(),
                tasks: JoinSet::new(),
                waiting: VecDeque::new(),
                flying: 0,
                tickets,
                asked: 0,
                progress: now,
                began: now,
                events,
            };
            self.connection.runtime.block_on(self.run(traffic, &mut received, record))
        })
    }

    async fn run(
        &self,
        mut traffic: Traffic,
        received: &mut UnboundedReceiver<Event>,
        record: &mut Record,
    ) -> Result<Summary, UploadError> {
        let mut end = None;
        let mut needed = self.image.virtual_size.div_ceil(BLOCK as u64);
        (self.told)(Told::Total(needed * BLOCK as u64));
        loop {
            self.connection.patience.interrupt.check()?;
            self.fill(&mut traffic);
            if end.is_some() && traffic.flying == 0 && traffic.waiting.is_empty() {
                // What was read came before the word of the end.
                break;
            }
            match tokio::time::timeout(SLICE, received.recv()).await {
                Ok(Some(Event::Read(block))) => {
                    traffic.asked = traffic.asked.saturating_sub(1);
                    let (times, after) = (0, Instant::now());
                    traffic.waiting.push_back(Try { block, times, after, patience: PATIENCE });
                }
                Ok(Some(Event::Spared)) => {
                    needed = needed.saturating_sub(1);
                    (self.told)(Told::Total(needed * BLOCK as u64));
                }
                Ok(Some(Event::End(summary))) => end = Some(summary?),
                Ok(Some(Event::Put(tried, outcome))) => {
                    self.put_ended(&mut traffic, tried, outcome, record)?
                }
                Ok(None) | Err(_) => {}
            }
        }
        end.flatten().ok_or_else(|| crate::upload::source::changed(&self.image.path))
    }

    /// Puts as many blocks on their way as may be, and has as many read.
    fn fill(&self, traffic: &mut Traffic) {
        let now = Instant::now();
        for _ in 0..traffic.waiting.len() {
            if traffic.flying >= traffic.window.size() {
                break;
            }
            let Some(next) = traffic.waiting.pop_front() else { break };
            if next.after > now {
                traffic.waiting.push_back(next);
                continue;
            }
            traffic.flying += 1;
            let call = self.put(next, traffic.events.clone());
            traffic.tasks.spawn(call);
        }
        while traffic.flying + traffic.waiting.len() + traffic.asked < traffic.window.size() + AHEAD
            && traffic.tickets.try_send(()).is_ok()
        {
            traffic.asked += 1;
        }
        while traffic.tasks.try_join_next().is_some() {}
    }

    fn put(&self, tried: Try, events: UnboundedSender<Event>) -> impl Future<Output = ()> + use<> {
        let block = &tried.block;
        let doing = format!("sending block {} of {}", block.index, self.snapshot);
        let call = self
            .connection
            .ebs
            .put_snapshot_block()
            .snapshot_id(self.snapshot)
            .block_index(i32::try_from(block.index).unwrap_or(i32::MAX))
            .data_length(BLOCK as i32)
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .checksum(encode_base64(&block.digest))
            .block_data(ByteStream::from(block.data.clone()));
        async move {
            let began = Instant::now();
            let outcome = match tokio::time::timeout(tried.patience, call.send()).await {
                Ok(Ok(_)) => Ok(began.elapsed()),
                Ok(Err(error)) => Err(failure(&doing, &error)),
                Err(_) => Err(silence(&doing)),
            };
            // Nobody listens any more when another block failed for good.
            let _ = events.send(Event::Put(tried, outcome));
        }
    }

    fn put_ended(
        &self,
        traffic: &mut Traffic,
        mut tried: Try,
        outcome: Result<Duration, UploadError>,
        record: &mut Record,
    ) -> Result<(), UploadError> {
        traffic.flying -= 1;
        let now = Instant::now();
        let error = match outcome {
            Ok(time) => {
                traffic.window.came(time);
                traffic.progress = now;
                (self.told)(Told::Sent(BLOCK as u64));
                return record.add(tried.block.index, &tried.block.digest);
            }
            Err(error) => error,
        };
        let forgetful = error.kind == Kind::NotFound && traffic.began.elapsed() < FORGETFUL;
        tried.times += 1;
        // As long as others come through, the way is there.
        let patience = &self.connection.patience;
        if !(error.is_transient() || forgetful) || traffic.progress.elapsed() > patience.limits.budget {
            return Err(error.tried(tried.times));
        }
        tracing::debug!("block {} again: {error}", tried.block.index);
        traffic.window.too_much(now);
        tried.after = now + patience.pause(tried.times);
        tried.patience = (tried.patience * 2).min(MOST_PATIENCE);
        traffic.waiting.push_back(tried);
        Ok(())
    }
}
