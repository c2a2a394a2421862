//! NoCloud: the YAML of `meta-data`, and the line that a kernel command line or an SMBIOS serial number carries.
//!
//! Keys of `meta-data`: `instance-id`, `local-hostname` (or `hostname`), `public-keys` as a text, a list or a map.
//! The line: `ds=nocloud;s=http://ADDRESS/;h=HOST;i=ID`, also `ds=nocloud-net` (reference/datasources/nocloud.rst).

use crate::cloud_config::{Reading, check_url, checked, read_ssh_keys};
use crate::finding::Findings;
use crate::name::check_host;
use crate::state::DesiredState;
use crate::yaml::{self, Node, Value, YamlError};

/// What a line says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoCloudLine {
    /// Where the documents are: an `http://` address or `file:///folder/`, with a `/` at its end.
    pub seed_from: Option<String>,
    /// The host name.
    pub hostname: Option<String>,
    /// The instance.
    pub instance_id: Option<String>,
    /// What its author should know.
    pub findings: Findings,
}

/// Parses the text of `meta-data`; it may be empty.
///
/// # Errors
///
/// When it is not YAML, or no map.
pub fn parse_meta_data(text: &str) -> Result<Reading, YamlError> {
    let node = yaml::parse(text)?;
    if node.entries().is_none() && !node.is_null() {
        return Err(YamlError {
            line: node.line,
            reason: format!("meta-data is a map, not {}", node.kind()),
        });
    }
    let mut findings = Findings::default();
    let mut state = DesiredState::default();
    for entry in node.entries().unwrap_or_default() {
        let value = &entry.value;
        match entry.key.replace('_', "-").as_str() {
            "instance-id" => state.instance_id = findings.text(value, "instance-id"),
            "local-hostname" => state.hostname = checked(value, "local-hostname", check_host, &mut findings),
            "hostname" if node.get("local-hostname").is_some() => {}
            "hostname" => state.hostname = checked(value, "hostname", check_host, &mut findings),
            "public-keys" => state.ssh_keys = read_public_keys(value, &mut findings),
            "dsmode" | "availability-zone" | "cloud-name" | "region" | "platform" => {}
            _ => findings.unknown_key(entry, "meta-data"),
        }
    }
    Ok(Reading { state, findings: findings.0 })
}

/// Reads keys as a text, a list, or a map of names to keys or lists of keys.
fn read_public_keys(node: &Node, findings: &mut Findings) -> Vec<String> {
    match &node.value {
        Value::Map(entries) => {
            entries.iter().flat_map(|entry| read_ssh_keys(&entry.value, "public-keys", findings)).collect()
        }
        _ => read_ssh_keys(node, "public-keys", findings),
    }
}

/// Parses a line that begins with `ds=nocloud`; none for any other.
pub fn parse_line(line: &str) -> Option<NoCloudLine> {
    let mut parts = line.split(';');
    if !matches!(parts.next()?, "ds=nocloud" | "ds=nocloud-net") {
        return None;
    }
    let mut read = NoCloudLine::default();
    for part in parts.filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        match key {
            "s" | "seedfrom" => match check_seed(value) {
                Ok(()) => read.seed_from = Some(value.to_owned()),
                Err(reason) => read.findings.invalid(None, format!("'{key}': {reason}")),
            },
            "h" | "local-hostname" => match check_host(value) {
                Ok(()) => read.hostname = Some(value.to_owned()),
                Err(reason) => read.findings.invalid(None, format!("'{key}': {reason}")),
            },
            "i" | "instance-id" => read.instance_id = Some(value.to_owned()),
            _ => {
                let key = key.escape_debug();
                read.findings.ignored(None, format!("'{key:.40}' of 'ds=nocloud' is not known here"));
            }
        }
    }
    Some(read)
}

fn check_seed(seed: &str) -> Result<(), String> {
    if !seed.ends_with('/') {
        return Err("the address of a seed ends with '/'".into());
    }
    match seed.strip_prefix("file://") {
        Some(path) if path.starts_with('/') && !path.split('/').any(|part| part == "..") => Ok(()),
        Some(_) => Err("it must be file:///folder/".into()),
        None => check_url(seed),
    }
}

/// Finds the line among the words of a kernel command line.
pub fn line_of_command_line(text: &str) -> Option<&str> {
    text.split_whitespace().map(|word| word.trim_matches('"')).find(|word| word.starts_with("ds=nocloud"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_data_in_its_shapes() {
        for (text, keys) in [
            ("instance-id: i-1\nlocal-hostname: web\npublic-keys: ssh-rsa AAAAB a\n", 1),
            (
                "{\"instance-id\": \"i-1\", \"local-hostname\": \"web\", \"public-keys\": [\"ssh-rsa AAAAB a\"]}",
                1,
            ),
            (
                "instance-id: i-1\nhostname: web\npublic-keys:\n  one: ssh-rsa AAAAB a\n  two: [ssh-rsa AAAAC b]\n",
                2,
            ),
        ] {
            let read = parse_meta_data(text).expect(text);
            assert_eq!(read.findings, [], "{text}");
            assert_eq!(read.state.instance_id.as_deref(), Some("i-1"));
            assert_eq!(read.state.hostname.as_deref(), Some("web"));
            assert_eq!(read.state.ssh_keys.len(), keys, "{text}");
        }
        assert_eq!(parse_meta_data("").expect("empty"), Reading::default());
        let read = parse_meta_data("a: 1\nlocal-hostname: $(id)\n").expect("YAML");
        let told: Vec<String> = read.findings.iter().map(ToString::to_string).collect();
        assert!(told[0].starts_with("line 1: the key 'a'") && told[1].starts_with("line 2:"), "{told:?}");
        parse_meta_data("- a\n").expect_err("no map");
    }

    #[test]
    fn lines() {
        let word =
            line_of_command_line("root=/dev/vda1 ds=nocloud-net;s=http://10.0.2.2:8000/;h=web;i=i-9 quiet");
        let read = parse_line(word.expect("a line")).expect("of NoCloud");
        assert_eq!(read.seed_from.as_deref(), Some("http://10.0.2.2:8000/"));
        assert_eq!((read.hostname.as_deref(), read.instance_id.as_deref()), (Some("web"), Some("i-9")));
        assert_eq!(parse_line("ds=nocloud").expect("alone"), NoCloudLine::default());
        assert_eq!(parse_line("ds=openstack"), None);
        for bad in [
            "ds=nocloud;s=http://a",
            "ds=nocloud;s=ftp://a/",
            "ds=nocloud;h=a_b",
            "ds=nocloud;s=file:///a/../b/",
            "ds=nocloud;x",
        ] {
            assert_eq!(parse_line(bad).expect(bad).findings.0.len(), 1, "{bad}");
        }
    }
}
