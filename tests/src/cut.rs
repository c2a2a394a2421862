//! An image cut into its partitions, for programs that look at one filesystem.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::scratch::Scratch;
use crate::witness::witness;

/// A raw copy of an image; its partitions are cut out on demand. Where they are is asked of sfdisk.
#[derive(Debug)]
pub struct Cut {
    scratch: Scratch,
    /// The whole disk.
    pub raw: PathBuf,
    /// sfdisk's words.
    pub table: Value,
}

impl Cut {
    /// Copies the image at `path`.
    ///
    /// # Panics
    ///
    /// When qemu-img or sfdisk complain.
    pub fn open(path: &Path) -> Self {
        let scratch = Scratch::new("cut");
        let raw = scratch.path().join("disk.raw");
        witness("qemu-img", &["convert", "-O", "raw", text(path), text(&raw)]);
        let said = witness("sfdisk", &["--json", text(&raw)]);
        let table: Value = serde_json::from_str(&said).expect("sfdisk writes JSON");
        Self { scratch, raw, table: table["partitiontable"].clone() }
    }

    /// Returns a file of partition `number`, from 1.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn part(&self, number: usize) -> PathBuf {
        let one = &self.table["partitions"][number - 1];
        let sectors = |key: &str| one[key].as_u64().expect("a number");
        let file = self.scratch.path().join(format!("part-{number}"));
        let source = std::fs::File::open(&self.raw).expect("our copy");
        let target = std::fs::File::create(&file).expect("our folder");
        target.set_len(sectors("size") * 512).expect("sized");
        host::sparse::copy_range(&source, sectors("start") * 512, &target, 0, sectors("size") * 512)
            .expect("copied");
        file
    }
}

/// Returns a path as text.
///
/// # Panics
///
/// When it is not UTF-8; paths of tests are.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
