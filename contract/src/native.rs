//! The native document: `/etc/firstboot/*.yaml`, which the recipe's `firstboot:` becomes, and the credential
//! `bootwright.config`.
//!
//! Its words are those of recipes. An unknown key is an error, because whoever writes such a document has this program
//! before them. Texts of `hostname` and `fqdn` may hold `{{instance_id}}`, which the clone fills in.

use std::net::IpAddr;

use crate::cloud_config::{self as shared, Reading, checked, read_mode, read_ssh_keys};
use crate::finding::Findings;
use crate::name::{check_account, check_host, check_locale, check_path, check_timezone};
use crate::network;
use crate::quota;
use crate::size;
use crate::state::{
    Action, Certificate, CommandEntry, Content, DesiredState, FileEntry, Mount, NetworkDocument,
    NetworkFormat, Phase, PhoneHome, Swap, User,
};
use crate::yaml::{self, Entry, Node, YamlError};

/// Where the image's own documents are.
pub const FOLDER: &str = "/etc/firstboot";

/// What stands for the instance in a name.
pub const INSTANCE_ID: &str = "{{instance_id}}";

/// The keys that are known at the top of a document.
pub const KEYS: &[&str] = &[
    "version",
    "hostname",
    "fqdn",
    "default_user",
    "users",
    "ssh_keys",
    "files",
    "commands",
    "mounts",
    "swap",
    "quotas",
    "grow",
    "timezone",
    "locale",
    "ca_certificates",
    "certificate",
    "phone_home",
    "network",
    "cluster",
];

/// Parses the text of a native document.
///
/// # Errors
///
/// When it is not YAML, no map, or of another version.
pub fn parse(text: &str) -> Result<Reading, YamlError> {
    let node = yaml::parse(text)?;
    if node.entries().is_none() && !node.is_null() {
        return Err(YamlError {
            line: node.line,
            reason: format!("a document is a map, not {}", node.kind()),
        });
    }
    if let Some(version) = node.get("version").filter(|version| version.text() != Some("1")) {
        let reason = "the version of this document is not 1, the one that is read here".into();
        return Err(YamlError { line: version.line, reason });
    }
    Ok(read(&node))
}

/// Reads a native document that is a tree already.
pub fn read(node: &Node) -> Reading {
    let mut findings = Findings::default();
    let state = read_state(node, &mut findings);
    Reading { state, findings: findings.0 }
}

fn read_state(node: &Node, findings: &mut Findings) -> DesiredState {
    let mut state = DesiredState::default();
    for entry in node.entries().unwrap_or_default() {
        let value = &entry.value;
        match entry.key.as_str() {
            "version" => {}
            "hostname" => state.hostname = checked(value, "hostname", check_template, findings),
            "fqdn" => state.fqdn = checked(value, "fqdn", check_template, findings),
            "default_user" => state.default_user = checked(value, "default_user", check_account, findings),
            "users" => state.users = each(value, "users", findings, read_user),
            "ssh_keys" => state.ssh_keys = read_ssh_keys(value, "ssh_keys", findings),
            "files" => state.files = each(value, "files", findings, read_file),
            "commands" => state.commands = each(value, "commands", findings, read_command),
            "mounts" => state.mounts = each(value, "mounts", findings, read_mount),
            "swap" => state.swap = read_swap(value, findings),
            "quotas" => state.quotas = each(value, "quotas", findings, quota::read),
            "grow" => state.grow = findings.boolean(value, "grow"),
            "timezone" => state.timezone = checked(value, "timezone", check_timezone, findings),
            "locale" => state.locale = checked(value, "locale", check_locale, findings),
            "ca_certificates" => state.ca_certificates = read_certificates(value, findings),
            "certificate" => state.certificate = read_certificate(value, findings),
            "phone_home" => state.phone_home = read_phone_home(value, findings),
            "cluster" => state.cluster = crate::cluster::read(value, findings),
            "network" => {
                if network::document::tell(network::document::read_native(value), findings) {
                    let text = value.to_json().to_string();
                    state.network = Some(NetworkDocument { format: NetworkFormat::Native, text });
                }
            }
            _ => unknown(entry, "the document", findings),
        }
    }
    state
}

fn unknown(entry: &Entry, place: &str, findings: &mut Findings) {
    let key = entry.key.escape_debug();
    findings.invalid(entry.line, format!("{place} has no key '{key}'"));
}

/// Reads a list of maps; one whose reader gives nothing is left out.
fn each<T>(
    node: &Node,
    key: &str,
    findings: &mut Findings,
    read: fn(&Node, &mut Findings) -> Option<T>,
) -> Vec<T> {
    findings.list(node, key).iter().filter_map(|item| read(item, findings)).collect()
}

/// A host name in which `{{instance_id}}` may stand.
fn check_template(text: &str) -> Result<(), String> {
    check_host(&text.replace(INSTANCE_ID, "i-0"))
}

