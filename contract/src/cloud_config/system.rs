//! Keys of a cloud-config that are about the machine as a whole.

use super::checked;
use crate::finding::Findings;
use crate::name::check_path;
use crate::size;
use crate::state::{Action, CommandEntry, DesiredState, Mount, Phase, PhoneHome, Swap};
use crate::yaml::{Entry, Node};

/// Name of the command that installs packages.
const PACKAGES_COMMAND: &str = "packages";
/// Name of the command that reads the package indexes before.
const UPDATE_COMMAND: &str = "package_update";
/// How often a report is sent again where nothing is said.
const DEFAULT_TRIES: u32 = 10;

/// Reads `ca_certs: {trusted: [PEM…]}`.
pub(super) fn read_certificates(node: &Node, findings: &mut Findings) -> Vec<String> {
    let mut certificates = Vec::new();
    for entry in findings.map(node, "ca_certs") {
        match entry.key.as_str() {
            "trusted" => {
                for text in findings.texts(&entry.value, "trusted") {
                    match check_certificates(&text) {
                        Ok(()) => certificates.push(text),
                        Err(reason) => findings.invalid(entry.line, format!("'trusted': {reason}")),
                    }
                }
            }
            "remove_defaults" | "remove-defaults" if entry.value.boolean() == Some(false) => {}
            _ => findings.unknown_key(entry, "ca_certs"),
        }
    }
    certificates
}

/// Checks that a text is one or more certificates in PEM, and nothing else: no private key, no stray line.
pub(crate) fn check_certificates(text: &str) -> Result<(), String> {
    let wrong = || "this is no certificate in PEM".to_owned();
    let (mut inside, mut count) = (false, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line {
            "-----BEGIN CERTIFICATE-----" if !inside => inside = true,
            "-----END CERTIFICATE-----" if inside => (inside, count) = (false, count + 1),
            _ if inside
                && line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) => {}
            _ => return Err(wrong()),
        }
    }
    if inside || count == 0 { Err(wrong()) } else { Ok(()) }
}

/// Reads `growpart: {mode: auto|off, devices: [/]}`; only the root can be named.
pub(super) fn read_growpart(node: &Node, findings: &mut Findings) -> Option<bool> {
    let mut grow = Some(true);
    for entry in findings.map(node, "growpart") {
        match (entry.key.as_str(), entry.value.text()) {
            ("mode", Some("auto" | "growpart" | "gpart")) => grow = Some(true),
            ("mode", Some("off" | "false")) => grow = Some(false),
            ("devices", None)
                if entry
                    .value
                    .items()
                    .is_some_and(|items| items.iter().all(|item| item.text() == Some("/"))) => {}
            ("ignore_growroot_disabled", _) => {}
            ("mode" | "devices", _) => {
                findings.invalid(
                    entry.line,
                    "'growpart': known are `mode: auto`, `mode: off` and `devices: [/]`",
                );
            }
            _ => findings.unknown_key(entry, "growpart"),
        }
    }
    grow
}

/// Reads lines of fstab(5) as lists: `[device, target, filesystem, options, dump, pass]`.
pub(super) fn read_mounts(node: &Node, findings: &mut Findings) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for item in findings.list(node, "mounts") {
        let fields = findings.texts(item, "mounts");
        let field =
            |index: usize, default: &str| fields.get(index).map_or(default, String::as_str).to_owned();
        let mount = Mount {
            device: field(0, ""),
            target: field(1, ""),
            filesystem: field(2, "auto"),
            options: field(3, "defaults,nofail"),
            format: false,
        };
        match check_mount(&mount) {
            Ok(()) => mounts.push(mount),
            Err(reason) => findings.invalid(item.line, format!("'mounts': {reason}")),
        }
    }
    mounts
}

/// Checks that a mount can be a line of fstab(5).
pub(crate) fn check_mount(mount: &Mount) -> Result<(), String> {
    check_path(&mount.target)?;
    for field in [&mount.device, &mount.target, &mount.filesystem, &mount.options] {
        if field.is_empty() || field.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') {
            return Err("a field must not be empty or hold white space or '#'".into());
        }
    }
    Ok(())
}

/// Reads `swap: {filename, size, maxsize}`.
pub(super) fn read_swap(node: &Node, findings: &mut Findings) -> Option<Swap> {
    let (mut path, mut bytes) = (Some("/swap.img".to_owned()), None);
    for entry in findings.map(node, "swap") {
        match entry.key.as_str() {
            "filename" => path = checked(&entry.value, "filename", check_path, findings),
            "size" | "maxsize" if entry.value.text() == Some("auto") => {
                findings
                    .ignored(entry.line, "'swap': a size of 'auto' is not known here; name one, such as 1G");
            }
            "size" => bytes = read_size(&entry.value, "size", findings),
            _ => findings.unknown_key(entry, "swap"),
        }
    }
    Some(Swap { path: path?, bytes: bytes.filter(|bytes| *bytes > 0)? })
}

