//! A folder of the host as a disk labelled `CIDATA`, as cloud images look for their seed.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use fatfs::{Dir, FileSystem, FormatVolumeOptions, FsOptions, format_volume};

use super::MachineError;

/// cloud-init and firstboot take the label in any case; FAT has upper case only.
const LABEL: [u8; 11] = *b"CIDATA     ";

/// Room for tables and half-used clusters beside the content.
const MARGIN_BYTES: u64 = 4 << 20;

/// A seed is a few small files; what is longer is most likely the wrong folder.
const MAXIMUM_BYTES: u64 = 512 << 20;

/// Folders below the seed folder; deeper means a loop of links.
const MAXIMUM_DEPTH: usize = 16;

/// Returns a FAT volume that holds what is in `folder`, links followed.
///
/// # Errors
///
/// When the folder cannot be read, or holds what FAT cannot.
pub fn build(folder: &Path) -> Result<Vec<u8>, MachineError> {
    let wrong = |path: &Path, reason: String| MachineError::Input {
        what: format!("making a seed disk of '{}'", path.display()),
        reason,
    };
    let size = measure(folder, 0).map_err(|error| wrong(folder, error.to_string()))?;
    if size > MAXIMUM_BYTES {
        return Err(wrong(
            folder,
            format!("it holds {} MiB; at most {} are taken", size >> 20, MAXIMUM_BYTES >> 20),
        ));
    }
    let bytes = (size + size / 4 + MARGIN_BYTES).next_multiple_of(512);
    let length = usize::try_from(bytes).map_err(|error| wrong(folder, error.to_string()))?;
    let mut disk = Cursor::new(vec![0; length]);
    let options = FormatVolumeOptions::new().volume_label(LABEL).volume_id(0x0001_cdda);
    format_volume(&mut disk, options).map_err(|error| wrong(folder, error.to_string()))?;
    {
        let volume =
            FileSystem::new(&mut disk, FsOptions::new()).map_err(|error| wrong(folder, error.to_string()))?;
        copy(folder, &volume.root_dir()).map_err(|(path, reason)| wrong(Path::new(&path), reason))?;
        volume.unmount().map_err(|error| wrong(folder, error.to_string()))?;
    }
    Ok(disk.into_inner())
}

/// Sums up what the files need, each entry counted with a cluster of its own.
fn measure(folder: &Path, depth: usize) -> std::io::Result<u64> {
    if depth > MAXIMUM_DEPTH {
        return Err(std::io::Error::other(format!(
            "folders are nested deeper than {MAXIMUM_DEPTH}: a loop of links?"
        )));
    }
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::metadata(&path)?;
        total += 4096 + if metadata.is_dir() { measure(&path, depth + 1)? } else { metadata.len() };
    }
    Ok(total)
}

/// Copies in the order of names, so that the same folder gives the same bytes.
fn copy(folder: &Path, target: &Dir<'_, &mut Cursor<Vec<u8>>>) -> Result<(), (String, String)> {
    let at = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| (path.clone(), error.to_string())
    };
    let mut paths = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>())
        .map_err(at(folder))?;
    paths.sort();
    for path in paths {
        let failed = at(&path);
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| failed(std::io::Error::other("the name is not UTF-8")))?;
        let metadata = fs::metadata(&path).map_err(&failed)?;
        if metadata.is_dir() {
            copy(&path, &target.create_dir(name).map_err(&failed)?)?;
        } else if metadata.is_file() {
            let bytes = fs::read(&path).map_err(&failed)?;
            target.create_file(name).and_then(|mut file| file.write_all(&bytes)).map_err(&failed)?;
        } else {
            return Err(failed(std::io::Error::other("neither a file nor a folder")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_folder_becomes_a_labelled_volume() {
        let folder = std::env::temp_dir().join(format!("bootwright-seed-{}", std::process::id()));
        fs::create_dir_all(folder.join("openstack/latest")).expect("folders");
        fs::write(folder.join("user-data"), "#cloud-config\n").expect("a file");
        fs::write(folder.join("openstack/latest/meta_data.json"), vec![b'x'; 3 << 20]).expect("a file");
        let bytes = build(&folder).expect("a seed disk");
        assert_eq!(bytes, build(&folder).expect("again"), "the same folder gives the same bytes");
        let mut disk = Cursor::new(bytes);
        let volume = FileSystem::new(&mut disk, FsOptions::new()).expect("a FAT volume");
        assert_eq!(
            volume.read_volume_label_from_root_dir().expect("a root folder").as_deref(),
            Some("CIDATA")
        );
        assert_eq!(volume.volume_label(), "CIDATA");
        let mut text = String::new();
        volume.root_dir().open_file("user-data").expect("there").read_to_string(&mut text).expect("readable");
        assert_eq!(text, "#cloud-config\n");
        let mut long = Vec::new();
        let file = volume.root_dir().open_file("openstack/latest/meta_data.json");
        file.expect("there").read_to_end(&mut long).expect("readable");
        assert_eq!(long.len(), 3 << 20);
        fs::remove_dir_all(&folder).expect("cleaning up");
    }

    #[test]
    fn what_cannot_be_a_seed_is_named() {
        let missing = build(Path::new("/nonexistent/seed")).expect_err("no folder").to_string();
        assert!(missing.contains("/nonexistent/seed") && missing.contains("No such file"), "{missing}");
        let folder = std::env::temp_dir().join(format!("bootwright-seed-loop-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(".", folder.join("loop")).expect("a link");
        let looped = build(&folder).expect_err("a loop").to_string();
        assert!(looped.contains("loop of links"), "{looped}");
        fs::remove_dir_all(&folder).expect("cleaning up");
    }
}
