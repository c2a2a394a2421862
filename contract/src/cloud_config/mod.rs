//! A strict subset of cloud-config, the YAML that most clouds pass on as user data.
//!
//! What is known is listed in [`KEYS`] and in the tables of the modules beside this one; every other key is reported
//! with its line and has no effect. A value that cannot be used is reported as well, and the rest still counts.
//! Differences that matter: each command of `runcmd` is a process of its own with its own exit code, and a clear-text
//! password is refused, because whatever carries it can be read by others.

mod files;
mod system;
#[cfg(test)]
mod tests;
mod users;

pub use files::read_mode;
pub(crate) use files::{DEFAULT_MODE, check_owner, decode};
pub(crate) use system::{check_certificates, check_mount, check_url, read_phone_home};
pub(crate) use users::read_hash_of_text;

use crate::finding::{Finding, Findings};
use crate::name;
use crate::state::{Action, CommandEntry, Content, DesiredState, Phase};
use crate::yaml::{self, Node, YamlError};

/// What a reader made of a document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it asks for.
    pub state: DesiredState,
    /// What its author should know.
    pub findings: Vec<Finding>,
}

/// The keys that are known at the top of a document.
pub const KEYS: &[&str] = &[
    "bootcmd",
    "ca_certs",
    "chpasswd",
    "cluster",
    "disable_root",
    "fqdn",
    "growpart",
    "hostname",
    "locale",
    "manage_etc_hosts",
    "mounts",
    "package_update",
    "packages",
    "phone_home",
    "preserve_hostname",
    "runcmd",
    "ssh_authorized_keys",
    "ssh_pwauth",
    "swap",
    "timezone",
    "user",
    "users",
    "write_files",
];

/// Parses the text of a cloud-config, with or without its first line `#cloud-config`.
///
/// # Errors
///
/// When it is not YAML, or no map.
pub fn parse(text: &str) -> Result<Reading, YamlError> {
    let node = yaml::parse(text)?;
    if node.entries().is_none() && !node.is_null() {
        return Err(YamlError {
            line: node.line,
            reason: format!("a cloud-config is a map, not {}", node.kind()),
        });
    }
    let mut findings = Findings::default();
    let mut state = DesiredState::default();
    for entry in node.entries().unwrap_or_default() {
        // Old documents write hyphens where new ones write underscores.
        match entry.key.replace('-', "_").as_str() {
            "hostname" => state.hostname = checked(&entry.value, "hostname", name::check_host, &mut findings),
            "fqdn" => state.fqdn = checked(&entry.value, "fqdn", name::check_host, &mut findings),
            "timezone" => {
                state.timezone = checked(&entry.value, "timezone", name::check_timezone, &mut findings)
            }
            "locale" => state.locale = checked(&entry.value, "locale", name::check_locale, &mut findings),
            "users" => users::read_users(&entry.value, &mut state, &mut findings),
            "user" => users::read_default_user(&entry.value, &mut state, &mut findings),
            "chpasswd" => users::read_passwords(&entry.value, &mut state, &mut findings),
            "ssh_authorized_keys" => {
                state.ssh_keys = read_ssh_keys(&entry.value, "ssh_authorized_keys", &mut findings);
            }
            "write_files" => state.files = files::read_files(&entry.value, &mut findings),
            "runcmd" => add_commands(&entry.value, "runcmd", Phase::Final, &mut state, &mut findings),
            "bootcmd" => add_commands(&entry.value, "bootcmd", Phase::Early, &mut state, &mut findings),
            "ca_certs" => state.ca_certificates = system::read_certificates(&entry.value, &mut findings),
            "cluster" => state.cluster = crate::cluster::read(&entry.value, &mut findings),
            "growpart" => state.grow = system::read_growpart(&entry.value, &mut findings),
            "mounts" => state.mounts = system::read_mounts(&entry.value, &mut findings),
            "swap" => state.swap = system::read_swap(&entry.value, &mut findings),
            "phone_home" => state.phone_home = system::read_phone_home(&entry.value, &mut findings),
            "packages" => system::read_packages(&entry.value, &node, &mut state, &mut findings),
            "package_update" if node.get("packages").is_some() => {}
            "manage_etc_hosts" | "preserve_hostname" | "disable_root" | "ssh_pwauth" => {
                system::check_switch(entry, &mut findings);
            }
            _ => findings.unknown_key(entry, "a cloud-config"),
        }
    }
    // Packages were asked for wherever their key stands; the author's commands come after them.
    state.commands.sort_by_key(|command| (command.phase, !system::is_of_packages(command)));
    Ok(Reading { state, findings: findings.0 })
}

/// Reads one text that must pass a check.
pub(crate) fn checked(
    node: &Node,
    key: &str,
    check: impl Fn(&str) -> Result<(), String>,
    findings: &mut Findings,
) -> Option<String> {
    let text = findings.text(node, key)?;
    match check(&text) {
        Ok(()) => Some(text),
        Err(reason) => {
            findings.invalid(node.line, format!("'{key}': {reason}"));
            None
        }
    }
}

/// Reads a list of public keys, or a text with one on each line.
pub(crate) fn read_ssh_keys(node: &Node, key: &str, findings: &mut Findings) -> Vec<String> {
    let texts = findings.texts(node, key);
    texts.iter().flat_map(|text| read_keys_of_text(text, node.line, key, findings)).collect()
}

/// Reads public keys, one on each line; what is none is reported.
pub(crate) fn read_keys_of_text(text: &str, line: usize, key: &str, findings: &mut Findings) -> Vec<String> {
    let keys = text.lines().map(str::trim).filter(|key| !key.is_empty() && !key.starts_with('#'));
    let mut good = Vec::new();
    for text in keys {
        match name::check_ssh_key(text) {
            Ok(()) => good.push(text.to_owned()),
            Err(reason) => findings.invalid(line, format!("'{key}': {reason}")),
        }
    }
    good
}

fn add_commands(node: &Node, key: &str, phase: Phase, state: &mut DesiredState, findings: &mut Findings) {
    for (index, item) in findings.list(node, key).iter().enumerate() {
        let action = match item.items() {
            Some(words) => {
                Action::Program(words.iter().filter_map(|word| findings.text(word, key)).collect())
            }
            None if item.is_null() => continue,
            None => match findings.text(item, key) {
                Some(line) => Action::Shell(Content(line.into_bytes())),
                None => continue,
            },
        };
        if action == Action::Program(Vec::new()) {
            findings.invalid(item.line, format!("'{key}': a command needs at least the name of a program"));
            continue;
        }
        state.commands.push(CommandEntry { name: format!("{key} {}", index + 1), action, phase });
    }
}
