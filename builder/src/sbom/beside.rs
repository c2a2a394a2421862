//! The document that a build put beside its image.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::store::Sha256Digest;

/// A document is not larger.
const LIMIT: u64 = 64 << 20;

/// Returns the name of the document of the images called `name`.
pub fn file_name(name: &str) -> String {
    format!("{name}.spdx.json")
}

/// Returns where the document of an image is: `NAME.spdx.json` beside `NAME.qcow2`.
pub fn path(image: &Path) -> PathBuf {
    image.with_extension("spdx.json")
}

/// Returns the document beside `image` if it describes these very bytes.
///
/// # Errors
/// When the image cannot be read. A document that cannot be read, or is none, is as good as absent.
pub fn find(image: &Path) -> io::Result<Option<String>> {
    let Some((text, digests)) = read(&path(image)) else { return Ok(None) };
    let own = digest(image)?.to_string();
    Ok(digests.contains(&own).then_some(text))
}

/// Reads a document and the digests of the images that it describes.
fn read(path: &Path) -> Option<(String, Vec<String>)> {
    let file = host::beneath::open_plain(path).ok()?;
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).ok()?;
    // It goes to a terminal as it is.
    if text.contains(|c: char| c.is_control() && c != '\n') {
        return None;
    }
    let document: Value = serde_json::from_str(&text).ok()?;
    let list = |key: &str| document[key].as_array().map_or(&[][..], Vec::as_slice);
    let described = list("relationships").iter().filter(|one| one["relationshipType"] == "DESCRIBES");
    let described: HashSet<&str> = described.filter_map(|one| one["relatedSpdxElement"].as_str()).collect();
    let is_described = |package: &&Value| package["SPDXID"].as_str().is_some_and(|id| described.contains(id));
    let images = list("packages").iter().filter(is_described);
    let checksums = images.flat_map(|image| image["checksums"].as_array().into_iter().flatten());
    let sha256 = checksums.filter(|checksum| checksum["algorithm"] == "SHA256");
    let digests =
        sha256.filter_map(|checksum| checksum["checksumValue"].as_str().map(str::to_owned)).collect();
    (document["spdxVersion"] == "SPDX-2.3").then_some((text, digests))
}

/// Returns the digest of an image.
pub(super) fn digest(image: &Path) -> io::Result<Sha256Digest> {
    Sha256Digest::of_file(&File::open(image)?)
}

#[cfg(test)]
mod tests {
    use super::super::{Subject, text};
    use super::*;

    #[test]
    fn a_document_is_found_as_long_as_the_image_is_what_it_describes() {
        let folder = std::env::temp_dir().join(format!("bootwright-beside-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let image = folder.join("a.b.raw");
        std::fs::write(&image, "bytes").expect("written");
        assert_eq!(find(&image).expect("readable"), None);
        let subject = Subject { file: "a.b.raw".to_owned(), sha256: Sha256Digest::of(b"bytes") };
        let document = text("a.b", 0, &[subject], &[]);
        std::fs::write(folder.join("a.b.spdx.json"), &document).expect("written");
        assert_eq!(find(&image).expect("readable"), Some(document.clone()));
        for other in ["{}", "[]", "", &document.replace("a.b.raw", "a\u{9b}31m"), &document[1..]] {
            std::fs::write(folder.join("a.b.spdx.json"), other).expect("written");
            assert_eq!(find(&image).expect("readable"), None, "{other}");
        }
        std::fs::write(folder.join("a.b.spdx.json"), &document).expect("written");
        std::fs::write(&image, "other").expect("written");
        assert_eq!(find(&image).expect("readable"), None);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
