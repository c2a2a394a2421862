//! The context of OpenNebula: `context.sh`, parsed and never executed.
//!
//! OpenNebula writes a comment and then lines `NAME='value'`, in which a quote is `'\''` and a value may go over lines
//! (`VirtualMachineContext.cc`). Nothing else is accepted: what is no such line is an error, so a file that only a shell
//! could read has no effect at all instead of a part of it.

mod shell;
#[cfg(test)]
mod tests;

pub use shell::{ContextError, Variable, parse_variables};

use crate::cloud_config::{Reading, read_hash_of_text, read_keys_of_text};
use crate::encoding::decode_base64;
use crate::finding::Findings;
use crate::name;
use crate::state::{
    Action, CommandEntry, Content, DesiredState, NetworkDocument, NetworkFormat, Phase, User,
};

/// What a context gives: a state, and user data to be read as such.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ContextReading {
    /// What the variables ask for.
    pub reading: Reading,
    /// The content of `USER_DATA`, decoded.
    pub user_data: Option<Vec<u8>>,
}

/// Variables that describe the machine to others or are read together with one that is known.
const SILENT: [&str; 14] = [
    "DISK_ID",
    "TARGET",
    "VMID",
    "NETWORK",
    "DNS",
    "SEARCH_DOMAIN",
    "DEV_PREFIX",
    "IMAGE_ID",
    "CONTEXT_DISK_ID",
    "NAME",
    "START_SCRIPT",
    "USERDATA_ENCODING",
    "USER_DATA_ENCODING",
    "NETCFG_TYPE",
];

/// Parses the text of `context.sh`.
///
/// # Errors
///
/// When a line is not of the form above.
pub fn parse(text: &str) -> Result<ContextReading, ContextError> {
    let variables = parse_variables(text)?;
    let mut reader = Reader { variables: &variables, findings: Findings::default() };
    let mut state = DesiredState {
        instance_id: reader.value("VMID").map(|(id, _)| format!("one-{id}")),
        hostname: reader.host(),
        timezone: reader.checked("TIMEZONE", name::check_timezone),
        grow: reader.value("GROW_ROOTFS").map(|(value, _)| !value.eq_ignore_ascii_case("no")),
        ..DesiredState::default()
    };
    reader.read_user(&mut state);
    state.commands = reader.start_script().into_iter().collect();
    let user_data = reader.user_data();
    if variables.iter().any(|variable| is_of_network(&variable.name)) {
        state.network = Some(NetworkDocument { format: NetworkFormat::Context, text: text.to_owned() });
    }
    reader.report_unknown();
    Ok(ContextReading { reading: Reading { state, findings: reader.findings.0 }, user_data })
}

struct Reader<'v> {
    variables: &'v [Variable],
    findings: Findings,
}

