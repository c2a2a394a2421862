//! Hostile images: whatever is in them, an answer or an error, never a panic.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::*;
use crate::output::blocks::RawBlocks;
use crate::output::qcow2::{self, ClusterMap};

const MIB: u64 = 1 << 20;

struct Sample(PathBuf);

impl Sample {
    fn new(name: &str) -> (Self, File) {
        let path = std::env::temp_dir().join(format!("bootwright-inspect-{name}-{}", std::process::id()));
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(&path).expect("a file");
        (Self(path), file)
    }
}

impl Drop for Sample {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A disk of 8 MiB with a table, and in its first partition a FAT filesystem with one file.
fn write_disk(file: &File) {
    use std::io::Write;
    file.set_len(8 * MIB).expect("sized");
    let mut table = gpt::GptConfig::new().writable(true).create_from_device(file, None).expect("a table");
    table.add_partition("esp", 4 * MIB, gpt::partition_types::EFI, 0, Some(2048)).expect("a partition");
    table.write().expect("written");
    let mut volume = std::io::Cursor::new(vec![0; 4 * MIB as usize]);
    let options = fatfs::FormatVolumeOptions::new().volume_label(*b"LABEL      ");
    fatfs::format_volume(&mut volume, options).expect("formatted");
    let filesystem = fatfs::FileSystem::new(&mut volume, fatfs::FsOptions::new()).expect("opened");
    {
        let folder = filesystem.root_dir().create_dir("EFI").expect("a folder");
        folder
            .create_file("A rather long name.efi")
            .expect("a file")
            .write_all(b"twelve bytes")
            .expect("written");
    }
    filesystem.unmount().expect("unmounted");
    file.write_all_at(volume.get_ref(), MIB).expect("written");
}

fn write_qcow2(raw: &File, size: u64, to: &File) {
    let map = ClusterMap::read(&RawBlocks::new(raw, size)).expect("a map");
    qcow2::write(&RawBlocks::new(raw, size), &map, to).expect("written");
}

#[test]
fn raw_and_qcow2_tell_the_same() {
    let (raw_path, raw) = Sample::new("same-raw");
    let (qcow2_path, qcow2) = Sample::new("same-qcow2");
    write_disk(&raw);
    write_qcow2(&raw, 8 * MIB, &qcow2);
    let mut reports = [&raw_path.0, &qcow2_path.0].map(|path| inspect(path).expect("a report").to_json());
    assert_eq!((&reports[0]["format"], &reports[1]["format"]), (&"raw".into(), &"qcow2".into()));
    for report in &mut reports {
        let report = report.as_object_mut().expect("an object");
        for key in ["path", "format", "file_size", "allocated"] {
            report.remove(key);
        }
    }
    assert_eq!(reports[0], reports[1]);
    let partition = &reports[0]["partitions"][0];
    assert_eq!((&partition["name"], &partition["type"]), (&"esp".into(), &"EFI system".into()));
    let filesystem = &partition["filesystem"];
    assert_eq!((&filesystem["label"], &filesystem["type"]), (&"LABEL".into(), &"vfat".into()));
    assert_eq!(partition["files"][0]["path"], "/EFI/A rather long name.efi");
    assert_eq!(partition["files"][0]["size"], 12);
    assert_eq!(reports[0]["table"]["backup_matches"], true);
}

/// Changes one image in many ways, and looks into each.
fn disturb(path: &Path, file: &File, offsets: impl Iterator<Item = u64>) -> (usize, usize) {
    let (mut answers, mut errors) = (0, 0);
    for offset in offsets {
        for value in [0x00, 0x01, 0x7f, 0xff] {
            let mut before = [0; 4];
            file.read_exact_at(&mut before, offset).expect("read");
            file.write_all_at(&[value; 4], offset).expect("written");
            match inspect(path) {
                Ok(report) => {
                    let _ = (report.to_string(), report.to_json());
                    answers += 1;
                }
                Err(_) => errors += 1,
            }
            file.write_all_at(&before, offset).expect("restored");
        }
    }
    (answers, errors)
}

#[test]
fn disturbed_tables_and_filesystems_are_answered() {
    let (path, file) = Sample::new("disturbed");
    write_disk(&file);
    let table = 512..512 + 92;
    let entries = 1024..1024 + 128;
    let boot_sector = MIB..MIB + 96;
    let (answers, errors) = disturb(&path.0, &file, table.chain(entries).chain(boot_sector));
    assert!(answers > 100 && errors > 100, "{answers} answers, {errors} errors");
    // Allocation table, root and folder lie in the first 64 KiB of so small a filesystem.
    disturb(&path.0, &file, (MIB + 512..MIB + 65536).step_by(24));
    inspect(&path.0).expect("as it was");
}

#[test]
fn disturbed_qcow2_is_answered() {
    let (_raw_path, raw) = Sample::new("qcow2-raw");
    let (path, file) = Sample::new("qcow2");
    write_disk(&raw);
    write_qcow2(&raw, 8 * MIB, &file);
    let cluster = qcow2::CLUSTER;
    let l1 = 3 * cluster..3 * cluster + 16;
    let l2 = 4 * cluster..4 * cluster + 64;
    let (answers, errors) = disturb(&path.0, &file, (4..112).chain(l1).chain(l2));
    assert!(answers > 20 && errors > 20, "{answers} answers, {errors} errors");
    for length in [5 * cluster - 1, 3 * cluster + 1, cluster, 200, 103, 70, 4, 3, 0] {
        file.set_len(length).expect("cut");
        if length >= 4 {
            let error = inspect(&path.0).expect_err("cut short").to_string();
            assert!(error.contains("is not a usable image"), "{error}");
        } else {
            inspect(&path.0).map(|report| report.to_string()).expect("too short to be anything");
        }
    }
}

#[test]
fn a_ring_of_clusters_ends() {
    let (path, file) = Sample::new("ring");
    write_disk(&file);
    // The folder's cluster follows itself. Its entry in the table is found by its number in the root's record.
    let sector = {
        let mut bytes = [0; 512];
        file.read_exact_at(&mut bytes, MIB).expect("read");
        bytes
    };
    let bits = if sector[54..62].starts_with(b"FAT12") { 12 } else { 16 };
    let reserved = u64::from(u16::from_le_bytes([sector[14], sector[15]])) * 512;
    let offset = MIB + reserved + if bits == 12 { 3 } else { 4 };
    file.write_all_at(&[2, 0x20, 0][..if bits == 12 { 3 } else { 2 }], offset).expect("written");
    let report = inspect(&path.0).expect("a report");
    assert!(report.damage().iter().any(|why| why.contains("ring")), "{report}");
}
