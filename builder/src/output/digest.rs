//! Digests of large files, taken while the same bytes go to the disk.

use std::fs::File;
use std::io;

use sha2::{Digest, Sha256};

pub(super) use crate::store::hash_range as update;
use crate::store::{Sha256Digest, hash_sparse, hash_zeroes as zeroes};

use super::qcow2::{CLUSTER, ClusterMap};

pub(super) fn finish(hasher: Sha256) -> Sha256Digest {
    Sha256Digest(hasher.finalize().into())
}

/// Takes the digest of the first `length` bytes of a file while its data is written back.
pub(super) fn of_file_while_syncing(file: &File, length: u64) -> io::Result<Sha256Digest> {
    std::thread::scope(|scope| {
        let synced = scope.spawn(|| file.sync_all());
        let mut hasher = Sha256::new();
        update(&mut hasher, file, 0, length)?;
        synced.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(finish(hasher))
    })
}

/// Takes the digest of the first `length` bytes of a sparse file, its holes unread, while its data is written back.
pub(super) fn of_sparse_while_syncing(file: &File, length: u64) -> io::Result<Sha256> {
    std::thread::scope(|scope| {
        let synced = scope.spawn(|| file.sync_all());
        let hasher = hash_sparse(file, length)?;
        synced.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(hasher)
    })
}

/// Takes the digest of a whole disk, holes included, while its data is written back.
pub(super) fn of_disk_while_syncing(file: &File, size: u64, map: &ClusterMap) -> io::Result<Sha256Digest> {
    std::thread::scope(|scope| {
        let synced = scope.spawn(|| file.sync_all());
        let digest = of_disk(file, size, map);
        synced.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        digest
    })
}

fn of_disk(file: &File, size: u64, map: &ClusterMap) -> io::Result<Sha256Digest> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    for run in map.runs() {
        zeroes(&mut hasher, run.first * CLUSTER - at);
        let end = ((run.first + run.count) * CLUSTER).min(size);
        update(&mut hasher, file, run.first * CLUSTER, end - run.first * CLUSTER)?;
        at = end;
    }
    zeroes(&mut hasher, size - at);
    Ok(finish(hasher))
}
