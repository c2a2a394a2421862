//! The writer: numbers for everything, then content in the order in which it comes, then what tells where it went.

use std::os::unix::fs::FileExt;
use std::thread;

use super::attributes::Attributes;
use super::checksum::Checksums;
use super::extents::{self, ROOT as MAP};
use super::features::Features;
use super::flow::Flow;
use super::folder::{FOLDER, Folder, Named};
use super::geometry::{Geometry, MOST_BLOCKS};
use super::groups::{self, Usage};
use super::hash::Seed;
use super::inode::{self, EXTENTS, INDEXED, Inode};
use super::own::{self, FIRST_INODE, JOURNAL_INODE, RESIZE_INODE, ROOT_INODE};
use super::superblock::{self, Facts, superblock};
use super::{BLOCK, Job, size};
use crate::disk::DiskError;
use crate::disk::inodes::{self, Inodes, ROOT};
use crate::rootfs::tar_stream::EntryKind;

const LOST_AND_FOUND: &[u8] = b"lost+found";
/// Most names of an inode; a folder with more folders in it says 1.
const MOST_LINKS: u64 = 65000;
/// Longest target of a symbolic link in an inode, and in a block.
const LONGEST_IN_INODE: usize = MAP - 1;
const LONGEST_TARGET: usize = BLOCK as usize - 1;
/// Blocks of a file are numbered by 32 bits.
const LARGEST_FILE: u64 = (u32::MAX as u64) * BLOCK;

/// Makes the filesystem.
///
/// # Errors
/// When the tree has something that ext4 cannot hold or does not fit, and when a file cannot be read or written.
pub(super) fn write(job: &Job<'_>, features: &Features) -> Result<(), DiskError> {
    if job.extent.length / BLOCK > MOST_BLOCKS {
        let what = format!("the ext4 filesystem '{}'", job.filesystem.mount.as_deref().unwrap_or("-"));
        return Err(DiskError::unfit(what, "it is made with at most 16 TiB; make the partition smaller"));
    }
    let inodes = Inodes::of(job.scan);
    let numbers = Numbers::of(&inodes, features);
    let geometry =
        Geometry::new(job.extent.length, size::inode_count(job.extent.length, inodes.list.len() as u64))
            .ok_or_else(|| super::full(job))?;
    let checksums = Checksums::of(job.filesystem.uuid);
    let table = Table { bytes: vec![0; numbers.used() as usize * inode::BYTES], checksums };
    thread::scope(|scope| {
        let flow = Flow::start(scope, job, &geometry);
        let mut writer =
            Writer { job, inodes: &inodes, numbers, geometry: &geometry, checksums, flow, table };
        let journal = writer.write_own()?;
        writer.write_tree()?;
        writer.finish(features, &journal)
    })
}

/// Which inodes are whose.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    /// Zero if the tree has a folder of that name itself.
    lost_and_found: u32,
    /// Zero if there is none.
    orphan_file: u32,
    /// The first of the tree behind its root.
    first: u32,
    /// How many the tree has.
    count: u32,
}

impl Numbers {
    fn of(inodes: &Inodes<'_>, features: &Features) -> Self {
        let mut next = FIRST_INODE;
        let mut take = |wanted: bool| {
            let number = next;
            next += u32::from(wanted);
            if wanted { number } else { 0 }
        };
        let own = inodes.list[ROOT].children.iter().any(|(name, _)| *name == LOST_AND_FOUND);
        let lost_and_found = take(!own);
        let orphan_file = take(features.has("orphan_file"));
        Self { lost_and_found, orphan_file, first: next, count: inodes.list.len() as u32 }
    }

    fn of_place(self, place: usize) -> u32 {
        if place == ROOT { ROOT_INODE } else { self.first + place as u32 - 1 }
    }

    /// Returns how many inodes are used, from the first on.
    fn used(self) -> u64 {
        u64::from(self.first - 1) + u64::from(self.count - 1)
    }
}

/// All inodes that are used, in order.
#[derive(Debug)]
struct Table {
    bytes: Vec<u8>,
    checksums: Checksums,
}

impl Table {
    fn put(&mut self, number: u32, inode: &Inode) {
        let at = (number as usize - 1) * inode::BYTES;
        self.bytes[at..at + inode::BYTES].copy_from_slice(&inode.bytes(number, self.checksums));
    }
}

struct Writer<'a> {
    job: &'a Job<'a>,
    inodes: &'a Inodes<'a>,
    numbers: Numbers,
    geometry: &'a Geometry,
    checksums: Checksums,
    flow: Flow<'a>,
    table: Table,
}

/// Where an inode's content went.
struct Content {
    size: u64,
    blocks: u64,
    flags: u32,
    map: [u8; MAP],
}

impl Content {
    /// What is kept in the inode itself.
    fn inside(size: u64, map: [u8; MAP]) -> Self {
        Self { size, blocks: 0, flags: 0, map }
    }
}

