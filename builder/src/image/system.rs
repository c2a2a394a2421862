//! An image as a whole: its partitions, and their files as the running machine would see them.

use std::collections::BTreeMap;

use super::files::{self, Files, Listing, Node, NodeKind};
use super::filesystem::{Filesystem, Kind, identify};
use super::table::{self, Entry, Table};
use super::{Image, ImageError};

/// Longest text that is read: a table of mounts, a configuration, a list of packages.
const TEXT_LIMIT: u64 = 64 << 20;

/// Most symlinks on the way to a file, as Linux has it.
const MOST_LINKS: usize = 40;

/// Reads filesystems that only the kernel can.
pub trait KernelReader: std::fmt::Debug {
    /// Mounts a filesystem read-only where nobody else sees it.
    ///
    /// # Errors
    /// In words: what the kernel or the caller lacks.
    fn mount(&self, image: &Image, kind: Kind, start: u64, length: u64) -> Result<Box<dyn Files>, String>;
}

/// A partition, or the whole disk when it has no table.
#[derive(Debug)]
pub struct Part<'a> {
    /// As the table has it; none for the whole disk.
    pub entry: Option<Entry>,
    /// What is in it.
    pub filesystem: Filesystem,
    /// Where the image's own table of mounts puts it.
    pub mount: Option<String>,
    /// Its files, where they can be read.
    pub files: Option<Box<dyn Files + 'a>>,
    listing: Listing,
}

/// An image with everything that can be read of it.
#[derive(Debug)]
pub struct System<'a> {
    /// The image.
    pub image: &'a Image,
    /// The partition table; none if there is none.
    pub table: Option<Table>,
    /// The partitions in the table's order, or one for the whole disk.
    pub parts: Vec<Part<'a>>,
    /// Whether one of the filesystems is mounted on `/`.
    pub has_root: bool,
    entries: BTreeMap<Vec<u8>, (usize, Node)>,
}

impl<'a> System<'a> {
    /// Reads partitions and files of `image`. What cannot be read is said in its part's `damage`.
    ///
    /// # Errors
    /// When the partition table is damaged.
    pub fn read(image: &'a Image, kernel: Option<&dyn KernelReader>) -> Result<Self, ImageError> {
        let wrong = |why: String| ImageError::image(image.path(), why);
        let table = table::read(image).map_err(wrong)?;
        let ranges: Vec<Option<Entry>> = match &table {
            Some(table) => table.entries.iter().cloned().map(Some).collect(),
            None => vec![None],
        };
        let mut parts: Vec<Part<'a>> = ranges.into_iter().map(|entry| part(image, entry, kernel)).collect();
        let root = parts.iter().position(|part| is_root(&part.listing));
        if let Some(root) = root {
            assign_mounts(&mut parts, root);
        }
        let entries = merge(&mut parts);
        Ok(Self { image, table, parts, has_root: root.is_some(), entries })
    }

