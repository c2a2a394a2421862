//! Makes small packages for tests.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::resolve::{LockedPackage, Sha256Digest};
use crate::verify::VerifiedPackage;

/// A folder that is removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bootwright-rootfs-{}-{number}", std::process::id()));
        fs::create_dir_all(path.join("root")).unwrap();
        Self(path)
    }

    pub fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    /// Returns the user and group that new files get here, which tests may give to files without privilege.
    pub fn owner(&self) -> (u64, u64) {
        let metadata = fs::metadata(&self.0).unwrap();
        (metadata.uid().into(), metadata.gid().into())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Something in a data archive.
pub enum Item<'a> {
    Folder(&'a str, u32),
    File(&'a str, &'a str, u32),
    Symlink(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Device(&'a str),
}

/// Returns a tar archive of `items`.
pub fn tar_of(items: &[Item<'_>], owner: (u64, u64)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in items {
        let mut header = tar::Header::new_gnu();
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(1_000_000);
        let (path, content, kind, mode, link) = match *item {
            Item::Folder(path, mode) => (path, "", tar::EntryType::Directory, mode, None),
            Item::File(path, content, mode) => (path, content, tar::EntryType::Regular, mode, None),
            Item::Symlink(path, target) => (path, "", tar::EntryType::Symlink, 0o777, Some(target)),
            Item::HardLink(path, target) => (path, "", tar::EntryType::Link, 0o644, Some(target)),
            Item::Device(path) => (path, "", tar::EntryType::Char, 0o600, None),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        // Written as bytes: the builder refuses the hostile names that tests need.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        if let Some(link) = link {
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns an `ar` archive of `members`.
pub fn ar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        writeln!(bytes, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, 100_644, content.len()).unwrap();
        bytes.extend(*content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Writes the package `name` with further control `fields`, control `files` and data `items`.
pub fn package(
    scratch: &Scratch,
    name: &str,
    fields: &str,
    files: &[(&str, &str)],
    items: &[Item<'_>],
) -> VerifiedPackage {
    let control = format!("Package: {name}\nVersion: 1\nArchitecture: all\n{fields}Description: test\n");
    let mut control_items = vec![Item::Folder("./", 0o755), Item::File("./control", &control, 0o644)];
    control_items.extend(files.iter().map(|(file, text)| Item::File(file, text, 0o644)));
    let bytes = ar_of(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &gzip(&tar_of(&control_items, (0, 0)))),
        ("data.tar.xz", &xz(&tar_of(items, scratch.owner()))),
    ]);
    let path = scratch.0.join(format!("{name}.deb"));
    fs::write(&path, &bytes).unwrap();
    verified(name, &path)
}

/// Names the .deb at `path` as verified.
pub fn verified(name: &str, path: &Path) -> VerifiedPackage {
    let package = LockedPackage {
        name: name.into(),
        version: "1".into(),
        architecture: "all".into(),
        base: String::new(),
        filename: String::new(),
        size: 0,
        sha256: Sha256Digest([0; 32]),
        base_set: true,
        automatic: false,
    };
    VerifiedPackage { package, path: path.to_owned() }
}
