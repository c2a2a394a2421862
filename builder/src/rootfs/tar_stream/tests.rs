//! The stream against another reader of the format, and against itself.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::scan::portable_capability;
use super::*;

/// A folder that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bootwright-tar-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const EPOCH: i64 = 1_700_000_000;

fn small_tree(scratch: &Scratch) -> TreeScan {
    let at = |path: &str| scratch.0.join(path);
    for folder in ["etc", "boot/efi/EFI", "a.d", "a"] {
        fs::create_dir_all(at(folder)).expect("a folder");
    }
    fs::write(at("etc/first"), "same").expect("written");
    fs::hard_link(at("etc/first"), at("etc/second")).expect("linked");
    symlink("first", at("etc/link")).expect("linked");
    fs::write(at("boot/efi/EFI/x"), "elsewhere").expect("written");
    fs::write(at("a/x"), vec![b'x'; 3_000_001]).expect("written");
    fs::set_permissions(at("a/x"), fs::Permissions::from_mode(0o4711)).expect("mode set");
    fs::write(at(&format!("etc/{}ä", "n".repeat(150))), "long").expect("written");
    symlink("t".repeat(150), at("etc/long-link")).expect("linked");
    host::xattr::set(&at("etc/first"), c"user.note", b"one\0two").expect("attribute set");
    TreeScan::read(&scratch.0, &["/boot/efi"]).expect("scanned")
}

fn stream(scan: &TreeScan, inode_times: bool) -> Vec<u8> {
    let mut out = Vec::new();
    scan.write(&mut out, StreamOptions { epoch: EPOCH, inode_times }).expect("written");
    out
}

#[test]
fn another_reader_sees_the_tree() {
    let scratch = Scratch::new("reader");
    let bytes = stream(&small_tree(&scratch), true);
    assert_eq!(bytes.len() % 512, 0);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut seen = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let header = entry.header().clone();
        assert!(header.mtime().expect("a time") <= EPOCH as u64);
        match path.as_str() {
            "./etc/first" => {
                let records: Vec<(String, Vec<u8>)> = entry
                    .pax_extensions()
                    .expect("readable")
                    .expect("records")
                    .map(|record| record.expect("a record"))
                    .map(|record| (record.key().expect("a key").to_owned(), record.value_bytes().to_vec()))
                    .collect();
                assert!(records.contains(&("SCHILY.xattr.user.note".into(), b"one\0two".to_vec())));
                assert!(records.contains(&("ctime".into(), EPOCH.to_string().into_bytes())));
            }
            "./etc/second" => {
                assert_eq!(header.entry_type(), tar::EntryType::Link);
                assert_eq!(entry.link_name_bytes().expect("a link").as_ref(), b"./etc/first");
            }
            "./etc/long-link" => assert_eq!(entry.link_name_bytes().expect("a link").len(), 150),
            "./a/x" => {
                assert_eq!(header.mode().expect("a mode"), 0o4711);
                let mut content = Vec::new();
                entry.read_to_end(&mut content).expect("content");
                assert!(content.len() == 3_000_001 && content.iter().all(|byte| *byte == b'x'));
            }
            _ => {}
        }
        seen.push(path);
    }
    let long = format!("./etc/{}ä", "n".repeat(150));
    let expected =
        ["./", "./a/", "./a/x", "./a.d/", "./boot/", "./boot/efi/", "./etc/", "./etc/first", "./etc/link"];
    assert_eq!(seen[..expected.len()], expected);
    assert_eq!(seen[expected.len()..], ["./etc/long-link", long.as_str(), "./etc/second"]);
}

#[test]
fn the_stream_does_not_depend_on_when_and_where() {
    let (one, other) = (Scratch::new("one"), Scratch::new("other"));
    let first = stream(&small_tree(&one), false);
    let second = stream(&small_tree(&other), false);
    assert!(first == second, "two trees of the same content give the same bytes");
    assert!(!first.windows(6).any(|window| window == b"ctime="), "no times of inodes unless asked");
}

#[test]
fn a_file_that_changes_is_noticed() {
    let scratch = Scratch::new("change");
    fs::write(scratch.0.join("file"), "before").expect("written");
    let scan = TreeScan::read(&scratch.0, &[]).expect("scanned");
    fs::write(scratch.0.join("file"), "longer than before").expect("written");
    let result = scan.write(&mut Vec::new(), StreamOptions { epoch: EPOCH, inode_times: false });
    assert!(matches!(result, Err(TreeStreamError::Changed { .. })), "{result:?}");
    fs::remove_file(scratch.0.join("file")).expect("removed");
    symlink("/etc/passwd", scratch.0.join("file")).expect("linked");
    let result = scan.write(&mut Vec::new(), StreamOptions { epoch: EPOCH, inode_times: false });
    assert!(matches!(result, Err(TreeStreamError::Read { .. })), "a link is not followed: {result:?}");
}

#[test]
fn capabilities_of_a_user_namespace_become_portable() {
    let mut version_3 = vec![1, 0, 0, 3];
    version_3.extend_from_slice(&[0, 0x20, 0, 0]);
    version_3.extend_from_slice(&[0; 12]);
    let mut version_2 = version_3.clone();
    version_2[3] = 2;
    version_3.extend_from_slice(&100_000_u32.to_le_bytes());
    assert_eq!(portable_capability(version_3), version_2);
    assert_eq!(portable_capability(version_2.clone()), version_2);
}