fn read_user(node: &Node, findings: &mut Findings) -> Option<User> {
    let mut user = User::default();
    for entry in findings.map(node, "users") {
        let value = &entry.value;
        match entry.key.as_str() {
            "name" => user.name = checked(value, "name", check_account, findings)?,
            "comment" => {
                user.comment = findings.text(value, "comment").filter(|text| !text.contains([':', '\n']))
            }
            "uid" => user.uid = findings.number(value, "uid"),
            "groups" => {
                user.groups = findings.texts(value, "groups");
                user.groups.retain(|group| check_account(group).is_ok());
            }
            "home" => user.home = checked(value, "home", check_path, findings),
            "shell" => user.shell = checked(value, "shell", check_path, findings),
            "system" => user.system = findings.boolean(value, "system").unwrap_or_default(),
            "password_hash" => {
                let text = findings.text(value, "password_hash").unwrap_or_default();
                user.password_hash = shared::read_hash_of_text(&text, entry.line, "password_hash", findings);
            }
            "sudo" if value.boolean() == Some(true) => user.sudo = vec!["ALL=(ALL:ALL) NOPASSWD:ALL".into()],
            "sudo" if value.boolean() == Some(false) => {}
            "sudo" => {
                user.sudo = findings.texts(value, "sudo");
                user.sudo.retain(|rule| !rule.is_empty() && !rule.chars().any(char::is_control));
            }
            "ssh_keys" => user.ssh_keys = read_ssh_keys(value, "ssh_keys", findings),
            _ => unknown(entry, "a user", findings),
        }
    }
    if user.name.is_empty() {
        findings.invalid(node.line, "a user has no 'name'");
        return None;
    }
    Some(user)
}

fn read_file(node: &Node, findings: &mut Findings) -> Option<FileEntry> {
    let mut file = FileEntry {
        path: String::new(),
        content: Content::default(),
        mode: shared::DEFAULT_MODE,
        owner: "root:root".into(),
        append: false,
        late: false,
    };
    let (mut content, mut encoding) = (String::new(), None);
    for entry in findings.map(node, "files") {
        let value = &entry.value;
        match entry.key.as_str() {
            "path" => file.path = checked(value, "path", check_path, findings)?,
            "content" => content = findings.text(value, "content").unwrap_or_default(),
            "encoding" => encoding = findings.text(value, "encoding"),
            "mode" => file.mode = read_mode(value, "mode", findings)?,
            "owner" => file.owner = checked(value, "owner", shared::check_owner, findings)?,
            "append" => file.append = findings.boolean(value, "append").unwrap_or_default(),
            "late" => file.late = findings.boolean(value, "late").unwrap_or_default(),
            _ => unknown(entry, "a file", findings),
        }
    }
    if file.path.is_empty() {
        findings.invalid(node.line, "a file has no 'path'");
        return None;
    }
    match shared::decode(&content, encoding.as_deref()) {
        Ok(bytes) => file.content = Content(bytes),
        Err(reason) => {
            findings.invalid(node.line, format!("the content of '{}': {reason}", file.path));
            return None;
        }
    }
    Some(file)
}

/// Reads `{name, run: text or list, phase: early|final}`.
fn read_command(node: &Node, findings: &mut Findings) -> Option<CommandEntry> {
    let (mut name, mut action, mut phase) = (None, None, Phase::Final);
    for entry in findings.map(node, "commands") {
        let value = &entry.value;
        match (entry.key.as_str(), value.text()) {
            ("name", _) => name = findings.text(value, "name"),
            ("run", Some(line)) => action = Some(Action::Shell(Content(line.as_bytes().to_vec()))),
            ("run", None) => action = Some(Action::Program(findings.texts(value, "run"))),
            ("phase", Some("early")) => phase = Phase::Early,
            ("phase", Some("final")) => phase = Phase::Final,
            ("phase", _) => findings.invalid(entry.line, "'phase' is 'early' or 'final'"),
            _ => unknown(entry, "a command", findings),
        }
    }
    match action.filter(|action| *action != Action::Program(Vec::new())) {
        Some(action) => {
            Some(CommandEntry { name: name.unwrap_or_else(|| format!("line {}", node.line)), action, phase })
        }
        None => {
            findings.invalid(node.line, "a command has nothing to 'run'");
            None
        }
    }
}

fn read_mount(node: &Node, findings: &mut Findings) -> Option<Mount> {
    let mut mount = Mount {
        device: String::new(),
        target: String::new(),
        filesystem: "auto".into(),
        options: "defaults,nofail".into(),
        format: false,
    };
    for entry in findings.map(node, "mounts") {
        let field = match entry.key.as_str() {
            "device" => &mut mount.device,
            "target" => &mut mount.target,
            "filesystem" => &mut mount.filesystem,
            "options" => &mut mount.options,
            "format" => {
                mount.format = findings.boolean(&entry.value, "format")?;
                continue;
            }
            _ => {
                unknown(entry, "a mount", findings);
                continue;
            }
        };
        *field = findings.text(&entry.value, &entry.key)?;
    }
    shared::check_mount(&mount)
        .map_err(|reason| findings.invalid(node.line, format!("'mounts': {reason}")))
        .ok()?;
    Some(mount)
}