    /// Returns every file by its path in the running machine. Files of filesystems that are mounted nowhere have
    /// their partition's number before their path, as in `<2>/EFI`.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.entries.iter().map(|(path, (_, node))| (path.as_slice(), node))
    }

    /// Returns the entries whose path begins with `start`.
    pub fn entries_below<'s>(&'s self, start: &'s [u8]) -> impl Iterator<Item = (&'s [u8], &'s Node)> {
        let from = self.entries.range(start.to_vec()..);
        from.take_while(move |(path, _)| path.starts_with(start))
            .map(|(path, (_, node))| (path.as_slice(), node))
    }

    /// Returns the files of one part: whole path, path inside of the part, node.
    pub fn files_of(&self, part: usize) -> impl Iterator<Item = (&[u8], &[u8], &Node)> {
        let prefix = prefix(&self.parts[part], part).len();
        let own = self.entries.iter().filter(move |(_, (index, _))| *index == part);
        own.map(move |(path, (_, node))| {
            let inside = if path.len() > prefix { &path[prefix..] } else { &b"/"[..] };
            (path.as_slice(), inside, node)
        })
    }

    /// Returns the node at exactly this path.
    pub fn node(&self, path: &[u8]) -> Option<&Node> {
        self.entries.get(path).map(|(_, node)| node)
    }

    /// Returns the index of the part that holds exactly this path.
    pub fn part_of(&self, path: &[u8]) -> Option<usize> {
        self.entries.get(path).map(|(index, _)| *index)
    }

    /// Returns path and node that `path` leads to, symlinks followed inside the image.
    pub fn resolve(&self, path: &str) -> Option<(Vec<u8>, &Node)> {
        let mut here = b"/".to_vec();
        let mut left: Vec<Vec<u8>> = components(path.as_bytes());
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == b".." {
                here.truncate(here.iter().rposition(|byte| *byte == b'/').unwrap_or(0).max(1));
                continue;
            }
            let next = if here == b"/" {
                [b"/", name.as_slice()].concat()
            } else {
                [&here, &b"/"[..], &name].concat()
            };
            match self.node(&next)? {
                Node { kind: NodeKind::Symlink { target }, .. } => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        here = b"/".to_vec();
                    }
                    left.extend(components(target));
                }
                _ => here = next,
            }
        }
        let node = self.node(&here)?;
        Some((here, node))
    }

    /// Returns the text that `path` leads to; none if there is no such file, or it cannot be read.
    pub fn text(&self, path: &str) -> Option<String> {
        let (path, node) = self.resolve(path)?;
        self.bytes(&path, node).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Returns the content of a file that is not too long to be one of those that are looked into.
    ///
    /// # Errors
    /// When it is too long or cannot be read.
    pub fn bytes(&self, path: &[u8], node: &Node) -> Result<Vec<u8>, String> {
        if node.kind != NodeKind::File {
            return Err(format!("'{}' is no file", String::from_utf8_lossy(path)));
        }
        let (files, inside) = self.place(path)?;
        files::read(files, inside, node, TEXT_LIMIT)
    }

    /// Gives a file's content to `sink`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&self, path: &[u8], node: &Node, sink: &mut files::Sink<'_>) -> Result<(), String> {
        let (files, inside) = self.place(path)?;
        files.content(inside, node, sink)
    }

    /// Returns a node's extended attributes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn attributes(&self, path: &[u8], node: &Node) -> Result<files::Attributes, String> {
        let (files, inside) = self.place(path)?;
        files.attributes(inside, node)
    }

    /// Returns the filesystem that holds `path`, and the path inside of it.
    fn place<'p>(&self, path: &'p [u8]) -> Result<(&dyn Files, &'p [u8]), String> {
        let missing = || format!("'{}' is not there", String::from_utf8_lossy(path));
        let index = self.entries.get(path).ok_or_else(missing)?.0;
        let part = &self.parts[index];
        let inside = path.strip_prefix(prefix(part, index).as_bytes()).ok_or_else(missing)?;
        let files = part.files.as_deref().ok_or_else(missing)?;
        Ok((files, if inside.is_empty() { b"/" } else { inside }))
    }
}

/// Components of a path, the last one first; `.` and empty ones left out.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    let mut parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    parts.reverse();
    parts
}

fn part<'a>(image: &'a Image, entry: Option<Entry>, kernel: Option<&dyn KernelReader>) -> Part<'a> {
    let (start, length) = entry.as_ref().map_or((0, image.size()), |entry| (entry.start, entry.length));
    let mut filesystem = identify(image, start, length);
    let mut part =
        Part { entry, filesystem: Filesystem::default(), mount: None, files: None, listing: Listing::new() };
    if filesystem.damage.is_none() && filesystem.kind.has_files() {
        match open_files(image, filesystem.kind, start, length, kernel) {
            Ok(Some((listing, files))) => (part.listing, part.files) = (listing, Some(files)),
            Ok(None) => {}
            Err(why) => filesystem.damage = Some(why),
        }
    }
    part.filesystem = filesystem;
    part
}

/// A filesystem's names, and the way to their content.
type Listed<'a> = (Listing, Box<dyn Files + 'a>);

/// Opens and lists a filesystem; none if nobody here can read it.
fn open_files<'a>(
    image: &'a Image,
    kind: Kind,
    start: u64,
    length: u64,
    kernel: Option<&dyn KernelReader>,
) -> Result<Option<Listed<'a>>, String> {
    let files: Box<dyn Files + 'a> = match (files::open(image, kind, start, length)?, kernel) {
        (Some(files), _) => files,
        (None, Some(kernel)) => kernel.mount(image, kind, start, length)?,
        (None, None) => return Ok(None),
    };
    Ok(Some((files.list()?, files)))
}

