//! What was read once and is likely to be asked again.

use std::collections::HashMap;
use std::sync::Arc;

/// Bytes that each kind may keep.
const LIMIT: usize = 16 << 20;

#[derive(Debug, Default)]
pub(super) struct Cache {
    /// L2 tables by their offset in the file.
    pub(super) tables: Kept<u64>,
    /// Unpacked clusters by their offset in the file.
    pub(super) clusters: Kept<u8>,
}

/// Everything up to the limit, then nothing: reads go forward, so what is old is rarely asked for.
#[derive(Debug)]
pub(super) struct Kept<T> {
    held: HashMap<u64, Arc<[T]>>,
    bytes: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), bytes: 0 }
    }
}

impl<T> Kept<T> {
    pub(super) fn get(&self, offset: u64) -> Option<Arc<[T]>> {
        self.held.get(&offset).cloned()
    }

    pub(super) fn put(&mut self, offset: u64, what: Arc<[T]>, bytes: usize) {
        if self.bytes + bytes > LIMIT {
            self.held.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.held.insert(offset, what);
    }
}
