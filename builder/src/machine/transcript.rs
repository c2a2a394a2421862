//! What a serial console said, for whoever wants it after the machine is gone.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::serial::Stripper;

/// How much text is kept; a console that says more loses its beginning.
const KEPT_BYTES: usize = 4 << 20;

/// Keeps console text without control sequences. Copies share one text.
#[derive(Debug, Clone, Default)]
pub struct Transcript(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    stripper: Stripper,
    text: Vec<u8>,
}

impl Transcript {
    /// Returns the text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.text).into_owned()
    }
}

impl Write for Transcript {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { stripper, text } = &mut *kept;
        stripper.feed(bytes, text);
        let excess = text.len().saturating_sub(KEPT_BYTES);
        text.drain(..excess);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_the_text_and_the_end_of_much_is_kept() {
        let transcript = Transcript::default();
        let mut mirror = transcript.clone();
        mirror.write_all(b"\x1b[1mbo").expect("memory takes all");
        mirror.write_all(b"ot\x1b[0m\r\n").expect("memory takes all");
        assert_eq!(transcript.text(), "boot\n");
        let many = vec![b'x'; KEPT_BYTES];
        mirror.write_all(&many).expect("memory takes all");
        mirror.write_all(b"end").expect("memory takes all");
        let text = transcript.text();
        assert!(text.len() == KEPT_BYTES && text.ends_with("xend") && !text.contains("boot"));
    }
}
