//! Where console text is copied to, shared by the attempts at one boot.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// A writer that outlives an attempt; one without a target swallows what it gets.
#[derive(Clone, Default)]
pub struct SharedMirror(Arc<Mutex<Option<Box<dyn Write + Send>>>>);

impl SharedMirror {
    /// Shares `mirror`.
    pub fn new(mirror: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Some(mirror))))
    }

    fn with(&self, act: impl FnOnce(&mut Box<dyn Write + Send>) -> io::Result<()>) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.as_mut().map_or(Ok(()), act)
    }
}

impl Write for SharedMirror {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|mirror| mirror.write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|mirror| mirror.flush())
    }
}
