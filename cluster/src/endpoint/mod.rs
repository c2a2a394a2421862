//! The certificate of the cluster's endpoint: what roles show to the world, in place of the node's own.
//!
//! `chain` judges what somebody imports; `store` keeps it, makes one where nobody imported any, and brings the one before
//! back when a role cannot use the new one.

pub mod chain;
pub mod store;
