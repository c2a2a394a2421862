use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;

/// A disk in a file that is removed with it.
struct Disk {
    path: std::path::PathBuf,
    file: File,
}

impl Disk {
    fn new(name: &str, bytes: u64) -> Self {
        let path = std::env::temp_dir().join(format!("firstboot-disk-{name}-{}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .expect("a file");
        file.set_len(bytes).expect("a length");
        Self { path, file }
    }

    fn geometry(&self) -> Geometry {
        Geometry::of(&self.file, 512).expect("a size")
    }

    fn table(&self) -> Table {
        Table::load(&self.file, self.geometry()).expect("readable").expect("a table")
    }

    /// Has sfdisk write a table; none where there is no sfdisk.
    fn partition(&self, script: &str) -> Option<()> {
        let mut command = Command::new("sfdisk");
        command
            .arg("--quiet")
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        child.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("written");
        assert!(child.wait().expect("waited").success(), "{script}");
        Some(())
    }

    fn grow(&self, number: u32) -> Partition {
        let table = self.table();
        let grown = table.grown(number).expect("space behind it");
        table.write(&self.file, &grown).expect("written");
        grown
    }

    /// What sfdisk says of the table; it complains about every part that is not as it should be.
    fn verified(&self) -> String {
        let output = Command::new("sfdisk").arg("--verify").arg(&self.path).output().expect("sfdisk");
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        said
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

const GPT: &str = "label: gpt\nlabel-id: 11111111-2222-3333-4444-555555555555\n\
    start=2048, size=2048\nstart=4096, size=4096, uuid=AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE\n";
const MSDOS: &str =
    "label: dos\nlabel-id: 0x12345678\nstart=2048, size=2048, type=83\nstart=4096, size=2048, type=83\n";

#[test]
fn the_last_partition_of_a_gpt_takes_what_the_disk_got() {
    let disk = Disk::new("gpt", 8 << 20);
    let Some(()) = disk.partition(GPT) else { return println!("skipped: no sfdisk") };
    disk.file.set_len(64 << 20).expect("a longer disk");
    let found = disk.table().find("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee").expect("by its GUID").clone();
    assert_eq!((found.number, found.first, found.count), (2, 4096, 4096));
    assert_eq!(disk.table().grown(1), None, "another partition is behind it");
    let grown = disk.grow(2);
    assert_eq!(grown.first + grown.count, (63 << 20) / 512);
    assert_eq!(disk.table().partitions[1], grown);
    assert_eq!(disk.table().grown(2), None, "once is enough");
    assert!(disk.verified().contains("No errors detected"), "{}", disk.verified());
}

#[test]
fn a_gpt_is_read_from_its_other_end_wherever_writing_was_cut() {
    let disk = Disk::new("cut", 8 << 20);
    let Some(()) = disk.partition(GPT) else { return println!("skipped: no sfdisk") };
    disk.file.set_len(16 << 20).expect("a longer disk");
    let grown = disk.grow(2);
    for place in [512, 1024, 1024 + 4096] {
        let mut before = [0; 512];
        disk.file.read_exact_at(&mut before, place).expect("read");
        disk.file.write_all_at(&[0xff; 512], place).expect("damaged");
        assert_eq!(disk.table().partitions[1], grown, "damaged at {place}");
        disk.file.write_all_at(&before, place).expect("mended");
    }
}

#[test]
fn the_last_partition_of_an_msdos_table_grows() {
    let disk = Disk::new("msdos", 8 << 20);
    let Some(()) = disk.partition(MSDOS) else { return println!("skipped: no sfdisk") };
    disk.file.set_len(32 << 20).expect("a longer disk");
    assert_eq!(disk.table().find("12345678-02").expect("by signature and number").number, 2);
    let grown = disk.grow(2);
    assert_eq!((grown.first, grown.first + grown.count), (4096, (32 << 20) / 512));
    assert_eq!((disk.table().partitions[1].clone(), disk.table().grown(2)), (grown, None));
    disk.verified();
}

#[test]
fn what_is_no_table_is_none() {
    let disk = Disk::new("junk", 1 << 20);
    assert!(Table::load(&disk.file, disk.geometry()).expect("readable").is_none());
    for seed in 0..64_u64 {
        let bytes: Vec<u8> = (0..40_u64 * 512).map(|at| (at.wrapping_mul(seed * 2 + 1) >> 3) as u8).collect();
        disk.file.write_all_at(&bytes, 0).expect("written");
        disk.file.write_all_at(b"EFI PART", 512).expect("written");
        drop(Table::load(&disk.file, disk.geometry()).expect("readable"));
    }
    assert_eq!(gpt::crc32(b"123456789"), 0xcbf4_3926);
}
