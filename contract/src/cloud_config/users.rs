//! `users`, `user` and `chpasswd` of a cloud-config.

use super::{checked, read_ssh_keys};
use crate::finding::Findings;
use crate::name::{check_account, check_path};
use crate::state::{DesiredState, Secret, User};
use crate::yaml::{Entry, Node};

const CLEAR_TEXT: &str = "a password in clear text is refused, because whatever carries it can be read by others; give \
    its hash (mkpasswd --method=yescrypt)";

/// Reads the list of users; the word `default` stands for the image's own first user, who exists already.
pub(super) fn read_users(node: &Node, state: &mut DesiredState, findings: &mut Findings) {
    for item in findings.list(node, "users") {
        match (item.text(), item.entries()) {
            (Some("default"), _) => {}
            (Some(_), _) => {
                let name = checked(item, "users", check_account, findings);
                state.users.extend(name.map(|name| User { name, ..User::default() }));
            }
            (None, Some(entries)) => {
                let user = read_user(item, entries, findings);
                if user.name == "default" {
                    state.ssh_keys.extend(user.ssh_keys);
                } else if !user.name.is_empty() {
                    state.users.push(user);
                }
            }
            (None, None) => findings.invalid(item.line, "'users': each is a name or a map"),
        }
    }
}

/// Reads `user`: the name of the default user, or a map with `name`.
pub(super) fn read_default_user(node: &Node, state: &mut DesiredState, findings: &mut Findings) {
    if let Some(entries) = node.entries() {
        let user = read_user(node, entries, findings);
        state.default_user = Some(user.name.clone()).filter(|name| !name.is_empty());
        state.users.extend(state.default_user.is_some().then_some(user));
    } else if let Some(name) = checked(node, "user", check_account, findings) {
        state.default_user = Some(name);
    }
}

fn read_user(node: &Node, entries: &[Entry], findings: &mut Findings) -> User {
    let mut user = User::default();
    if node.get("name").is_none() {
        findings.invalid(node.line, "a user has no 'name'");
    }
    for entry in entries {
        let value = &entry.value;
        match entry.key.replace('-', "_").as_str() {
            "name" => user.name = checked(value, "name", check_account, findings).unwrap_or_default(),
            "gecos" => user.comment = checked(value, "gecos", check_field, findings),
            "uid" => user.uid = findings.number(value, "uid"),
            "primary_group" => user.primary_group = checked(value, "primary_group", check_account, findings),
            "groups" => user.groups = read_groups(value, findings),
            "homedir" => user.home = checked(value, "homedir", check_field_path, findings),
            "no_create_home" => user.create_home = findings.boolean(value, "no_create_home").map(|no| !no),
            "shell" => user.shell = checked(value, "shell", check_field_path, findings),
            "system" => user.system = findings.boolean(value, "system").unwrap_or_default(),
            "passwd" | "hashed_passwd" => user.password_hash = read_hash(value, &entry.key, findings),
            "lock_passwd" => user.lock_password = findings.boolean(value, "lock_passwd"),
            "sudo" => user.sudo = read_sudo(value, findings),
            "ssh_authorized_keys" => user.ssh_keys = read_ssh_keys(value, "ssh_authorized_keys", findings),
            "plain_text_passwd" => findings.invalid(entry.line, format!("'plain_text_passwd': {CLEAR_TEXT}")),
            _ => findings.unknown_key(entry, "a user"),
        }
    }
    // cloud-config locks passwords unless it is told not to, even where there is a hash.
    user.lock_password = user.lock_password.or(Some(true));
    user
}

fn read_groups(node: &Node, findings: &mut Findings) -> Vec<String> {
    let texts = findings.texts(node, "groups");
    let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty());
    names
        .filter(|name| match check_account(name) {
            Ok(()) => true,
            Err(reason) => {
                findings.invalid(node.line, format!("'groups': {reason}"));
                false
            }
        })
        .map(str::to_owned)
        .collect()
}

