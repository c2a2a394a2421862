//! What a machine's network shall be: one model, whoever describes it.
//!
//! ```text
//! network-config v1, v2 ─┐
//! network_data.json     ─┼─▶ Network ─ validate ─▶ systemd-networkd files, or ifupdown stanzas
//! ETHx_* variables      ─┤
//! `firstboot net static`─┘
//! ```
//!
//! Each reader is one module; it parses and never guesses: a value that cannot be is an
//! error with its place, a key that nobody reads is a warning. A new format is one more such module that fills the
//! same [`Network`]; nothing behind the model knows where it came from.

mod cidr;
pub mod document;
mod feasible;
mod fields;
mod kind;
mod mac;
mod model;
mod name;
pub mod network_data;
mod node;
pub mod opennebula;
mod problem;
pub mod v1;
pub mod v2;
mod validate;
mod words;

pub use cidr::{Cidr, CidrError};
pub use kind::{Bond, BondMode, Bridge, InterfaceMatch, Kind, LacpRate, Vlan};
pub use mac::{MacAddress, MacError};
pub use model::{Dhcp, Dns, Interface, Network, Route};
pub use name::{NameError, is_domain, is_interface_name, is_pattern};
pub use problem::{Place, Problem, Problems, Reading, Severity};
pub use validate::validate;

use crate::yaml::Node;

/// Reads a network-config document of either version; the outer `network:` may be there or not.
///
/// # Errors
///
/// Everything that is wrong with it, and with the network that it describes.
pub fn parse_network_config(text: &str) -> Result<Reading, Problems> {
    read_network_config(&node::parse(text)?)
}

fn read_network_config(root: &Node) -> Result<Reading, Problems> {
    let mut problems = Vec::new();
    let body = root.given("network").unwrap_or(root);
    let version = body.given("version").and_then(|node| node.text());
    let reading = match version {
        Some("1") => v1::read(body, &mut problems),
        Some("2") => v2::read(body, &mut problems),
        None if body.given("config").and_then(|node| node.text()) == Some("disabled") => {
            return Ok(Reading { network: Network::default(), disabled: true, warnings: Vec::new() });
        }
        found => {
            let said = found.map_or("says no version".to_owned(), |found| format!("has version '{found}'"));
            problems.push(Problem::error(
                body.place(),
                format!("the network configuration {said}; 1 and 2 can be read"),
            ));
            Network::default()
        }
    };
    finish(reading, problems)
}

/// Validates what a reader made and sorts its problems out.
fn finish(network: Network, mut problems: Vec<Problem>) -> Result<Reading, Problems> {
    // What is missing because it could not be read would only be reported twice.
    if problems.iter().all(|problem| problem.severity != Severity::Error) {
        problems.extend(validate(&network));
    }
    problems.sort_by_key(|problem| (problem.severity, problem.place.line, problem.place.column));
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(Problems(problems));
    }
    Ok(Reading { network, disabled: false, warnings: problems })
}

#[cfg(test)]
mod tests;
