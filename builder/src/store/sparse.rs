//! Digests of sparse files, whose holes are not read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest as _, Sha256};

use super::{CHUNK_BYTES, Sha256Digest};

impl Sha256Digest {
    /// Returns the digest of a whole file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self(hash_sparse(file, file.metadata()?.len())?.finalize().into()))
    }
}

/// Hashes the first `length` bytes of a file.
///
/// # Errors
/// When it cannot be read.
pub fn hash_sparse(file: &File, length: u64) -> io::Result<Sha256> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    for range in host::sparse::data_ranges(file, length)? {
        hash_zeroes(&mut hasher, range.start - at);
        hash_range(&mut hasher, file, range.start, range.end - range.start)?;
        at = range.end;
    }
    hash_zeroes(&mut hasher, length - at);
    Ok(hasher)
}

/// Feeds `length` bytes of `file` from `offset` on to `hasher`.
///
/// # Errors
/// When they cannot be read.
pub fn hash_range(hasher: &mut Sha256, file: &File, offset: u64, length: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut done = 0;
    while done < length {
        let part = usize::try_from(length - done).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        file.read_exact_at(&mut buffer[..part], offset + done)?;
        hasher.update(&buffer[..part]);
        done += part as u64;
    }
    Ok(())
}

/// Feeds this many zeroes to `hasher`.
pub fn hash_zeroes(hasher: &mut Sha256, length: u64) {
    const ZEROES: &[u8] = &[0; 1 << 16];
    let mut left = length;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(ZEROES.len()).min(ZEROES.len());
        hasher.update(&ZEROES[..part]);
        left -= part as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_count_as_zeroes() {
        let file = host::sparse::create_unnamed(&std::env::temp_dir()).expect("a file");
        file.set_len(3 << 20).expect("sized");
        file.write_all_at(b"middle", 1 << 20).expect("written");
        let mut bytes = vec![0; 3 << 20];
        bytes[1 << 20..][..6].copy_from_slice(b"middle");
        assert_eq!(Sha256Digest::of_file(&file).expect("read"), Sha256Digest::of(&bytes));
    }
}
