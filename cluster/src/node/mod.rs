//! What a node does by itself: its roles, and staying a node.

pub mod agent;
pub mod facts;
pub mod firewall;
pub mod roles;
