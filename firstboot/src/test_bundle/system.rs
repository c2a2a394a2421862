//! Waits for the system to finish its start.

use std::process::Command;
use std::time::Duration;

use contract::report::{Ending, SystemState};

use super::script::run_command;

/// How long listing the failed units may take.
const LISTING_LIMIT: Duration = Duration::from_secs(30);

/// Waits until the system manager says that its start is over, at most `limit`.
pub fn settle(limit: Duration) -> SystemState {
    let waited = run_command(systemctl(&["is-system-running", "--wait"]), limit);
    let state = match &waited.ending {
        Ending::TimedOut(seconds) => format!("not settled within {seconds} s"),
        Ending::NotStarted(reason) => format!("unknown: systemctl: {reason}"),
        Ending::Exited(_) | Ending::Killed(_) => waited.stdout.text.trim().to_owned(),
    };
    let listed = run_command(systemctl(&["list-units", "--failed", "--plain", "--no-legend"]), LISTING_LIMIT);
    SystemState { state, failed_units: parse_units(&listed.stdout.text), seconds: waited.seconds }
}

fn systemctl(arguments: &[&str]) -> Command {
    let mut command = Command::new("systemctl");
    command.args(arguments);
    command
}

/// Takes the first word of each line of `systemctl list-units --plain --no-legend`.
pub fn parse_units(listing: &str) -> Vec<String> {
    listing.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
