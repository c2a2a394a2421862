//! The writer: numbers and places for everything, then the bytes.

use std::os::unix::fs::FileExt;

use super::Job;
use super::folder::{self, Folder, Named};
use super::forms::{self, Attributes, Data, EXTENT, FORKS, Forms};
use super::geometry::{
    BLOCK, BNO_ROOT, CHUNK_BLOCKS, CHUNK_INODES, CNT_ROOT, FINO_ROOT, Geometry, HEADER_BLOCKS, INO_ROOT,
    INODE, Place, REFCOUNT_ROOT, SECTOR,
};
use super::headers::{self, Group, Totals};
use super::inode::{self, Fork, Inode};
use super::size::{OWN_INODES, chunks};
use super::space::{Run, Space, cut};
use super::tree::{self, as_u32};
use crate::disk::DiskError;
use crate::disk::content::copy_file;
use crate::disk::inodes::{self, Inodes, ROOT};
use crate::rootfs::tar_stream::EntryKind;

/// Makes the filesystem.
///
/// # Errors
/// When the tree has something that XFS cannot hold or does not fit, and when a file cannot be read or written.
pub fn write(job: &Job<'_>) -> Result<(), DiskError> {
    let label = &job.filesystem.label;
    if label.len() > super::LABEL_LENGTH {
        let why = format!("at most {} bytes fit; choose a shorter one", super::LABEL_LENGTH);
        return Err(DiskError::unfit(format!("XFS label '{label}'"), why));
    }
    let inodes = Inodes::of(job.scan);
    let forms = forms::all(&inodes)?;
    let geometry = Geometry::new(job.extent.length, job.filesystem.uuid, label);
    let mut space = Space::new(&geometry);
    let chunks = (0..chunks(inodes.list.len()))
        .map(|_| space.take(CHUNK_BLOCKS, CHUNK_BLOCKS))
        .collect::<Option<Vec<Place>>>()
        .ok_or_else(|| full(job))?;
    for group in 0..geometry.groups {
        space.keep(group, tree::leaves(chunks.iter().filter(|at| at.group == group).count() as u64));
    }
    let mut writer = Writer { job, inodes: &inodes, forms: &forms, geometry, space, chunks };
    writer.write_inodes()?;
    writer.write_groups()
}

struct Writer<'a> {
    job: &'a Job<'a>,
    inodes: &'a Inodes<'a>,
    forms: &'a [Forms],
    geometry: Geometry,
    space: Space,
    chunks: Vec<Place>,
}

impl<'a> Writer<'a> {
    /// Returns the number of the inode in a slot: the root has the first, the filesystem's own the next two.
    fn number_of_slot(&self, slot: u64) -> u64 {
        let chunk = self.chunks[usize::try_from(slot / CHUNK_INODES).unwrap_or(0)];
        self.geometry.inode(chunk, slot % CHUNK_INODES)
    }

    fn number(&self, place: usize) -> u64 {
        let place = place as u64;
        self.number_of_slot(if place == ROOT as u64 { 0 } else { place + OWN_INODES })
    }

    /// Writes all inodes, and the blocks they lead to.
    fn write_inodes(&mut self) -> Result<(), DiskError> {
        let mut slots = Vec::with_capacity(self.inodes.list.len() + 2);
        for place in 0..self.inodes.list.len() {
            slots.push(self.write_inode(place)?.bytes(&self.geometry));
            if place == ROOT {
                for index in 1..=OWN_INODES {
                    slots.push(self.own_inode(index).bytes(&self.geometry));
                }
            }
        }
        for (chunk, used) in self.chunks.iter().zip(slots.chunks(CHUNK_INODES as usize)) {
            let mut bytes = used.concat();
            for index in used.len() as u64..CHUNK_INODES {
                bytes.extend(inode::unused(&self.geometry, self.geometry.inode(*chunk, index)));
            }
            debug_assert_eq!(bytes.len(), CHUNK_INODES as usize * INODE);
            self.put(*chunk, &bytes)?;
        }
        Ok(())
    }

    /// An inode of the filesystem's own: an empty file.
    fn own_inode(&self, slot: u64) -> Inode {
        Inode {
            number: self.number_of_slot(slot),
            mode: 0o100_000,
            links: 1,
            uid: 0,
            gid: 0,
            mtime: self.job.epoch,
            epoch: self.job.epoch,
            size: 0,
            data: Fork::Extents(Vec::new()),
            attributes: None,
            room: FORKS,
            bitmap: slot == 1,
        }
    }

