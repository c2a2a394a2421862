//! Compressing a stream on all cores, with a result that does not depend on how many there are.
//!
//! The stream is cut into pieces of a fixed size. gzip: each piece is a run of deflate blocks that ends at a byte,
//! the file is one member (RFC 1952). Zstandard: each piece is a frame (RFC 8878, section 2), xz: a block of the
//! one stream, by liblzma's own threads. Levels are those of the formats' own programs.

use std::io::{self, Write};

use flate2::{Compress, Compression, FlushCompress, Status};
use liblzma::stream::{Check, MtStreamBuilder};

use crate::ordered::{Submit, ordered, workers};
use crate::plan::TarCompression;

/// Piece for gzip and for no compression: many times deflate's window of 32 KiB.
const SMALL_PIECE: usize = 1 << 20;

/// Piece for Zstandard: twice its window at this level.
const ZSTD_PIECE: usize = 4 << 20;

const ZSTD_LEVEL: i32 = 3;
const XZ_LEVEL: u32 = 6;

/// Block for xz: what the xz program takes at this level, three times its dictionary.
const XZ_BLOCK: u64 = 24 << 20;

/// Header of a gzip member: deflate, no name, no time, made on Unix.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// An empty last block of deflate, which ends what the pieces began.
const DEFLATE_END: [u8; 2] = [3, 0];

/// Writes what `produce` writes to `out`, compressed.
pub(super) fn write<E: From<io::Error> + Send>(
    compression: TarCompression,
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
) -> Result<(), E> {
    match compression {
        TarCompression::None => {
            let produce = |submit: Submit<'_, Vec<u8>>| pieces(SMALL_PIECE, submit, produce);
            ordered(produce, || (), |(), piece| piece, |piece| Ok(out.write_all(&piece)?))
        }
        TarCompression::Gzip => gzip(out, produce),
        TarCompression::Zstd => zstd(out, produce),
        TarCompression::Xz => xz(out, produce),
    }
}

fn gzip<E: From<io::Error> + Send>(
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
) -> Result<(), E> {
    out.write_all(&GZIP_HEADER)?;
    let mut checksum = crc32fast::Hasher::new();
    let mut length = 0_u32;
    let work = |deflate: &mut Compress, piece: Vec<u8>| {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&piece);
        deflate_piece(deflate, &piece).map(|packed| (packed, checksum, piece.len()))
    };
    ordered(
        |submit| pieces(SMALL_PIECE, submit, produce),
        || Compress::new(Compression::default(), false),
        work,
        |packed| {
            let (packed, of_piece, piece_length) = packed?;
            checksum.combine(&of_piece);
            // The field holds the length modulo 2^32.
            length = length.wrapping_add(piece_length as u32);
            Ok::<_, E>(out.write_all(&packed)?)
        },
    )?;
    out.write_all(&DEFLATE_END)?;
    out.write_all(&checksum.finalize().to_le_bytes())?;
    Ok(out.write_all(&length.to_le_bytes())?)
}

/// Compresses a piece to blocks none of which is the last, up to a byte's end.
fn deflate_piece(deflate: &mut Compress, piece: &[u8]) -> io::Result<Vec<u8>> {
    deflate.reset();
    let mut packed = Vec::with_capacity(piece.len() / 2 + 1024);
    loop {
        let done = usize::try_from(deflate.total_in()).map_err(io::Error::other)?;
        let status = deflate.compress_vec(&piece[done..], &mut packed, FlushCompress::Sync)?;
        // Room that is left over shows that the flush is complete.
        let complete = deflate.total_in() == piece.len() as u64 && packed.len() < packed.capacity();
        if complete || status == Status::StreamEnd {
            return Ok(packed);
        }
        packed.reserve(piece.len() / 4 + 1024);
    }
}

