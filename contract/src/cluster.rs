//! `cluster` of a document: what a clone becomes in a cluster at its first boot.

use serde::{Deserialize, Serialize};

use crate::finding::Findings;
use crate::name::check_host;
use crate::roles::check_name;
use crate::state::Secret;
use crate::yaml::Node;

/// What a clone becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterWish {
    /// The name of a cluster that it begins, as its core.
    pub setup: Option<String>,
    /// What lets it into a cluster that is there.
    pub token: Option<Secret>,
    /// Where core nodes are, in place of those that the token names.
    pub core: Vec<String>,
    /// Its roles and groups of roles.
    pub roles: Vec<String>,
    /// Whether this machine is a template: its clones become that, itself does not.
    pub defer: bool,
}

/// Reads `{core, token, roles, defer}` or `{setup, roles}`.
pub fn read(node: &Node, findings: &mut Findings) -> Option<ClusterWish> {
    let mut wish =
        ClusterWish { setup: None, token: None, core: Vec::new(), roles: Vec::new(), defer: false };
    for entry in findings.map(node, "cluster") {
        let value = &entry.value;
        match entry.key.as_str() {
            "setup" => {
                let name = findings.text(value, "setup")?;
                if let Err(reason) = check_host(&name) {
                    findings.invalid(value.line, format!("'setup': {reason}"));
                    return None;
                }
                wish.setup = Some(name);
            }
            "token" => wish.token = Some(Secret::new(findings.text(value, "token")?)),
            "core" => wish.core = findings.texts(value, "core"),
            "roles" => wish.roles = findings.texts(value, "roles"),
            "defer" => wish.defer = findings.boolean(value, "defer")?,
            _ => {
                let key = entry.key.escape_debug();
                findings.invalid(entry.line, format!("'cluster' has no key '{key}'"));
            }
        }
    }
    match check(&wish) {
        Ok(()) => Some(wish),
        Err(reason) => {
            findings.invalid(node.line, format!("'cluster': {reason}"));
            None
        }
    }
}

fn check(wish: &ClusterWish) -> Result<(), String> {
    wish.roles.iter().try_for_each(|role| check_name(role))?;
    match (&wish.setup, &wish.token) {
        (Some(_), Some(_)) => {
            Err("a machine begins a cluster ('setup') or joins one ('token'), not both".into())
        }
        (None, None) => {
            Err("it needs a 'token' to join a cluster, or the name of one to begin, 'setup'".into())
        }
        (Some(_), None) if !wish.core.is_empty() => Err("'core' is of a machine that joins".into()),
        (None, Some(_)) if wish.roles.is_empty() => Err("a machine that joins needs 'roles'".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn wishes_and_mistakes() {
        let read = |text: &str| {
            let mut findings = Findings::default();
            let wish = read(&yaml::parse(text).expect("YAML"), &mut findings);
            (wish, findings.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        };
        let (wish, told) = read("core: core.example.org\ntoken: fb1.x\nroles: [worker, web]\ndefer: true\n");
        let wish = wish.expect("a wish");
        assert_eq!((told.as_str(), wish.core.len(), wish.roles.len(), wish.defer), ("", 1, 2, true));
        assert!(!format!("{wish:?}").contains("fb1"), "the token is not shown");
        assert_eq!(
            read("setup: api.example.org\n").0.expect("a wish").setup.as_deref(),
            Some("api.example.org")
        );
        for (bad, why) in [
            ("{}", "line 1: 'cluster': it needs a 'token'"),
            ("token: a", "needs 'roles'"),
            ("setup: api\ntoken: a\nroles: [b]", "not both"),
            ("setup: api\ncore: a", "'core' is of a machine that joins"),
            ("setup: a b", "'setup': 'a b' is no host name"),
            ("token: a\nroles: [A]", "no name of a role"),
        ] {
            let (wish, told) = read(bad);
            assert!(wish.is_none() && told.contains(why), "{bad}: {told}");
        }
        assert!(read("token: a\nroles: [b]\ntokn: c\n").1.contains("line 3: 'cluster' has no key 'tokn'"));
    }
}
