//! Memory for blocks, used again and again: the kernel need not clear a gigabyte of new pages for a gigabyte of disk.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::BLOCK;

/// Buffers that no block is in. There come to be as many as there are blocks in memory at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Box<[u8]>>>>);

impl Buffers {
    /// Returns memory for a block, with whatever it held last.
    pub(super) fn take(&self) -> Buffer {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Buffer { bytes: bytes.unwrap_or_else(|| vec![0; BLOCK].into()), home: self.clone() }
    }
}

/// Memory for a block; it goes back where it came from.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    home: Buffers,
}

impl Buffer {
    /// Returns the memory, to be written.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Makes it shareable; it goes back when the last one lets go.
    pub(super) fn share(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.home.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_never_while_somebody_reads_it() {
        let buffers = Buffers::default();
        let mut one = buffers.take();
        one.bytes_mut().fill(1);
        let one = one.share();
        let part = one.slice(7..);
        let first = one.as_ptr();
        drop(one);
        let mut two = buffers.take();
        two.bytes_mut().fill(2);
        assert!(part.iter().all(|byte| *byte == 1), "somebody still reads it");
        drop(part);
        let three = buffers.take();
        assert_eq!(three.as_ref().as_ptr(), first);
        assert_eq!(three.as_ref().len(), BLOCK);
    }
}