impl<'a> Writer<'a> {
    /// Writes the filesystem's own inodes; returns the journal's.
    fn write_own(&mut self) -> Result<Inode, DiskError> {
        let (epoch, checksums, numbers) = (self.job.epoch, self.checksums, self.numbers);
        let (resize, reserved) = own::resize_inode(&mut self.flow, self.geometry, epoch)?;
        self.put(1 + self.geometry.descriptor_blocks, &reserved)?;
        self.table.put(RESIZE_INODE, &resize);
        if numbers.lost_and_found != 0 {
            let folder = self.folder(numbers.lost_and_found, ROOT_INODE, &[]);
            let inode = own::lost_and_found(&mut self.flow, &folder, epoch)?;
            self.table.put(numbers.lost_and_found, &inode);
        }
        if numbers.orphan_file != 0 {
            let blocks = own::orphan_blocks(self.geometry.blocks);
            let inode = own::orphan_file(&mut self.flow, numbers.orphan_file, blocks, checksums, epoch)?;
            self.table.put(numbers.orphan_file, &inode);
        }
        let bytes = size::journal(self.job.extent.length);
        let (journal, first) = own::journal(&mut self.flow, bytes, checksums, epoch)?;
        self.put(first, &own::journal_superblock(bytes, self.job.filesystem.uuid))?;
        self.table.put(JOURNAL_INODE, &journal);
        Ok(journal)
    }

    /// Writes all inodes of the tree: folders and what is small first, so that they lie together, then files.
    fn write_tree(&mut self) -> Result<(), DiskError> {
        let inodes = self.inodes;
        for files in [false, true] {
            for (place, inode) in inodes.list.iter().enumerate() {
                if matches!(inode.kind(), EntryKind::File(_)) == files {
                    let made = self.write_inode(place, inode)?;
                    self.table.put(self.numbers.of_place(place), &made);
                }
            }
        }
        Ok(())
    }

    fn write_inode(&mut self, place: usize, inode: &inodes::Inode<'a>) -> Result<Inode, DiskError> {
        let unfit = |why: String| DiskError::unfit(inode.shown(), why);
        let attributes = Attributes::of(inode.xattrs()).map_err(unfit)?;
        let content = self.write_content(place, inode)?;
        let attribute_block = if attributes.has_block() {
            self.flow.put(|at| attributes.block(at, self.checksums))?
        } else {
            0
        };
        let (_, uid, gid) = inode.access();
        Ok(Inode {
            mode: inode.stat_mode(),
            owner: (uid, gid),
            links: self.links(place, inode).map_err(unfit)?,
            mtime: inode.mtime(self.job.epoch),
            epoch: self.job.epoch,
            size: content.size,
            blocks: content.blocks + u64::from(attribute_block != 0),
            flags: content.flags,
            map: content.map,
            attribute_block,
            attributes: attributes.inside(),
        })
    }

    /// Returns how many names lead to an inode; of a folder its own and those of the folders in it too.
    fn links(&self, place: usize, inode: &inodes::Inode<'_>) -> Result<u64, String> {
        if *inode.kind() != EntryKind::Folder {
            let names = inode.names.len() as u64;
            return if names <= MOST_LINKS {
                Ok(names)
            } else {
                Err(format!("ext4 has at most {MOST_LINKS} hard links of a file"))
            };
        }
        let is_folder = |(_, child): &&(&[u8], usize)| *self.inodes.list[*child].kind() == EntryKind::Folder;
        let own = u64::from(place == ROOT && self.numbers.lost_and_found != 0);
        let links = 2 + own + inode.children.iter().filter(is_folder).count() as u64;
        Ok(if links < MOST_LINKS { links } else { 1 })
    }

