//! A tree that is kept and put back is the same tree.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::rootfs::tar_stream::{Entry, StreamOptions, TreeScan};

const EPOCH: i64 = 1_700_000_000;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bootwright-snapshot-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("tree")).unwrap();
        fs::create_dir(path.join("again")).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tree(folder: &Folder) -> PathBuf {
    let tree = folder.0.join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/empty"), "").unwrap();
    fs::write(tree.join("a/b/program"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("a/b/program"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::hard_link(tree.join("a/b/program"), tree.join("a/again")).unwrap();
    symlink("nowhere", tree.join("link")).unwrap();
    host::node::make_special(&tree.join("pipe"), host::node::Special::Fifo).unwrap();
    let long = "n".repeat(200);
    fs::write(tree.join("a").join(&long), long.as_bytes()).unwrap();
    for number in 0..12 {
        fs::write(tree.join(format!("large-{number}")), vec![number; 1 << 20]).unwrap();
    }
    let noise = (0..HELD / 8).flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    fs::write(tree.join("larger-than-what-is-held"), noise.collect::<Vec<u8>>()).unwrap();
    host::node::set_time(&tree.join("a/b"), EPOCH - 77).unwrap();
    tree
}

fn stream(scan: &TreeScan) -> Vec<u8> {
    let mut bytes = Vec::new();
    scan.write(&mut bytes, StreamOptions { epoch: i64::MAX, inode_times: false }).unwrap();
    bytes
}

fn kept(folder: &Folder, scan: &TreeScan) -> (File, Vec<Frame>) {
    let mut file =
        File::options().read(true).write(true).create_new(true).open(folder.0.join("kept")).unwrap();
    let frames = keep(scan, EPOCH, &mut file).unwrap();
    file.flush().unwrap();
    (file, frames)
}

#[test]
fn what_is_put_back_is_what_was_kept() {
    let folder = Folder::new("round");
    let tree = tree(&folder);
    let scan = TreeScan::read(&tree, &[]).unwrap();
    let (file, frames) = kept(&folder, &scan);
    assert!(frames.len() >= 5, "folders, files of 12 MiB in several, links: {}", frames.len());
    assert!(frames.iter().any(|frame| frame.plain > HELD), "one is not held");
    settle_times(&scan, EPOCH).unwrap();
    let again = folder.0.join("again");
    restore(&file, &frames, &again).unwrap();
    let (made, put_back) = (TreeScan::read(&tree, &[]).unwrap(), TreeScan::read(&again, &[]).unwrap());
    assert_eq!(made.entries().len(), put_back.entries().len());
    assert!(stream(&made) == stream(&put_back));
    let times = |entry: &Entry| entry.mtime <= EPOCH;
    assert!(put_back.entries().iter().all(times));
}

#[test]
fn other_programs_read_the_file() {
    let folder = Folder::new("tar");
    let scan = TreeScan::read(&tree(&folder), &[]).unwrap();
    kept(&folder, &scan);
    let list = std::process::Command::new("tar").arg("--zstd").arg("-tf").arg(folder.0.join("kept")).output();
    let Ok(list) = list else { return eprintln!("needs tar") };
    if String::from_utf8_lossy(&list.stderr).contains("zstd: Cannot exec") {
        return eprintln!("needs zstd");
    }
    assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
    assert_eq!(String::from_utf8_lossy(&list.stdout).lines().count(), scan.entries().len());
}

#[test]
fn damage_is_an_error() {
    let folder = Folder::new("damage");
    let scan = TreeScan::read(&tree(&folder), &[]).unwrap();
    let (file, frames) = kept(&folder, &scan);
    let again = folder.0.join("again");
    let fails = |frames: &[Frame]| {
        let error = restore(&file, frames, &again).expect_err("it is damaged");
        fs::remove_dir_all(&again).unwrap();
        fs::create_dir(&again).unwrap();
        error
    };
    let large = frames.iter().position(|frame| frame.plain > HELD).expect("one is not held");
    for number in [1, large] {
        let offset =
            frames[..number].iter().map(|frame| frame.stored).sum::<u64>() + frames[number].stored / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, offset).unwrap();
        file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
        fails(&frames);
        file.write_all_at(&byte, offset).unwrap();
        for change in [-1, 1] {
            let mut other = frames.clone();
            other[number].plain = other[number].plain.strict_add_signed(change);
            assert!(matches!(fails(&other), SnapshotError::File { .. }), "{number} {change}");
        }
    }
    restore(&file, &frames, &again).expect("whole again");
    fs::remove_dir_all(&again).unwrap();
    fs::create_dir(&again).unwrap();
    file.set_len(frames[0].stored + 1).unwrap();
    assert!(matches!(fails(&frames), SnapshotError::File { .. }));
}
