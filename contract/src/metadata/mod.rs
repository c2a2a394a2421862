//! What clouds say about a machine beside its user data, each in the shape that the cloud sends.

pub mod ec2;
pub mod no_cloud;
pub mod open_stack;
