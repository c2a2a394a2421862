//! squashfs and EROFS: formats that are made in one go and never written to. sqfstar and mkfs.erofs of the tools tree
//! read our tar stream; each writes a file of its own, whose length is the size that the partition needs.
//!
//! sqfstar gives the same bytes with any number of threads. EROFS is compressed by LZ4, which every kernel that has
//! EROFS reads; the denser LZ4HC takes minutes for files that repeat at its window's length.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::plan::{FilesystemKind, FilesystemPlan};
use crate::rootfs::tar_stream::{StreamOptions, TreeScan};

use super::layout::{MIB, Need};
use super::toolbox::{Call, Toolbox};
use super::{DiskError, Extent};

/// The descriptor as the tools see it.
const TARGET: i32 = 8;
/// Names of attributes that squashfs has a place for.
const SQUASHFS_NAMES: [&[u8]; 3] = [b"user.", b"security.", b"trusted."];

/// systemd-tmpfiles sets its access list anew at every boot, so that it may be left out.
const JOURNAL: &str = "var/log/journal";

/// A filesystem in a file of its own.
#[derive(Debug)]
pub(super) struct Packed {
    file: File,
    length: u64,
}

/// Makes the filesystem that holds `scan`, in an unnamed file in `folder`.
pub(super) fn make(
    filesystem: &FilesystemPlan,
    scan: &TreeScan,
    epoch: i64,
    folder: &Path,
    toolbox: &dyn Toolbox,
) -> Result<Packed, DiskError> {
    let failed = |source| DiskError::io(format!("making the {} filesystem", filesystem.kind.name()), source);
    let file = host::sparse::create_unnamed(folder).map_err(failed)?;
    let call = match filesystem.kind {
        FilesystemKind::Erofs => erofs(filesystem, epoch, &file),
        _ => {
            check_squashfs(scan)?;
            squashfs(scan, epoch, &file)
        }
    };
    let options = StreamOptions { epoch, inode_times: false };
    toolbox.run(call, &mut |out: &mut dyn Write| scan.write(out, options))?;
    let length = file.metadata().map_err(failed)?.len();
    Ok(Packed { file, length })
}

impl Packed {
    /// Tells the need of a partition for it.
    pub(super) fn need(&self) -> Need {
        Need { least: self.length, auto: Some(self.length.next_multiple_of(MIB)) }
    }

    /// Copies it into its partition.
    pub(super) fn write(&self, disk: &File, extent: Extent) -> Result<(), DiskError> {
        let copied = host::sparse::copy_range(&self.file, 0, disk, extent.start, self.length);
        copied.map_err(|source| DiskError::io("copying a filesystem to the disk", source))
    }
}

/// squashfs drops what it has no place for, without an error.
fn check_squashfs(scan: &TreeScan) -> Result<(), DiskError> {
    for entry in scan.entries() {
        let known = |name: &[u8]| SQUASHFS_NAMES.iter().any(|space| name.starts_with(space));
        let root = entry.path.as_os_str().is_empty();
        if entry.path.starts_with(JOURNAL) {
            continue;
        }
        if let Some((name, _)) = entry.xattrs.iter().find(|(name, _)| root || !known(name)) {
            let what = format!("'/{}' in a squashfs filesystem", entry.path.display());
            let name = String::from_utf8_lossy(name);
            let why = format!(
                "it has the attribute '{name}', for which there is no place; write `filesystem: erofs`"
            );
            return Err(DiskError::unfit(what, why));
        }
    }
    Ok(())
}

fn squashfs<'a>(scan: &TreeScan, epoch: i64, file: &'a File) -> Call<'a> {
    let root = scan.entries().first();
    let (mode, uid, gid) = root.map_or((0o755, 0, 0), |root| (root.mode, root.uid, root.gid));
    let mtime = root.map_or(epoch, |root| root.mtime.min(epoch));
    let words = ["-force", "-no-progress", "-quiet", "-exit-on-error"];
    let mut args: Vec<String> = words.map(str::to_owned).to_vec();
    // The root is not taken from the stream.
    let options = [
        ("-comp", "zstd".to_owned()),
        ("-Xcompression-level", "15".to_owned()),
        ("-root-mode", format!("{mode:o}")),
        ("-root-uid", uid.to_string()),
        ("-root-gid", gid.to_string()),
        ("-root-time", mtime.to_string()),
    ];
    args.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    args.push(target());
    // From this variable it takes its own time.
    let env = vec![("SOURCE_DATE_EPOCH", epoch.to_string())];
    Call { program: "/usr/bin/sqfstar", args, env, inherit: vec![(file, TARGET)] }
}

fn erofs<'a>(filesystem: &FilesystemPlan, epoch: i64, file: &'a File) -> Call<'a> {
    let words = ["--quiet", "-zlz4", "--mkfs-time", "--preserve-mtime", "--tar=f"];
    let mut args: Vec<String> = words.map(str::to_owned).to_vec();
    args.extend([format!("-T{epoch}"), format!("-U{}", filesystem.uuid)]);
    if !filesystem.label.is_empty() {
        args.extend(["-L".to_owned(), filesystem.label.clone()]);
    }
    // Without a source it reads the archive from its standard input.
    args.push(target());
    // It keeps content in unnamed files for a while; the tools tree has no `/tmp`.
    let env = vec![("SOURCE_DATE_EPOCH", epoch.to_string()), ("TMPDIR", ".".to_owned())];
    Call { program: "/usr/bin/mkfs.erofs", args, env, inherit: vec![(file, TARGET)] }
}

fn target() -> String {
    format!("/proc/self/fd/{TARGET}")
}
