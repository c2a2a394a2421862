//! `/etc/passwd`, `/etc/shadow`, `/etc/group` and `/etc/gshadow` as tables: lines of fields with colons between.
//!
//! Lines that are none stay as they are, at their places. There is no name service here: what these files say is what
//! the machine itself knows.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::machine::Machine;

/// One of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    path: String,
    lines: Vec<Vec<String>>,
}

impl Table {
    /// Reads a file; one that is not there is empty.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn load(machine: &Machine, path: &str) -> Result<Self> {
        let text = machine.read_text(path)?.unwrap_or_default();
        Ok(Self::parse(path, &text))
    }

    fn parse(path: &str, text: &str) -> Self {
        let lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect();
        Self { path: path.to_owned(), lines }
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> String {
        self.lines.iter().map(|line| line.join(":") + "\n").collect()
    }

    /// Returns where the file is.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the fields of an entry.
    pub fn get(&self, name: &str) -> Option<&[String]> {
        self.lines.iter().find(|line| line[0] == name).map(Vec::as_slice)
    }

    /// Returns one field of an entry.
    pub fn field(&self, name: &str, index: usize) -> Option<&str> {
        self.get(name)?.get(index).map(String::as_str)
    }

    /// Sets one field of an entry that is there.
    pub fn set(&mut self, name: &str, index: usize, value: &str) {
        if let Some(line) = self.lines.iter_mut().find(|line| line[0] == name) {
            if line.len() <= index {
                line.resize(index + 1, String::new());
            }
            value.clone_into(&mut line[index]);
        }
    }

    /// Adds an entry at the end.
    pub fn add(&mut self, fields: &[&str]) {
        self.lines.push(fields.iter().map(|field| (*field).to_owned()).collect());
    }

    /// Adds a member to the list in this field of an entry, if it is not there.
    pub fn add_member(&mut self, name: &str, index: usize, member: &str) {
        let list = self.field(name, index).unwrap_or_default();
        if list.split(',').any(|known| known == member) {
            return;
        }
        let list = if list.is_empty() { member.to_owned() } else { format!("{list},{member}") };
        self.set(name, index, &list);
    }

    /// Returns the numbers that are taken; they are in the third field.
    pub fn numbers(&self) -> BTreeSet<u32> {
        self.lines.iter().filter_map(|line| line.get(2)?.parse().ok()).collect()
    }

    /// Returns the name of the ordinary user or group with the smallest number.
    pub fn first_ordinary(&self) -> Option<&str> {
        let number = |line: &&Vec<String>| line.get(2).and_then(|field| field.parse::<u32>().ok());
        let ordinary =
            self.lines.iter().filter(|line| number(line).is_some_and(|id| (1000..60000).contains(&id)));
        ordinary.min_by_key(number).map(|line| line[0].as_str())
    }
}

/// Returns the numbers of `user:group`; without a group, the user's own.
///
/// # Errors
///
/// When there is no such user or group.
pub fn resolve_owner(owner: &str, passwd: &Table, group: &Table) -> Result<(u32, u32)> {
    let (user, of_group) = owner.split_once(':').map_or((owner, None), |(user, group)| (user, Some(group)));
    let number = |table: &Table, name: &str, index: usize| {
        name.parse().ok().or_else(|| table.field(name, index)?.parse().ok())
    };
    let uid = number(passwd, user, 2).with_context(|| format!("there is no user '{user}'"))?;
    let gid = match of_group {
        Some(name) => number(group, name, 2).with_context(|| format!("there is no group '{name}'"))?,
        None => passwd.field(user, 3).and_then(|gid| gid.parse().ok()).unwrap_or(uid),
    };
    Ok((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n# odd\n+nis\nzoe:x:1001:1001::/home/zoe:/bin/sh\namy:x:1000:100::/home/amy:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n";

    #[test]
    fn tables_keep_what_they_do_not_know() {
        let mut table = Table::parse("/etc/passwd", PASSWD);
        assert_eq!(table.to_text(), PASSWD);
        assert_eq!(table.first_ordinary(), Some("amy"));
        table.set("zoe", 6, "/bin/zsh");
        assert_eq!(table.to_text(), PASSWD.replace("zoe:/bin/sh", "zoe:/bin/zsh"));
        assert!(table.numbers().contains(&65534));
    }

    #[test]
    fn members_are_added_once() {
        let mut table = Table::parse("/etc/group", "sudo:x:27:\nadm:x:4:amy\n");
        for group in ["sudo", "adm", "none"] {
            table.add_member(group, 3, "amy");
            table.add_member(group, 3, "zoe");
        }
        assert_eq!(table.to_text(), "sudo:x:27:amy,zoe\nadm:x:4:amy,zoe\n");
    }

    #[test]
    fn owners_are_names_or_numbers() {
        let (passwd, group) = (Table::parse("p", PASSWD), Table::parse("g", "users:x:100:\n"));
        for (owner, wanted) in
            [("root:users", (0, 100)), ("amy", (1000, 100)), ("7:8", (7, 8)), ("7", (7, 7))]
        {
            assert_eq!(resolve_owner(owner, &passwd, &group).expect(owner), wanted);
        }
        for bad in ["eve", "root:eve"] {
            resolve_owner(bad, &passwd, &group).expect_err(bad);
        }
    }
}
