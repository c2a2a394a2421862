//! The ids of the worker's user namespace: subuid(5), subgid(5), written by newuidmap(1) and newgidmap(1).
//!
//! Inside, 0 is the caller and 1 to 65535 are the caller's subordinate ids: every owner that a Debian tree uses
//! exists, and root's files are the caller's own. Root needs no subordinate ids; there each id stands for itself.

use std::fs;
use std::io;
use std::process::Command;

use nix::unistd::{Gid, Pid, Uid, User};

/// Debian's trees use ids up to 65534, `nobody`.
const WANTED: u32 = 65_535;

/// Ids cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// The file grants this user nothing, or too little.
    #[error(
        "{file} grants '{user}' {found} ids where {WANTED} are needed\n  hint: as root, add the line \
         '{user}:100000:65536' to {file}, or run `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \
         {user}`; or build as root, at the latest with `--isolation chroot`"
    )]
    NoIds {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The user.
        user: String,
        /// How many there are.
        found: u32,
    },
    /// The program is not installed.
    #[error(
        "'{0}' is not installed\n  hint: install the package `uidmap`, or run as root, at the latest with `--isolation chroot`"
    )]
    NoProgram(&'static str),
    /// The program refused.
    #[error("{command} refused: {message}")]
    Refused {
        /// `newuidmap` or `newgidmap`, with its arguments.
        command: String,
        /// What it printed.
        message: String,
    },
    /// The kernel refused.
    #[error("writing '{file}': {source}")]
    Write {
        /// The map's file in `/proc`.
        file: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// One line of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) inside: u32,
    pub(super) outside: u32,
    pub(super) count: u32,
}

/// Both maps.
#[derive(Debug)]
pub(super) struct IdMaps {
    users: Vec<Range>,
    groups: Vec<Range>,
    /// Written by ourselves, since root may.
    direct: bool,
}

impl IdMaps {
    /// Reads what this user was granted.
    pub(super) fn of_caller() -> Result<Self, IdMapError> {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        if uid.is_root() {
            let same = vec![Range { inside: 0, outside: 0, count: WANTED + 1 }];
            return Ok(Self { users: same.clone(), groups: same, direct: true });
        }
        let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        let granted = |file: &'static str, own: u32| {
            let text = fs::read_to_string(file).unwrap_or_default(); // absent: nobody was granted any
            ranges(&text, &name, uid.as_raw(), own).map_err(|found| IdMapError::NoIds {
                file,
                user: name.clone(),
                found,
            })
        };
        let users = granted("/etc/subuid", uid.as_raw())?;
        Ok(Self { users, groups: granted("/etc/subgid", gid.as_raw())?, direct: false })
    }

    /// Gives `child`, which is in a new user namespace, its ids.
    pub(super) fn write(&self, child: Pid) -> Result<(), IdMapError> {
        if self.direct {
            write_directly(child, "uid_map", &self.users)?;
            return write_directly(child, "gid_map", &self.groups);
        }
        run("newuidmap", child, &self.users)?;
        run("newgidmap", child, &self.groups)
    }
}

/// The map of a user with the lines `NAME:START:COUNT` (or the number for a name) of `text`: 0 is `own`, the rest is
/// taken from the granted ranges in their order. When they are too few, how many there are.
pub(super) fn ranges(text: &str, name: &str, uid: u32, own: u32) -> Result<Vec<Range>, u32> {
    let mut ranges = vec![Range { inside: 0, outside: own, count: 1 }];
    let mut found = 0;
    for (start, granted) in text.lines().filter_map(|line| granted(line, name, uid)) {
        let count = granted.min(WANTED - found);
        if count > 0 {
            ranges.push(Range { inside: found + 1, outside: start, count });
            found += count;
        }
    }
    if found == WANTED { Ok(ranges) } else { Err(found) }
}

fn granted(line: &str, name: &str, uid: u32) -> Option<(u32, u32)> {
    let mut fields = line.trim().split(':');
    let who = fields.next()?;
    let start: u32 = fields.next()?.parse().ok()?;
    let count: u32 = fields.next()?.parse().ok()?;
    ((who == name || who.parse() == Ok(uid)) && start.checked_add(count).is_some()).then_some((start, count))
}

fn write_directly(child: Pid, file: &str, ranges: &[Range]) -> Result<(), IdMapError> {
    let file = format!("/proc/{child}/{file}");
    let lines: String = ranges.iter().map(|r| format!("{} {} {}\n", r.inside, r.outside, r.count)).collect();
    fs::write(&file, lines).map_err(|source| IdMapError::Write { file, source })
}

fn run(program: &'static str, child: Pid, ranges: &[Range]) -> Result<(), IdMapError> {
    let numbers = ranges.iter().flat_map(|r| [r.inside, r.outside, r.count]).map(|number| number.to_string());
    let arguments: Vec<String> = std::iter::once(child.to_string()).chain(numbers).collect();
    let refused =
        |message| IdMapError::Refused { command: format!("{program} {}", arguments.join(" ")), message };
    let output = Command::new(program).args(&arguments).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => IdMapError::NoProgram(program),
        _ => refused(error.to_string()),
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
