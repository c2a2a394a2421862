//! The instance metadata of EC2: which paths are asked for, and what their answers mean.
//!
//! Answers are short texts, one fact each (instance metadata categories of version 2021-03-23).

use crate::cloud_config::{Reading, read_keys_of_text};
use crate::finding::Findings;
use crate::name::check_host;
use crate::state::DesiredState;

/// Where a token is put; no other version has it.
pub const TOKEN_PATH: &str = "/latest/api/token";
/// The version whose paths are asked for; it is older than all that run.
pub const VERSION: &str = "2018-09-24";

/// The answers that a machine's state is read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// `meta-data/instance-id`.
    pub instance_id: String,
    /// `meta-data/local-hostname`.
    pub local_hostname: Option<String>,
    /// `meta-data/public-keys/N/openssh-key`, one text each.
    pub public_keys: Vec<String>,
}

/// Makes a state of the answers.
pub fn read(answers: &Answers) -> Reading {
    let mut findings = Findings::default();
    let mut state =
        DesiredState { instance_id: Some(answers.instance_id.trim().to_owned()), ..Default::default() };
    // With several interfaces the answer is several names with spaces between; the first is the machine's.
    if let Some(name) = answers.local_hostname.as_deref().and_then(|text| text.split_whitespace().next()) {
        match check_host(name) {
            Ok(()) => state.hostname = Some(name.to_owned()),
            Err(reason) => findings.invalid(None, format!("'local-hostname': {reason}")),
        }
    }
    for text in &answers.public_keys {
        state.ssh_keys.extend(read_keys_of_text(text, 1, "public-keys", &mut findings));
    }
    Reading { state, findings: findings.0 }
}

/// Parses the list `meta-data/public-keys/`: lines `0=name`; returns the numbers.
pub fn parse_key_list(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| line.split_once('=')?.0.trim().parse().ok()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_a_state() {
        let read = read(&Answers {
            instance_id: "i-0abc\n".into(),
            local_hostname: Some("ip-10-0-0-7.eu-west-1.compute.internal ip-10-0-1-7".into()),
            public_keys: vec!["ssh-rsa AAAAB3 me\n".into()],
        });
        assert_eq!(read.findings, []);
        assert_eq!(read.state.instance_id.as_deref(), Some("i-0abc"));
        assert_eq!(read.state.hostname.as_deref(), Some("ip-10-0-0-7.eu-west-1.compute.internal"));
        assert_eq!(read.state.ssh_keys, ["ssh-rsa AAAAB3 me"]);
        assert_eq!(parse_key_list("0=my-key\n1=other\nx=y\n"), [0, 1]);
    }
}
