//! Documents that people write for clones, told apart by what they hold and judged as the clone will judge them.

use crate::finding::Finding;
use crate::network::{self, Problems, Severity};
use crate::user_data;
use crate::yaml::{self, Node};

/// Keys under one of which network-config has its interfaces: `config` in version 1, the others in version 2.
const NETWORK_KEYS: [&str; 5] = ["config", "ethernets", "bonds", "bridges", "vlans"];

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentKind {
    /// User data: cloud-config, a script, or several of them.
    UserData,
    /// network-config, version 1 or 2.
    NetworkConfig,
    /// OpenStack's `network_data.json`.
    NetworkData,
}

/// Something that is wrong, and its place, counted from 1; none for the document as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The line.
    pub line: Option<usize>,
    /// The column, where it is known.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl DocumentKind {
    /// Tells what `bytes` are; none for something else, such as a recipe.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if user_data::is_user_data(bytes) {
            return Some(Self::UserData);
        }
        let node = yaml::parse(std::str::from_utf8(bytes).ok()?).ok()?;
        let is_list = |key: &str| node.get(key).is_some_and(|value| value.items().is_some());
        if is_list("links") && is_list("networks") {
            return Some(Self::NetworkData);
        }
        is_network_config(&node).then_some(Self::NetworkConfig)
    }

    /// Names the kind for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserData => "user data",
            Self::NetworkConfig => "network-config",
            Self::NetworkData => "network_data.json",
        }
    }

    /// Returns all that is wrong with a document of this kind, what would have no effect included.
    pub fn judge(self, bytes: &[u8]) -> Vec<Flaw> {
        let text = String::from_utf8_lossy(bytes);
        match self {
            Self::UserData => {
                user_data::read(bytes).into_iter().flat_map(|one| one.findings).map(Flaw::from).collect()
            }
            Self::NetworkConfig => of_network(network::parse_network_config(&text)),
            Self::NetworkData => of_network(network::network_data::parse(&text)),
        }
    }
}

/// The outer `network:` may be there or not. A recipe has a version as well, and none of the other keys.
fn is_network_config(node: &Node) -> bool {
    let only_network = |node: &Node| node.entries().is_some_and(|entries| entries.len() == 1);
    let body = node.get("network").filter(|_| only_network(node)).unwrap_or(node);
    let has_interfaces = NETWORK_KEYS.iter().any(|key| body.get(key).is_some());
    has_interfaces
        && (body.get("version").is_some() || body.get("config").and_then(Node::text) == Some("disabled"))
}

fn of_network(result: Result<network::Reading, Problems>) -> Vec<Flaw> {
    let problems = match result {
        Ok(reading) => reading.warnings,
        Err(Problems(problems)) => problems,
    };
    let place = |number: u32| usize::try_from(number).ok().filter(|number| *number > 0);
    let flaw = |problem: &network::Problem| {
        let end = if problem.severity == Severity::Warning { "; it has no effect" } else { "" };
        let message = problem.to_line();
        let end = if message.contains("no effect") { "" } else { end };
        Flaw {
            line: place(problem.place.line),
            column: place(problem.place.column),
            message: format!("{message}{end}"),
        }
    };
    problems.iter().map(flaw).collect()
}

impl From<Finding> for Flaw {
    fn from(finding: Finding) -> Self {
        Self { line: finding.line, column: None, message: finding.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK_DATA: &[u8] = br#"{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "02:00"}],
        "networks": [{"id": "n", "link": "a", "type": "ipv4_dhcp"}]}"#;

    #[test]
    fn documents_are_told_from_recipes() {
        for (bytes, kind) in [
            (&b"#cloud-config\nhostname: a\n"[..], Some(DocumentKind::UserData)),
            (b"#!/bin/sh\nid\n", Some(DocumentKind::UserData)),
            (
                b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n--x--\n",
                Some(DocumentKind::UserData),
            ),
            (b"version: 2\nethernets: {}\n", Some(DocumentKind::NetworkConfig)),
            (b"network: {version: 1, config: []}\n", Some(DocumentKind::NetworkConfig)),
            (b"network:\n  config: disabled\n", Some(DocumentKind::NetworkConfig)),
            (NETWORK_DATA, Some(DocumentKind::NetworkData)),
            (b"version: 1\nname: web\nfirstboot: {network: {version: 2, ethernets: {}}}\n", None),
            (b"version: 1\nnetwork: {version: 2, ethernets: {}}\n", None),
            (b"", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(DocumentKind::of(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn everything_wrong_has_its_line() {
        let lines = |kind: DocumentKind, bytes: &[u8]| -> Vec<Option<usize>> {
            kind.judge(bytes).iter().map(|flaw| flaw.line).collect()
        };
        let user_data = b"#cloud-config\nhostnme: a\nhostname: a b\n";
        assert_eq!(lines(DocumentKind::UserData, user_data), [Some(2), Some(3)]);
        let config = b"version: 2\nethernets:\n  eth0: {dhcp4: true, wakeonlan: true}\n";
        let flaws = DocumentKind::NetworkConfig.judge(config);
        assert_eq!((flaws[0].line, flaws[0].message.contains("no effect")), (Some(3), true), "{flaws:?}");
        assert_eq!(lines(DocumentKind::NetworkData, NETWORK_DATA).first(), Some(&Some(1)));
        assert_eq!(lines(DocumentKind::NetworkConfig, b"version: 2\nethernets: {eth0: {dhcp4: true}}\n"), []);
    }
}
