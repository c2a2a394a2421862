//! What mirrors, recipes and existing images give to `bootwright`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use bootwright::deb::{BoundedNames, Deb, without_fields};
use bootwright::fetch::{SignedContent, SignedRelease, Source};
use bootwright::image::system::System;
use bootwright::image::{Image, table};
use bootwright::inspect;
use bootwright::recipe::{Architecture, LoadOptions, load};
use bootwright::resolve::{IndexSource, Lockfile, Relation, Universe, compare};
use bootwright::verify::{self, Keyring};

/// The most that is read of what is compressed or described; the parsers' own limits are higher.
const ENOUGH: u64 = 16 << 20;

/// Bytes as a file that is only in memory, by a path.
fn with_file(bytes: &[u8], use_it: impl FnOnce(&Path)) {
    let file = nix::sys::memfd::memfd_create(c"fuzz", nix::sys::memfd::MFdFlags::MFD_CLOEXEC).expect("a file in memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("memory");
    use_it(&PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())));
}

pub fn deb(bytes: &[u8]) {
    with_file(bytes, |path| {
        let Ok(deb) = Deb::open(path) else { return };
        let _ = deb.control_text().map(|text| without_fields(text, &["Filename", "Size"]));
        let Ok(data) = deb.data() else { return };
        let mut archive = tar::Archive::new(BoundedNames::new(data.take(ENOUGH)));
        for entry in archive.entries().into_iter().flatten() {
            let Ok(entry) = entry else { return };
            let _ = (entry.path().map(|path| path.into_owned()), entry.link_name());
        }
    });
}

/// Tables, qcow2 and the filesystems that are read without the kernel, and all that `inspect` tells of them.
pub fn disk(bytes: &[u8]) {
    with_file(bytes, |path| {
        let Ok(image) = Image::open(path) else { return };
        if image.size() > ENOUGH {
            return;
        }
        let _ = table::read(&image);
        let Ok(system) = System::read(&image, None) else { return };
        for (path, node) in system.entries().take(256) {
            let _ = system.attributes(path, node);
            let _ = system.bytes(path, node);
        }
        let _ = inspect::describe(&system);
    });
}

pub fn recipe(bytes: &[u8]) {
    with_file(bytes, |path| {
        if let Err(problems) = load(path, &LoadOptions::default()) {
            let _ = problems.to_string();
        }
    });
}

fn universe(text: &[u8]) -> Option<Universe> {
    let source = IndexSource {
        repository: 0,
        base: "http://archive.invalid".into(),
        suite: "stable".into(),
        codename: "bookworm".into(),
        component: "main".into(),
        local: false,
        pin: None,
        not_automatic: false,
        but_automatic_upgrades: false,
    };
    let mut universe = Universe::new(Architecture::Amd64);
    universe.add_index(source, text.to_vec()).ok()?;
    Some(universe)
}

pub fn packages(bytes: &[u8]) {
    let _ = universe(bytes).map(|universe| universe.counts());
}

/// The list, and what follows of it: dependencies are parsed as they are asked for.
pub fn solver(bytes: &[u8]) {
    let Some(universe) = universe(bytes) else { return };
    let request = bootwright::plan::PackageRequest {
        variant: bootwright::recipe::Variant::Essential,
        terms: Vec::new(),
        recommends: true,
    };
    let _ = bootwright::resolve::select(&universe, &request, Architecture::Amd64);
}

pub fn versions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Some((left, right)) = text.split_once('\n') else { return };
    let order = compare(left, right);
    assert_eq!(compare(right, left), order.reverse(), "an order has two ends");
    let _ = Relation::parse(right).map(|relation| relation.holds(left, right));
}

pub fn lockfile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Lockfile::parse(text, "fuzz.lock") {
        Ok(lock) => drop(lock.to_text()),
        Err(error) => drop(error.to_string()),
    }
}

pub fn keyring(bytes: &[u8]) {
    let _ = Keyring::parse(bytes, "fuzz.gpg");
}

/// Clear-signed text, or a text and its detached signature with a line of `%` between them.
pub fn release(bytes: &[u8]) {
    static KEYRING: LazyLock<Keyring> = LazyLock::new(|| Keyring::debian_archive().expect("the shipped keys"));
    let separator = b"\n%%%%\n";
    let content = match bytes.windows(separator.len()).position(|window| window == separator) {
        Some(at) => SignedContent::Detached {
            release: bytes[..at].to_vec(),
            signature: bytes[at + separator.len()..].to_vec(),
        },
        None => SignedContent::Inline(bytes.to_vec()),
    };
    let signed = SignedRelease { url: "http://archive.invalid/InRelease".into(), content, validators: Default::default() };
    let source = Source { name: "fuzz".into(), base: "http://archive.invalid".into(), suite: "bookworm".into() };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_000_000);
    match verify::release(&signed, &source, &KEYRING, now) {
        Ok(release) => drop(release.indexes(&["main".to_owned()], Architecture::Amd64)),
        Err(error) => drop(error.to_string()),
    }
}
