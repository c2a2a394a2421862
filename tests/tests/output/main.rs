//! The output stage: disks against qemu-img and sha256sum, trees against GNU tar and mmdebstrap.

mod disk;
mod tree;
