//! Work on many things by a few threads.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Runs `work` on every item by at most `threads` threads and returns the results in the items' order.
/// An item for which `work` was not begun because `stop` said so after an earlier result has none.
pub(crate) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    stop: impl Fn(&R) -> bool + Sync,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<Option<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let run = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            let result = work(item);
            if stop(&result) {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(result);
        }
    };
    match threads.min(items.len()) {
        0 => {}
        1 => run(),
        count => thread::scope(|scope| (0..count).for_each(|_| drop(scope.spawn(run)))),
    }
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_items() {
        let items: Vec<usize> = (0..100).collect();
        for threads in [1, 4] {
            let doubled = map(&items, threads, |_| false, |item| item * 2);
            assert!(doubled.into_iter().enumerate().all(|(number, result)| result == Some(number * 2)));
        }
        assert!(map(&[] as &[u8], 4, |()| false, |_| ()).is_empty());
    }

    #[test]
    fn stopping_leaves_the_rest_undone() {
        let items: Vec<usize> = (0..100).collect();
        let results = map(&items, 1, |item| *item == 3, |item| *item);
        assert_eq!(results.iter().flatten().count(), 4);
    }
}