    /// Writes the blocks of an inode and returns it.
    fn write_inode(&mut self, place: usize) -> Result<Inode, DiskError> {
        let (inodes, all) = (self.inodes, self.forms);
        let (inode, forms) = (&inodes.list[place], &all[place]);
        let number = self.number(place);
        let (size, data) = self.write_data(place, inode, forms)?;
        let attributes = match &forms.attributes {
            Attributes::None => None,
            Attributes::Inside(bytes) => Some(Fork::Inside(bytes.clone())),
            Attributes::Block(stored) => {
                let at = self.take(1)?;
                self.put(at, &super::attributes::block(&self.geometry, number, stored, at))?;
                Some(Fork::Extents(vec![(0, Run { at, blocks: 1 })]))
            }
        };
        if let Fork::Extents(extents) = &data
            && extents.len() * EXTENT > forms.room
        {
            let why = "it would lie in too many pieces; give the partition more room";
            return Err(DiskError::unfit(inode.shown(), why));
        }
        let folders = inode.children.iter().filter(|(_, child)| is_folder(&inodes.list[*child])).count();
        let links = if is_folder(inode) { 2 + folders } else { inode.names.len() };
        let (_, uid, gid) = inode.access();
        Ok(Inode {
            number,
            mode: inode.stat_mode(),
            links: as_u32(links as u64),
            uid,
            gid,
            mtime: inode.mtime(self.job.epoch),
            epoch: self.job.epoch,
            size,
            data,
            attributes,
            room: forms.room,
            bitmap: false,
        })
    }

