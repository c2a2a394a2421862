//! Reads a .deb: the `ar` container, its control archive, and the data archive as a stream.
//!
//! Strict where dpkg is strict: format 2.x, members in their order and complete, nothing that is not a member
//! between or after them. Pax headers are refused, as dpkg refuses them; so extended attributes cannot occur.

mod bounded;
mod paragraph;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

pub use bounded::BoundedNames;
pub use paragraph::without_fields;

/// Upper bound on what an xz stream may ask for: twice the largest preset's dictionary.
const XZ_MEMORY_LIMIT: u64 = 128 << 20;
/// Upper bound on an unpacked control archive; the largest known are a few MiB of md5sums.
const CONTROL_LIMIT: u64 = 64 << 20;
const ARCHIVE_MAGIC: &[u8; 8] = b"!<arch>\n";
const MEMBER_HEADER: u64 = 60;

/// What is wrong with a .deb.
#[derive(Debug, thiserror::Error)]
pub enum DebError {
    /// Reading failed; a decoder's complaint comes as this, too.
    #[error("reading {0}")]
    Read(&'static str, #[source] io::Error),
    /// The container breaks the format.
    #[error("not a valid package: {0}")]
    Format(String),
    /// The package uses something that is not supported.
    #[error("not supported: {0}")]
    Unsupported(String),
}

fn format_error(text: impl Into<String>) -> DebError {
    DebError::Format(text.into())
}

/// A file of the control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlFile {
    /// Permission bits as archived.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

/// The control archive: file name (no folder) to file.
pub type ControlFiles = BTreeMap<String, ControlFile>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Xz,
    Zstd,
}

#[derive(Debug, Clone)]
struct Member {
    name: String,
    offset: u64,
    size: u64,
}

impl Member {
    /// Returns how the tar archive `stem` is compressed, or nothing if this member is another one.
    fn compression(&self, stem: &str) -> Option<Result<Compression, DebError>> {
        let suffix = self.name.strip_prefix(stem)?;
        Some(match suffix {
            "" => Ok(Compression::None),
            ".gz" => Ok(Compression::Gzip),
            ".xz" => Ok(Compression::Xz),
            ".zst" => Ok(Compression::Zstd),
            _ => Err(DebError::Unsupported(format!("member '{}' (tar, .gz, .xz and .zst are)", self.name))),
        })
    }
}

/// A .deb whose container was checked and whose control archive was read.
#[derive(Debug)]
pub struct Deb {
    path: PathBuf,
    /// Files of the control archive.
    pub control: ControlFiles,
    data: Member,
    data_compression: Compression,
}

impl Deb {
    /// Opens `path`, checks the container and reads the control archive.
    ///
    /// # Errors
    /// A damaged container, an unsupported compression, or a read error.
    pub fn open(path: &Path) -> Result<Self, DebError> {
        let mut file = File::open(path).map_err(|e| DebError::Read("the file", e))?;
        let members = read_members(&mut file)?;
        let mut members = members.into_iter();
        check_version(&mut file, members.next())?;
        // Members whose name begins with an underscore may stand between the known ones (deb(5)).
        let mut members = members.filter(|member| !member.name.starts_with('_'));
        let (control, compression) = expect_archive(members.next(), "control.tar")?;
        let control = read_control(open_member(file, &control, compression)?)?;
        let (data, data_compression) = expect_archive(members.next(), "data.tar")?;
        Ok(Self { path: path.to_owned(), control, data, data_compression })
    }

    /// Returns the compressed size of the data archive: a measure of the work that unpacking is.
    pub fn data_size(&self) -> u64 {
        self.data.size
    }

    /// Tells whether reading the data archive takes much longer than reading a cheap compression would.
    pub fn is_slow_to_read(&self) -> bool {
        matches!(self.data_compression, Compression::Xz | Compression::Gzip)
    }

    /// Opens the data archive as a stream of tar bytes.
    ///
    /// # Errors
    /// A read error.
    pub fn data(&self) -> Result<Box<dyn Read>, DebError> {
        let file = File::open(&self.path).map_err(|e| DebError::Read("the file", e))?;
        open_member(file, &self.data, self.data_compression)
    }
}

fn read_members(file: &mut File) -> Result<Vec<Member>, DebError> {
    let length = file.metadata().map_err(|e| DebError::Read("the file", e))?.len();
    let mut magic = [0; 8];
    file.read_exact(&mut magic).map_err(|e| DebError::Read("the archive's first bytes", e))?;
    if &magic != ARCHIVE_MAGIC {
        return Err(format_error("it does not begin with '!<arch>'"));
    }
    let mut members = Vec::new();
    let mut position = magic.len() as u64;
    while position < length {
        let member = read_member_header(file, position, length)?;
        position = member.offset + member.size + member.size % 2;
        members.push(member);
    }
    if position > length + 1 {
        return Err(format_error("its last member is cut off"));
    }
    Ok(members)
}

