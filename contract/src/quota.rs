//! Limits on what is stored: whose, where, and how much, as they are written (`1GiB`, `800MiB:1GiB`, `none`).

use serde::{Deserialize, Serialize};

use crate::finding::Findings;
use crate::name::check_path;
use crate::size;
use crate::yaml::Node;

/// Whom a limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// A user.
    User,
    /// A group.
    Group,
    /// A project: the files below folders that are given to it.
    Project,
}

impl Whose {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::User, Self::Group, Self::Project];

    /// The word that people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Project => "project",
        }
    }

    /// The word of ext4's mount options.
    pub fn mount_option(self) -> &'static str {
        match self {
            Self::User => "usrquota",
            Self::Group => "grpquota",
            Self::Project => "prjquota",
        }
    }
}

/// A limit that may be passed for a while, and one that may not; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// May be passed for a while.
    pub soft: u64,
    /// May not be passed.
    pub hard: u64,
}

/// What one user, group or project may store on one filesystem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// A path on the filesystem.
    pub path: String,
    /// Whom it is for.
    pub whose: Whose,
    /// A user or group by name or number; a project by number.
    pub who: String,
    /// The folder that belongs to the project, with all below it.
    pub folder: Option<String>,
    /// Limit on bytes; none leaves it as it is.
    pub bytes: Option<Limit>,
    /// Limit on files and folders; none leaves it as it is.
    pub inodes: Option<Limit>,
}

impl Quota {
    /// Says whom it is for, and where.
    pub fn subject(&self) -> String {
        let folder = self.folder.as_ref().map_or_else(String::new, |folder| format!(", {folder}"));
        format!("{} {} on {}{folder}", self.whose.name(), self.who.escape_debug(), self.path)
    }
}

/// Reads `{path, user | group | project, folder, block, inode}`.
pub(crate) fn read(node: &Node, findings: &mut Findings) -> Option<Quota> {
    let (mut whose, mut quota) = (
        None,
        Quota {
            path: "/".into(),
            whose: Whose::User,
            who: String::new(),
            folder: None,
            bytes: None,
            inodes: None,
        },
    );
    for entry in findings.map(node, "quotas") {
        let value = &entry.value;
        let text = findings.text(value, &entry.key)?;
        let judged = match entry.key.as_str() {
            "path" => check_path(&text).map(|()| quota.path = text),
            "folder" => check_path(&text).map(|()| quota.folder = Some(text)),
            "block" => parse_bytes(&text).map(|limit| quota.bytes = Some(limit)),
            "inode" => parse_inodes(&text).map(|limit| quota.inodes = Some(limit)),
            key => match Whose::ALL.into_iter().find(|one| one.name() == key) {
                Some(_) if whose.is_some() => Err("a quota names one of 'user', 'group' and 'project'".into()),
                Some(one) => check_who(one, &text).map(|()| {
                    whose = Some(one);
                    quota.who = text;
                }),
                None => Err("a quota has no such key; path, user, group, project, folder, block and inode are its keys".into()),
            },
        };
        judged
            .map_err(|reason| {
                findings.invalid(entry.line, format!("'{}': {reason}", entry.key.escape_debug()))
            })
            .ok()?;
    }
    let Some(whose) = whose else {
        findings.invalid(node.line, "a quota names one of 'user', 'group' and 'project'");
        return None;
    };
    quota.whose = whose;
    let wrong = match (&quota.folder, quota.bytes.or(quota.inodes)) {
        (_, None) => "a quota has a limit: 'block', 'inode' or both",
        (Some(_), _) if whose != Whose::Project => "'folder' goes with 'project'",
        _ => return Some(quota),
    };
    findings.invalid(node.line, wrong);
    None
}

fn check_who(whose: Whose, text: &str) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(number) if number > 0 || whose != Whose::Project => Ok(()),
        Ok(_) => Err("project 0 is everything that belongs to no project".into()),
        Err(_) if whose == Whose::Project => Err("a project is a number".into()),
        Err(_) => crate::name::check_account(text),
    }
}

