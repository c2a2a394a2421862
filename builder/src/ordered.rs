//! Work on all cores whose results come out in the order of its input, in bounded memory.
//!
//! ```text
//! producer ─ jobs ─▶ workers ─┐
//!     └───── order ───────────┴▶ consumer
//! ```
//!
//! Each job has a channel for its one result; the consumer gets these channels in the order of the jobs. So the
//! result depends on the input alone, never on how many cores there are or how fast they were.

use std::io;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Jobs that wait for a worker or for the consumer, for each worker.
const AHEAD: usize = 4;

/// Passes a job on to the workers; an error means that nobody wants more.
pub(crate) type Submit<'a, T> = &'a mut dyn FnMut(T) -> io::Result<()>;

type Job<T, R> = (T, SyncSender<R>);

/// Runs `produce` in a thread of its own and `work` on its jobs in one for each core; `consume` gets the results in
/// the order of the jobs, in this thread. Every worker has a state of its own, made by `state`.
///
/// # Errors
/// The consumer's error, else the producer's. A job's own error is a part of its result.
pub(crate) fn ordered<T, R, S, E>(
    produce: impl FnOnce(Submit<'_, T>) -> Result<(), E> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    R: Send,
    E: Send,
{
    let workers = workers();
    let (jobs, waiting) = sync_channel::<Job<T, R>>(workers);
    let (order, results) = sync_channel::<Receiver<R>>(workers * AHEAD);
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        let producer = scope.spawn(move || {
            produce(&mut |job| {
                let (result, receiver) = sync_channel(1);
                // Either side is gone only after an error, which its own thread tells.
                order.send(receiver).map_err(|_| io::ErrorKind::BrokenPipe)?;
                jobs.send((job, result)).map_err(|_| io::ErrorKind::BrokenPipe)?;
                Ok(())
            })
        });
        for _ in 0..workers {
            scope.spawn(|| {
                let mut state = state();
                while let Some((job, result)) = next(&waiting) {
                    // The consumer may have given up.
                    let _ = result.send(work(&mut state, job));
                }
            });
        }
        // A worker that panicked leaves its result unsent; the scope passes the panic on.
        let consumed = results.iter().map_while(|result| result.recv().ok()).try_for_each(&mut consume);
        drop(results);
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        consumed.and(produced)
    })
}

/// Returns how many jobs are worked on at the same time.
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn next<T, R>(waiting: &Mutex<Receiver<Job<T, R>>>) -> Option<Job<T, R>> {
    let waiting = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    waiting.recv().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_however_long_they_take() {
        let mut found = Vec::new();
        ordered(
            |submit| (0..200_u64).try_for_each(submit),
            || 0_u64,
            |count, job| {
                *count += 1;
                thread::sleep(std::time::Duration::from_micros(job * 7919 % 300));
                job * 2
            },
            |result| {
                found.push(result);
                Ok::<_, io::Error>(())
            },
        )
        .expect("done");
        assert_eq!(found, (0..200).map(|job| job * 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_first_cause_comes_out_of_either_end() {
        let full = ordered(
            |submit| (0..).try_for_each(submit),
            || (),
            |(), job: u64| job,
            |result| if result < 10 { Ok(()) } else { Err(io::Error::other("full")) },
        );
        assert_eq!(full.expect_err("stopped").to_string(), "full");
        let broken = ordered(
            |submit| {
                submit(1)?;
                Err(io::Error::other("unreadable"))
            },
            || (),
            |(), job: u64| job,
            |_| Ok(()),
        );
        assert_eq!(broken.expect_err("stopped").to_string(), "unreadable");
    }
}