    /// Writes what the data fork leads to; returns the inode's size and the fork.
    fn write_data(
        &mut self,
        place: usize,
        inode: &inodes::Inode<'_>,
        forms: &Forms,
    ) -> Result<(u64, Fork), DiskError> {
        let number = self.number(place);
        match (inode.kind(), forms.data) {
            (EntryKind::Folder, Data::Folder(demand)) => {
                let (parent, names) = self.names(place);
                let runs = self.space.take_runs(demand.total()).ok_or_else(|| full(self.job))?;
                let folder = Folder { geometry: &self.geometry, inode: number, parent, names: &names };
                let mut blocks = folder.blocks(demand, &runs);
                for run in &runs {
                    let later = blocks.split_off((run.blocks * BLOCK) as usize);
                    self.put(run.at, &blocks)?;
                    blocks = later;
                }
                let mut extents = Vec::new();
                let mut before = 0;
                for (first, blocks) in demand.pieces() {
                    extents.extend(cut(&runs, before, first, blocks));
                    before += blocks;
                }
                Ok((demand.data * BLOCK, Fork::Extents(extents)))
            }
            (EntryKind::Folder, _) => {
                let (parent, names) = self.names(place);
                let bytes = folder::short(parent, &names, forms.room).ok_or_else(|| full(self.job))?;
                Ok((bytes.len() as u64, Fork::Inside(bytes)))
            }
            (EntryKind::Symlink(target), Data::Target) => {
                let at = self.take(1)?;
                self.put(at, &inode::target_block(&self.geometry, number, target, at))?;
                Ok((target.len() as u64, Fork::Extents(vec![(0, Run { at, blocks: 1 })])))
            }
            (EntryKind::Symlink(target), _) => Ok((target.len() as u64, Fork::Inside(target.clone()))),
            (EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor), _) => {
                let device = inode::device(*major, *minor).ok_or_else(|| {
                    DiskError::unfit(inode.shown(), "XFS has no room for so large a device number")
                })?;
                Ok((0, Fork::Device(device)))
            }
            (EntryKind::File(size), Data::Content(blocks)) => {
                Ok((*size, Fork::Extents(self.write_content(inode, *size, blocks)?)))
            }
            _ => Ok((0, Fork::Device(0))),
        }
    }

    /// Writes a file's content; returns where it is.
    fn write_content(
        &mut self,
        inode: &inodes::Inode<'_>,
        size: u64,
        blocks: u64,
    ) -> Result<Vec<(u64, Run)>, DiskError> {
        let (Some(scan), Some(entry)) = (self.job.scan, inode.entry) else { return Ok(Vec::new()) };
        if blocks == 0 {
            return Ok(Vec::new());
        }
        let runs = self.space.take_runs(blocks).ok_or_else(|| full(self.job))?;
        let extents = cut(&runs, 0, 0, blocks);
        let pieces = extents.iter().map(|(_, run)| {
            let start = self.job.extent.start + self.geometry.offset(run.at);
            (start, run.blocks * BLOCK)
        });
        copy_file(scan, entry, size, self.job.disk, pieces, |_| {})?;
        Ok(extents)
    }

    /// Returns the number of a folder's parent, and its names.
    fn names(&self, place: usize) -> (u64, Vec<Named<'a>>) {
        let inodes = self.inodes;
        let inode = &inodes.list[place];
        let parent = inode.names.first().map_or(place, |name| name.folder);
        let mut names = Vec::with_capacity(inode.children.len());
        for (name, child) in &inode.children {
            let kind = kind(inodes.list[*child].kind());
            names.push(Named { name, inode: self.number(*child), kind });
        }
        (self.number(parent), names)
    }

    fn take(&mut self, blocks: u64) -> Result<Place, DiskError> {
        self.space.take(blocks, 1).ok_or_else(|| full(self.job))
    }

    /// Writes the trees and headers of every group, the superblocks and the log.
    fn write_groups(&mut self) -> Result<(), DiskError> {
        let used = self.inodes.list.len() as u64 + OWN_INODES;
        let mut totals = Totals::default();
        let mut groups = Vec::new();
        for number in 0..self.geometry.groups {
            let chunks: Vec<(u64, Place)> =
                (0..).zip(self.chunks.iter().copied()).filter(|(_, at)| at.group == number).collect();
            let group = self.write_group(number, &chunks, used)?;
            totals.inodes += group.inodes;
            totals.free_inodes += group.free_inodes;
            totals.free_blocks +=
                group.free.iter().map(|run| run.blocks).sum::<u64>() + super::geometry::FREE_LIST;
            groups.push(group);
        }
        let root = self.number(ROOT);
        let log = Place { group: self.geometry.log_group(), block: HEADER_BLOCKS };
        self.put(log, &headers::log(&self.geometry))?;
        for group in &groups {
            let at = Place { group: group.number, block: 0 };
            let sectors = [
                headers::superblock(&self.geometry, root, totals),
                headers::free_space(&self.geometry, group),
                headers::inodes(&self.geometry, group),
                headers::free_list(&self.geometry, group),
            ];
            debug_assert!(sectors.iter().all(|sector| sector.len() as u64 == SECTOR));
            self.put(at, &sectors.concat())?;
        }
        Ok(())
    }

    /// Writes the trees of a group; `chunks` are its inode chunks with their place among all.
    fn write_group(&mut self, number: u64, chunks: &[(u64, Place)], used: u64) -> Result<Group, DiskError> {
        let mut records = Vec::new();
        let mut free_records = Vec::new();
        let mut free_inodes = 0;
        let mut newest = None;
        for (index, at) in chunks {
            let here = used.saturating_sub(index * CHUNK_INODES).min(CHUNK_INODES);
            let first = at.block << super::geometry::INODES_PER_BLOCK_LOG;
            let record = chunk_record(first, CHUNK_INODES - here, headers::free_mask(here));
            if here < CHUNK_INODES {
                free_records.push(record.clone());
            }
            records.push(record);
            free_inodes += CHUNK_INODES - here;
            newest = Some(first);
        }
        let inode_tree = self.write_tree(tree::INODES, number, INO_ROOT, &records)?;
        self.write_tree(tree::FREE_INODES, number, FINO_ROOT, &free_records)?;
        self.write_tree(tree::SHARED, number, REFCOUNT_ROOT, &[])?;
        // Nothing takes blocks of this group from here on.
        let free = self.space.free(number);
        let record =
            |run: &Run| [as_u32(run.at.block).to_be_bytes(), as_u32(run.blocks).to_be_bytes()].concat();
        self.write_tree(tree::BY_BLOCK, number, BNO_ROOT, &free.iter().map(record).collect::<Vec<_>>())?;
        let mut by_length = free.clone();
        by_length.sort_by_key(|run| (run.blocks, run.at.block));
        self.write_tree(
            tree::BY_LENGTH,
            number,
            CNT_ROOT,
            &by_length.iter().map(record).collect::<Vec<_>>(),
        )?;
        Ok(Group {
            number,
            free,
            free_list: self.space.free_list(number),
            inodes: chunks.len() as u64 * CHUNK_INODES,
            free_inodes,
            inode_tree,
            newest,
        })
    }

    /// Writes a tree; returns its height and its blocks.
    fn write_tree(
        &mut self,
        kind: tree::Kind,
        group: u64,
        root: u64,
        records: &[Vec<u8>],
    ) -> Result<(u32, u64), DiskError> {
        let root = Place { group, block: root };
        let built = tree::build(&self.geometry, &mut self.space, kind, root, records)
            .ok_or_else(|| full(self.job))?;
        for (at, block) in &built.blocks {
            self.put(*at, block)?;
        }
        Ok((built.levels, built.blocks.len() as u64))
    }

    fn put(&self, at: Place, bytes: &[u8]) -> Result<(), DiskError> {
        let start = self.job.extent.start + self.geometry.offset(at);
        self.job.disk.write_all_at(bytes, start).map_err(|source| DiskError::io("writing XFS", source))
    }
}

/// Returns the record of a chunk: first inode, no holes, all there, how many are free and which.
fn chunk_record(first: u64, free: u64, mask: u64) -> Vec<u8> {
    let mut record = as_u32(first).to_be_bytes().to_vec();
    record.extend([0, 0, CHUNK_INODES as u8, free as u8]);
    record.extend(mask.to_be_bytes());
    record
}

fn is_folder(inode: &inodes::Inode<'_>) -> bool {
    *inode.kind() == EntryKind::Folder
}

/// Returns the type that a folder's entry tells.
fn kind(kind: &EntryKind) -> u8 {
    match kind {
        EntryKind::File(_) | EntryKind::HardLink(_) => 1,
        EntryKind::Folder => folder::FOLDER,
        EntryKind::CharDevice(..) => 3,
        EntryKind::BlockDevice(..) => 4,
        EntryKind::Fifo => 5,
        EntryKind::Symlink(_) => 7,
    }
}

fn full(job: &Job<'_>) -> DiskError {
    let what = format!("the XFS filesystem '{}'", job.filesystem.mount.as_deref().unwrap_or("-"));
    DiskError::unfit(what, "its blocks do not suffice for what goes in; make the partition larger")
}
