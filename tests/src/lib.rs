//! Shared helpers of the integration tests.

pub mod aws;
pub mod cut;
pub mod draw;
pub mod image;
pub mod indexes;
pub mod mirror;
pub mod opennebula;
pub mod program;
pub mod python;
pub mod sample;
pub mod scratch;
pub mod tools_tree;
pub mod tree_compare;
pub mod witness;

pub mod archive;
pub mod guest;
