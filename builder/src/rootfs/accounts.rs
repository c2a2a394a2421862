//! User and group numbers of the image.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use super::error::{BootstrapError, Result};
use super::unpack::Owner;

/// Names that the image knows; empty before base-passwd has made the files.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    groups: HashMap<String, u32>,
}

impl Accounts {
    /// Reads `/etc/passwd` and `/etc/group` of the tree.
    ///
    /// # Errors
    /// A file that is there but unreadable.
    pub fn load(root: &Path) -> Result<Self> {
        Ok(Self {
            users: load_numbers(&root.join("etc/passwd"))?,
            groups: load_numbers(&root.join("etc/group"))?,
        })
    }

    /// Returns the number of a user given by name or as `#number`.
    pub fn user(&self, name: &str) -> Option<u32> {
        number(&self.users, name)
    }

    /// Returns the number of a group given by name or as `#number`.
    pub fn group(&self, name: &str) -> Option<u32> {
        number(&self.groups, name)
    }

    /// Returns the numbers for an archived owner: by name where the image knows it, else as archived.
    pub fn resolve(&self, owner: &Owner) -> (u32, u32) {
        let find = |known: &HashMap<String, u32>, name: &Option<String>| known.get(name.as_ref()?).copied();
        (
            find(&self.users, &owner.user).unwrap_or(owner.uid),
            find(&self.groups, &owner.group).unwrap_or(owner.gid),
        )
    }
}

fn number(known: &HashMap<String, u32>, name: &str) -> Option<u32> {
    match name.strip_prefix('#') {
        Some(digits) => digits.parse().ok(),
        None => known.get(name).copied(),
    }
}

/// Reads name and number of each line: the first and third field of both files.
fn load_numbers(path: &Path) -> Result<HashMap<String, u32>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.map_err(BootstrapError::file("reading", path))?,
    };
    let line = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_win_where_the_image_knows_them() {
        let root = std::env::temp_dir().join(format!("bootwright-accounts-{}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/:/bin/sh\nkeeper:x:105:9::/:/bin/sh\n").unwrap();
        let accounts = Accounts::load(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let owner = |user: &str, uid| Owner { uid, gid: 7, user: Some(user.into()), group: None };
        assert_eq!(accounts.resolve(&owner("keeper", 33)), (105, 7));
        assert_eq!(accounts.resolve(&owner("stranger", 33)), (33, 7));
        assert_eq!(accounts.user("#12"), Some(12));
        assert_eq!(accounts.group("keeper"), None);
    }
}
