//! This machine's network: from a description to what runs, and back if nobody confirms.
//!
//! ```text
//! description ─▶ Network ─ settle (this machine's interfaces) ─▶ render ─▶ change ─▶ verify
//!                 contract    machine.rs                networkd.rs     change.rs
//!                                                       ifupdown.rs
//! ```
//!
//! The network that is set is kept as a record; every change edits it and renders everything from it. A change is
//! first written down with all that it replaces (`trial.rs`), so that a crash, a failure and a missing confirmation
//! all end in the same way back. Another manager is one more renderer and one more row in `manager.rs`.

mod address;
mod arguments;
mod change;
pub mod cli;
mod command;
mod deadline;
mod ifupdown;
mod live;
pub mod machine;
mod manager;
mod networkd;
mod probe;
mod record;
mod rendered;
mod resolver;
mod restore;
mod routes;
pub mod setting;
mod show;
#[cfg(test)]
mod tests;
mod trial;
mod unit;
