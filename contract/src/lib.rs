//! What the builder writes and `firstboot` reads. No input or output happens here, so both sides share one truth.

pub mod cloud_config;
pub mod cluster;
pub mod context;
pub mod document;
pub mod encoding;
pub mod finding;
pub mod grow;
pub mod merge;
pub mod metadata;
pub mod name;
pub mod native;
pub mod network;
pub mod quota;
pub mod report;
pub mod roles;
pub mod size;
pub mod state;
pub mod test_bundle;
pub mod units;
pub mod user_data;
pub mod yaml;
