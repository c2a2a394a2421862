//! Names that last over a power cut: folders that are synced after a file has gone or a symlink has come.

use std::io;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::fsync;

use crate::beneath::Root;

impl Root {
    /// Removes a file, if it is there, and returns when it would stay away after a power cut.
    ///
    /// # Errors
    ///
    /// As `unlink(2)` and `fsync(2)`.
    pub fn remove_durable(&self, path: &str) -> io::Result<()> {
        if !self.exists(path)? && !self.is_symlink(path)? {
            return Ok(());
        }
        self.remove_if_exists(path)?;
        self.sync_folder_of(path)
    }

    /// Makes the names in the folder of `path` outlast a power cut.
    ///
    /// # Errors
    ///
    /// As `open(2)` and `fsync(2)`.
    pub fn sync_folder_of(&self, path: &str) -> io::Result<()> {
        let (parent, _) = self.parent(path)?;
        // The folder was opened as a path only, which cannot be synced.
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Ok(fsync(nix::fcntl::openat(&parent, ".", flags, Mode::empty())?)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_replaced_whole_and_removed() {
        let folder = std::env::temp_dir().join(format!("host-durable-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let root = Root::open(&folder).expect("a root");
        let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
        for text in ["one", "two"] {
            root.write_durable("/a", text.as_bytes(), 0o640, Some((uid, gid))).expect("writing");
            assert_eq!(std::fs::read_to_string(folder.join("a")).expect("reading"), text);
        }
        let mode = std::fs::metadata(folder.join("a")).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        root.remove_durable("/a").expect("removing");
        root.remove_durable("/a").expect("removing what is not there");
        assert_eq!(std::fs::read_dir(&folder).expect("listing").count(), 0);
        std::fs::remove_dir_all(&folder).expect("cleaning");
    }
}
