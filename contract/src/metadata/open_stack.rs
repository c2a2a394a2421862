//! `meta_data.json` of OpenStack, on a config drive or over HTTP.
//!
//! Keys that count: `uuid` (which names the instance), `hostname`, `name`, `public_keys`; `files` and `random_seed` are
//! left to their readers (nova/virt: metadata of version 2018-08-27).

use crate::cloud_config::{Reading, read_keys_of_text};
use crate::finding::Findings;
use crate::name::check_host;
use crate::state::DesiredState;

/// The versions that are looked for, newest first, then `latest`.
pub const VERSIONS: [&str; 10] = [
    "2020-10-14",
    "2018-08-27",
    "2017-02-22",
    "2016-10-06",
    "2016-06-30",
    "2015-10-15",
    "2013-10-17",
    "2013-04-04",
    "2012-08-10",
    "latest",
];

/// Keys that describe the machine to its programs and ask for nothing.
const SILENT: [&str; 16] = [
    "availability_zone",
    "launch_index",
    "project_id",
    "meta",
    "devices",
    "dedicated_cpus",
    "random_seed",
    "keys",
    "admin_pass",
    "network_config",
    "security_groups",
    "region_id",
    "enterprise_project_id",
    "agency_name",
    "instance_type",
    "user_id",
];

/// A file that a drive carries, as `files` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedFile {
    /// Where it belongs.
    pub path: String,
    /// Where it is on the drive, for example `/content/0000`.
    pub content_path: String,
}

/// Parses the text of `meta_data.json`; gives the files that the drive carries as well.
///
/// # Errors
///
/// When it is no JSON object, or names no `uuid`.
pub fn parse_meta_data(text: &str) -> Result<(Reading, Vec<InjectedFile>), String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
    let object = value.as_object().ok_or("meta_data.json is an object")?;
    let mut findings = Findings::default();
    let uuid = object.get("uuid").and_then(serde_json::Value::as_str).filter(|uuid| !uuid.is_empty());
    let mut state = DesiredState {
        instance_id: Some(uuid.ok_or("there is no 'uuid'")?.to_owned()),
        ..Default::default()
    };
    // Some clouds end the host name with `.novalocal`, a name that nothing resolves; it is kept as they say it.
    for key in ["hostname", "name"] {
        let Some(text) = object.get(key).and_then(serde_json::Value::as_str) else { continue };
        match check_host(text) {
            Ok(()) if state.hostname.is_none() => state.hostname = Some(text.to_owned()),
            // The name is what a person called the machine, which need not be a host name.
            Ok(()) => {}
            Err(_) if key == "name" => {}
            Err(reason) => findings.invalid(None, format!("'{key}': {reason}")),
        }
    }
    for (name, key) in object.get("public_keys").and_then(serde_json::Value::as_object).into_iter().flatten()
    {
        match key.as_str() {
            Some(text) => state.ssh_keys.extend(read_keys_of_text(text, 1, "public_keys", &mut findings)),
            None => {
                findings.invalid(None, format!("'public_keys': '{:.80}' is no text", name.escape_debug()))
            }
        }
    }
    let files = read_files(object.get("files"), &mut findings);
    for key in object.keys() {
        let read = ["uuid", "hostname", "name", "public_keys", "files"].contains(&key.as_str());
        if !read && !SILENT.contains(&key.as_str()) {
            findings.ignored(
                None,
                format!("the key '{:.80}' is not known here and has no effect", key.escape_debug()),
            );
        }
    }
    Ok((Reading { state, findings: findings.0 }, files))
}

fn read_files(value: Option<&serde_json::Value>, findings: &mut Findings) -> Vec<InjectedFile> {
    let mut files = Vec::new();
    for item in value.and_then(serde_json::Value::as_array).into_iter().flatten() {
        let text = |key: &str| item.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        match (text("path"), text("content_path")) {
            (Some(path), Some(content_path)) => match crate::name::check_path(&path) {
                Ok(()) => files.push(InjectedFile { path, content_path }),
                Err(reason) => findings.invalid(None, format!("'files': {reason}")),
            },
            _ => findings.invalid(None, "'files': each has a 'path' and a 'content_path'"),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_data_of_a_config_drive() {
        let text = r#"{"uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38", "availability_zone": "nova", "hostname":
            "test.novalocal", "launch_index": 0, "name": "My Server", "public_keys": {"mykey": "ssh-rsa AAAAB3 a\n"},
            "files": [{"content_path": "/content/0000", "path": "/etc/motd"}], "meta": {"role": "web"}, "odd": 1}"#;
        let (read, files) = parse_meta_data(text).expect("meta data");
        assert_eq!(read.state.hostname.as_deref(), Some("test.novalocal"));
        assert_eq!(read.state.ssh_keys, ["ssh-rsa AAAAB3 a"]);
        assert_eq!(files[0].content_path, "/content/0000");
        assert_eq!(read.findings.len(), 1);
        assert!(read.findings[0].message.contains("'odd'"));
    }

    #[test]
    fn what_is_no_meta_data() {
        for text in ["", "[]", "{}", "{\"uuid\": 1}", "{\"uuid\": \"\"}", "{\"uuid\": \"a\"", "\u{0}"] {
            parse_meta_data(text).expect_err(text);
        }
        let (read, files) = parse_meta_data(
            r#"{"uuid": "a", "hostname": "a b", "public_keys": {"x": 1}, "files": [{"path": "../x", "content_path": "y"}, 1]}"#,
        )
        .expect("an object");
        assert_eq!((read.findings.len(), files.len()), (4, 0));
    }
}
