//! Writing qcow2 with plain clusters: every offset is known before the first byte goes out.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use crate::output::blocks::{self, Blocks};
use crate::output::digest;
use crate::resolve::Sha256Digest;

use super::file_layout::FileLayout;
use super::l2::Placement;
use super::{CLUSTER, ClusterMap, CompressionType, Run};

/// Bytes that are copied before they are sent on their way to the disk.
const PART: usize = 16 << 20;

/// Writes `disk`, whose map is `map`, to the empty file `to`, syncs it, and returns its length and digest.
///
/// # Errors
/// When the disk cannot be read or the file not be written.
pub fn write(disk: &dyn Blocks, map: &ClusterMap, to: &File) -> io::Result<(u64, Sha256Digest)> {
    let mut layout = FileLayout::of(map);
    let data_start = layout.data_start();
    let clusters = map.runs().iter().flat_map(|run| run.first..run.first + run.count);
    for (place, cluster) in (data_start..).zip(clusters) {
        layout.set(cluster, Placement::Plain(place * CLUSTER));
    }
    let front = layout.front((0..map.clusters()).map(|_| 1), CompressionType::Deflate);
    let size = (data_start + map.clusters()) * CLUSTER;
    to.set_len(size)?;
    std::thread::scope(|scope| {
        let hashed = scope.spawn(|| hash(disk, map, &front));
        to.write_all_at(&front, 0)?;
        copy_data(disk, map, to, data_start)?;
        to.sync_all()?;
        let sha256 = hashed.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok((size, sha256))
    })
}

/// Copies the runs one after the other; extents are shared where the filesystem can. What is copied is on its way to
/// the disk while the next part is.
fn copy_data(disk: &dyn Blocks, map: &ClusterMap, to: &File, data_start: u64) -> io::Result<()> {
    let mut target = data_start * CLUSTER;
    for run in map.runs() {
        let (from, length) = bytes_of(*run, map);
        for done in (0..length).step_by(PART) {
            let part = (length - done).min(PART as u64);
            blocks::copy(disk, from + done, to, target + done, part)?;
            host::sparse::begin_write_back(to, target + done, part);
        }
        target += run.count * CLUSTER;
    }
    Ok(())
}

/// Takes the digest of the file without reading it back.
fn hash(disk: &dyn Blocks, map: &ClusterMap, front: &[u8]) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::new();
    hasher.update(front);
    for run in map.runs() {
        let (from, length) = bytes_of(*run, map);
        blocks::pieces(disk, from, length, |_, bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        let missing = usize::try_from(run.count * CLUSTER - length).map_err(io::Error::other)?;
        hasher.update(vec![0; missing]);
    }
    Ok(digest::finish(hasher))
}

/// Returns where a run is on the disk; the last cluster may be cut short by the disk's end.
fn bytes_of(run: Run, map: &ClusterMap) -> (u64, u64) {
    let start = run.first * CLUSTER;
    (start, (run.count * CLUSTER).min(map.size() - start))
}
