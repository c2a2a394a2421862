//! All trees of a filesystem, built so that they agree with each other.

use uuid::Uuid;

use super::chunks::{Chunk, Chunks, DATA, METADATA, SYSTEM};
use super::files::{Cursor, Extent, Files, SECTOR, TYPE_FOLDER, back_name, push_folder_items};
use super::item::{FIRST, GENERATION, InodeItem, Item, Key, RootItem, item, kind, name_hash, named};
use super::superblock::{device_item, device_uuid};
use super::tree::{Identity, NODE, Shape, blocks};
use crate::disk::DiskError;
use crate::disk::inodes::{Inode, Inodes};
use crate::plan::FilesystemPlan;
use crate::rootfs::tar_stream::TreeScan;

/// Numbers of trees.
const ROOT_TREE: u64 = 1;
const EXTENT_TREE: u64 = 2;
const CHUNK_TREE: u64 = 3;
const DEVICE_TREE: u64 = 4;
const FILE_TREE: u64 = 5;
const CHECKSUM_TREE: u64 = 7;
const UUID_TREE: u64 = 9;
const FREE_SPACE_TREE: u64 = 10;
/// −9 and −10 as the format has them.
const RELOCATION_TREE: u64 = u64::MAX - 8;
const CHECKSUM_OBJECT: u64 = u64::MAX - 9;
/// The folder in the root tree that names the default subvolume.
pub(super) const ROOT_FOLDER: u64 = 6;
/// Checksums in one item; mkfs.btrfs and the kernel stay below a leaf.
const CHECKSUMS: usize = 3900;

/// The items of each tree of files, the extents of their content, and its bytes.
pub(super) type Content = (Vec<Vec<Item>>, Vec<Extent>, u64);

/// Reads small content into the tree.
pub(super) type Reader<'a> = &'a dyn Fn(u64, &Inode<'_>) -> Result<Vec<u8>, DiskError>;

/// A filesystem's trees of files, and the rest of what it is made from.
#[derive(Debug)]
pub(super) struct Forest<'a> {
    filesystem: &'a FilesystemPlan,
    pub(super) identity: Identity,
    /// The top first; subvolumes behind it.
    pub(super) files: Vec<Files<'a>>,
    epoch: i64,
}

/// A tree with its items.
struct Tree {
    number: u64,
    items: Vec<Item>,
    shape: Shape,
}

impl Tree {
    fn new(number: u64, items: Vec<Item>) -> Self {
        let shape = Shape::of(items.iter().map(|item| item.data.len()));
        Self { number, items, shape }
    }
}

/// Everything that is written.
#[derive(Debug)]
pub(super) struct Grown {
    pub(super) chunks: Chunks,
    /// Address and bytes of every block of a tree.
    pub(super) blocks: Vec<(u64, Vec<u8>)>,
    /// Address and height of the root tree and the chunk tree.
    pub(super) roots: [(u64, u8); 2],
    /// Bytes of all blocks and content.
    pub(super) used: u64,
}

impl<'a> Forest<'a> {
    /// Sorts out what goes in: `scans` has one for each subvolume, or one for a filesystem without.
    pub(super) fn new(filesystem: &'a FilesystemPlan, scans: &'a [Option<TreeScan>], epoch: i64) -> Self {
        let identity = Identity {
            filesystem: filesystem.uuid,
            chunk_tree: Uuid::new_v5(&filesystem.uuid, b"btrfs chunk tree"),
        };
        let mut trees = scans.iter().map(|scan| Inodes::of(scan.as_ref()));
        let top = if filesystem.subvolumes.is_empty() { trees.next() } else { None };
        let mut files = vec![Files { tree: FILE_TREE, inodes: top.unwrap_or_else(|| Inodes::of(None)) }];
        files.extend((FIRST..).zip(trees).map(|(tree, inodes)| Files { tree, inodes }));
        Self { filesystem, identity, files, epoch }
    }

    /// Returns the items of all trees of files and the extents of their content, which begins at `start`.
    pub(super) fn content(&self, start: u64, read: Reader<'_>) -> Result<Content, DiskError> {
        let mut cursor = Cursor { start, used: 0 };
        let mut extents = Vec::new();
        let mut all = Vec::new();
        for files in &self.files {
            let mut items =
                files.items(&mut cursor, &mut extents, self.epoch, &|inode| read(files.tree, inode))?;
            if files.tree == FILE_TREE && !self.filesystem.subvolumes.is_empty() {
                self.push_subvolume_names(&mut items);
                items.sort_by_key(|item| item.key);
            }
            all.push(items);
        }
        Ok((all, extents, cursor.used))
    }