fn is_root(listing: &Listing) -> bool {
    let folder = |path: &[u8]| listing.get(path).is_some_and(|node| node.kind == NodeKind::Folder);
    folder(b"/etc") && folder(b"/usr")
}

/// Puts each filesystem where the root's `/etc/fstab` says.
fn assign_mounts(parts: &mut [Part<'_>], root: usize) {
    parts[root].mount = Some("/".to_owned());
    let part = &parts[root];
    let text =
        part.listing.get(b"/etc/fstab".as_slice()).zip(part.files.as_deref()).and_then(|(node, files)| {
            let file = node.kind == NodeKind::File;
            file.then(|| files::read(files, b"/etc/fstab", node, TEXT_LIMIT).ok()).flatten()
        });
    let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
    for (source, mount) in mounts(&text) {
        let part = parts.iter_mut().find(|part| part.mount.is_none() && is_meant(part, &source));
        if let Some(part) = part {
            part.mount = Some(mount);
        }
    }
}

/// Returns source and absolute mount point of each line of an fstab(5).
pub fn mounts(fstab: &str) -> Vec<(String, String)> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (source, mount) = (fields.next()?, fields.next()?);
            let mount = mount.replace("\\040", " ");
            let plain = mount.starts_with('/') && !mount.split('/').any(|part| part == "..");
            (plain && mount != "/").then(|| (source.to_owned(), format!("/{}", mount.trim_matches('/'))))
        })
        .collect()
}

fn is_meant(part: &Part<'_>, source: &str) -> bool {
    let same = |one: &str, other: &str| !one.is_empty() && one.eq_ignore_ascii_case(other);
    let entry = part.entry.as_ref();
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    match source.split_once('=').map(|(key, value)| (key, unquoted(value))) {
        Some(("UUID", value)) => part.filesystem.uuid.as_deref().is_some_and(|uuid| same(uuid, &value)),
        Some(("LABEL", value)) => !value.is_empty() && part.filesystem.label == value,
        Some(("PARTUUID", value)) => entry.is_some_and(|entry| same(&entry.id, &value)),
        Some(("PARTLABEL", value)) => entry.is_some_and(|entry| !value.is_empty() && entry.name == value),
        _ => {
            let number = entry.map(|entry| entry.number.to_string()).unwrap_or_default();
            let disk = source.strip_prefix("/dev/").and_then(|name| name.strip_suffix(number.as_str()));
            !number.is_empty() && disk.is_some_and(|disk| matches!(disk, "sda" | "vda" | "xvda" | "nvme0n1p"))
        }
    }
}

/// Returns what is put before the paths of a part's own files.
fn prefix(part: &Part<'_>, index: usize) -> String {
    match part.mount.as_deref() {
        Some("/") => String::new(),
        Some(mount) => mount.to_owned(),
        None => format!("<{}>", part.entry.as_ref().map_or(index, |entry| entry.number as usize)),
    }
}

/// Puts the listings together; what lies below a mount point in the filesystem above is hidden.
fn merge(parts: &mut [Part<'_>]) -> BTreeMap<Vec<u8>, (usize, Node)> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    // A mount point's filesystem comes before what is mounted inside of it.
    order.sort_by_key(|index| {
        parts[*index].mount.as_ref().map_or(usize::MAX, |mount| mount.trim_end_matches('/').len())
    });
    let mut entries: BTreeMap<Vec<u8>, (usize, Node)> = BTreeMap::new();
    for index in order {
        let listing = std::mem::take(&mut parts[index].listing);
        if parts[index].files.is_none() {
            continue;
        }
        let prefix = prefix(&parts[index], index).into_bytes();
        if !prefix.is_empty() {
            let below = [&prefix, &b"/"[..]].concat();
            entries.retain(|path, _| *path != prefix && !path.starts_with(&below));
        }
        for (path, node) in listing {
            let whole = if path == b"/" && !prefix.is_empty() {
                prefix.clone()
            } else {
                [&prefix[..], &path].concat()
            };
            entries.insert(whole, (index, node));
        }
    }
    entries
}
