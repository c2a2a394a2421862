//! Users and groups of the image: read from its own files, created by its own `useradd`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use host::beneath::Root;

use crate::plan::User;
use crate::sandbox::Sandbox;

/// Numeric identity of a file's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// The image's `/etc/passwd` and `/etc/group`.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, Owner>,
    homes: HashMap<String, String>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads both files of the tree.
    ///
    /// # Errors
    ///
    /// When a file exists and cannot be read.
    pub fn load(tree: &Root) -> Result<Self> {
        let read = |path| {
            tree.read_to_string_if_exists(path).with_context(|| format!("reading '{path}' of the tree"))
        };
        Ok(Self::parse(&read("/etc/passwd")?.unwrap_or_default(), &read("/etc/group")?.unwrap_or_default()))
    }

    /// Parses passwd(5) and group(5) text; lines of another shape are passed over.
    pub fn parse(passwd: &str, group: &str) -> Self {
        let mut accounts = Self::default();
        for line in passwd.lines() {
            let fields: Vec<_> = line.split(':').collect();
            if let [name, _, uid, gid, _, home, ..] = fields[..]
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                accounts.users.insert(name.to_owned(), Owner { uid, gid });
                accounts.homes.insert(name.to_owned(), home.to_owned());
            }
        }
        for line in group.lines() {
            let fields: Vec<_> = line.split(':').collect();
            if let [name, _, gid, ..] = fields[..]
                && let Ok(gid) = gid.parse()
            {
                accounts.groups.insert(name.to_owned(), gid);
            }
        }
        accounts
    }

    /// Resolves `user`, `user:group` or numbers; a user alone brings its primary group.
    ///
    /// # Errors
    ///
    /// When the image has no such user or group.
    pub fn owner(&self, text: &str) -> Result<Owner> {
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let mut owner = match (self.users.get(user), user.parse()) {
            (Some(owner), _) => *owner,
            (None, Ok(uid)) => Owner { uid, gid: uid },
            (None, Err(_)) => {
                bail!("the image has no user '{user}'; name one that a package or `users:` creates")
            }
        };
        if let Some(group) = group {
            owner.gid = self.group(group)?;
        }
        Ok(owner)
    }

    /// Resolves a group name or number.
    ///
    /// # Errors
    ///
    /// When the image has no such group.
    pub fn group(&self, name: &str) -> Result<u32> {
        match (self.groups.get(name), name.parse()) {
            (Some(gid), _) => Ok(*gid),
            (None, Ok(gid)) => Ok(gid),
            (None, Err(_)) => bail!("the image has no group '{name}'; name one that a package creates"),
        }
    }

    fn home(&self, user: &str) -> Option<&str> {
        self.homes.get(user).map(String::as_str)
    }
}

/// Creates each user with a locked password and writes its keys.
///
/// # Errors
///
/// When a group does not exist or `useradd` refuses.
pub fn create_users(tree: &Root, root: &Path, users: &[User], sandbox: &Sandbox) -> Result<()> {
    for user in users {
        create_user(tree, root, user, sandbox).with_context(|| format!("creating user '{}'", user.name))?;
    }
    Ok(())
}

fn create_user(tree: &Root, root: &Path, user: &User, sandbox: &Sandbox) -> Result<()> {
    let before = Accounts::load(tree)?;
    for group in &user.groups {
        before.group(group)?;
    }
    if before.users.contains_key(&user.name) {
        extend_user(root, user, sandbox)?;
    } else {
        let mut command = sandbox.command(root, "/usr/sbin/useradd").args(["--shell", &user.shell]);
        command = if user.system {
            command.arg("--system")
        } else {
            command.args(["--create-home", "--user-group"])
        };
        if let Some(home) = &user.home {
            command = command.args(["--home-dir", home]);
        }
        if !user.groups.is_empty() {
            command = command.args(["--groups", &user.groups.join(",")]);
        }
        command.arg(&user.name).run().context("running useradd")?;
    }
    write_keys(tree, user)
}

/// A user that a package made already keeps its identity and gains the recipe's groups.
fn extend_user(root: &Path, user: &User, sandbox: &Sandbox) -> Result<()> {
    if !user.groups.is_empty() {
        sandbox
            .command(root, "/usr/sbin/usermod")
            .args(["--append", "--groups", &user.groups.join(","), &user.name])
            .run()
            .context("running usermod")?;
    }
    Ok(())
}

fn write_keys(tree: &Root, user: &User) -> Result<()> {
    if user.ssh_keys.is_empty() {
        return Ok(());
    }
    let accounts = Accounts::load(tree)?;
    let owner = accounts.owner(&user.name)?;
    let home = accounts.home(&user.name).context("the new user has no home folder")?.to_owned();
    let folder = format!("{home}/.ssh");
    tree.create_folder(&home, 0o755, owner.uid, owner.gid)?;
    tree.create_folder(&folder, 0o700, owner.uid, owner.gid)?;
    let mut text = user.ssh_keys.join("\n");
    text.push('\n');
    tree.write_file(&format!("{folder}/authorized_keys"), text.as_bytes(), 0o600, owner.uid, owner.gid)
        .context("writing authorized_keys")
}
