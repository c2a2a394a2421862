//! Who runs the probe, and how.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use integration_tests::scratch::Scratch;

/// A user of this machine that exists as long as the value.
#[derive(Debug)]
pub struct FreshUser {
    name: String,
    uid: u32,
}

impl FreshUser {
    /// Makes a user without home, with or without subordinate ids. Needs root.
    pub fn create(subordinate_ids: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bwt{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        succeed(Command::new("useradd").args(["--no-create-home", "--shell", "/bin/sh", &name]));
        // What useradd grants depends on the host's settings.
        for (file, option) in [("/etc/subuid", "subuids"), ("/etc/subgid", "subgids")] {
            let text = fs::read_to_string(file).unwrap_or_default();
            for line in text.lines().filter(|line| line.starts_with(&format!("{name}:"))) {
                let numbers: Vec<u64> = line.split(':').skip(1).filter_map(|n| n.parse().ok()).collect();
                let [start, count] = numbers[..] else { panic!("'{line}' in {file}") };
                let range = format!("{start}-{}", start + count - 1);
                succeed(Command::new("usermod").args([&format!("--del-{option}"), &range, &name]));
            }
            if subordinate_ids {
                succeed(Command::new("usermod").args([&format!("--add-{option}"), "1100000-1165535", &name]));
            }
        }
        let output = Command::new("id").args(["-u", &name]).output().expect("id runs");
        let uid = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
        Self { name, uid }
    }
}

impl Drop for FreshUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").args(["--force", &self.name]).stderr(Stdio::null()).status();
    }
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A level of isolation and who asks for it.
#[derive(Debug)]
pub struct Level {
    /// `auto`, `root` or `user`.
    pub request: &'static str,
    user: Option<FreshUser>,
}

impl Level {
    /// As whoever runs the tests.
    pub fn of_root(request: &'static str) -> Self {
        Self { request, user: None }
    }

    /// Whether the one who asks is not root.
    pub fn is_ordinary(&self) -> bool {
        self.user.is_some() || !is_root()
    }

    /// Runs the probe where no worker is expected to start.
    pub fn probe_refused(&self) -> Probed {
        let folder = self.folder();
        Probed::new(self.command(folder.path(), "inside", "true").output().expect("the probe runs"))
    }

    /// Runs the probe to its end.
    pub fn probe(&self, what: &str, script: &str) -> Probed {
        let folder = self.folder();
        let output = self.command(folder.path(), what, script).output().expect("the probe runs");
        let left = fs::read_dir(folder.path().join("mount")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "the workspace is empty outside of the worker");
        Probed::new(output)
    }

    /// A folder that the user of this level may write to, with a copy of the probe that the user may run.
    pub fn folder(&self) -> Scratch {
        let folder = Scratch::new("isolation");
        // By another process: a descriptor that this one writes to may be open in a child of another test's just now, and
        // then the copy could not be executed.
        succeed(
            Command::new("cp").arg(env!("CARGO_BIN_EXE_isolation_probe")).arg(folder.path().join("probe")),
        );
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("readable");
        if let Some(user) = &self.user {
            chown(folder.path(), Some(user.uid), Some(user.uid)).expect("given to the user");
        }
        folder
    }

    /// The probe with its arguments, as the user of this level.
    pub fn command(&self, folder: &Path, what: &str, script: &str) -> Command {
        let probe: PathBuf = folder.join("probe");
        // Who runs the tests in the background may have them ignore signals, and what is ignored is inherited.
        let mut command = Command::new("/usr/bin/env");
        command.arg("--default-signal=HUP,INT,TERM");
        if let Some(user) = &self.user {
            let id = user.uid;
            command.arg("/usr/bin/setpriv");
            command.args([format!("--reuid={id}"), format!("--regid={id}"), "--init-groups".to_owned()]);
        }
        command.arg(probe).arg(self.request).arg(folder).args([what, script]);
        command
    }
}

/// What the probe said.
#[derive(Debug)]
pub struct Probed {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Probed {
    fn new(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Asserts that the script succeeded and left nothing, and returns what it printed.
    pub fn succeeded(self, level: &Level) -> String {
        assert_eq!(self.code, Some(0), "{level:?}: {}{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("left: "), "{level:?}: {}", self.stderr);
        self.stdout
    }
}

pub fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout == b"0\n"
}

/// All levels that this user can try.
pub fn all() -> Vec<Level> {
    if !is_root() {
        return vec![Level { request: "user", user: None }];
    }
    vec![
        Level { request: "root", user: None },
        Level { request: "user", user: None },
        Level { request: "user", user: Some(FreshUser::create(true)) },
    ]
}

/// An ordinary user without subordinate ids, for refusals. Needs root.
pub fn without_ids() -> Level {
    Level { request: "auto", user: Some(FreshUser::create(false)) }
}