fn read_sudo(node: &Node, findings: &mut Findings) -> Vec<String> {
    if node.is_null() || node.boolean() == Some(false) {
        return Vec::new();
    }
    let mut rules = findings.texts(node, "sudo");
    rules.retain(|rule| {
        let good = !rule.is_empty() && !rule.chars().any(char::is_control) && !rule.ends_with('\\');
        if !good {
            findings.invalid(node.line, "'sudo': a rule is one line of sudoers(5) without the user's name");
        }
        good
    });
    rules
}

/// Reads `chpasswd`: hashes only, as `users: [{name, password, type: hash}]` or lines `name:hash` in `list`.
pub(super) fn read_passwords(node: &Node, state: &mut DesiredState, findings: &mut Findings) {
    for entry in findings.map(node, "chpasswd") {
        match entry.key.as_str() {
            "users" => {
                for item in findings.list(&entry.value, "users") {
                    let name =
                        item.get("name").and_then(|name| checked(name, "name", check_account, findings));
                    let hashed = item.get("type").and_then(Node::text) == Some("hash");
                    let hash = match item.get("password").filter(|_| hashed) {
                        Some(password) => read_hash(password, "password", findings),
                        None => {
                            findings.invalid(item.line, format!("'chpasswd': {CLEAR_TEXT} and `type: hash`"));
                            None
                        }
                    };
                    set_password(name, hash, state);
                }
            }
            "list" => {
                let texts = findings.texts(&entry.value, "list");
                for line in texts.iter().flat_map(|text| text.lines()) {
                    let (name, hash) = line.split_once(':').unwrap_or((line, ""));
                    if check_account(name).is_ok() && is_hash(hash) {
                        set_password(Some(name.to_owned()), Some(Secret::new(hash)), state);
                    } else {
                        findings.invalid(entry.line, format!("'chpasswd': {CLEAR_TEXT}, as `name:hash`"));
                    }
                }
            }
            "expire" if entry.value.boolean() == Some(false) => {}
            _ => findings.unknown_key(entry, "chpasswd"),
        }
    }
}

fn set_password(name: Option<String>, hash: Option<Secret>, state: &mut DesiredState) {
    let (Some(name), Some(hash)) = (name, hash) else { return };
    let place = state.users.iter().position(|user| user.name == name).unwrap_or_else(|| {
        state.users.push(User { name, ..User::default() });
        state.users.len() - 1
    });
    state.users[place].password_hash = Some(hash);
    state.users[place].lock_password = Some(false);
}

pub(crate) fn read_hash(node: &Node, key: &str, findings: &mut Findings) -> Option<Secret> {
    let text = findings.text(node, key)?;
    read_hash_of_text(&text, node.line, key, findings)
}

/// Takes a hash as it is; anything else is reported without being shown.
pub(crate) fn read_hash_of_text(
    text: &str,
    line: usize,
    key: &str,
    findings: &mut Findings,
) -> Option<Secret> {
    if is_hash(text) {
        return Some(Secret::new(text));
    }
    findings.invalid(line, format!("'{key}' is no hash of crypt(5); {CLEAR_TEXT}"));
    None
}

/// Tells whether this is a salted hash as crypt(5) writes it: `$id$…`, of characters that shadow(5) may hold.
pub(crate) fn is_hash(text: &str) -> bool {
    let parts: Vec<&str> = text.split('$').collect();
    let allowed = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'$' | b'=' | b',' | b'-' | b'_')
    };
    parts.len() >= 4
        && parts[0].is_empty()
        && !parts[1].is_empty()
        && text.len() <= 512
        && text.bytes().all(allowed)
}

/// A field of passwd(5) is one line without colons.
fn check_field(text: &str) -> Result<(), String> {
    if text.len() <= 256 && !text.chars().any(|c| c == ':' || c.is_control()) {
        return Ok(());
    }
    Err("it must be one short line without ':'".into())
}

fn check_field_path(path: &str) -> Result<(), String> {
    check_path(path).and_then(|()| check_field(path))
}
