//! Commands of documents: each a process of its own, once, with its own exit code.
//!
//! What a command says goes where this program's own words go. A command that a power cut interrupted runs again.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use contract::state::{Action, CommandEntry, Phase};

use super::change::Change;
use super::{Step, Target};
use crate::machine::{Machine, paths};

/// How long one command may run.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Runs one command.
#[derive(Debug)]
pub struct CommandStep {
    /// Its place among all; two commands may be the same.
    pub index: usize,
    /// The command.
    pub command: CommandEntry,
}

impl Step for CommandStep {
    fn name(&self) -> String {
        format!("command '{}'", self.command.name.escape_debug())
    }

    fn phase(&self) -> Phase {
        self.command.phase
    }

    fn wish(&self, _clone: &Target<'_>) -> Option<serde_json::Value> {
        Some(serde_json::json!([self.index, self.command]))
    }

    /// A command that ran to its end did what it did; another run might do it twice.
    fn is_repeatable(&self) -> bool {
        false
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let (name, action) = (self.command.name.clone(), self.command.action.clone());
        Ok(vec![Change::Command { name, action, runs: clone.runs_commands }])
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// When it does not start, ends with another code than 0, or runs too long.
pub(super) fn run(machine: &Machine, name: &str, action: &Action) -> Result<()> {
    let (mut command, script) = match action {
        Action::Shell(text) => {
            let line = std::str::from_utf8(&text.0).context("the command is no text")?;
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(line);
            (command, None)
        }
        Action::Program(words) => {
            let [program, arguments @ ..] = words.as_slice() else { bail!("the command is empty") };
            let mut command = Command::new(program);
            command.args(arguments);
            (command, None)
        }
        Action::Script(text) => {
            let path = format!("{}/script", paths::SCRIPT_FOLDER);
            machine.write(&path, &text.0, 0o700, (0, 0))?;
            (Command::new(machine.folder.join(path.trim_start_matches('/'))), Some(path))
        }
    };
    let ended = wait(&mut command, LIMIT);
    if let Some(path) = script {
        // It may hold secrets.
        machine.remove(&path)?;
    }
    ended.with_context(|| format!("command '{}'", name.escape_debug()))
}

fn wait(command: &mut Command, limit: Duration) -> Result<()> {
    let started = Instant::now();
    let mut child = command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .envs([("HOME", "/root"), ("LC_ALL", "C.UTF-8"), ("DEBIAN_FRONTEND", "noninteractive")])
        .current_dir("/")
        .stdin(Stdio::null())
        .spawn()
        .context("starting it")?;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().context("waiting for it")? {
            return if status.success() { Ok(()) } else { bail!("it ended with {status}") };
        }
        if started.elapsed() >= limit {
            child.kill().context("killing it")?;
            child.wait().context("waiting for it")?;
            bail!("it ran longer than {} s and was killed", limit.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_are_told() {
        let shell = |line: &str| {
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(line);
            command
        };
        wait(&mut shell("test \"$HOME:$DEBIAN_FRONTEND\" = /root:noninteractive && ! read x"), LIMIT)
            .expect("it is so");
        let told = format!("{:#}", wait(&mut shell("exit 7"), LIMIT).expect_err("a code"));
        assert!(told.contains("exit status: 7"), "{told}");
        let told =
            format!("{:#}", wait(&mut shell("sleep 60"), Duration::from_millis(100)).expect_err("too long"));
        assert!(told.contains("was killed"), "{told}");
        wait(&mut Command::new("/nonexistent/program"), LIMIT).expect_err("no program");
    }
}
