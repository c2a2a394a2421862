//! The superblock and what it says of the device.

use uuid::Uuid;

use super::chunks::{Chunks, SUPERBLOCKS, SYSTEM};
use super::forest::{Grown, ROOT_FOLDER};
use super::item::GENERATION;
use super::tree::NODE;
use crate::disk::block::{crc32c, put};

const BYTES: usize = 4096;
/// Mixed back references, blocks larger than a page, extended references, skinny metadata, no holes.
const INCOMPATIBLE: u64 = 0x1 | 0x20 | 0x40 | 0x100 | 0x200;
/// A free space tree that is valid.
const READ_ONLY_COMPATIBLE: u64 = 0x1 | 0x2;

/// Returns the UUID of the filesystem's one device.
pub(super) fn device_uuid(filesystem: Uuid) -> Uuid {
    Uuid::new_v5(&filesystem, b"btrfs device")
}

/// Returns what is said of the device: its size, and what chunks take of it.
pub(super) fn device_item(filesystem: Uuid, size: u64, used: u64) -> Vec<u8> {
    let mut data = [1, size, used].map(u64::to_le_bytes).concat();
    data.extend([4096_u32; 3].map(u32::to_le_bytes).concat());
    data.resize(66, 0);
    data.extend(device_uuid(filesystem).as_bytes());
    data.extend(filesystem.as_bytes());
    data
}

/// Returns every superblock with its offset on a device of `size` bytes.
pub(super) fn superblocks(filesystem: Uuid, label: &str, grown: &Grown, size: u64) -> Vec<(u64, Vec<u8>)> {
    let reached = SUPERBLOCKS.into_iter().filter(|at| at + BYTES as u64 <= size);
    reached.map(|at| (at, superblock(filesystem, label, grown, size, at))).collect()
}

fn superblock(filesystem: Uuid, label: &str, grown: &Grown, size: u64, at: u64) -> Vec<u8> {
    let mut block = vec![0; BYTES];
    let [root, chunk_root] = grown.roots;
    put(&mut block, 32, filesystem.as_bytes());
    put(&mut block, 64, b"_BHRfS_M");
    let numbers = [
        (48, at),
        (56, 1),
        (72, GENERATION),
        (80, root.0),
        (88, chunk_root.0),
        (112, size),
        (120, grown.used),
        (128, ROOT_FOLDER),
        (136, 1),
        (164, GENERATION),
        (180, READ_ONLY_COMPATIBLE),
        (188, INCOMPATIBLE),
        (563, GENERATION),
    ];
    for (offset, number) in numbers {
        put(&mut block, offset, number.to_le_bytes());
    }
    for (offset, number) in [(144, 4096), (148, NODE as u32), (152, NODE as u32), (156, 4096)] {
        put(&mut block, offset, number.to_le_bytes());
    }
    block[198] = root.1;
    block[199] = chunk_root.1;
    put(&mut block, 201, device_item(filesystem, size, grown.chunks.device_bytes()));
    put(&mut block, 299, label.as_bytes());
    let system = system_chunks(&grown.chunks, filesystem);
    put(&mut block, 160, (system.len() as u32).to_le_bytes());
    put(&mut block, 811, system);
    let checksum = crc32c(&block[32..]);
    put(&mut block, 0, checksum.to_le_bytes());
    block
}

/// Returns the chunks without which the chunk tree could not be read.
fn system_chunks(chunks: &Chunks, filesystem: Uuid) -> Vec<u8> {
    let uuid = *device_uuid(filesystem).as_bytes();
    let system = chunks.list.iter().filter(|chunk| chunk.kind == SYSTEM);
    system
        .flat_map(|chunk| {
            let item = chunk.item(&uuid);
            [&item.key.bytes()[..], &item.data].concat()
        })
        .collect()
}
