//! How many power cuts a run takes, and where they fall.

use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Cuts of a run by hand, and of every run where they take seconds.
const CUTS: usize = 5;

/// Returns what this run draws with, and says it once: `BOOTWRIGHT_GUESTS_SEED`, else `BOOTWRIGHT_DRAW`, else the clock.
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = ["BOOTWRIGHT_GUESTS_SEED", "BOOTWRIGHT_DRAW"].into_iter().find_map(number);
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
        let seed = given.unwrap_or_else(clock);
        println!("drawing power cuts with BOOTWRIGHT_GUESTS_SEED={seed}");
        seed
    })
}

/// Returns how often the power goes: `BOOTWRIGHT_GUESTS_CUTS`, once where `scripts/test` draws, else five times.
pub fn cuts() -> usize {
    let given = number("BOOTWRIGHT_GUESTS_CUTS").map(|cuts| usize::try_from(cuts).expect("a small number"));
    given.unwrap_or(if std::env::var_os("BOOTWRIGHT_DRAW").is_some() { 1 } else { CUTS })
}

/// Returns how often it goes in machines that take seconds: `BOOTWRIGHT_GUESTS_CUTS`, else five times.
pub fn each_run() -> usize {
    number("BOOTWRIGHT_GUESTS_CUTS").map_or(CUTS, |cuts| usize::try_from(cuts).expect("a small number"))
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: '{text}'")))
}

/// Returns a number that looks drawn: FNV-1a of the seed and a name, its upper bits put over the lower ones.
pub fn mixed(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ hash >> 32
}
