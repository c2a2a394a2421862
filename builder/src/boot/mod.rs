//! [`Tree`](crate::rootfs::Tree) → [`BootableTree`]: kernel, initramfs, GRUB for BIOS and UEFI, and their upkeep.
//!
//! In: a configured tree and its plan. Out: the same tree with everything the firmware needs — `/boot/grub`, the
//! ESP's content below its mount point, fstab, the initramfs — and, for BIOS, the two images that the `disk` stage
//! writes outside any filesystem. Order: [`initramfs()`] may run at any time after packages are configured, also
//! beside other stages; [`install`] comes last, because it lists the kernels and reads GRUB's files.
//! Nothing here probes a device: identifiers come from the plan, so the same tree gives the same bytes.
//!
//! To add a firmware target: a sibling of `esp.rs` that places files in the tree, one line in `install`, and the
//! matching step in `refresh/refresh-boot`, which keeps it fresh inside the running machine.

mod automount;
mod boot_sector;
mod bootable;
mod config;
mod error;
mod esp;
#[cfg(test)]
mod fixture;
mod fstab;
mod growth;
mod grub_core;
mod grub_modules;
mod initramfs;
mod kernel;
mod mount_points;
mod place;
mod refresh;
pub mod volatile;

pub use boot_sector::GrubBios;
pub use bootable::{BootableTree, install};
pub use error::BootError;
pub use fstab::fstab;
pub use initramfs::{initramfs, initramfs_has_followers, initramfs_inputs, initramfs_paths, initramfs_reads};