    /// Writes what an inode leads to.
    fn write_content(&mut self, place: usize, inode: &inodes::Inode<'a>) -> Result<Content, DiskError> {
        let unfit = |why: &str| DiskError::unfit(inode.shown(), why);
        let number = self.numbers.of_place(place);
        match inode.kind() {
            EntryKind::Folder => {
                let parent = inode.names.first().map_or(place, |name| name.folder);
                let names = self.names(place, inode);
                let folder = self.folder(number, self.numbers.of_place(parent), &names);
                let (blocks, indexed) =
                    folder.blocks().ok_or_else(|| unfit("it holds too many names for ext4"))?;
                let extents = self.flow.put_all(&blocks)?;
                let content = self.extents(number, blocks.len() as u64, &extents)?;
                Ok(Content { flags: content.flags | if indexed { INDEXED } else { 0 }, ..content })
            }
            EntryKind::Symlink(target) if target.len() <= LONGEST_IN_INODE => {
                let mut map = [0; MAP];
                map[..target.len()].copy_from_slice(target);
                Ok(Content::inside(target.len() as u64, map))
            }
            EntryKind::Symlink(target) if target.len() <= LONGEST_TARGET => {
                let mut block = target.clone();
                block.resize(BLOCK as usize, 0);
                let extents = self.flow.put_all(&block)?;
                self.extents(number, target.len() as u64, &extents)
            }
            EntryKind::Symlink(_) => Err(unfit("its target is too long for ext4; shorten it")),
            EntryKind::File(size) if *size > LARGEST_FILE => Err(unfit("ext4 holds files of at most 16 TiB")),
            EntryKind::File(size) => {
                let entry = inode.entry.filter(|_| *size > 0);
                let extents = entry.map_or(Ok(Vec::new()), |entry| self.flow.copy(entry, *size))?;
                self.extents(number, *size, &extents)
            }
            EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor) => {
                let map = inode::device(*major, *minor);
                let map = map.ok_or_else(|| unfit("ext4 has no room for so large a device number"))?;
                Ok(Content::inside(0, map))
            }
            EntryKind::Fifo | EntryKind::HardLink(_) => Ok(Content::inside(0, [0; MAP])),
        }
    }

    fn extents(&mut self, number: u32, size: u64, extents: &[extents::Extent]) -> Result<Content, DiskError> {
        let flow = &mut self.flow;
        let tree = extents::tree(extents, self.checksums.inode(number), &mut |block| flow.put(|_| block))?;
        let blocks = tree.blocks + extents.iter().map(|extent| extent.blocks).sum::<u64>();
        Ok(Content { size, blocks, flags: EXTENTS, map: tree.root })
    }

    /// Returns the names in a folder.
    fn names(&self, place: usize, inode: &inodes::Inode<'a>) -> Vec<Named<'a>> {
        let (inodes, numbers) = (self.inodes, self.numbers);
        let named = |(name, child): &(&'a [u8], usize)| {
            let kind = kind(inodes.list[*child].kind());
            Named { name, inode: numbers.of_place(*child), kind }
        };
        let own = (place == ROOT && numbers.lost_and_found != 0).then_some(Named {
            name: LOST_AND_FOUND,
            inode: numbers.lost_and_found,
            kind: FOLDER,
        });
        own.into_iter().chain(inode.children.iter().map(named)).collect()
    }

    fn folder<'b>(&self, inode: u32, parent: u32, names: &'b [Named<'b>]) -> Folder<'b> {
        let seed = Seed::of(super::hash_seed(self.job));
        Folder { inode, parent, names, seed, checksums: self.checksums.inode(inode) }
    }

    /// Writes bitmaps, tables, descriptors and superblocks.
    fn finish(self, features: &Features, journal: &Inode) -> Result<(), DiskError> {
        let Self { job, inodes, numbers, geometry, checksums, flow, table } = self;
        let put = |block: u64, bytes: &[u8]| put(job, block * BLOCK, bytes);
        let usage = Usage {
            free: flow.close()?,
            inodes: numbers.used(),
            folders: folders(inodes, numbers, geometry),
        };
        let groups = groups::groups(geometry, checksums, &usage);
        let group_bytes = geometry.group_inodes as usize * inode::BYTES;
        for (tables, used) in geometry.tables.iter().zip(table.bytes.chunks(group_bytes)) {
            put(tables.inodes, used)?;
        }
        for (tables, group) in geometry.tables.iter().zip(&groups) {
            let bitmaps = [(tables.block_bitmap, &group.blocks), (tables.inode_bitmap, &group.inodes)];
            for (at, bitmap) in bitmaps {
                bitmap.as_ref().map_or(Ok(()), |bitmap| put(at, bitmap))?;
            }
        }
        let descriptors: Vec<u8> = groups.iter().flat_map(|group| group.descriptor).collect();
        let orphan_file = numbers.orphan_file;
        let facts = Facts { job, features, checksums, usage: &usage, journal, orphan_file };
        for group in geometry.copies() {
            put(geometry.start_of(group), &superblock(geometry, &facts, group))?;
            put(geometry.start_of(group) + 1, &descriptors)?;
        }
        put(1, &descriptors)?;
        // What makes it a filesystem comes last.
        super::write::put(job, superblock::OFFSET, &superblock(geometry, &facts, 0))
    }

    fn put(&self, block: u64, bytes: &[u8]) -> Result<(), DiskError> {
        put(self.job, block * BLOCK, bytes)
    }
}

/// Writes bytes of the filesystem.
fn put(job: &Job<'_>, at: u64, bytes: &[u8]) -> Result<(), DiskError> {
    let written = job.disk.write_all_at(bytes, job.extent.start + at);
    written.map_err(|source| DiskError::io("writing ext4", source))
}

/// Counts the folders of each group.
fn folders(inodes: &Inodes<'_>, numbers: Numbers, geometry: &Geometry) -> Vec<u32> {
    let mut counts = vec![0; geometry.groups as usize];
    let places = (0..).zip(&inodes.list).filter(|(_, inode)| *inode.kind() == EntryKind::Folder);
    let own = (numbers.lost_and_found != 0).then_some(numbers.lost_and_found);
    for number in places.map(|(place, _)| numbers.of_place(place)).chain(own) {
        counts[(u64::from(number - 1) / geometry.group_inodes) as usize] += 1;
    }
    counts
}

/// Returns the type that a folder's record tells.
fn kind(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File(_) | EntryKind::HardLink(_) => 1,
        EntryKind::Folder => FOLDER,
        EntryKind::CharDevice(..) => 3,
        EntryKind::BlockDevice(..) => 4,
        EntryKind::Fifo => 5,
        EntryKind::Symlink(_) => 7,
    }
}