/// Reads a size as [`size::parse_loose`] does.
fn read_size(node: &Node, key: &str, findings: &mut Findings) -> Option<u64> {
    let text = findings.text(node, key)?;
    let bytes = size::parse_loose(&text);
    if bytes.is_none() {
        findings.invalid(node.line, format!("'{key}' must be a size such as 512M or 2G"));
    }
    bytes
}

/// Reads `phone_home: {url, post, tries}`.
pub(crate) fn read_phone_home(node: &Node, findings: &mut Findings) -> Option<PhoneHome> {
    const FIELDS: [&str; 4] = ["instance_id", "hostname", "fqdn", "pub_key_ed25519"];
    let mut url = None;
    let mut post: Vec<String> = FIELDS.map(str::to_owned).into();
    let mut tries = DEFAULT_TRIES;
    for entry in findings.map(node, "phone_home") {
        match entry.key.as_str() {
            "url" => url = checked(&entry.value, "url", check_url, findings),
            "tries" => tries = findings.number(&entry.value, "tries").unwrap_or(DEFAULT_TRIES),
            "post" if entry.value.text() == Some("all") => {}
            "post" => {
                post = findings.texts(&entry.value, "post");
                post.retain(|field| {
                    let known = FIELDS.contains(&field.as_str());
                    if !known {
                        let known = FIELDS.join(", ");
                        findings.ignored(
                            entry.line,
                            format!("'post': '{:.40}' is not told; known: {known}", field.escape_debug()),
                        );
                    }
                    known
                });
            }
            _ => findings.unknown_key(entry, "phone_home"),
        }
    }
    Some(PhoneHome { url: url?, post, tries: tries.clamp(1, 100) })
}

/// Checks an address of HTTP, with TLS or without.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let good =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}');
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(rest)
            if !rest.is_empty() && !rest.starts_with('/') && url.chars().all(good) && url.len() <= 2048 =>
        {
            Ok(())
        }
        _ => Err("it must be an http:// or https:// address".into()),
    }
}

/// Turns `packages` into commands of apt-get, with `package_update` before them where it is asked for.
pub(super) fn read_packages(node: &Node, root: &Node, state: &mut DesiredState, findings: &mut Findings) {
    let mut names = Vec::new();
    for item in findings.list(node, "packages") {
        let name = match item.items() {
            // `[name, version]` pins a version.
            Some([name, version]) => {
                name.text().zip(version.text()).map(|(name, version)| format!("{name}={version}"))
            }
            _ => item.text().map(str::to_owned),
        };
        match name.filter(|name| is_package(name)) {
            Some(name) => names.push(name),
            None => {
                findings.invalid(item.line, "'packages': each is the name of a package, or [name, version]")
            }
        }
    }
    let mut add = |name: &str, words: &[&str], more: Vec<String>| {
        let words = words.iter().map(|word| (*word).to_owned()).chain(more).collect();
        state.commands.push(CommandEntry {
            name: name.into(),
            action: Action::Program(words),
            phase: Phase::Final,
        });
    };
    if root.get("package_update").or(root.get("package-update")).and_then(Node::boolean) == Some(true) {
        add(UPDATE_COMMAND, &["apt-get", "update"], Vec::new());
    }
    if !names.is_empty() {
        add(PACKAGES_COMMAND, &["apt-get", "install", "--yes", "--"], names);
    }
}

fn is_package(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:=~/".contains(&byte))
}

/// Switches of which one setting is what happens here anyway; the other is reported.
pub(super) fn check_switch(entry: &Entry, findings: &mut Findings) {
    let fits = match entry.key.replace('-', "_").as_str() {
        "manage_etc_hosts" => entry.value.boolean() != Some(false),
        "preserve_hostname" | "ssh_pwauth" => entry.value.boolean() == Some(false),
        _ => false,
    };
    if !fits {
        let key = &entry.key;
        findings.ignored(entry.line, format!("'{key}' with this value has no effect here"));
    }
}

/// Tells whether a command is one that [`read_packages`] made.
pub(super) fn is_of_packages(command: &CommandEntry) -> bool {
    matches!(command.name.as_str(), PACKAGES_COMMAND | UPDATE_COMMAND)
}
