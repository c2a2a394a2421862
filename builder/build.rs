//! Tells the program which code it is: what one build stored serves another only if both would make the same of it.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

/// Code whose change may change an image, and the versions of the crates that it uses.
const PLACES: [&str; 5] = ["src", "keys", "../host/src", "../contract/src", "../Cargo.lock"];

fn main() {
    let mut hasher = DefaultHasher::new();
    for place in PLACES {
        println!("cargo::rerun-if-changed={place}");
        for file in files(Path::new(place)) {
            hasher.write(file.as_os_str().as_encoded_bytes());
            hasher.write(&fs::read(&file).unwrap_or_default());
        }
    }
    println!("cargo::rustc-env=BOOTWRIGHT_CODE={:016x}", hasher.finish());
}

/// Returns the file, or the files below the folder, in the order of their names.
fn files(place: &Path) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(place) else { return vec![place.to_owned()] };
    let mut below: Vec<PathBuf> = listing.filter_map(|entry| Some(entry.ok()?.path())).collect();
    below.sort();
    below.iter().flat_map(|path| files(path)).collect()
}
