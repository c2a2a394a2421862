//! Runs the programs that set interfaces, with a limit, and shows what failed.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use contract::report::Ending;

use crate::test_bundle::script::run_command;

/// How long a program may take; none of them waits for the network's answer longer than that.
const LIMIT: Duration = Duration::from_secs(45);

/// Runs `program` and returns what it wrote.
///
/// # Errors
///
/// When it does not end with 0; the error has the command line and the end of what it wrote to standard error.
pub fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    let result = run_command(command, LIMIT);
    let shown = format!("{program} {}", arguments.join(" "));
    let said = result.stderr.text.trim();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    match result.ending {
        Ending::Exited(0) => Ok(result.stdout.text),
        Ending::Exited(code) => bail!("`{shown}` ended with {code}{said}"),
        Ending::Killed(signal) => bail!("`{shown}` was killed by signal {signal}{said}"),
        Ending::TimedOut(seconds) => bail!("`{shown}` took longer than {seconds} s{said}"),
        Ending::NotStarted(reason) => bail!("`{shown}` could not be started: {reason}"),
    }
}
