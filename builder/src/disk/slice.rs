//! A partition being made in memory: only what is not zero takes room, in memory and in the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

const PAGE: usize = 4096;

/// A byte range of fixed length, zero until written.
#[derive(Debug)]
pub(super) struct Slice {
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
    length: u64,
    position: u64,
}

impl Slice {
    pub(super) fn new(length: u64) -> Self {
        Self { pages: BTreeMap::new(), length, position: 0 }
    }

    /// Writes everything that is not zero to `file` from `offset` on.
    pub(super) fn store(&self, file: &File, offset: u64) -> io::Result<()> {
        self.pages
            .iter()
            .filter(|(_, page)| page.iter().any(|byte| *byte != 0))
            .try_for_each(|(number, page)| file.write_all_at(&page[..], offset + number * PAGE as u64))
    }

    /// Returns page number, offset in the page and length of the part of `wanted` bytes that starts here.
    fn here(&self, wanted: usize) -> (u64, usize, usize) {
        let inside = usize::try_from(self.position % PAGE as u64).unwrap_or(0);
        let left = usize::try_from(self.length.saturating_sub(self.position)).unwrap_or(usize::MAX);
        (self.position / PAGE as u64, inside, wanted.min(PAGE - inside).min(left))
    }
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (page, inside, length) = self.here(buffer.len());
        match self.pages.get(&page) {
            Some(page) => buffer[..length].copy_from_slice(&page[inside..inside + length]),
            None => buffer[..length].fill(0),
        }
        self.position += length as u64;
        Ok(length)
    }
}

impl Write for Slice {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let (page, inside, length) = self.here(buffer.len());
        let part = &buffer[..length];
        if self.pages.contains_key(&page) || part.iter().any(|byte| *byte != 0) {
            let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE]));
            page[inside..inside + length].copy_from_slice(part);
        }
        self.position += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Slice {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
