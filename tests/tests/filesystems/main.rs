//! XFS, btrfs, squashfs and EROFS: the filesystems themselves, then images that boot from them. Mounting needs root.

mod booted;
mod made;
