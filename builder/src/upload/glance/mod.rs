//! OpenStack: the image service (Glance v2), with tokens of the identity service (Keystone v3).
//!
//! ```text
//! clouds.yaml, OS_* ─ cloud ─▶ Cloud ─ session ─▶ token, endpoint
//! settings + facts ─ properties, calls ─▶ PlannedCall… ─ images ─▶ Glance
//! ```
//!
//! An image is created hidden (`os_hidden`) with an id that follows from the plan, so that of two runs at once one is
//! told that it exists (409). Its property `bootwright_plan` is the plan's hash. Glance takes an image in one piece: a
//! broken upload falls back to `queued`, its data gone, and is sent again. It never checks what it got, so its own hash
//! (`os_hash_value`) is compared before anybody sees the image.

mod calls;
pub mod cloud;
mod images;
mod import;
mod properties;
mod rules;
mod session;
mod settings;

pub use cloud::Cloud;
pub use images::Glance;
pub use rules::warnings;
pub use settings::{DiskBus, Replace, Settings, Stores, Visibility};

/// Property that holds the plan's hash.
const PLAN_PROPERTY: &str = "bootwright_plan";
