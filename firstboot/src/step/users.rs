//! Users, their groups, keys and rights. A user who is there already keeps what nothing is said about.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use contract::state::{DesiredState, Phase, User};

use super::accounts::Table;
use super::change::Change;
use super::{Step, Target};
use crate::machine::Machine;

const SUDOERS: &str = "/etc/sudoers.d/90-firstboot";
const SKELETON: &str = "/etc/skel";
/// Numbers of people, and of system users from the top down, as login.defs(5) of Debian has them.
const ORDINARY: std::ops::Range<u32> = 1000..60000;
const SYSTEM: std::ops::Range<u32> = 100..1000;

/// Makes users.
#[derive(Debug)]
pub struct UsersStep;

impl Step for UsersStep {
    fn name(&self) -> String {
        "users".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let state = &clone.wanted.state;
        let asked = !state.users.is_empty() || !state.ssh_keys.is_empty();
        asked.then(|| serde_json::json!([state.users, state.default_user, state.ssh_keys]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let (accounts, users) = plan_accounts(clone)?;
        // The account itself comes last: where it is, everything that a new user gets is there.
        let [groups, logins] = accounts.changes(clone.machine)?;
        let mut changes = Vec::from(groups);
        for user in &users {
            let place = accounts.place(&user.name).with_context(|| format!("user '{}'", user.name))?;
            if accounts.added.contains(&user.name) {
                changes.extend(home_changes(user, &place, clone.machine)?);
            }
            changes.extend(key_changes(user, &place, clone.machine)?);
        }
        changes.extend(sudo_changes(&users));
        changes.extend(logins);
        Ok(changes)
    }
}

/// Puts the wanted users into the tables.
fn plan_accounts(clone: &Target<'_>) -> Result<(Accounts, Vec<User>)> {
    let mut accounts = Accounts::load(clone.machine)?;
    let users = wanted_users(&clone.wanted.state, &accounts);
    for user in &users {
        accounts.ensure(user, clone.machine).with_context(|| format!("user '{}'", user.name))?;
    }
    Ok((accounts, users))
}

/// Returns passwd and group as they will be.
pub(super) fn planned_tables(clone: &Target<'_>) -> Result<(Table, Table)> {
    let (accounts, _) = plan_accounts(clone)?;
    Ok((accounts.passwd, accounts.group))
}

/// The users of the documents, and the default user where keys are meant for them.
fn wanted_users(state: &DesiredState, accounts: &Accounts) -> Vec<User> {
    let mut users = state.users.clone();
    if !state.ssh_keys.is_empty() {
        let first = accounts
            .passwd
            .first_ordinary()
            .or(users.iter().find(|user| !user.system).map(|user| &*user.name));
        let name = state.default_user.as_deref().or(first).unwrap_or("root").to_owned();
        let place = users.iter().position(|user| user.name == name).unwrap_or_else(|| {
            users.push(User { name, ..User::default() });
            users.len() - 1
        });
        users[place].ssh_keys.extend(state.ssh_keys.iter().cloned());
    }
    users
}

/// The four files.
struct Accounts {
    passwd: Table,
    shadow: Table,
    group: Table,
    gshadow: Table,
    /// The users that were not there before.
    added: BTreeSet<String>,
}

/// Where a user is.
struct Place {
    home: String,
    owner: (u32, u32),
}

impl Accounts {
    fn load(machine: &Machine) -> Result<Self> {
        let load = |path| Table::load(machine, path);
        Ok(Self {
            passwd: load("/etc/passwd")?,
            shadow: load("/etc/shadow")?,
            group: load("/etc/group")?,
            gshadow: load("/etc/gshadow")?,
            added: BTreeSet::new(),
        })
    }

    /// Adds a user, or changes what is said about one who is there.
    fn ensure(&mut self, user: &User, machine: &Machine) -> Result<()> {
        if self.passwd.get(&user.name).is_none() {
            self.add(user, machine)?;
        } else {
            for (index, value) in [(4, &user.comment), (5, &user.home), (6, &user.shell)] {
                if let Some(value) = value {
                    self.passwd.set(&user.name, index, value);
                }
            }
        }
        for group in &user.groups {
            self.ensure_group(group, ORDINARY, None)?;
            self.group.add_member(group, 3, &user.name);
            self.gshadow.add_member(group, 3, &user.name);
        }
        self.set_password(user);
        Ok(())
    }

    fn add(&mut self, user: &User, machine: &Machine) -> Result<()> {
        let range = if user.system { SYSTEM } else { ORDINARY };
        let uid = match user.uid {
            Some(uid) => {
                ensure!(!self.passwd.numbers().contains(&uid), "the number {uid} belongs to another user");
                uid
            }
            None => free(&self.passwd.numbers(), range.clone(), None)?,
        };
        let primary = user.primary_group.as_ref().unwrap_or(&user.name);
        self.ensure_group(primary, range, Some(uid))?;
        let gid = self.group.field(primary, 2).context("its group has no number")?.to_owned();
        let home = user.home.clone().unwrap_or_else(|| format!("/home/{}", user.name));
        let usual = if machine.exists("/bin/bash") { "/bin/bash" } else { "/bin/sh" };
        let shell = user.shell.as_deref().unwrap_or(if user.system { "/usr/sbin/nologin" } else { usual });
        let comment = user.comment.as_deref().unwrap_or_default();
        self.passwd.add(&[&user.name, "x", &uid.to_string(), &gid, comment, &home, shell]);
        self.added.insert(user.name.clone());
        if self.shadow.get(&user.name).is_none() {
            self.shadow.add(&[&user.name, "!", &today(), "0", "99999", "7", "", "", ""]);
        }
        Ok(())
    }

    /// Each file is looked at by itself: a power cut may have come between the two.
    fn ensure_group(&mut self, name: &str, range: std::ops::Range<u32>, wanted: Option<u32>) -> Result<()> {
        if self.group.get(name).is_none() {
            let gid = free(&self.group.numbers(), range, wanted)?;
            self.group.add(&[name, "x", &gid.to_string(), ""]);
        }
        if self.gshadow.get(name).is_none() {
            self.gshadow.add(&[name, "!", "", ""]);
        }
        Ok(())
    }

    /// A hash that is locked begins with `!`; without a hash, an old password stays, or is locked where that is said.
    fn set_password(&mut self, user: &User) {
        let locked = user.lock_password == Some(true);
        let before = self.shadow.field(&user.name, 1).unwrap_or_default().to_owned();
        let hash = match (&user.password_hash, locked) {
            (Some(hash), false) => hash.reveal().to_owned(),
            (Some(hash), true) => format!("!{}", hash.reveal()),
            (None, true) if !before.starts_with(['!', '*']) => format!("!{before}"),
            (None, _) => return,
        };
        if hash != before {
            self.shadow.set(&user.name, 1, &hash);
            self.shadow.set(&user.name, 2, &today());
        }
    }

    fn place(&self, name: &str) -> Result<Place> {
        let number = |index| self.passwd.field(name, index).and_then(|field| field.parse().ok());
        Ok(Place {
            home: self.passwd.field(name, 5).context("it has no home folder")?.to_owned(),
            owner: number(2).zip(number(3)).context("it has no numbers")?,
        })
    }

    /// Groups, then logins: a user must not name a group that is not there, even at a power cut.
    fn changes(&self, machine: &Machine) -> Result<[[Change; 2]; 2]> {
        let shadow_group = self.group.field("shadow", 2).and_then(|gid| gid.parse().ok()).unwrap_or(0);
        Ok([
            [write(&self.group, 0o644, 0, machine)?, write(&self.gshadow, 0o640, shadow_group, machine)?],
            [write(&self.shadow, 0o640, shadow_group, machine)?, write(&self.passwd, 0o644, 0, machine)?],
        ])
    }
}

/// Writes a table; one that is there keeps its mode and owner.
fn write(table: &Table, mode: u32, gid: u32, machine: &Machine) -> Result<Change> {
    let path = table.path().to_owned();
    let (mode, uid, gid) = if machine.exists(&path) {
        machine.root.ownership(&path).with_context(|| format!("looking at '{path}'"))?
    } else {
        (mode, 0, gid)
    };
    Ok(Change::File { path, bytes: table.to_text().into_bytes(), mode, owner: (uid, gid) })
}

/// Returns a number that is not taken: the wanted one, else the first.
fn free(taken: &BTreeSet<u32>, mut range: std::ops::Range<u32>, wanted: Option<u32>) -> Result<u32> {
    if let Some(wanted) = wanted.filter(|wanted| !taken.contains(wanted)) {
        return Ok(wanted);
    }
    let found = if range.start < ORDINARY.start {
        range.rev().find(|number| !taken.contains(number))
    } else {
        range.find(|number| !taken.contains(number))
    };
    found.context("all numbers are taken")
}

/// Days since 1970, as shadow(5) counts.
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    (since.as_secs() / 86_400).to_string()
}

/// The home folder of a new user, and what of the skeleton is not there yet.
fn home_changes(user: &User, place: &Place, machine: &Machine) -> Result<Vec<Change>> {
    if user.create_home == Some(false) || user.system {
        return Ok(Vec::new());
    }
    let mut changes = vec![Change::Folder { path: place.home.clone(), mode: 0o700, owner: place.owner }];
    for name in machine.root.list_folder(SKELETON).with_context(|| format!("looking into '{SKELETON}'"))? {
        // Folders of a skeleton are rare and left out; Debian's holds three files.
        let (from, path) = (format!("{SKELETON}/{name}"), format!("{}/{name}", place.home));
        let is_wanted = !machine.exists(&path) && machine.root.resolve_folder(&from)?.is_none();
        if let Some(bytes) = if is_wanted { machine.read(&from)? } else { None } {
            changes.push(Change::File { path, bytes, mode: 0o644, owner: place.owner });
        }
    }
    Ok(changes)
}

/// Adds keys to those that may log in. A folder that is a symlink is refused: it may lead to another user's.
fn key_changes(user: &User, place: &Place, machine: &Machine) -> Result<Vec<Change>> {
    if user.ssh_keys.is_empty() {
        return Ok(Vec::new());
    }
    let folder = format!("{}/.ssh", place.home.trim_end_matches('/'));
    let path = format!("{folder}/authorized_keys");
    for looked_at in [&folder, &path] {
        ensure!(
            !machine.root.is_symlink(looked_at)?,
            "'{looked_at}' is a symlink; keys are not written through it"
        );
    }
    let mut text = machine.read_text(&path)?.unwrap_or_default();
    for key in &user.ssh_keys {
        if !text.lines().any(|line| line.trim() == key) {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            text = format!("{text}{end}{key}\n");
        }
    }
    Ok(vec![
        Change::Folder { path: folder, mode: 0o700, owner: place.owner },
        Change::File { path, bytes: text.into_bytes(), mode: 0o600, owner: place.owner },
    ])
}

fn sudo_changes(users: &[User]) -> Option<Change> {
    let rules =
        users.iter().flat_map(|user| user.sudo.iter().map(move |rule| format!("{} {rule}\n", user.name)));
    let text: String = rules.collect();
    (!text.is_empty()).then(|| Change::file(SUDOERS, text, 0o440))
}
