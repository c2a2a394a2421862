//! Data archives of packages: decompressed once, then kept in the store in a compression that costs little to read.
//!
//! Debian's xz takes ten times as long to read as zstd does. What is kept is named by the digest of the .deb, whose
//! tar archive has the same bytes whatever it is compressed with.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::sync::Once;

use serde_json::json;

use crate::deb::{DebError, finish};
use crate::store::{FreshObject, Key, Sha256Digest, Store};

use super::unpack::Opened;

/// zstd's level; see [`super::snapshot`].
const LEVEL: i32 = -1;
/// Name of the stage in records.
const STAGE: &str = "unpacked";

/// Where data archives come from.
#[derive(Debug, Clone, Copy)]
pub struct DataArchives<'a>(Option<&'a Store>);

impl<'a> DataArchives<'a> {
    /// DataArchives that are kept in `store`, and taken from it where earlier runs have left them.
    pub fn kept_in(store: &'a Store) -> Self {
        Self(Some(store))
    }

    /// DataArchives that are read from the packages alone.
    pub fn of_packages() -> Self {
        Self(None)
    }

    /// Opens the data archive of `package`.
    pub(super) fn open(self, package: &Opened) -> Result<Source<'a>, DebError> {
        let plain = || package.deb.data().map(Source::Package);
        let Some(store) = self.0.filter(|_| package.deb.is_slow_to_read()) else { return plain() };
        let key = Key::new(STAGE, "", json!({ "deb": package.sha256.to_string() }));
        if let Some(source) = kept(store, &key) {
            return Ok(source);
        }
        let archive = package.deb.data()?;
        let copy = Copy { store, key, encoder: encoder(store) };
        Ok(Source::Copied(archive, Box::new(copy)))
    }
}

/// A data archive, as the bytes of a tar archive.
pub(super) enum Source<'a> {
    /// Read from the .deb.
    Package(Box<dyn Read>),
    /// Read from the .deb, and copied into the store meanwhile.
    Copied(Box<dyn Read>, Box<Copy<'a>>),
    /// Read from the store.
    Kept(zstd::Decoder<'static, BufReader<File>>),
}

/// What is on its way into the store.
pub(super) struct Copy<'a> {
    store: &'a Store,
    key: Key,
    /// None once writing failed: the package serves all the same.
    encoder: Option<zstd::Encoder<'static, FreshObject<'a>>>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Package(archive) => archive.read(buffer),
            Self::Kept(archive) => archive.read(buffer),
            Self::Copied(archive, copy) => {
                let count = archive.read(buffer)?;
                copy.write(&buffer[..count]);
                Ok(count)
            }
        }
    }
}

impl Source<'_> {
    /// Reads the rest, which must be nothing but zeroes, and keeps what was copied.
    pub(super) fn finish(mut self) -> Result<(), DebError> {
        finish(&mut self)?;
        if let Self::Copied(_, copy) = self {
            copy.keep();
        }
        Ok(())
    }
}

impl Copy<'_> {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(encoder) = &mut self.encoder
            && let Err(error) = encoder.write_all(bytes)
        {
            tracing::warn!(
                "a package is not kept decompressed: {error}; the next build decompresses it again"
            );
            self.encoder = None;
        }
    }

    fn keep(self) {
        let Some(encoder) = self.encoder else { return };
        let keep = || -> anyhow::Result<()> {
            let object = encoder.finish()?.commit()?;
            let result = json!({ "object": object.sha256.to_string(), "size": object.size });
            Ok(self.store.remember(&self.key, &result)?)
        };
        if let Err(error) = keep() {
            tracing::warn!(
                "a package is not kept decompressed: {error:#}; the next build decompresses it again"
            );
        }
    }
}

/// Tells why a package is not kept: what fails for one, such as a full disk, fails for hundreds.
fn complain(error: &dyn std::fmt::Display) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!("packages are not kept decompressed: {error}; the next build decompresses them again");
    });
}

fn encoder(store: &Store) -> Option<zstd::Encoder<'static, FreshObject<'_>>> {
    let object = store.fresh().map_err(|error| complain(&error)).ok()?;
    zstd::Encoder::new(object, LEVEL).map_err(|error| complain(&error)).ok()
}

/// Opens what an earlier run kept; none if there is nothing, or if it is not what it was.
fn kept<'a>(store: &Store, key: &Key) -> Option<Source<'a>> {
    let result = store.recall(key)?;
    let digest = Sha256Digest::parse(result["object"].as_str()?)?;
    let path = store.checked(&digest).ok().flatten()?;
    let file = File::open(path).ok()?;
    zstd::Decoder::new(file).map(Source::Kept).ok()
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{Item, Scratch, package};
    use super::super::unpack::open_all;
    use super::*;
    use crate::store::tests::Cache;

    #[test]
    fn a_package_is_decompressed_once() {
        let (scratch, cache) = (Scratch::new(), Cache::new());
        let items = [Item::Folder("./", 0o755), Item::File("./text", "text\n", 0o644)];
        let opened = open_all(&[package(&scratch, "one", "", &[], &items)]).unwrap();
        let store = cache.store();
        let read = || {
            let mut source = DataArchives::kept_in(&store).open(&opened[0]).unwrap();
            let mut bytes = vec![0; 2048];
            source.read_exact(&mut bytes).unwrap();
            let from_store = matches!(source, Source::Kept(_));
            source.finish().unwrap();
            (bytes, from_store)
        };
        let (first, kept) = read();
        assert!(!kept);
        let (second, kept) = read();
        assert!(kept && first == second);
        // Another process finds damage, and the package serves again.
        let objects = cache.files().into_iter().filter(|path| path.starts_with(cache.path().join("objects")));
        for object in objects {
            std::fs::write(object, "other bytes").unwrap();
        }
        drop(store);
        let store = cache.store();
        let source = DataArchives::kept_in(&store).open(&opened[0]).unwrap();
        assert!(matches!(source, Source::Copied(..)));
        assert_eq!(cache.store().census().unwrap().sizes.len(), 0, "what is damaged is gone");
    }

    #[test]
    fn what_is_cut_off_is_not_kept() {
        let (scratch, cache) = (Scratch::new(), Cache::new());
        let package = package(&scratch, "one", "", &[], &[Item::Folder("./", 0o755)]);
        let opened = open_all(std::slice::from_ref(&package)).unwrap();
        let file = File::options().write(true).open(&package.path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 40).unwrap();
        let store = cache.store();
        let source = DataArchives::kept_in(&store).open(&opened[0]).unwrap();
        assert!(source.finish().is_err());
        assert!(matches!(DataArchives::kept_in(&store).open(&opened[0]).unwrap(), Source::Copied(..)));
    }
}
