//! The layout's rules, the swap header, and partitions in memory.

use std::io::{Read, Seek, SeekFrom, Write};

use uuid::Uuid;

use super::layout::{MIB, Need, settle};
use super::slice::Slice;
use super::*;
use crate::plan::{PartitionPlan, SizeRule, TableKind};

fn partition(kind: PartitionKind, size: SizeRule, grow: bool) -> PartitionPlan {
    let name = format!("{kind:?}").to_lowercase();
    let origin = format!("recipe.yaml:{}:5", 10 + kind as u32);
    PartitionPlan { kind, name, guid: Uuid::nil(), size, filesystem: None, grow, origin }
}

fn plan(size: SizeRule, partitions: Vec<PartitionPlan>) -> DiskPlan {
    DiskPlan { table: TableKind::Gpt, guid: Uuid::nil(), size, partitions }
}

fn need(least: u64, auto: u64) -> Need {
    Need { least: least * MIB, auto: Some(auto * MIB) }
}

fn mebibytes(layout: &Layout) -> (u64, Vec<(u64, u64)>) {
    let extents = layout.extents.iter();
    (layout.size / MIB, extents.map(|extent| (extent.start / MIB, extent.length / MIB)).collect())
}

#[test]
fn sizes_follow_the_rules() {
    use PartitionKind::{BiosBoot, Esp, Linux, Root};
    let (auto, fixed) = (SizeRule::Auto, |mib: u64| SizeRule::Bytes(mib * MIB));
    let bios = || partition(BiosBoot, fixed(1), false);
    let esp = || partition(Esp, fixed(64), false);
    let needs = [need(0, 1), need(2, 64), need(300, 800)];
    // Everything as large as needed: the end and the backup table follow.
    let layout = settle(&plan(auto, vec![bios(), esp(), partition(Root, auto, true)]), &needs).expect("fits");
    assert_eq!(mebibytes(&layout), (867, vec![(1, 1), (2, 64), (66, 800)]));
    // A fixed disk: the root takes the rest, wherever it stands.
    let layout = settle(
        &plan(fixed(4096), vec![bios(), partition(Root, auto, true), esp()]),
        &[needs[0], needs[2], needs[1]],
    );
    assert_eq!(mebibytes(&layout.expect("fits")), (4096, vec![(1, 1), (2, 4029), (4031, 64)]));
    // Only what is `auto` takes the rest; what grows does so in the clone.
    let layout = settle(&plan(fixed(4096), vec![esp(), partition(Root, fixed(500), true)]), &needs[1..]);
    assert_eq!(mebibytes(&layout.expect("fits")), (4096, vec![(1, 64), (65, 500)]));
    // A second `auto` is as large as its content.
    let data = partition(Linux, auto, true);
    let layout =
        settle(&plan(fixed(4096), vec![data, partition(Root, auto, false)]), &[need(10, 600), needs[2]]);
    assert_eq!(mebibytes(&layout.expect("fits")), (4096, vec![(1, 600), (601, 3494)]));
    // Odd sizes are rounded up.
    let layout = settle(
        &plan(SizeRule::Bytes(MIB * 100 + 1), vec![partition(Root, SizeRule::Bytes(5 * MIB + 1), false)]),
        &[need(1, 1)],
    );
    assert_eq!(mebibytes(&layout.expect("fits")), (101, vec![(1, 6)]));
}

#[test]
fn an_msdos_table_needs_no_room_at_the_end() {
    let root = partition(PartitionKind::Root, SizeRule::Auto, true);
    let msdos = |size| DiskPlan { table: TableKind::Msdos, ..plan(size, vec![root.clone()]) };
    let layout = settle(&msdos(SizeRule::Auto), &[need(300, 800)]).expect("fits");
    assert_eq!(mebibytes(&layout), (801, vec![(1, 800)]));
    let layout = settle(&msdos(SizeRule::Bytes(1024 * MIB)), &[need(300, 800)]).expect("fits");
    assert_eq!(mebibytes(&layout), (1024, vec![(1, 1023)]));
    let disk = settle(&msdos(SizeRule::Bytes(3 << 40)), &[need(300, 800)]).expect("fits");
    let error = msdos::sector(&disk).expect_err("beyond 32 bits").to_string();
    assert!(
        error.starts_with("recipe.yaml:13:5: partition 'root'") && error.contains("table: gpt"),
        "{error}"
    );
}

