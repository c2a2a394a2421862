//! Talking to Linux: what the standard library does not say about processes, namespaces, mounts and files.
//!
//! The only crate of the workspace with `unsafe` code. It knows nothing of images, packages or recipes: everything
//! here is a fact about the kernel, given a safe shape.
#![expect(unsafe_code, reason = "system calls that have no safe wrapper elsewhere")]

pub mod account;
pub mod addresses;
pub mod beneath;
pub mod capture;
pub mod child;
pub mod descendants;
pub mod duplicate_address;
pub mod durable;
pub mod growth;
pub mod image_lock;
pub mod loop_device;
pub mod mount;
pub mod node;
pub mod quota;
pub mod range_lock;
pub mod sandbox;
pub mod seccomp;
pub mod sparse;
mod sys;
pub mod terminal;
pub mod worker;
pub mod xattr;
