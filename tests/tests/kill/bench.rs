//! A small build that passes through every stage, and what it must leave as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use integration_tests::program::interruptible;
use integration_tests::scratch::Scratch;

use super::prepared::{Took, copy, prepared, try_copy};

/// One at a time: the tests look at all orphans of this process.
static ALONE: Mutex<()> = Mutex::new(());

/// Numbers from a seed: xorshift64*.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).expect("31 bits") % bound
    }
}

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub struct Bench {
    scratch: Scratch,
    /// How long builds take.
    pub took: Took,
    /// Checksums of what it makes.
    pub sums: String,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// A recipe with its lock, and a cache in which it was built.
    pub fn new(name: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        host::descendants::adopt_orphans();
        let prepared = prepared();
        let scratch = Scratch::new(name);
        for part in ["recipe.yaml", "recipe.lock", "overlay"] {
            copy(&["-a"], &prepared.folder.join(part), scratch.path());
        }
        // Nothing writes into what is in a cache, so a second name is as good as a copy where there can be one.
        let cache = prepared.folder.join("cache");
        if !try_copy(&["-al"], &cache, scratch.path()) {
            copy(&["-a"], &cache, scratch.path());
        }
        fs::create_dir(scratch.path().join("tmp")).expect("a folder");
        Self { scratch, took: prepared.took, sums: prepared.sums.clone(), _alone: alone }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    pub fn command(&self, level: &str, fresh: bool) -> Command {
        self.command_in(self.scratch.path(), level, fresh)
    }

    /// A build whose cache and output are below `place`.
    pub fn command_in(&self, place: &Path, level: &str, fresh: bool) -> Command {
        let mut command = interruptible();
        command.args(["build", "--locked", "--progress", "plain", "--isolation", level]);
        command.args(fresh.then_some("--fresh"));
        command.arg(self.path("recipe.yaml")).arg("--cache").arg(place.join("cache"));
        command.arg("--output").arg(place.join("out")).env("TMPDIR", self.path("tmp"));
        command
    }

    pub fn start(&self, level: &str, fresh: bool) -> Child {
        let mut command = self.command(level, fresh);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    pub fn succeed(&self, command: &mut Command, what: &str) {
        let output = command.stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn checksums(&self) -> String {
        fs::read_to_string(self.path("out/ended.SHA256SUMS")).expect("checksums")
    }

    /// Forgets the output.
    pub fn clear(&self) {
        fs::remove_dir_all(self.path("out")).expect("there is one");
    }

    /// What must be as before: mounts, loop devices, shared memory, temporary files, and names in the cache and the output that
    /// are neither complete results nor the beginning of a download.
    pub fn traces(&self) -> String {
        // Others may mount and attach meanwhile; what a build did would name its folders or its program.
        let ours = |text: &str| -> Vec<String> {
            let (scratch, program) = (self.scratch.path().display().to_string(), "bootwright ");
            text.lines()
                .filter(|line| line.contains(&scratch) || line.contains(program))
                .map(str::to_owned)
                .collect()
        };
        let mounts = ours(&fs::read_to_string("/proc/self/mountinfo").expect("proc is mounted"));
        let loops = Command::new("losetup").arg("--all").output().expect("losetup runs").stdout;
        let loops = ours(&String::from_utf8_lossy(&loops));
        let folders = [PathBuf::from("/dev/shm"), self.path("tmp")];
        let mut files: BTreeSet<PathBuf> = folders.iter().flat_map(|folder| below(folder)).collect();
        // faketime's, of any process of the machine that runs under it.
        files.retain(|path| !path.to_string_lossy().contains("faketime"));
        let cache = self.path("cache");
        let is_result =
            |path: &PathBuf| ["objects", "records"].iter().any(|known| path.starts_with(cache.join(known)));
        let is_download = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            path.starts_with(cache.join("partial")) && name.len() == 64
        };
        files.extend(below(&cache).into_iter().filter(|path| !is_result(path) && !is_download(path)));
        files.extend(below(&self.path("out")).into_iter().filter(|path| !self.is_complete(path)));
        format!("{mounts:?}{loops:?}{files:#?}")
    }

    /// Tells whether a file of the output has the bytes that it should have, or is one of those that tell of times.
    fn is_complete(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".times.json") || name.ends_with(".SHA256SUMS") {
            return true;
        }
        let said = Command::new("sha256sum").arg(path).output().expect("sha256sum runs").stdout;
        let digest = String::from_utf8_lossy(&said).split(' ').next().unwrap_or_default().to_owned();
        self.sums.lines().any(|line| line.starts_with(&digest) && line.ends_with(&name))
    }
}

/// Every file and folder below `folder`.
fn below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let mut found = Vec::new();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path()));
        }
        found.push(entry.path());
    }
    found
}
