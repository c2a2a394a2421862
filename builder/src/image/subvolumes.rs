//! btrfs whose root is a subvolume: what its own table of mounts says of its subvolumes.

use std::fs;
use std::io;
use std::path::Path;

/// A subvolume and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subvolume {
    /// Its path from the top of the filesystem.
    pub(super) name: String,
    /// Absolute path in the running machine.
    pub(super) mount: String,
}

/// Returns the name of the folder or subvolume of `top` that holds a system; none where `top` itself does, or nothing.
pub(super) fn root_below(top: &Path) -> io::Result<Option<String>> {
    let is_root = |path: &Path| ["etc", "usr"].iter().all(|name| path.join(name).is_dir());
    if is_root(top) {
        return Ok(None);
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(top)? {
        let entry = entry?;
        // A link could lead out of the image.
        if entry.file_type()?.is_dir() && is_root(&entry.path()) {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names.into_iter().next())
}

/// Returns the subvolumes that the lines of an fstab(5) mount of the btrfs filesystem `uuid`, outer mount points first.
pub(super) fn of_fstab(fstab: &str, uuid: &str) -> Vec<Subvolume> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut found: Vec<Subvolume> = lines.filter_map(|line| of_line(line, uuid)).collect();
    found.sort_by_key(|one| one.mount.trim_end_matches('/').len());
    found
}

fn of_line(line: &str, uuid: &str) -> Option<Subvolume> {
    let mut fields = line.split_whitespace();
    let (source, mount, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let named = source.strip_prefix("UUID=")?.trim_matches('"');
    let name = options.split(',').find_map(|option| option.strip_prefix("subvol="))?.trim_start_matches('/');
    let plain = mount.starts_with('/') && !mount.split('/').any(|part| part == "..");
    let fits = kind == "btrfs" && named.eq_ignore_ascii_case(uuid) && plain && !name.is_empty();
    fits.then(|| Subvolume { name: name.to_owned(), mount: format!("/{}", mount.trim_matches('/')) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_same_filesystem_with_a_subvolume_count() {
        let fstab = "# comment\n\
            UUID=AB-1 /home btrfs noatime,subvol=@home 0 0\n\
            UUID=ab-1 / btrfs subvol=/@,noatime 0 1\n\
            UUID=ab-1 /srv/../etc btrfs subvol=@odd 0 0\n\
            UUID=other /data btrfs subvol=@data 0 0\n\
            UUID=ab-1 /boot ext4 defaults 0 0\n";
        let one = |name: &str, mount: &str| Subvolume { name: name.into(), mount: mount.into() };
        assert_eq!(of_fstab(fstab, "ab-1"), [one("@", "/"), one("@home", "/home")]);
    }
}