fn zstd<E: From<io::Error> + Send>(
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
) -> Result<(), E> {
    let compressor = || {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        compressor.include_checksum(true)?;
        Ok::<_, io::Error>(compressor)
    };
    let work = |compressor: &mut io::Result<zstd::bulk::Compressor<'static>>, piece: Vec<u8>| {
        let compressor =
            compressor.as_mut().map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
        compressor.compress(&piece)
    };
    ordered(
        |submit| pieces(ZSTD_PIECE, submit, produce),
        compressor,
        work,
        |packed: io::Result<Vec<u8>>| Ok(out.write_all(&packed?)?),
    )
}

fn xz<E: From<io::Error> + Send>(
    out: &mut dyn Write,
    produce: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send,
) -> Result<(), E> {
    let threads = u32::try_from(workers()).unwrap_or(1);
    let stream = MtStreamBuilder::new()
        .threads(threads)
        .block_size(XZ_BLOCK)
        .preset(XZ_LEVEL)
        .check(Check::Crc64)
        .encoder()
        .map_err(io::Error::from)?;
    let mut encoder = liblzma::write::XzEncoder::new_stream(out, stream);
    produce(&mut encoder)?;
    encoder.finish()?;
    Ok(())
}

/// Cuts what `produce` writes into pieces of `size` bytes, the last one shorter.
fn pieces<E: From<io::Error>>(
    size: usize,
    submit: Submit<'_, Vec<u8>>,
    produce: impl FnOnce(&mut dyn Write) -> Result<(), E>,
) -> Result<(), E> {
    let mut cutter = Cutter { size, piece: Vec::with_capacity(size), whole: 0, submit };
    produce(&mut cutter)?;
    // Nothing at all is one empty piece: a file without any frame is not one of Zstandard's.
    if !cutter.piece.is_empty() || cutter.whole == 0 {
        (cutter.submit)(cutter.piece)?;
    }
    Ok(())
}

struct Cutter<'a> {
    size: usize,
    piece: Vec<u8>,
    /// Pieces that were submitted.
    whole: u64,
    submit: Submit<'a, Vec<u8>>,
}

impl Write for Cutter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.len().min(self.size - self.piece.len());
        self.piece.extend_from_slice(&bytes[..part]);
        if self.piece.len() == self.size {
            (self.submit)(std::mem::replace(&mut self.piece, Vec::with_capacity(self.size)))?;
            self.whole += 1;
        }
        Ok(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Bytes that compress somewhat, over several pieces of every kind.
    fn text() -> Vec<u8> {
        let mut state = 1_u64;
        (0..9_700_001)
            .map(|index: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(index);
                (state >> 60) as u8 * 3
            })
            .collect()
    }

    fn compressed(compression: TarCompression, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(compression, &mut out, |to| to.write_all(text)).expect("written");
        out
    }

    #[test]
    fn every_kind_reads_back() {
        for text in [Vec::new(), b"short".to_vec(), text()] {
            assert_eq!(compressed(TarCompression::None, &text), text);
            let packed = compressed(TarCompression::Gzip, &text);
            let mut read = Vec::new();
            flate2::bufread::GzDecoder::new(packed.as_slice()).read_to_end(&mut read).expect("one member");
            assert!(read == text, "gzip");
            let packed = compressed(TarCompression::Zstd, &text);
            assert!(zstd::decode_all(packed.as_slice()).expect("frames") == text, "zstd");
            let packed = compressed(TarCompression::Xz, &text);
            read.clear();
            liblzma::read::XzDecoder::new(packed.as_slice()).read_to_end(&mut read).expect("a stream");
            assert!(read == text, "xz");
            assert_eq!(packed, compressed(TarCompression::Xz, &text), "the same twice");
        }
    }

    #[test]
    fn an_error_of_the_source_comes_out() {
        for compression in
            [TarCompression::None, TarCompression::Gzip, TarCompression::Xz, TarCompression::Zstd]
        {
            let failed = write(compression, &mut io::sink(), |to| {
                to.write_all(&[1; 3 << 20])?;
                Err(io::Error::other("unreadable"))
            });
            assert_eq!(failed.expect_err("failed").to_string(), "unreadable");
        }
    }
}
