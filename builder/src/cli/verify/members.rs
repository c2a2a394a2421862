//! The first member that differs between two archives.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};

use crate::store::Sha256Digest;

/// Describes one member: header and content.
struct Member {
    name: String,
    header: Vec<u8>,
    content: Sha256Digest,
}

/// Says what is different first.
pub(super) fn first_difference(old: &Path, new: &Path) -> Result<String> {
    let (mut a, mut b) = (tar::Archive::new(open(old)?), tar::Archive::new(open(new)?));
    let (mut a, mut b) = (a.entries()?, b.entries()?);
    loop {
        let (a, b) = (next(&mut a, old)?, next(&mut b, new)?);
        let difference = match (a, b) {
            (None, None) => "every member is the same; only how it is compressed differs".to_owned(),
            (Some(a), None) => format!("'{}' is gone", a.name),
            (None, Some(b)) => format!("'{}' is new", b.name),
            (Some(a), Some(b)) if a.name != b.name => format!("'{}' where '{}' was", b.name, a.name),
            (Some(a), Some(b)) if a.content != b.content => format!("the content of '{}'", a.name),
            (Some(a), Some(b)) if a.header != b.header => {
                format!("kind, owner, mode or time of '{}'", a.name)
            }
            _ => continue,
        };
        return Ok(difference);
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("opening '{}'", path.display()))?;
    let file = BufReader::with_capacity(1 << 20, file);
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("zst") => Box::new(zstd::Decoder::new(file)?),
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Some("xz") => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(file)),
        _ => Box::new(file),
    })
}

fn next<R: Read>(entries: &mut tar::Entries<'_, R>, path: &Path) -> Result<Option<Member>> {
    let Some(entry) = entries.next() else { return Ok(None) };
    let reading = || format!("reading '{}'", path.display());
    let mut entry = entry.with_context(reading)?;
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let header = entry.header().as_bytes().to_vec();
    let content = Sha256Digest::read(&mut entry).with_context(reading)?;
    Ok(Some(Member { name, header, content }))
}
