//! Which of several long tests this run takes.
//!
//! `scripts/test` gives a seed by `BOOTWRIGHT_DRAW` and prints it; one test of each family is drawn by it. Without the
//! variable, as in `scripts/soak` and in a run by hand, every test runs.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Tells whether member number `index` of the `count` tests of `family` runs; one that does not says so.
///
/// # Panics
/// A seed that is no number.
pub fn is_drawn(family: &str, index: u64, count: u64) -> bool {
    let Some(seed) = std::env::var_os("BOOTWRIGHT_DRAW") else { return true };
    let seed: u64 = seed.to_str().and_then(|text| text.parse().ok()).expect("BOOTWRIGHT_DRAW is a number");
    let drawn = drawn(seed, family, count);
    if drawn != index {
        println!("of {family}, number {drawn} was drawn and not {index}");
    }
    drawn == index
}

fn drawn(seed: u64, family: &str, count: u64) -> u64 {
    // Its keys are fixed, so a seed means the same on every machine with this toolchain.
    let mut hasher = DefaultHasher::new();
    (seed, family).hash(&mut hasher);
    hasher.finish() % count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_drawn_by_some_seed_and_each_seed_draws_one() {
        let mut seen = [0; 3];
        for seed in 0..300 {
            seen[usize::try_from(drawn(seed, "family", 3)).expect("small")] += 1;
        }
        assert!(seen.iter().all(|count| *count > 60), "{seen:?}");
        assert_ne!(
            (0..64).map(|seed| drawn(seed, "one", 2)).collect::<Vec<_>>(),
            (0..64).map(|seed| drawn(seed, "other", 2)).collect::<Vec<_>>()
        );
    }
}
