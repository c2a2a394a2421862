//! `write_files` of a cloud-config.

use super::checked;
use crate::encoding::{decode_base64, inflate};
use crate::finding::Findings;
use crate::name::check_path;
use crate::state::{Content, FileEntry};
use crate::yaml::Node;

/// Mode of a file whose document names none.
pub(crate) const DEFAULT_MODE: u32 = 0o644;

/// Reads the list of files; one without a usable path, content or mode is left out as a whole.
pub(super) fn read_files(node: &Node, findings: &mut Findings) -> Vec<FileEntry> {
    findings.list(node, "write_files").iter().filter_map(|item| read_file(item, findings)).collect()
}

fn read_file(node: &Node, findings: &mut Findings) -> Option<FileEntry> {
    let before = findings.0.len();
    let mut file = FileEntry {
        path: String::new(),
        content: Content::default(),
        mode: DEFAULT_MODE,
        owner: "root:root".into(),
        append: false,
        late: false,
    };
    let (mut content, mut encoding, mut wrong) = (String::new(), None, false);
    for entry in findings.map(node, "write_files") {
        let value = &entry.value;
        let known = findings.0.len();
        match entry.key.as_str() {
            "path" => file.path = checked(value, "path", check_path, findings).unwrap_or_default(),
            "content" if value.is_null() => {}
            "content" => content = findings.text(value, "content").unwrap_or_default(),
            "encoding" => encoding = findings.text(value, "encoding"),
            "permissions" => file.mode = read_mode(value, "permissions", findings).unwrap_or(DEFAULT_MODE),
            "owner" => file.owner = checked(value, "owner", check_owner, findings).unwrap_or_default(),
            "append" => file.append = findings.boolean(value, "append").unwrap_or_default(),
            "defer" => file.late = findings.boolean(value, "defer").unwrap_or_default(),
            _ => {
                findings.unknown_key(entry, "write_files");
                continue;
            }
        }
        wrong |= findings.0.len() > known;
    }
    match decode(&content, encoding.as_deref()) {
        Ok(bytes) => file.content = Content(bytes),
        Err(reason) => {
            findings.invalid(node.line, format!("'write_files': the content of '{}': {reason}", file.path));
            return None;
        }
    }
    if file.path.is_empty() && findings.0.len() == before {
        findings.invalid(node.line, "'write_files': a file has no 'path'");
    }
    (!wrong && !file.path.is_empty()).then_some(file)
}

/// Decodes content by the words that clouds use: base64, gzip, both, or none.
pub(crate) fn decode(content: &str, encoding: Option<&str>) -> Result<Vec<u8>, String> {
    match encoding.unwrap_or("text/plain") {
        "text/plain" => Ok(content.as_bytes().to_vec()),
        "b64" | "base64" => decode_base64(content),
        "gz+b64" | "gzip+b64" | "gz+base64" | "gzip+base64" => inflate(&decode_base64(content)?),
        "gz" | "gzip" => Err("bytes of gzip have no place in YAML; use the encoding gz+b64".into()),
        other => Err(format!("the encoding '{:.40}' is not known; use b64 or gz+b64", other.escape_debug())),
    }
}

/// Reads permission bits, in octal: `0644`, `"0644"` or `0o644`.
pub fn read_mode(node: &Node, key: &str, findings: &mut Findings) -> Option<u32> {
    let text = findings.text(node, key)?;
    let digits = text.strip_prefix("0o").unwrap_or(&text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o7777 && !digits.starts_with('+') => Some(mode),
        _ => {
            findings
                .invalid(node.line, format!("'{key}' must be permission bits in octal, such as \"0644\""));
            None
        }
    }
}

/// `user`, `user:group` or numbers.
pub(crate) fn check_owner(owner: &str) -> Result<(), String> {
    let parts: Vec<&str> = owner.split(':').collect();
    let good = |part: &&str| part.parse::<u32>().is_ok() || crate::name::check_account(part).is_ok();
    if parts.len() <= 2 && parts.iter().all(good) {
        return Ok(());
    }
    Err(format!("'{:.80}' is no owner such as root:root", owner.escape_debug()))
}
