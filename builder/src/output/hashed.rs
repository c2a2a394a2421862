//! A writer that takes the digest of what passes through it.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use crate::resolve::Sha256Digest;

use super::digest;

/// Passes everything on to another writer.
#[derive(Debug)]
pub(super) struct Hashed<W> {
    to: W,
    hasher: Sha256,
    length: u64,
}

impl<W: Write> Hashed<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to, hasher: Sha256::new(), length: 0 }
    }

    /// Returns length and digest of what was written.
    pub(super) fn finish(self) -> (u64, Sha256Digest) {
        (self.length, digest::finish(self.hasher))
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
