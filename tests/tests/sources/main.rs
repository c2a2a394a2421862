//! Where packages come from and how the tree is customised, by the real program; apt and dpkg of the built tree judge.
//!
//! Needs the network (the Debian mirror of this machine's apt), root for `chroot`, gpg, dpkg-dev and apt-utils.

mod bench;
mod customised;
mod documents;
mod local_packages;
mod mirrors;
mod own_repositories;
mod refused;
mod secrets;