fn read_member_header(file: &mut File, position: u64, length: u64) -> Result<Member, DebError> {
    let mut header = [0; MEMBER_HEADER as usize];
    file.seek(SeekFrom::Start(position)).map_err(|e| DebError::Read("a member header", e))?;
    if length - position < MEMBER_HEADER {
        return Err(format_error(format!("{} stray bytes after the last member", length - position)));
    }
    file.read_exact(&mut header).map_err(|e| DebError::Read("a member header", e))?;
    if &header[58..] != b"`\n" {
        return Err(format_error(format!("no member header at offset {position}")));
    }
    let text = |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end);
    let bad = |_| format_error(format!("member header at offset {position} is not text"));
    // System V writers end a name with a slash; dpkg takes both.
    let name = text(0..16).map_err(bad)?.trim_end_matches('/').to_owned();
    let size = text(48..58).map_err(bad)?;
    let size = if size.bytes().all(|b| b.is_ascii_digit()) { size.parse().ok() } else { None };
    let size: u64 = size.ok_or_else(|| format_error(format!("size of member '{name}' is not a number")))?;
    let offset = position + MEMBER_HEADER;
    if size > length - offset {
        return Err(format_error(format!("member '{name}' is cut off")));
    }
    Ok(Member { name, offset, size })
}

fn check_version(file: &mut File, member: Option<Member>) -> Result<(), DebError> {
    let member = member.filter(|member| member.name == "debian-binary");
    let member = member.ok_or_else(|| format_error("its first member is not 'debian-binary'"))?;
    let mut version = String::new();
    file.seek(SeekFrom::Start(member.offset)).map_err(|e| DebError::Read("'debian-binary'", e))?;
    let mut reader = Read::take(file, member.size.min(64));
    reader.read_to_string(&mut version).map_err(|e| DebError::Read("'debian-binary'", e))?;
    let line = version.lines().next().unwrap_or_default();
    match line.strip_prefix("2.") {
        Some(minor) if !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        _ => Err(DebError::Unsupported(format!("package format '{line}' (2.x is)"))),
    }
}

fn expect_archive(member: Option<Member>, stem: &str) -> Result<(Member, Compression), DebError> {
    let missing = || format_error(format!("member '{stem}' is not where it belongs"));
    let member = member.ok_or_else(missing)?;
    let compression = member.compression(stem).ok_or_else(missing)??;
    Ok((member, compression))
}

fn open_member(mut file: File, member: &Member, compression: Compression) -> Result<Box<dyn Read>, DebError> {
    let name = "a member";
    file.seek(SeekFrom::Start(member.offset)).map_err(|e| DebError::Read(name, e))?;
    let raw = BufReader::with_capacity(128 << 10, file.take(member.size));
    Ok(match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Compression::Xz => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY_LIMIT, CONCATENATED);
            let stream = stream.map_err(|e| DebError::Read(name, e.into()))?;
            Box::new(XzDecoder::new_stream(raw, stream))
        }
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(raw).map_err(|e| DebError::Read(name, e))?),
    })
}

fn read_control(reader: Box<dyn Read>) -> Result<ControlFiles, DebError> {
    let read = |e| DebError::Read("the control archive", e);
    let mut archive = tar::Archive::new(reader.take(CONTROL_LIMIT));
    let mut files = ControlFiles::new();
    for entry in archive.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let Some(name) = control_name(&entry)? else { continue };
        let mode = entry.header().mode().map_err(read)? & 0o7777;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(read)?;
        if files.insert(name.clone(), ControlFile { mode, bytes }).is_some() {
            return Err(format_error(format!("control file '{name}' occurs twice")));
        }
    }
    finish(archive.into_inner())?;
    if files.contains_key("control") { Ok(files) } else { Err(format_error("it has no file 'control'")) }
}

fn control_name(entry: &tar::Entry<'_, io::Take<Box<dyn Read>>>) -> Result<Option<String>, DebError> {
    let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let name = raw.trim_start_matches("./").trim_end_matches('/');
    match entry.header().entry_type() {
        tar::EntryType::Directory if name.is_empty() || name == "." => Ok(None),
        tar::EntryType::Regular if !name.is_empty() && !name.contains('/') && name != ".." => {
            Ok(Some(name.to_owned()))
        }
        kind => Err(DebError::Unsupported(format!("control archive entry '{raw}' of type {kind:?}"))),
    }
}

/// Reads the rest of an archive after its end marker: only zero bytes may follow, and reading them makes the
/// decoder check its own trailer.
///
/// # Errors
/// Anything but zeros, or a damaged compressed stream.
pub fn finish(mut reader: impl Read) -> Result<(), DebError> {
    let mut block = [0; 8192];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) if block[..count].iter().all(|&byte| byte == 0) => {}
            Ok(_) => return Err(format_error("data after the end of an archive")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DebError::Read("the end of an archive", error)),
        }
    }
}

#[cfg(test)]
#[path = "deb_tests.rs"]
mod tests;
