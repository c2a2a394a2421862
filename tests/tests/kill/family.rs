//! The processes of a build, and ending some of them.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::bench::Dice;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Every process.
    Tree,
    /// The process that was started.
    Parent,
    /// The worker, the first process of a run in the tree, or the run's program.
    Child,
}

impl Victim {
    pub fn roll(dice: &mut Dice) -> Self {
        [Self::Tree, Self::Parent, Self::Child][dice.below(3)]
    }
}

/// Kills whom `victim` says of the family of `parent`.
pub fn kill(parent: u32, victim: Victim, dice: &mut Dice) {
    match victim {
        Victim::Parent => send(&[parent]),
        Victim::Child => {
            let family = descendants(parent, 3);
            if !family.is_empty() {
                send(&[family[dice.below(family.len())]]);
            }
        }
        Victim::Tree => {
            // What is born meanwhile is of the family too.
            for _ in 0..50 {
                let mut family = descendants(parent, usize::MAX);
                family.push(parent);
                send(&family);
                family.extend(host::descendants::children().iter().map(|pid| pid.unsigned_abs()));
                send(&family);
            }
        }
    }
}

fn send(pids: &[u32]) {
    let mut command = Command::new("kill");
    command.arg("-KILL").args(pids.iter().map(ToString::to_string));
    // Some have ended by themselves.
    command.stderr(Stdio::null()).status().expect("kill runs");
}

/// Children of `parent`, theirs, and so on to a depth.
fn descendants(parent: u32, depth: usize) -> Vec<u32> {
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").expect("proc is mounted").flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((pid, rest)) = stat.split_once(' ') else { continue };
        // The name may have blanks; the state and the parent follow its last parenthesis.
        let after = rest.rsplit(')').next().unwrap_or_default();
        let above = after.split_whitespace().nth(1).and_then(|number| number.parse().ok());
        if let (Ok(pid), Some(above)) = (pid.parse(), above) {
            children.entry(above).or_default().push(pid);
        }
    }
    let (mut found, mut generation) = (Vec::new(), vec![parent]);
    for _ in 0..depth.min(64) {
        generation =
            generation.iter().flat_map(|pid| children.get(pid).cloned().unwrap_or_default()).collect();
        found.extend(&generation);
    }
    found
}

/// Waits until this process has no child that runs; orphans of a build become its own.
pub fn wait_for_orphans(patience: Duration) -> Result<(), String> {
    let deadline = Instant::now() + patience;
    loop {
        let running: Vec<String> = host::descendants::children().into_iter().filter_map(running).collect();
        if running.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("still there: {running:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a process runs, unless it has ended and is only not yet waited for. Its first thread may have ended before the
/// others, which hold its files and locks for as long.
fn running(pid: i32) -> Option<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()).find(|stat| {
        let state = stat.rsplit(')').next().and_then(|after| after.split_whitespace().next());
        state.is_some_and(|state| state != "Z" && state != "X")
    })
}