/// Reads a limit on space.
///
/// # Errors
///
/// When it is no size, a bare number, or the soft limit is above the hard one.
pub fn parse_bytes(text: &str) -> Result<Limit, String> {
    parse(text, |one| size::parse(one).ok())
        .map_err(|reason| format!("{reason}; 512MiB, 1GiB:2GiB (soft and hard) and none are limits"))
}

/// Reads a limit on numbers of files.
///
/// # Errors
///
/// When it is no number, or the soft limit is above the hard one.
pub fn parse_inodes(text: &str) -> Result<Limit, String> {
    parse(text, |one| one.parse().ok())
        .map_err(|reason| format!("{reason}; 1000, 900:1000 (soft and hard) and none are limits"))
}

fn parse(text: &str, one: impl Fn(&str) -> Option<u64>) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit::default());
    }
    let (soft, hard) = text.split_once(':').map_or((None, text), |(soft, hard)| (Some(soft), hard));
    let read =
        |text: &str| one(text).filter(|limit| *limit > 0).ok_or_else(|| format!("'{text}' is no limit"));
    let hard = read(hard)?;
    let soft = soft.map_or(Ok(0), read)?;
    if soft > hard {
        return Err("the soft limit is above the hard one".into());
    }
    Ok(Limit { soft, hard })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_others_refused() {
        assert_eq!(parse_bytes("1GiB"), Ok(Limit { soft: 0, hard: 1 << 30 }));
        assert_eq!(parse_bytes("1MiB:2MiB"), Ok(Limit { soft: 1 << 20, hard: 2 << 20 }));
        assert_eq!(parse_inodes("900:1000"), Ok(Limit { soft: 900, hard: 1000 }));
        assert_eq!(parse_bytes("none"), Ok(Limit::default()));
        for text in ["", "1024", "1GB", "-1MiB", "0KiB", "2MiB:1MiB", "99999999999TiB", "1MiB:", "é"] {
            parse_bytes(text).expect_err(text);
        }
        for text in ["", "1k", "0", "-5", "2:1"] {
            parse_inodes(text).expect_err(text);
        }
    }

    #[test]
    fn quotas_are_read_and_others_refused() {
        let one = |text: &str| {
            let mut findings = Findings::default();
            let read = read(&crate::yaml::parse(text).expect("YAML"), &mut findings);
            (read, findings.0.into_iter().map(|finding| finding.message).collect::<Vec<_>>())
        };
        let (quota, findings) = one("{path: /srv, project: 7, folder: /srv/www, block: 1GiB, inode: 5}");
        let quota = quota.expect("a quota");
        assert_eq!(
            (quota.subject().as_str(), quota.folder.as_deref()),
            ("project 7 on /srv, /srv/www", Some("/srv/www"))
        );
        assert_eq!(
            (quota.bytes.map(|limit| limit.hard), quota.inodes.map(|limit| limit.hard)),
            (Some(1 << 30), Some(5))
        );
        assert!(findings.is_empty());
        for (text, wanted) in [
            ("{path: /srv, block: 1GiB}", "names one of"),
            ("{user: ops, group: ops, block: 1GiB}", "names one of"),
            ("{user: a, group: b, project: 7, block: 1GiB}", "names one of"),
            ("{user: ops}", "has a limit"),
            ("{user: ops, block: 1000}", "'block': '1000' is no limit"),
            ("{user: ops, folder: /srv, block: 1GiB}", "goes with 'project'"),
            ("{project: 0, block: 1GiB}", "belongs to no project"),
            ("{project: www, block: 1GiB}", "is a number"),
            ("{user: 'a b', block: 1GiB}", "'user': "),
            ("{usr: ops, block: 1GiB}", "no such key"),
            ("{user: ops, path: ../srv, block: 1GiB}", "'path': "),
        ] {
            let (quota, findings) = one(text);
            assert!(quota.is_none() && findings[0].contains(wanted), "{text}: {findings:?}");
        }
    }
}
