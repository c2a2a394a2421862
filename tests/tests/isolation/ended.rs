//! What ends with what: after any kill, nothing runs and nothing is mounted.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::level::{Level, all};

/// Long enough for a machine under load; the kernel needs milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many probes were started: tests run beside each other in one process, and none may count another's processes.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// A probe with a script that has put processes everywhere: in the foreground, in the background, in a session of their
/// own, orphaned.
struct Started {
    child: Child,
    /// An argument by which the script's processes are known.
    mark: String,
}

impl Started {
    fn new(level: &Level, folder: &Path, what: &str) -> Self {
        let mark = mark();
        let script = format!(
            "sleep {mark} & setsid sleep {mark} & (setsid setsid sleep {mark} &) & trap '' TERM INT HUP; echo ready >&2; sleep {mark}"
        );
        // The worker's own standard error; inside, output is captured, so there the processes themselves tell.
        let mut command = level.command(folder, what, &script);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        if what == "worker" {
            let mut line = String::new();
            BufReader::new(child.stderr.take().expect("piped")).read_line(&mut line).expect("read");
            assert_eq!(line, "ready\n");
        }
        let started = Self { child, mark };
        started.wait_until("all processes run", |count| count >= 4);
        started
    }

    fn count(&self) -> usize {
        count(&self.mark)
    }

    fn wait_until(&self, what: &str, done: impl Fn(usize) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.count()) {
            assert!(Instant::now() < deadline, "never: {what}; {} processes", self.count());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: &str) {
        send(signal, self.child.id());
    }

    /// The worker: the only child of the process that was started.
    fn worker(&self) -> u32 {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("readable");
        children.trim().parse().expect("one child")
    }
}

/// A time to sleep that no other process of the machine sleeps.
fn mark() -> String {
    format!("{}.{}", 70_000 + STARTED.fetch_add(1, Ordering::Relaxed), std::process::id())
}

/// Counts the processes `sleep MARK` of the machine.
fn count(mark: &str) -> usize {
    let wanted = format!("sleep\0{mark}\0").into_bytes();
    let is_wanted =
        |entry: &fs::DirEntry| fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == wanted);
    fs::read_dir("/proc").expect("listed").flatten().filter(is_wanted).count()
}

fn send(signal: &str, pid: u32) {
    let sent =
        Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

/// Calls `end` on a running probe of each level and checks that nothing stays.
fn each(end: impl Fn(&mut Started, &Level)) {
    for level in &all() {
        let folder = level.folder();
        let mut started = Started::new(level, folder.path(), "inside");
        let mounts = |pid: u32| fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let at = format!("{}/mount", folder.path().display());
        assert!(mounts(started.worker()).contains(&at), "the worker has its workspace");
        end(&mut started, level);
        started.wait_until("all processes end", |count| count == 0);
        assert!(!mounts(std::process::id()).contains(&at));
        assert_eq!(fs::read_dir(folder.path().join("mount")).expect("listed").count(), 0);
    }
}

#[test]
fn killing_the_parent_ends_everything() {
    each(|started, _| {
        started.signal("KILL");
        started.child.wait().expect("it ends");
    });
}

#[test]
fn killing_the_worker_ends_everything_and_the_parent_says_so() {
    each(|started, level| {
        send("KILL", started.worker());
        assert_eq!(started.child.wait().expect("it ends").code(), Some(128 + 9), "{level:?}");
        assert_eq!(started.count(), 0, "{level:?}: the parent has waited for all");
    });
}

#[test]
fn signals_are_passed_on_and_all_is_gone_when_the_parent_ends() {
    for (signal, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        each(|started, level| {
            started.signal(signal);
            assert_eq!(started.child.wait().expect("it ends").code(), Some(128 + number), "{level:?}");
            assert_eq!(started.count(), 0, "{level:?}: the parent has waited for all");
        });
    }
}

#[test]
fn the_program_s_end_ends_what_it_left_running() {
    for level in all() {
        let mark = format!("60001.{}", std::process::id());
        let begun = Instant::now();
        level.probe("inside", &format!("setsid sleep {mark} & sleep {mark} & true")).succeeded(&level);
        assert!(begun.elapsed() < PATIENCE, "it waits for no daemon");
        assert_eq!(count(&mark), 0, "{level:?}");
    }
}

#[test]
fn a_body_that_panics_is_one_failure() {
    for level in all() {
        let run = level.probe("panic", "");
        assert_eq!(run.code, Some(101), "{level:?}: {run:?}");
        assert_eq!(run.stderr.matches("as asked").count(), 1, "{level:?}: {run:?}");
    }
}

#[test]
fn a_run_takes_milliseconds() {
    for level in all() {
        // Ten times what it takes: for a machine under load, not for a waiting step in the set-up, which is in each
        // measurement where other work is in some.
        let is_quick = (0..5).any(|_| {
            let mean: u64 = level.probe("many", "true").succeeded(&level).trim().parse().expect("a number");
            println!("{level:?}: {mean} µs");
            mean < 50_000
        });
        assert!(is_quick, "{level:?}: 50 ms and more");
    }
}

#[test]
fn dropping_a_run_ends_it() {
    for level in all() {
        let mark = format!("60002.{}", std::process::id());
        let folder = level.folder();
        let script = format!("setsid sleep {mark} & sleep {mark}");
        let mut probe = level
            .command(folder.path(), "dropped", &script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + PATIENCE;
        while count(&mark) < 2 {
            assert!(Instant::now() < deadline, "it never started");
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut stdin = probe.stdin.take().expect("piped");
        stdin.write_all(b"drop\n").expect("written");
        let mut line = String::new();
        BufReader::new(probe.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        assert_eq!(line, "dropped\n");
        assert_eq!(count(&mark), 0, "{level:?}: gone before the drop returns");
        drop(stdin);
        assert!(probe.wait().expect("it ends").success());
    }
}
