//! A tar archive on its way to whoever reads it, with a limit for what is kept in memory.
//!
//! Contents of files are streamed, but a long name is an entry of its own whose content is read at once, and its size is whatever
//! the archive says.

use std::io::{self, Read};

/// Bytes of a tar block.
const BLOCK: usize = 512;
/// Upper bound of a long name, a long link target or a pax header; Linux takes no path of more than 4096 bytes.
const NAME_LIMIT: u64 = 64 << 10;

/// Passes an archive through, and ends it with an error at an entry that must be kept in memory and is too large.
#[derive(Debug)]
pub struct BoundedNames<R> {
    inner: R,
    header: [u8; BLOCK],
    /// Bytes of the header that were not handed out yet.
    pending: usize,
    /// Bytes to the next header; all that follows the archive's end is content.
    content: u64,
}

impl<R: Read> BoundedNames<R> {
    /// Passes `inner` through.
    pub fn new(inner: R) -> Self {
        Self { inner, header: [0; BLOCK], pending: 0, content: 0 }
    }

    /// Returns what was read from; of an archive that was read to its end nothing is kept here.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Reads the next header; nothing where there is none.
    fn read_header(&mut self) -> io::Result<()> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.inner.read(&mut self.header[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A block that is cut off comes from the end, so that the reader finds it cut off, too.
        self.header.copy_within(..filled, BLOCK - filled);
        self.pending = filled;
        if filled < BLOCK || self.header.iter().all(|byte| *byte == 0) {
            self.content = u64::MAX;
            return Ok(());
        }
        let header = tar::Header::from_byte_slice(&self.header);
        let (kind, size) = (header.entry_type(), header.entry_size()?);
        if kind.is_gnu_sparse() {
            return Err(io::Error::other("a sparse file, which dpkg refuses as well"));
        }
        let is_kept = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_kept && size > NAME_LIMIT {
            return Err(io::Error::other(format!(
                "a name or header of {size} bytes; at most {NAME_LIMIT} are taken"
            )));
        }
        self.content = size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64);
        Ok(())
    }
}

impl<R: Read> Read for BoundedNames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.pending == 0 && self.content == 0 {
            self.read_header()?;
        }
        if self.pending > 0 {
            let count = self.pending.min(buffer.len());
            let start = BLOCK - self.pending;
            buffer[..count].copy_from_slice(&self.header[start..start + count]);
            self.pending -= count;
            return Ok(count);
        }
        let wanted = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..wanted])?;
        if self.content != u64::MAX {
            self.content -= count as u64;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, size: u64) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(size);
        header.set_cksum();
        header.as_bytes().to_vec()
    }

    fn read(bytes: &[u8], step: usize) -> io::Result<Vec<u8>> {
        let (mut reader, mut all, mut buffer) = (BoundedNames::new(bytes), Vec::new(), vec![0; step]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(all),
                count => all.extend(&buffer[..count]),
            }
        }
    }

    #[test]
    fn good_archives_pass_unchanged_in_steps_of_any_size() {
        let content =
            |length: usize| [vec![b'c'; length], vec![0; length.next_multiple_of(BLOCK) - length]].concat();
        let long =
            [entry(b'L', 700), content(700), entry(b'0', 1025), content(1025), entry(b'5', 0)].concat();
        let cut = [&long[..], &[7; 100]].concat();
        let ended = [&long[..], &[0; 1024], &[b'x'; 900]].concat();
        for archive in [&long, &cut, &ended, &Vec::new()] {
            for step in [1, 3, 511, 512, 513, 100_000] {
                assert_eq!(&read(archive, step).unwrap(), archive);
            }
        }
    }

    #[test]
    fn what_would_fill_memory_is_refused() {
        for kind in [b'L', b'K', b'x', b'g'] {
            assert!(read(&entry(kind, NAME_LIMIT), 512).is_ok());
            let error = read(&entry(kind, NAME_LIMIT + 1), 512).unwrap_err();
            assert!(error.to_string().contains("at most 65536"), "{error}");
        }
        assert!(read(&entry(b'S', 1), 512).unwrap_err().to_string().contains("sparse"));
    }
}
