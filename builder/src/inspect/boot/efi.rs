//! One EFI program: what it is, and by whom it is signed.
//!
//! After Microsoft's PE/COFF specification. The signature is looked at, not verified: that is the firmware's part.

use serde::Serialize;

use crate::image::bytes::{printable, u16_le, u32_le};

/// Data directories of the optional header; the fifth is the certificate table.
const CERTIFICATE_DIRECTORY: usize = 4;
/// DER: object identifier 2.5.4.3, a common name.
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// Longest text of a section that is shown.
const TEXT_LIMIT: usize = 4096;

/// A program for EFI firmware.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct EfiProgram {
    /// Its path in its filesystem.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it is: `shim`, `GRUB`, `MokManager`, `systemd-boot`, `unified kernel image`, …
    pub kind: String,
    /// Its processor, such as `x86-64`; none if it is no program at all.
    pub machine: Option<&'static str>,
    /// Whether it carries a signature.
    pub signed: bool,
    /// Common names in its signature's certificates: issuers and signers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// The kernel arguments in a unified kernel image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
}

/// Describes a program by its bytes.
pub(super) fn describe(path: String, size: u64, bytes: &[u8]) -> EfiProgram {
    let program = Program::parse(bytes);
    let section = |name: &[u8; 8]| program.as_ref().and_then(|program| program.section(name));
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()).min(TEXT_LIMIT);
        printable(String::from_utf8_lossy(&bytes[..end]).trim())
    };
    let certificates = program.as_ref().map_or(&[][..], |program| program.certificates);
    EfiProgram {
        kind: kind(&path, section(b".sbat\0\0\0"), section(b".linux\0\0").is_some()),
        machine: program.as_ref().map(|program| program.machine),
        signed: !certificates.is_empty(),
        certificates: common_names(certificates),
        command_line: section(b".cmdline").map(text),
        path,
        size,
    }
}

/// Names the program by its name, where that is fixed, and by the components that it declares (`.sbat`).
fn kind(path: &str, sbat: Option<&[u8]>, has_kernel: bool) -> String {
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    if has_kernel {
        return "unified kernel image".to_owned();
    }
    if name.starts_with("mm") {
        return "MokManager".to_owned();
    }
    if name.starts_with("fb") {
        return "shim's fallback".to_owned();
    }
    let sbat = String::from_utf8_lossy(sbat.unwrap_or_default()).into_owned();
    let mut components = sbat.lines().filter_map(|line| line.split(',').next()).map(str::trim);
    match components.find(|component| !matches!(*component, "" | "sbat")) {
        Some("shim") => "shim".to_owned(),
        Some("grub") => "GRUB".to_owned(),
        Some(other) => printable(other).chars().take(40).collect(),
        None if name.starts_with("grub") => "GRUB".to_owned(),
        None if name.starts_with("shim") => "shim".to_owned(),
        None if name.starts_with("systemd-boot") => "systemd-boot".to_owned(),
        None => "unknown".to_owned(),
    }
}

struct Program<'a> {
    bytes: &'a [u8],
    machine: &'static str,
    sections: &'a [u8],
    certificates: &'a [u8],
}

impl<'a> Program<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(b"MZ") {
            return None;
        }
        let head = usize::try_from(u32_le(bytes, 0x3c)?).ok()?;
        let pe = bytes.get(head..)?;
        if !pe.starts_with(b"PE\0\0") {
            return None;
        }
        let machine = match u16_le(pe, 4)? {
            0x8664 => "x86-64",
            0xaa64 => "arm64",
            0x014c => "x86",
            _ => "other",
        };
        let (count, length) = (usize::from(u16_le(pe, 6)?), usize::from(u16_le(pe, 20)?));
        let directories = match u16_le(pe, 24)? {
            0x20b => 24 + 112,
            _ => 24 + 96,
        };
        let entry = directories + CERTIFICATE_DIRECTORY * 8;
        // Only this directory's address is an offset in the file.
        let (offset, size) = (u32_le(pe, entry).unwrap_or(0), u32_le(pe, entry + 4).unwrap_or(0));
        let certificates = part(bytes, offset, size).unwrap_or_default();
        let start = 24 + length;
        let sections = pe.get(start..(start + count * 40).min(pe.len())).unwrap_or_default();
        Some(Self { bytes, machine, sections, certificates })
    }

    fn section(&self, name: &[u8; 8]) -> Option<&'a [u8]> {
        let header = self.sections.chunks_exact(40).find(|header| header.starts_with(name))?;
        let size = u32_le(header, 8)?.min(u32_le(header, 16)?);
        part(self.bytes, u32_le(header, 20)?, size)
    }
}

fn part(bytes: &[u8], offset: u32, size: u32) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok()?;
    bytes.get(offset..offset.checked_add(usize::try_from(size).ok()?)?)
}

/// Finds the common names in a signature, each once, in their order.
fn common_names(der: &[u8]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let places = der.windows(COMMON_NAME.len()).enumerate().filter(|(_, window)| *window == COMMON_NAME);
    for (at, _) in places {
        let value = &der[at + COMMON_NAME.len()..];
        // Texts in UTF-8, of printable characters, in ASCII.
        let [0x0c | 0x13 | 0x16, length, text @ ..] = value else { continue };
        let Some(text) = text.get(..usize::from(*length)).filter(|_| *length < 0x80) else { continue };
        let name = printable(&String::from_utf8_lossy(text));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
