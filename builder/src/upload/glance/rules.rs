//! What Glance refuses about the bytes themselves, found before one of them is sent.
//!
//! After Glance's format inspector: a disk with a GPT must have a protective MBR whose first entry, and no other, is of
//! type 0xEE and begins at sector 1. Releases up to 2024.1 take everything, so this is a warning.

use crate::image::{Image, SECTOR};
use crate::upload::{ImageFacts, SourceImage};

use super::Settings;

/// Where the first of the four entries is, and how long each is.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
const PROTECTIVE: u8 = 0xee;
/// Most properties by Glance's default, ours included.
pub(super) const MOST_PROPERTIES: usize = 128;
/// Longest name.
pub(super) const LONGEST_NAME: usize = 255;

/// Returns what may go wrong with this image in a cloud: each a sentence.
pub fn warnings(image: &SourceImage, facts: &ImageFacts, settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(why) = &facts.unread {
        found.push(format!("the image cannot be looked into ({why}); name its properties by --property"));
    } else if facts.architecture.is_none() && !settings.properties.contains_key("architecture") {
        found.push(
            "the image does not tell its architecture; name it by --property architecture=x86_64".into(),
        );
    }
    let sector = Image::open(&image.path).ok().and_then(|disk| disk.read(0, SECTOR).ok());
    if let Some(why) = sector.and_then(|sector| protective_mbr(&sector)) {
        found.push(format!("newer releases of Glance refuse this image: {why}"));
    }
    found
}

/// Says what is wrong with the first sector of a disk that has a GPT.
fn protective_mbr(sector: &[u8]) -> Option<&'static str> {
    let entries: Vec<&[u8]> = sector.get(ENTRIES..ENTRIES + 4 * ENTRY)?.chunks_exact(ENTRY).collect();
    let kinds: Vec<u8> = entries.iter().map(|entry| entry[4]).collect();
    if !kinds.contains(&PROTECTIVE) {
        return None;
    }
    if kinds[0] != PROTECTIVE || kinds[1..].iter().any(|kind| *kind != 0) {
        return Some("its GPT comes with a hybrid MBR");
    }
    let first = entries[0];
    if ![0, 0x80].contains(&first[0]) {
        return Some("the boot mark of its protective MBR is neither 0 nor 0x80");
    }
    let begins = first[1..4] == [0, 2, 0] && first[8..12] == [1, 0, 0, 0];
    (!begins).then_some("its protective MBR does not begin at sector 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(entries: [[u8; 16]; 4]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        sector[ENTRIES..ENTRIES + 64].copy_from_slice(&entries.concat());
        sector
    }

    #[test]
    fn hybrid_tables_are_told() {
        let good = [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 9, 0, 0, 0];
        let linux = [0x80, 0, 2, 0, 0x83, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0];
        let late = [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 2, 0, 0, 0, 9, 0, 0, 0];
        let none = [0; 16];
        assert_eq!(protective_mbr(&sector([good, none, none, none])), None);
        assert_eq!(protective_mbr(&sector([linux, none, none, none])), None);
        for bad in [[good, linux, none, none], [linux, good, none, none], [late, none, none, none]] {
            assert!(protective_mbr(&sector(bad)).is_some());
        }
    }
}
