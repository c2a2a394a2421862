//! What user data is: found out by how it begins, taken apart where it is several documents in one.
//!
//! Known are `#cloud-config`, scripts that begin with `#!`, gzip around either, MIME multipart of these, and nothing at
//! all. Templates, includes of addresses and other kinds are reported and have no effect.

use crate::cloud_config::{self, Reading};
use crate::encoding::{decode_base64, inflate, is_gzip};
use crate::finding::Findings;
use crate::state::{Action, CommandEntry, Content, Phase};

/// Most parts of one multipart document.
const PART_LIMIT: usize = 64;

/// Reads user data; what cannot be used is among the findings, and the other parts still count.
pub fn read(bytes: &[u8]) -> Vec<Reading> {
    let mut readings = Vec::new();
    read_part(bytes, "user data", true, &mut readings);
    readings
}

/// Tells whether these bytes say of themselves that they are user data.
pub fn is_user_data(bytes: &[u8]) -> bool {
    let starts =
        |text: &str| bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).starts_with(text.as_bytes());
    is_gzip(bytes)
        || starts("#!")
        || starts("#cloud-config")
        || std::str::from_utf8(bytes).is_ok_and(is_multipart)
}

fn read_part(bytes: &[u8], name: &str, may_be_many: bool, readings: &mut Vec<Reading>) {
    let inflated;
    let bytes = if is_gzip(bytes) {
        match inflate(bytes) {
            Ok(bytes) => inflated = bytes,
            Err(reason) => return readings.push(refused(format!("{name}: {reason}"))),
        }
        &inflated
    } else {
        bytes
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return;
    }
    if bytes.starts_with(b"#!") {
        return readings.push(script(bytes, name));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return readings.push(refused(format!("{name} is neither text nor gzip and has no effect")));
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default().trim_end();
    if first == "#cloud-config" {
        return readings.push(cloud_config::parse(text).unwrap_or_else(|error| refused(error.to_string())));
    }
    match first {
        _ if may_be_many && is_multipart(text) => read_multipart(text, readings),
        "## template: jinja" | "#include" | "#include-once" | "#cloud-boothook" | "#part-handler" => {
            readings
                .push(refused(format!("{name} of the kind '{first}' is not read here and has no effect")));
        }
        _ => readings
            .push(refused(format!("{name} begins with neither '#cloud-config' nor '#!' and has no effect"))),
    }
}

fn script(bytes: &[u8], name: &str) -> Reading {
    let action = Action::Script(Content(bytes.to_vec()));
    let mut reading = Reading::default();
    reading.state.commands.push(CommandEntry { name: name.into(), action, phase: Phase::Final });
    reading
}

fn refused(message: String) -> Reading {
    let mut findings = Findings::default();
    findings.invalid(None, message);
    Reading { findings: findings.0, ..Reading::default() }
}

fn is_multipart(text: &str) -> bool {
    let (headers, _) = split_headers(text);
    headers
        .iter()
        .any(|(name, value)| name == "content-type" && value.to_ascii_lowercase().starts_with("multipart/"))
}

/// Reads `multipart/mixed` (RFC 2046), one level deep.
fn read_multipart(text: &str, readings: &mut Vec<Reading>) {
    let (headers, body) = split_headers(text);
    let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.as_str());
    let Some(boundary) = kind.and_then(|kind| parameter(kind, "boundary")) else {
        return readings.push(refused("a multipart document names no boundary".into()));
    };
    let parts = split_parts(body, &boundary);
    if parts.len() > PART_LIMIT {
        return readings.push(refused(format!("a multipart document has more than {PART_LIMIT} parts")));
    }
    for (index, part) in parts.iter().enumerate() {
        let (headers, body) = split_headers(part);
        let header =
            |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let name = match header("content-disposition").and_then(|value| parameter(value, "filename")) {
            Some(file) => format!("part {} ('{:.80}')", index + 1, file.escape_debug()),
            None => format!("part {}", index + 1),
        };
        let decoded = match header("content-transfer-encoding").map(str::to_ascii_lowercase).as_deref() {
            None | Some("7bit" | "8bit" | "binary") => Ok(body.as_bytes().to_vec()),
            Some("base64") => decode_base64(body),
            Some(other) => Err(format!("the encoding '{:.40}' is not known", other.escape_debug())),
        };
        match decoded {
            Ok(bytes) => read_typed(&bytes, &name, header("content-type").unwrap_or_default(), readings),
            Err(reason) => readings.push(refused(format!("{name}: {reason}"))),
        }
    }
}

