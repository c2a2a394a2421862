//! Programs of a tree that do not work in it without `/proc`, and have an option for being outside of it.
//!
//! A run without namespaces cannot have `/proc`. systemd-tmpfiles, which the scripts of many packages call, refuses to work
//! then, and they go on as if nothing were amiss. So a stub notes what it is asked for, and when the run has ended the tree's own
//! program does it from outside: by the tree's own loader and libraries, with `--root`.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::mountpoint::resolve;

/// The program, by its path in the tree.
pub(super) const PROGRAM: &str = "/usr/bin/systemd-tmpfiles";

/// Notes its arguments, each ended by a zero byte, and their end by another.
pub(super) const STUB: &str =
    "#!/bin/sh\n{ for word; do printf '%s\\0' \"$word\"; done; printf '\\0'; } >> /dev/.outside\n";

/// Where the stub notes them; the folder is the run's alone.
const NOTES: &str = "dev/.outside";

/// The dynamic loaders of Debian's architectures that have one under this name.
const LOADERS: [&str; 2] = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"];

/// What was noted in the tree at `root`, to be done once the program itself is back in its place.
#[derive(Debug)]
pub(super) struct Noted {
    root: PathBuf,
    calls: Vec<Vec<OsString>>,
}

impl Noted {
    /// Reads what the stub has noted.
    pub(super) fn read(root: &Path) -> Self {
        let notes = fs::read(root.join(NOTES)).unwrap_or_default(); // no file: nothing was asked for
        Self { root: root.to_owned(), calls: calls(&notes) }
    }

    /// Does it. Scripts do not look at how the program ends, so it is only noted.
    pub(super) fn carry_out(self) {
        if self.calls.is_empty() {
            return;
        }
        let Some(loader) = LOADERS.iter().find_map(|path| self.inside(path)) else {
            tracing::warn!("'{}' has no loader; systemd-tmpfiles is not run", self.root.display());
            return;
        };
        let Some(program) = self.inside(PROGRAM) else { return };
        let libraries = self.libraries();
        for call in &self.calls {
            let mut command = Command::new(&loader);
            command.arg("--library-path").arg(&libraries).arg(&program);
            command.arg(concat_root(&self.root)).args(call).env_clear().env("LC_ALL", "C.UTF-8");
            match command.stdin(Stdio::null()).output() {
                Ok(output) => tracing::debug!(
                    "{PROGRAM} {call:?} from outside of the tree ended with {}: {}",
                    output.status,
                    String::from_utf8_lossy(&output.stderr)
                ),
                Err(error) => tracing::warn!("starting '{}' from outside: {error}", program.display()),
            }
        }
    }

    fn inside(&self, path: &str) -> Option<PathBuf> {
        let path = self.root.join(resolve(&self.root, Path::new(path)).ok()?);
        path.is_file().then_some(path)
    }

    /// Every folder below `usr/lib` that holds shared libraries of the tree's architecture or of systemd.
    fn libraries(&self) -> OsString {
        let lib = self.root.join("usr/lib");
        let listed = fs::read_dir(&lib).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut folders: Vec<PathBuf> =
            listed.filter(|path| path.to_string_lossy().ends_with("-linux-gnu") && path.is_dir()).collect();
        folders.extend(folders.clone().iter().map(|folder| folder.join("systemd")));
        folders.push(lib.join("systemd"));
        let mut joined = OsString::new();
        for folder in folders {
            joined.push(if joined.is_empty() { "" } else { ":" });
            joined.push(folder);
        }
        joined
    }
}

fn concat_root(root: &Path) -> OsString {
    let mut option = OsString::from("--root=");
    option.push(root);
    option
}

fn calls(notes: &[u8]) -> Vec<Vec<OsString>> {
    let mut calls = Vec::new();
    let mut words = Vec::new();
    for word in notes.split(|byte| *byte == 0) {
        if !word.is_empty() {
            words.push(OsString::from_vec(word.to_vec()));
        } else if !words.is_empty() {
            calls.push(std::mem::take(&mut words));
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_stub_notes_is_read_back() {
        let folder = std::env::temp_dir().join(format!("host-outside-{}", std::process::id()));
        fs::create_dir_all(folder.join("dev")).expect("a folder");
        let stub = STUB.replace("/dev/.outside", "dev/.outside");
        for words in [vec!["--create", "a b.conf"], vec!["--remove"]] {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(&stub).arg("stub").args(&words).current_dir(&folder);
            assert!(shell.status().expect("a shell").success());
        }
        let noted = Noted::read(&folder);
        assert_eq!(noted.calls, [vec!["--create", "a b.conf"], vec!["--remove"]]);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
