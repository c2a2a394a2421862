//! From a scan to the bytes of the stream.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::header::{self, BLOCK, Header};
use super::{Entry, EntryKind, TreeScan, TreeStreamError};

/// Bytes collected before they are passed on; as large as a pipe can be made without privilege.
const BUFFER: usize = 1 << 20;

/// Links are not followed and named pipes are not waited for, whatever takes the place of a scanned file.
const OPEN_FLAGS: i32 = O_NOFOLLOW | O_NONBLOCK;
const O_NOFOLLOW: i32 = 0o400_000;
const O_NONBLOCK: i32 = 0o4_000;

/// How times are written.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    /// Latest time that may appear, seconds since 1970; later ones become this one.
    pub epoch: i64,
    /// Whether access and change times are written as well (as the epoch). A filesystem made from a stream without
    /// them would say 1970; an archive is better off without.
    pub inode_times: bool,
}

impl TreeScan {
    /// Opens a scanned file of so many bytes.
    ///
    /// # Errors
    /// When it cannot be opened, or is not what it was when the tree was scanned.
    pub fn open(&self, entry: &Entry, size: u64) -> Result<File, TreeStreamError> {
        open_scanned(&self.root.join(&entry.path), entry, size)
    }

    /// Writes the whole tree as a tar stream.
    ///
    /// # Errors
    /// When the tree cannot be read, changed since the scan, or `out` fails.
    pub fn write(&self, out: &mut dyn Write, options: StreamOptions) -> Result<(), TreeStreamError> {
        self.write_members(self.entries().iter(), true, out, options)
    }

    /// Writes some of what was scanned, and the end of an archive if it is the `last` of it.
    ///
    /// # Errors
    /// As [`TreeScan::write`].
    pub fn write_members<'a>(
        &self,
        entries: impl Iterator<Item = &'a Entry>,
        last: bool,
        out: &mut dyn Write,
        options: StreamOptions,
    ) -> Result<(), TreeStreamError> {
        let mut stream = Stream { out, buffer: Vec::with_capacity(BUFFER + 16 * BLOCK), options };
        for entry in entries {
            stream.push_header(entry);
            if let EntryKind::File(size) = entry.kind {
                stream.push_content(&self.root.join(&entry.path), entry, size)?;
            }
            stream.flush_if_full()?;
        }
        if last {
            stream.buffer.resize(stream.buffer.len() + 2 * BLOCK, 0);
        }
        Ok(stream.flush()?)
    }
}

struct Stream<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    options: StreamOptions,
}

impl Stream<'_> {
    fn push_header(&mut self, entry: &Entry) {
        let name = member_name(&entry.path, entry.kind == EntryKind::Folder);
        let mut link = Vec::new();
        let (kind, size, device) = match &entry.kind {
            EntryKind::File(size) => (b'0', *size, (0, 0)),
            EntryKind::HardLink(first) => {
                link = member_name(first, false);
                (b'1', 0, (0, 0))
            }
            EntryKind::Symlink(target) => {
                link.clone_from(target);
                (b'2', 0, (0, 0))
            }
            EntryKind::CharDevice(major, minor) => (b'3', 0, (*major, *minor)),
            EntryKind::BlockDevice(major, minor) => (b'4', 0, (*major, *minor)),
            EntryKind::Folder => (b'5', 0, (0, 0)),
            EntryKind::Fifo => (b'6', 0, (0, 0)),
        };
        let header = Header {
            name: &name,
            link: &link,
            kind,
            mode: entry.mode,
            uid: u64::from(entry.uid),
            gid: u64::from(entry.gid),
            size,
            mtime: entry.mtime.min(self.options.epoch),
            device,
        };
        let records = self.records_of(entry);
        header::push(&mut self.buffer, &header, records);
    }

    fn records_of(&self, entry: &Entry) -> Vec<u8> {
        let mut records = Vec::new();
        if self.options.inode_times {
            let epoch = self.options.epoch.to_string();
            header::push_record(&mut records, b"atime", epoch.as_bytes());
            header::push_record(&mut records, b"ctime", epoch.as_bytes());
        }
        for (name, value) in &entry.xattrs {
            header::push_record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        records
    }

    fn push_content(&mut self, path: &Path, entry: &Entry, size: u64) -> Result<(), TreeStreamError> {
        if size == 0 {
            return Ok(());
        }
        let mut file = open_scanned(path, entry, size)?;
        let mut left = size;
        while left > 0 {
            self.flush_if_full()?;
            let filled = self.buffer.len();
            let part = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER - filled);
            self.buffer.resize(filled + part, 0);
            let read = read_some(&mut file, &mut self.buffer[filled..])
                .map_err(|source| TreeStreamError::Read { path: path.to_owned(), source })?;
            if read == 0 {
                return Err(TreeStreamError::Changed { path: path.to_owned() });
            }
            self.buffer.truncate(filled + read);
            left -= read as u64;
        }
        header::pad(&mut self.buffer, size);
        Ok(())
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Opens a file that was scanned and makes sure that it is the one.
fn open_scanned(path: &Path, entry: &Entry, size: u64) -> Result<File, TreeStreamError> {
    let read_error = |source| TreeStreamError::Read { path: path.to_owned(), source };
    let file = OpenOptions::new().read(true).custom_flags(OPEN_FLAGS).open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if (metadata.dev(), metadata.ino(), metadata.len()) != (entry.inode.0, entry.inode.1, size) {
        return Err(TreeStreamError::Changed { path: path.to_owned() });
    }
    Ok(file)
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Returns the name of a member as Debian's own archives have it: `./path`, folders with a slash at the end.
fn member_name(path: &Path, folder: bool) -> Vec<u8> {
    let mut name = b"./".to_vec();
    name.extend_from_slice(path.as_os_str().as_bytes());
    if folder && !path.as_os_str().is_empty() {
        name.push(b'/');
    }
    name
}