/// The type of a part says what it is even where its first line does not.
fn read_typed(bytes: &[u8], name: &str, kind: &str, readings: &mut Vec<Reading>) {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_config = matches!(kind.as_str(), "text/cloud-config" | "text/cloud-config; charset=utf-8");
    match std::str::from_utf8(bytes) {
        Ok(text) if is_config && !is_gzip(bytes) => {
            readings
                .push(cloud_config::parse(text).unwrap_or_else(|error| refused(format!("{name}: {error}"))));
        }
        _ => read_part(bytes, name, false, readings),
    }
}

/// Splits header fields from what follows the first empty line; folded lines are joined, names are lower case.
fn split_headers(text: &str) -> (Vec<(String, String)>, &str) {
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    while let Some((line, after)) = rest.split_once('\n') {
        let line = line.trim_end_matches('\r');
        if line.is_empty() {
            return (headers, after);
        }
        if let (true, Some(last)) = (line.starts_with([' ', '\t']), headers.last_mut()) {
            last.1.push_str(line.trim_start());
        } else if let Some((name, value)) =
            line.split_once(':').filter(|(name, _)| !name.contains(char::is_whitespace))
        {
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        } else if !line.starts_with("From ") {
            return (headers, rest);
        }
        rest = after;
    }
    (headers, rest)
}

fn parameter(value: &str, wanted: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Splits a body at its boundary lines; the preamble and what follows the last one are left out.
fn split_parts<'b>(body: &'b str, boundary: &str) -> Vec<&'b str> {
    let (begin, end) = (format!("--{boundary}"), format!("--{boundary}--"));
    let mut parts = Vec::new();
    let (mut at, mut open) = (0, None);
    for line in body.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == begin || bare == end {
            parts.extend(open.take().map(|start: usize| &body[start..at]));
            open = (bare == begin).then_some(at + line.len());
        }
        at += line.len();
    }
    parts.extend(open.map(|start| &body[start..]));
    parts
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const MIME: &str = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
        Content-Type: text/cloud-config; charset=\"us-ascii\"\nContent-Disposition: attachment; filename=\"a.yaml\"\n\n\
        hostname: web\n--==B==\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n\
        IyEvYmluL3NoCmVjaG8gaGkK\n--==B==\nContent-Type: text/jinja2\n\n## template: jinja\n#cloud-config\n--==B==--\n";

    #[test]
    fn kinds_are_told_by_how_they_begin() {
        let read_one = |bytes: &[u8]| read(bytes).pop().expect("one document");
        assert_eq!(read_one(b"#cloud-config\nhostname: a\n").state.hostname.as_deref(), Some("a"));
        assert_eq!(read_one(b"#!/bin/sh\nid\n").state.commands[0].name, "user data");
        assert!(read(b"").is_empty() && read(b" \n").is_empty());
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(b"#cloud-config\nhostname: a\n").expect("memory");
        assert_eq!(read_one(&writer.finish().expect("memory")).state.hostname.as_deref(), Some("a"));
        for junk in [
            &b"\x00\xff\xfe"[..],
            b"hostname: a\n",
            b"#include\nhttp://x/\n",
            b"## template: jinja\n",
            b"\x1f\x8b\x08junk",
        ] {
            let read = read_one(junk);
            assert_eq!((read.state, read.findings.len()), (Default::default(), 1), "{junk:?}");
        }
        assert!(read_one(b"#cloud-config\na: [\n").findings[0].message.contains("not YAML"));
    }

    #[test]
    fn a_multipart_document_is_taken_apart() {
        let readings = read(MIME.as_bytes());
        assert_eq!(readings.len(), 3);
        assert_eq!(readings[0].state.hostname.as_deref(), Some("web"));
        assert_eq!(
            readings[1].state.commands[0].action,
            Action::Script(Content(b"#!/bin/sh\necho hi\n".to_vec()))
        );
        assert!(readings[2].findings[0].message.contains("template"), "{:?}", readings[2]);
        for bad in [
            "Content-Type: multipart/mixed\n\nx\n",
            "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Transfer-Encoding: x\n\nb\n",
        ] {
            assert_eq!(read(bad.as_bytes())[0].findings.len(), 1, "{bad}");
        }
    }
}