    /// Adds the subvolumes to the folder at the top.
    fn push_subvolume_names(&self, items: &mut Vec<Item>) {
        let subvolumes = (FIRST..).zip(&self.filesystem.subvolumes);
        let names = (2..).zip(subvolumes).map(|(index, (tree, subvolume))| {
            let name = subvolume.path.as_bytes();
            (index, name, named(Key(tree, kind::ROOT, u64::MAX), TYPE_FOLDER, name, b""))
        });
        push_folder_items(items, FIRST, names);
        let size = self.filesystem.subvolumes.iter().map(|one| 2 * one.path.len() as u64).sum();
        let top = InodeItem { size, ..InodeItem::folder(self.epoch) };
        for item in items.iter_mut().filter(|item| item.key == Key(FIRST, kind::INODE, 0)) {
            item.data = top.bytes().to_vec();
        }
    }

    /// Builds everything else around the trees of files. `checksums` has one for each sector of content.
    pub(super) fn grow(
        &self,
        files: Vec<Vec<Item>>,
        extents: &[Extent],
        checksums: &[u32],
        chunks: Chunks,
        device: u64,
    ) -> Grown {
        let data_start = chunks.start_of(DATA);
        let chunk_tree = Tree::new(CHUNK_TREE, self.chunk_items(&chunks, device));
        let mut trees: Vec<Tree> =
            self.files.iter().zip(files).map(|(files, items)| Tree::new(files.tree, items)).collect();
        trees.push(Tree::new(CHECKSUM_TREE, checksum_items(data_start, checksums)));
        trees.push(Tree::new(UUID_TREE, self.uuid_items()));
        trees.push(Tree::new(DEVICE_TREE, self.device_items(&chunks)));
        trees.push(Tree::new(RELOCATION_TREE, self.relocation_items()));
        // What follows depends on the number of blocks, but its own size does not depend on their addresses.
        let content = checksums.len() as u64 * SECTOR;
        let free = |used: u64| free_space_items(&chunks, [chunk_tree.shape.blocks() * NODE, used, content]);
        trees.push(Tree::new(FREE_SPACE_TREE, free(NODE)));
        let start = chunks.start_of(METADATA);
        let known: u64 = trees.iter().map(|tree| tree.shape.blocks()).sum();
        let roots = Tree::new(ROOT_TREE, self.root_items(&trees, EXTENT_TREE, start)).shape.blocks();
        let mut guess = 1;
        let extent_tree = loop {
            let total = (known + guess + roots) * NODE;
            let items =
                self.extent_items(&chunks, &trees, guess, &chunk_tree, extents, [total, content], start);
            let tree = Tree::new(EXTENT_TREE, items);
            if tree.shape.blocks() == guess {
                break tree;
            }
            guess = tree.shape.blocks();
        };
        let total = known + guess + roots;
        if let Some(last) = trees.last_mut() {
            *last = Tree::new(FREE_SPACE_TREE, free(total * NODE));
        }
        trees.push(extent_tree);
        trees.push(Tree::new(ROOT_TREE, self.root_items(&trees, 0, start)));
        self.finish(chunks, &trees, &chunk_tree, content)
    }

    fn finish(&self, chunks: Chunks, trees: &[Tree], chunk_tree: &Tree, content: u64) -> Grown {
        let mut out = Vec::new();
        let mut push = |tree: &Tree, start: u64| {
            let made = blocks(self.identity, tree.number, &tree.items, &tree.shape, start);
            let root = tree.shape.root(start);
            out.extend((0..).zip(made).map(|(number, block)| (start + number * NODE, block)));
            root
        };
        let mut next = chunks.start_of(METADATA);
        let mut root = (0, 0);
        for tree in trees {
            root = push(tree, next);
            next += tree.shape.blocks() * NODE;
        }
        let chunk_root = push(chunk_tree, chunks.start_of(SYSTEM));
        let used = out.len() as u64 * NODE + content;
        Grown { chunks, blocks: out, roots: [root, chunk_root], used }
    }

    fn chunk_items(&self, chunks: &Chunks, device: u64) -> Vec<Item> {
        let own = device_item(self.filesystem.uuid, device, chunks.device_bytes());
        let uuid = *device_uuid(self.filesystem.uuid).as_bytes();
        let mut items = vec![item(Key(1, kind::DEVICE, 1), own)];
        items.extend(chunks.list.iter().map(|chunk| chunk.item(&uuid)));
        items
    }

