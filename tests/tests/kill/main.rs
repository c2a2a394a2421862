//! Builds that are ended at random instants: by SIGKILL to all, the parent or a child, by a signal that asks, by a power cut.
//! What is left of them is nothing, and the next build makes the same bytes.
//!
//! `BOOTWRIGHT_KILLS` says how many builds are killed, `BOOTWRIGHT_POWER_CUTS` how often the power goes, and
//! `BOOTWRIGHT_KILL_SEED` fixes where and when; each is printed.

mod bench;
mod family;
mod faults;
mod interrupted;
mod killed;
mod power;
mod prepared;
