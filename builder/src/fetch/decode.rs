//! Decompression within a stated limit.

use std::io::{self, Read};

/// Compression of an index, the one that is there soonest first.
///
/// Debian's largest list has 50 MB: 8.8 MB as xz, 12.1 MB as gzip. xz takes half a second to decompress and gzip a tenth of
/// that, so gzip wins on every line that carries its 3.3 MB more in 0.45 s: from 60 Mbit/s on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// None.
    Plain,
}

impl Compression {
    /// All, in the order of preference.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Gzip, Self::Xz, Self::Plain];

    /// Returns the ending of file names, with its dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Xz => ".xz",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Plain => "",
        }
    }
}

/// Memory that an xz or zstd stream may ask for; Debian's need 64 MiB at most.
const DECODER_MEMORY_BYTES: u64 = 512 * 1024 * 1024;
/// The same as a power of two, for zstd's window.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A hint from outside is believed only as far as it costs little.
const BELIEVED_BYTES: usize = 128 * 1024 * 1024;

/// Decompresses `bytes`; `hint` is the expected size, more than `limit` bytes of output are an error.
pub(super) fn decode(compression: Compression, bytes: &[u8], hint: usize, limit: u64) -> io::Result<Vec<u8>> {
    match compression {
        Compression::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(DECODER_MEMORY_BYTES, flags)?;
            read(liblzma::read::XzDecoder::new_stream(bytes, stream), hint, limit)
        }
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            read(decoder, hint, limit)
        }
        Compression::Gzip => match gzip_of_known_size(bytes, hint, limit) {
            Some(text) => Ok(text),
            None => read(flate2::bufread::MultiGzDecoder::new(bytes), hint, limit),
        },
        Compression::Plain => read(bytes, hint, limit),
    }
}

/// Decompresses at once what has exactly `hint` bytes; none of anything else, which the general reader judges.
fn gzip_of_known_size(bytes: &[u8], hint: usize, limit: u64) -> Option<Vec<u8>> {
    if hint > BELIEVED_BYTES || hint as u64 > limit {
        return None;
    }
    let mut text = vec![0; hint];
    let written = libdeflater::Decompressor::new().gzip_decompress(bytes, &mut text).ok()?;
    (written == hint).then_some(text)
}

fn read(reader: impl Read, hint: usize, limit: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(hint.min(BELIEVED_BYTES));
    reader.take(limit.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other(format!("more than {limit} bytes come out")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(compression: Compression, text: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Xz => liblzma::encode_all(text, 6).unwrap(),
            Compression::Zstd => zstd::encode_all(text, 3).unwrap(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Plain => text.to_vec(),
        }
    }

    #[test]
    fn every_compression_is_undone_within_its_limit() {
        let text = vec![b'a'; 1_000_000];
        for compression in Compression::ALL {
            let packed = packed(compression, &text);
            assert_eq!(decode(compression, &packed, text.len(), 1_000_000).unwrap(), text);
            for hint in [0, 999_999, 1_000_000] {
                let error = decode(compression, &packed, hint, 999_999).unwrap_err();
                assert!(error.to_string().contains("999999"), "{compression:?}: {error}");
            }
        }
    }

    #[test]
    fn gzip_of_several_members_or_a_wrong_size_is_read_as_well() {
        let text = b"Package: a\n".repeat(1000);
        let twice = [packed(Compression::Gzip, &text), packed(Compression::Gzip, &text)].concat();
        for hint in [0, 7, 2 * text.len()] {
            assert_eq!(decode(Compression::Gzip, &twice, hint, 1 << 20).unwrap(), text.repeat(2), "{hint}");
        }
    }

    #[test]
    fn broken_streams_are_errors() {
        let text = b"Package: a\n".repeat(1000);
        for compression in [Compression::Xz, Compression::Zstd, Compression::Gzip] {
            let packed = packed(compression, &text);
            assert!(decode(compression, &packed[..packed.len() - 5], 0, 1 << 20).is_err(), "{compression:?}");
            assert!(decode(compression, b"Package: a\n", 0, 1 << 20).is_err(), "{compression:?}");
        }
    }
}