    fn device_items(&self, chunks: &Chunks) -> Vec<Item> {
        let extent = |chunk: &Chunk, copy: u64| {
            let mut data = Vec::new();
            for number in [CHUNK_TREE, FIRST, chunk.start, chunk.length] {
                data.extend(number.to_le_bytes());
            }
            data.extend(self.identity.chunk_tree.as_bytes());
            item(Key(1, kind::DEVICE_EXTENT, copy), data)
        };
        let mut items: Vec<Item> = chunks
            .list
            .iter()
            .flat_map(|chunk| chunk.copies.iter().map(move |copy| extent(chunk, *copy)))
            .collect();
        items.sort_by_key(|item| item.key);
        items
    }

    /// The tree into which the kernel moves content; it has an empty folder.
    fn relocation_items(&self) -> Vec<Item> {
        vec![
            item(Key(FIRST, kind::INODE, 0), InodeItem::folder(self.epoch).bytes()),
            item(Key(FIRST, kind::INODE_REFERENCE, FIRST), back_name(0, b"..")),
        ]
    }

    /// Returns the UUID of a tree of files: nil for those that are none.
    fn uuid_of(&self, tree: u64) -> Uuid {
        let subvolume = tree.checked_sub(FIRST).and_then(|index| usize::try_from(index).ok());
        match subvolume.and_then(|index| self.filesystem.subvolumes.get(index)) {
            Some(subvolume) => {
                Uuid::new_v5(&self.filesystem.uuid, format!("btrfs subvolume {}", subvolume.path).as_bytes())
            }
            None if tree == FILE_TREE => Uuid::new_v5(&self.filesystem.uuid, b"btrfs top"),
            None => Uuid::nil(),
        }
    }

    fn uuid_items(&self) -> Vec<Item> {
        let half = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let mut items: Vec<Item> = self
            .files
            .iter()
            .map(|files| {
                let uuid = *self.uuid_of(files.tree).as_bytes();
                let key = Key(half(&uuid[..8]), kind::SUBVOLUME_UUID, half(&uuid[8..]));
                item(key, files.tree.to_le_bytes())
            })
            .collect();
        items.sort_by_key(|item| item.key);
        items
    }

    /// Returns the items of the root tree for trees that follow each other from `start` on; `also` is the number of
    /// one more that is not there yet, or 0.
    fn root_items(&self, trees: &[Tree], also: u64, start: u64) -> Vec<Item> {
        let mut items = Vec::new();
        let mut next = start;
        let mut push = |number: u64, root, blocks| {
            let uuid = self.uuid_of(number);
            let files = !uuid.is_nil() || number == RELOCATION_TREE;
            let said = RootItem { root, blocks, uuid, files, epoch: self.epoch };
            items.push(item(Key(number, kind::ROOT, 0), said.bytes(NODE)));
        };
        for tree in trees {
            push(tree.number, tree.shape.root(next), tree.shape.blocks());
            next += tree.shape.blocks() * NODE;
        }
        if also != 0 {
            push(also, (0, 0), 1);
        }
        for ((tree, subvolume), index) in (FIRST..).zip(&self.filesystem.subvolumes).zip(2_u64..) {
            let name = subvolume.path.as_bytes();
            let data = [&FIRST.to_le_bytes()[..], &back_name(index, name)].concat();
            items.push(item(Key(FILE_TREE, kind::ROOT_REFERENCE, tree), data.clone()));
            items.push(item(Key(tree, kind::ROOT_BACK, FILE_TREE), data));
        }
        let folder = InodeItem::folder(self.epoch);
        items.push(item(Key(ROOT_FOLDER, kind::INODE, 0), folder.bytes()));
        items.push(item(Key(ROOT_FOLDER, kind::INODE_REFERENCE, ROOT_FOLDER), back_name(0, b"..")));
        let default = named(Key(FILE_TREE, kind::ROOT, u64::MAX), TYPE_FOLDER, b"default", b"");
        items.push(item(Key(ROOT_FOLDER, kind::DIRECTORY_NAME, name_hash(b"default")), default));
        items.sort_by_key(|item| item.key);
        items
    }