#[test]
fn what_does_not_fit_names_the_line_and_the_sizes() {
    use PartitionKind::{Esp, Root, Swap};
    let esp = partition(Esp, SizeRule::Bytes(64 * MIB), false);
    let error = settle(&plan(SizeRule::Auto, vec![esp.clone()]), &[need(90, 180)])
        .expect_err("too small")
        .to_string();
    assert!(
        error.starts_with("recipe.yaml:11:5: partition 'esp' is too small: 90 MiB needed, 64 MiB given"),
        "{error}"
    );
    let root = partition(Root, SizeRule::Auto, true);
    let whole = plan(SizeRule::Bytes(300 * MIB), vec![esp, root]);
    let error = settle(&whole, &[need(1, 64), need(300, 800)]).expect_err("too small").to_string();
    assert!(
        error.starts_with("recipe.yaml:13:5: the disk") && error.contains("366 MiB needed, 300 MiB given"),
        "{error}"
    );
    let swap = partition(Swap, SizeRule::Auto, false);
    let error = settle(&plan(SizeRule::Auto, vec![swap]), &[swap::NEED]).expect_err("no size").to_string();
    assert!(error.starts_with("recipe.yaml:18:5: partition 'swap' needs a size"), "{error}");
}

#[test]
fn mount_points_are_told_apart() {
    assert_eq!(below("/boot/efi", "/"), Some("/boot/efi"));
    assert_eq!(below("/boot/efi", "/boot"), Some("/efi"));
    assert_eq!(below("/boot2", "/boot"), None);
    assert_eq!((below("/", "/"), below("/boot", "/boot"), below("/", "/boot")), (None, None, None));
}

#[test]
fn swap_headers_check_their_label() {
    let mut filesystem = FilesystemPlan {
        kind: FilesystemKind::Swap,
        uuid: Uuid::from_bytes([7; 16]),
        label: "sixteen-bytes-ok".into(),
        mount: None,
        options: Vec::new(),
        quota: Vec::new(),
        subvolumes: Vec::new(),
    };
    let header = swap::header(8 * MIB, &filesystem).expect("a header");
    assert_eq!(header[1028..1032], 2047_u32.to_le_bytes());
    assert_eq!((&header[1036..1052], &header[1052..1068]), (&[7; 16][..], &b"sixteen-bytes-ok"[..]));
    filesystem.label.push('!');
    assert!(swap::header(8 * MIB, &filesystem).is_err());
}

#[test]
fn a_slice_keeps_only_what_is_not_zero() {
    let mut slice = Slice::new(3 * 4096);
    slice.write_all(&[0; 4096]).expect("zeroes");
    slice.seek(SeekFrom::Start(4090)).expect("sought");
    slice.write_all(b"over the edge").expect("written");
    slice.seek(SeekFrom::End(-4)).expect("sought");
    assert!(slice.write_all(b"too long").is_err(), "the end is the end");
    slice.seek(SeekFrom::Start(4090)).expect("sought");
    let mut back = [0; 13];
    slice.read_exact(&mut back).expect("read");
    assert_eq!(&back, b"over the edge");
    slice.seek(SeekFrom::Start(4090)).expect("sought");
    slice.write_all(&[0; 6]).expect("erased");
    let file = host::sparse::create_unnamed(&std::env::temp_dir()).expect("a file");
    file.set_len(MIB).expect("sized");
    slice.store(&file, 8192).expect("stored");
    let mut page = [0; 8];
    file.read_exact_at(&mut page, 8192 + 4096).expect("read");
    assert_eq!(&page, b"he edge\0");
}