fn read_swap(node: &Node, findings: &mut Findings) -> Option<Swap> {
    let mut swap = Swap { path: "/swap.img".into(), bytes: 0 };
    for entry in findings.map(node, "swap") {
        match entry.key.as_str() {
            "path" => swap.path = checked(&entry.value, "path", check_path, findings)?,
            "size" => {
                let text = findings.text(&entry.value, "size")?;
                let judged = size::parse(&text);
                swap.bytes = judged
                    .map_err(|hint| {
                        findings.invalid(entry.line, format!("'{}' is no size: {hint}", text.escape_debug()));
                    })
                    .ok()?;
            }
            _ => unknown(entry, "'swap'", findings),
        }
    }
    if swap.bytes == 0 {
        findings.invalid(node.line, "'swap' needs a size, such as 512MiB");
    }
    Some(swap).filter(|swap| swap.bytes > 0)
}

fn read_certificates(node: &Node, findings: &mut Findings) -> Vec<String> {
    let mut certificates = findings.texts(node, "ca_certificates");
    certificates.retain(|text| match shared::check_certificates(text) {
        Ok(()) => true,
        Err(reason) => {
            findings.invalid(node.line, format!("'ca_certificates': {reason}"));
            false
        }
    });
    certificates
}

/// Reads `true`, or `{names: […]}`.
fn read_certificate(node: &Node, findings: &mut Findings) -> Option<Certificate> {
    if let Some(wanted) = node.boolean() {
        return wanted.then(Certificate::default);
    }
    let mut certificate = Certificate::default();
    for entry in findings.map(node, "certificate") {
        if entry.key == "names" {
            certificate.names = findings.texts(&entry.value, "names");
        } else {
            unknown(entry, "'certificate'", findings);
        }
    }
    for name in &certificate.names {
        if name.parse::<IpAddr>().is_err()
            && let Err(reason) = check_host(name)
        {
            findings.invalid(node.line, format!("'certificate': {reason}"));
            return None;
        }
    }
    Some(certificate)
}

fn read_phone_home(node: &Node, findings: &mut Findings) -> Option<PhoneHome> {
    if node.text().is_some() {
        let url = checked(node, "phone_home", shared::check_url, findings)?;
        let post = ["instance_id", "hostname", "fqdn", "pub_key_ed25519"].map(str::to_owned).into();
        return Some(PhoneHome { url, post, tries: 10 });
    }
    shared::read_phone_home(node, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "version: 1\nhostname: node-{{instance_id}}\nfqdn: a.example.org\ndefault_user: ops\n\
            users: [{name: ops, groups: [sudo], sudo: true, shell: /bin/sh, password_hash: $6$s$h}]\n\
            ssh_keys: [ssh-rsa AAAAB3 x]\nfiles: [{path: /etc/motd, content: aGk=, encoding: b64, mode: \"0600\"}]\n\
            commands: [{name: hi, run: echo hi, phase: early}, {run: [touch, /x]}]\n\
            mounts: [{device: /dev/vdb, target: /srv, filesystem: ext4, format: true}]\nswap: {size: 512MiB}\nquotas: [{user: ops, block: 1GiB}]\ngrow: true\ntimezone: Etc/UTC\n\
            locale: C.UTF-8\nca_certificates: []\ncertificate: {names: [10.0.0.1, www.example.org]}\nphone_home: http://10.0.0.1/x\nnetwork: dhcp\ncluster: {setup: api.example.org}\n";
        let read = parse(text).expect("a document");
        assert_eq!(read.findings, []);
        let state = read.state;
        assert_eq!(state.files[0].content.0, b"hi");
        assert_eq!((state.files[0].mode, state.commands.len(), state.users.len()), (0o600, 2, 1));
        assert_eq!(state.swap.expect("swap").bytes, 512 << 20);
        assert_eq!(state.network.expect("a network").text, "\"dhcp\"");
        for key in KEYS {
            assert!(text.contains(&format!("{key}:")), "{key} is in the example");
        }
    }

    #[test]
    fn mistakes_have_their_lines() {
        let read = parse(
            "hostnme: a\nfiles:\n  - content: x\n  - {path: ../x}\nusers:\n  - {name: Bad}\nhostname: a b\n\
            network:\n  version: 2\n  ethernets:\n    eth0: {addresses: [10.0.0.1/33]}\n",
        );
        let told: Vec<String> = read.expect("YAML").findings.iter().map(ToString::to_string).collect();
        for wanted in [
            "line 1: the document has no key 'hostnme'",
            "line 3: a file has no 'path'",
            "line 4:",
            "line 6:",
            "line 7:",
            "line 11: the network: ",
        ] {
            assert!(told.iter().any(|line| line.starts_with(wanted)), "{wanted}: {told:?}");
        }
        assert!(parse("version: 2\n").expect_err("another version").reason.contains("not 1"));
        parse("- a\n").expect_err("a list");
    }
}
