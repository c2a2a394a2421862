//! One cluster compressed, by either of the format's two methods.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::output::qcow2::{CLUSTER, CompressionType};

/// log2 of deflate's window: what qemu compresses with, and so what readers must expect ("window size 12" in its
/// `block/qcow2-threads.c`).
const WINDOW_BITS: u8 = 12;

/// Level of deflate. With so small a window the highest costs little more than the default.
const DEFLATE_LEVEL: u32 = 9;

/// Level of Zstandard: its default, which is qemu's.
const ZSTD_LEVEL: i32 = 3;

/// A compressor that is used again and again by one thread.
pub(super) enum Codec {
    Deflate(Box<Compress>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Codec {
    pub(super) fn new(kind: CompressionType) -> io::Result<Self> {
        Ok(match kind {
            CompressionType::Deflate => Self::Deflate(Box::new(Compress::new_with_window_bits(
                Compression::new(DEFLATE_LEVEL),
                false,
                WINDOW_BITS,
            ))),
            CompressionType::Zstd => Self::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
        })
    }

    /// Compresses a cluster; nothing if that does not make it smaller.
    pub(super) fn compress(&mut self, cluster: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut packed = vec![0; CLUSTER as usize - 1];
        let length = match self {
            Self::Deflate(deflate) => {
                deflate.reset();
                match deflate.compress(cluster, &mut packed, FlushCompress::Finish)? {
                    Status::StreamEnd => usize::try_from(deflate.total_out()).map_err(io::Error::other)?,
                    Status::Ok | Status::BufError => return Ok(None),
                }
            }
            Self::Zstd(zstd) => {
                // Room for the worst case, so that an error is one.
                packed.resize(zstd::zstd_safe::compress_bound(cluster.len()), 0);
                zstd.compress_to_buffer(cluster, &mut packed)?
            }
        };
        packed.truncate(length);
        Ok((length < CLUSTER as usize).then_some(packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_stays_as_it_is_and_text_shrinks() {
        let mut state = 1_u64;
        let noise: Vec<u8> = (0..CLUSTER)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        let text: Vec<u8> = noise.iter().map(|byte| byte & 3).collect();
        for kind in [CompressionType::Deflate, CompressionType::Zstd] {
            let mut codec = Codec::new(kind).expect("a compressor");
            assert_eq!(codec.compress(&noise).expect("tried"), None);
            let packed = codec.compress(&text).expect("tried").expect("smaller");
            assert!(packed.len() < text.len() / 3, "{}", packed.len());
            assert_eq!(codec.compress(&text).expect("tried").as_ref(), Some(&packed), "the same twice");
        }
    }
}
