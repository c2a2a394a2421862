//! An inode's 512 bytes.

use super::forms::CORE;
use super::geometry::{BLOCK, Geometry, INODE};
use super::space::Run;
use crate::disk::block::{big, crc32c, put};

const CHECKSUM: usize = 100;
/// The inode's times count from 1901 (`bigtime`).
const BIG_TIMES: u64 = 0x8;
const BIG_TIME_START: i64 = -(1 << 31);
/// Marks the realtime bitmap as of the newer form, which it has to be even when empty.
const NEW_BITMAP: u16 = 0x4;

/// What a fork holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fork {
    /// A device number.
    Device(u32),
    /// Bytes.
    Inside(Vec<u8>),
    /// Extents: first block of the file, and where it is.
    Extents(Vec<(u64, Run)>),
}

/// Everything that an inode says.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) number: u64,
    /// Type and permissions as `stat` has them.
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    pub(super) epoch: i64,
    pub(super) size: u64,
    pub(super) data: Fork,
    pub(super) attributes: Option<Fork>,
    /// Bytes of the data fork if there are attributes.
    pub(super) room: usize,
    /// Whether it is the realtime bitmap.
    pub(super) bitmap: bool,
}

impl Inode {
    /// Returns its bytes.
    pub(super) fn bytes(&self, geometry: &Geometry) -> Vec<u8> {
        let mut bytes = start(geometry, self.number);
        big::u16(&mut bytes, 2, self.mode as u16);
        bytes[5] = format(&self.data);
        big::u32(&mut bytes, 8, self.uid);
        big::u32(&mut bytes, 12, self.gid);
        big::u32(&mut bytes, 16, self.links);
        big::u64(&mut bytes, 32, time(self.epoch));
        big::u64(&mut bytes, 40, time(self.mtime));
        big::u64(&mut bytes, 48, time(self.epoch));
        big::u64(&mut bytes, 56, self.size);
        let blocks = blocks(&self.data) + self.attributes.as_ref().map_or(0, blocks);
        big::u64(&mut bytes, 64, blocks);
        big::u32(&mut bytes, 76, extents(&self.data) as u32);
        // Without attributes the fork is empty, and of the form that is left out.
        bytes[83] = 2;
        self.put_fork(geometry, &mut bytes, CORE, &self.data);
        if let Some(attributes) = &self.attributes {
            big::u16(&mut bytes, 80, extents(attributes) as u16);
            bytes[82] = (self.room / 8) as u8;
            bytes[83] = format(attributes);
            self.put_fork(geometry, &mut bytes, CORE + self.room, attributes);
        }
        if self.bitmap {
            big::u16(&mut bytes, 90, NEW_BITMAP);
        }
        big::u64(&mut bytes, 104, 1);
        big::u64(&mut bytes, 120, BIG_TIMES);
        big::u64(&mut bytes, 144, time(self.epoch));
        seal(bytes)
    }

    fn put_fork(&self, geometry: &Geometry, bytes: &mut [u8], at: usize, fork: &Fork) {
        match fork {
            Fork::Device(number) => big::u32(bytes, at, *number),
            Fork::Inside(inside) => put(bytes, at, inside),
            Fork::Extents(extents) => {
                for (index, (first, run)) in extents.iter().enumerate() {
                    put(bytes, at + index * 16, extent(*first, geometry.number(run.at), run.blocks));
                }
            }
        }
    }
}

/// Returns the bytes of an inode that is not used.
pub(super) fn unused(geometry: &Geometry, number: u64) -> Vec<u8> {
    seal(start(geometry, number))
}

fn start(geometry: &Geometry, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; INODE];
    put(&mut bytes, 0, b"IN");
    bytes[4] = 3;
    // It is in no list of removed inodes.
    big::u32(&mut bytes, 96, u32::MAX);
    big::u64(&mut bytes, 152, number);
    put(&mut bytes, 160, geometry.uuid.as_bytes());
    bytes
}

fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c(&bytes);
    put(&mut bytes, CHECKSUM, checksum.to_le_bytes());
    bytes
}

fn format(fork: &Fork) -> u8 {
    match fork {
        Fork::Device(_) => 0,
        Fork::Inside(_) => 1,
        Fork::Extents(_) => 2,
    }
}

fn extents(fork: &Fork) -> usize {
    if let Fork::Extents(extents) = fork { extents.len() } else { 0 }
}

fn blocks(fork: &Fork) -> u64 {
    if let Fork::Extents(extents) = fork { extents.iter().map(|(_, run)| run.blocks).sum() } else { 0 }
}

/// Returns a time as nanoseconds since 1901.
fn time(seconds: i64) -> u64 {
    (seconds - BIG_TIME_START).max(0).unsigned_abs() * 1_000_000_000
}

/// Packs an extent: a flag, 54 bits of the file's block, 52 of the disk's, 21 of the length.
fn extent(first: u64, start: u64, blocks: u64) -> [u8; 16] {
    let packed = u128::from(first) << 73 | u128::from(start) << 21 | u128::from(blocks);
    packed.to_be_bytes()
}

/// Returns a device number as it is stored: 14 bits of major, 18 of minor.
pub(super) fn device(major: u64, minor: u64) -> Option<u32> {
    let (major, minor) = (u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    (major < 1 << 14 && minor < 1 << 18).then_some(major << 18 | minor)
}

/// Returns the block with a symbolic link's target.
pub(super) fn target_block(
    geometry: &Geometry,
    number: u64,
    target: &[u8],
    at: super::geometry::Place,
) -> Vec<u8> {
    let mut block = vec![0; BLOCK as usize];
    put(&mut block, 0, b"XSLM");
    big::u32(&mut block, 8, target.len() as u32);
    put(&mut block, 16, geometry.uuid.as_bytes());
    big::u64(&mut block, 32, number);
    big::u64(&mut block, 40, geometry.address(at));
    put(&mut block, 56, target);
    let checksum = crc32c(&block);
    put(&mut block, 12, checksum.to_le_bytes());
    block
}