impl Reader<'_> {
    /// Returns the value of a variable that is set and not empty, and its line.
    fn value(&self, name: &str) -> Option<(&str, usize)> {
        let variable = self.variables.iter().find(|variable| variable.name == name)?;
        (!variable.value.is_empty()).then_some((variable.value.as_str(), variable.line))
    }

    /// Returns the first of these that is set.
    fn first(&self, names: &[&str]) -> Option<(&str, usize)> {
        names.iter().find_map(|name| self.value(name))
    }

    fn checked(&mut self, name: &str, check: impl Fn(&str) -> Result<(), String>) -> Option<String> {
        let (value, line) = self.value(name)?;
        let value = value.to_owned();
        match check(&value) {
            Ok(()) => Some(value),
            Err(reason) => {
                self.findings.invalid(line, format!("'{name}': {reason}"));
                None
            }
        }
    }

    fn host(&mut self) -> Option<String> {
        ["SET_HOSTNAME", "HOSTNAME"].iter().find_map(|name| self.checked(name, name::check_host))
    }

    /// `USERNAME` is root unless it is given; the keys and the password are that user's.
    fn read_user(&mut self, state: &mut DesiredState) {
        if let Some((keys, line)) = self.first(&["SSH_PUBLIC_KEY", "EC2_PUBLIC_KEY"]) {
            let keys = keys.to_owned();
            state.ssh_keys = read_keys_of_text(&keys, line, "SSH_PUBLIC_KEY", &mut self.findings);
        }
        let name = self.checked("USERNAME", name::check_account);
        let hash = self.password_hash();
        state.default_user = Some(name.clone().unwrap_or_else(|| "root".into()));
        if name.is_some() || hash.is_some() {
            let grants = self.first(&["USERNAME_SUDO", "GRANT_SUDO"]);
            let sudo = name.is_some() && grants.is_some_and(|(value, _)| value.eq_ignore_ascii_case("yes"));
            state.users.push(User {
                name: name.unwrap_or_else(|| "root".into()),
                lock_password: Some(hash.is_none()).filter(|locked| !locked),
                password_hash: hash,
                sudo: sudo.then(|| "ALL=(ALL:ALL) NOPASSWD:ALL".to_owned()).into_iter().collect(),
                ..User::default()
            });
        }
    }

    fn password_hash(&mut self) -> Option<crate::state::Secret> {
        for name in ["PASSWORD", "PASSWORD_BASE64"] {
            if let Some((_, line)) = self.value(name) {
                self.findings.invalid(
                    line,
                    format!("'{name}' is a password in clear text, which is refused; use CRYPTED_PASSWORD"),
                );
            }
        }
        let (text, line) = match (self.decoded("CRYPTED_PASSWORD_BASE64"), self.value("CRYPTED_PASSWORD")) {
            (Some((bytes, line)), _) => (String::from_utf8_lossy(&bytes).trim_end().to_owned(), line),
            (None, Some((text, line))) => (text.to_owned(), line),
            (None, None) => return None,
        };
        read_hash_of_text(&text, line, "CRYPTED_PASSWORD", &mut self.findings)
    }

    fn start_script(&mut self) -> Option<CommandEntry> {
        let decoded = self.decoded("START_SCRIPT_BASE64").map(|(bytes, _)| bytes);
        let script = decoded.or_else(|| Some(self.value("START_SCRIPT")?.0.as_bytes().to_vec()))?;
        let action = if script.starts_with(b"#!") {
            Action::Script(Content(script))
        } else {
            Action::Shell(Content(script))
        };
        Some(CommandEntry { name: "START_SCRIPT".into(), action, phase: Phase::Final })
    }

    fn user_data(&mut self) -> Option<Vec<u8>> {
        let (name, encoding) = match self.value("USER_DATA") {
            Some(_) => ("USER_DATA", self.first(&["USER_DATA_ENCODING", "USERDATA_ENCODING"])),
            None => ("USERDATA", self.first(&["USERDATA_ENCODING", "USER_DATA_ENCODING"])),
        };
        match encoding {
            Some(("base64", _)) => self.decoded(name).map(|(bytes, _)| bytes),
            _ => self.value(name).map(|(value, _)| value.as_bytes().to_vec()),
        }
    }

    fn decoded(&mut self, name: &str) -> Option<(Vec<u8>, usize)> {
        let (value, line) = self.value(name)?;
        match decode_base64(value) {
            Ok(bytes) => Some((bytes, line)),
            Err(reason) => {
                self.findings.invalid(line, format!("'{name}': {reason}"));
                None
            }
        }
    }

    fn report_unknown(&mut self) {
        const READ: [&str; 17] = [
            "SET_HOSTNAME",
            "HOSTNAME",
            "TIMEZONE",
            "GROW_ROOTFS",
            "SSH_PUBLIC_KEY",
            "EC2_PUBLIC_KEY",
            "USERNAME",
            "USERNAME_SUDO",
            "GRANT_SUDO",
            "PASSWORD",
            "PASSWORD_BASE64",
            "CRYPTED_PASSWORD",
            "CRYPTED_PASSWORD_BASE64",
            "START_SCRIPT_BASE64",
            "USER_DATA",
            "USERDATA",
            "GROW_FS",
        ];
        for variable in self.variables {
            let name = variable.name.as_str();
            if !READ.contains(&name) && !SILENT.contains(&name) && !is_of_network(name) {
                self.findings.ignored(
                    variable.line,
                    format!("the variable '{name}' is not known here and has no effect"),
                );
            }
        }
    }
}

/// Tells whether a variable describes an interface: `ETH0_IP`, `ETH1_ALIAS0_IP`, `PCI0_MAC`.
pub fn is_of_network(name: &str) -> bool {
    let numbered = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?;
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        (end > 0 && rest[end..].starts_with('_')).then_some(())
    };
    numbered("ETH").or_else(|| numbered("PCI")).is_some()
}