    /// Returns the items of the extent tree: every block, every piece of content, every chunk.
    #[expect(clippy::too_many_arguments, reason = "it lists what all the others are")]
    fn extent_items(
        &self,
        chunks: &Chunks,
        trees: &[Tree],
        own: u64,
        chunk_tree: &Tree,
        extents: &[Extent],
        [metadata, content]: [u64; 2],
        start: u64,
    ) -> Vec<Item> {
        let mut items = Vec::new();
        let mut push = |tree: u64, address: u64, height: u8| {
            items.push(item(Key(address, kind::METADATA, u64::from(height)), metadata_extent(tree)));
        };
        let mut next = start;
        for tree in trees {
            for height in tree.shape.heights() {
                push(tree.number, next, height);
                next += NODE;
            }
        }
        // The heights of its own blocks and of the root tree's, which come behind, follow from their number.
        for (number, height) in (0..own).zip(heights(own)) {
            push(EXTENT_TREE, next + number * NODE, height);
        }
        next += own * NODE;
        let roots = (metadata / NODE).saturating_sub((next - start) / NODE);
        for (number, height) in (0..roots).zip(heights(roots)) {
            push(ROOT_TREE, next + number * NODE, height);
        }
        for (number, height) in (0..).zip(chunk_tree.shape.heights()) {
            push(CHUNK_TREE, chunks.start_of(SYSTEM) + number * NODE, height);
        }
        items.extend(extents.iter().map(data_extent));
        let system = chunk_tree.shape.blocks() * NODE;
        items.extend(uses(chunks, [system, metadata, content]).map(|(chunk, used)| {
            let data = [used, FIRST, chunk.kind].map(u64::to_le_bytes).concat();
            item(Key(chunk.start, kind::BLOCK_GROUP, chunk.length), data)
        }));
        items.sort_by_key(|item| item.key);
        items
    }
}

/// Returns the heights of the blocks of a tree of so many blocks, in the order in which they are written.
fn heights(blocks: u64) -> Vec<u8> {
    // The number of leaves grows with that of all blocks, so it is found by stepping.
    let total = |leaves: u64| Shape::levels_above(leaves).iter().sum::<u64>();
    let leaves = (1..=blocks).rev().find(|leaves| total(*leaves) <= blocks).unwrap_or(1);
    let levels = Shape::levels_above(leaves);
    (0_u8..).zip(levels).flat_map(|(height, count)| std::iter::repeat_n(height, count as usize)).collect()
}

/// Returns each chunk with how many of its bytes are used, of system, metadata and content.
fn uses(chunks: &Chunks, [system, metadata, content]: [u64; 3]) -> impl Iterator<Item = (&Chunk, u64)> {
    let data_start = chunks.start_of(DATA);
    chunks.list.iter().map(move |chunk| {
        let used = match chunk.kind {
            SYSTEM => system,
            METADATA => metadata,
            _ => (data_start + content).saturating_sub(chunk.start).min(chunk.length),
        };
        (chunk, used)
    })
}

/// What is free of each chunk: one piece at its end, or nothing.
fn free_space_items(chunks: &Chunks, used: [u64; 3]) -> Vec<Item> {
    let mut items = Vec::new();
    for (chunk, used) in uses(chunks, used) {
        let free = chunk.length.saturating_sub(used);
        let count = u32::from(free > 0);
        let data = [count.to_le_bytes(), [0; 4]].concat();
        items.push(item(Key(chunk.start, kind::FREE_SPACE, chunk.length), data));
        if free > 0 {
            items.push(item(Key(chunk.start + used, kind::FREE_EXTENT, free), []));
        }
    }
    items.sort_by_key(|item| item.key);
    items
}

/// Checksums of consecutive sectors; no item goes over the end of a chunk.
fn checksum_items(start: u64, checksums: &[u32]) -> Vec<Item> {
    let in_chunk = (super::chunks::DATA_SIZE / SECTOR) as usize;
    let mut items = Vec::new();
    let mut address = start;
    for chunk in checksums.chunks(in_chunk) {
        for part in chunk.chunks(CHECKSUMS) {
            let data: Vec<u8> = part.iter().flat_map(|checksum| checksum.to_le_bytes()).collect();
            items.push(item(Key(CHECKSUM_OBJECT, kind::CHECKSUMS, address), data));
            address += part.len() as u64 * SECTOR;
        }
    }
    items
}

fn metadata_extent(tree: u64) -> Vec<u8> {
    const TREE_BLOCK: u64 = 2;
    let mut data = [1, GENERATION, TREE_BLOCK].map(u64::to_le_bytes).concat();
    data.push(kind::TREE_REFERENCE);
    data.extend(tree.to_le_bytes());
    data
}

fn data_extent(extent: &Extent) -> Item {
    const CONTENT: u64 = 1;
    let mut data = [1, GENERATION, CONTENT].map(u64::to_le_bytes).concat();
    data.push(kind::DATA_REFERENCE);
    data.extend([extent.tree, FIRST + extent.place as u64, extent.offset].map(u64::to_le_bytes).concat());
    data.extend(1_u32.to_le_bytes());
    item(Key(extent.address, kind::EXTENT, extent.length), data)
}
