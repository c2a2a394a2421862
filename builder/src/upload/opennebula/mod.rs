//! OpenNebula, by its XML-RPC interface.
//!
//! ```text
//! ONE_AUTH, ONE_XMLRPC ─ access ─▶ rpc ─▶ one.image.allocate: "fetch it there" ─┐
//!                                     server: this one file, under a path that nobody can guess ◀─┘ the front-end
//! ```
//!
//! There is no call that carries an image: the front-end fetches it, from a path of its own or by HTTP from a server
//! that runs here as long as it takes. It asks several times and breaks off (to find size and format) before it reads
//! the whole, and it compares SHA-1, the strongest digest that it knows. An image's name is given once for each owner,
//! so of two runs at once one is refused. Attributes of the image hold the plan's hash and the upload's id.

mod access;
mod calls;
mod objects;
mod rpc;
mod server;
mod settings;
mod target;
mod template;

pub use access::Access;
pub use settings::{Settings, Source};
pub use target::OpenNebula;

/// Attribute with the plan's hash.
const PLAN: &str = "BOOTWRIGHT_PLAN";
/// Attribute with the upload's id.
const UPLOAD: &str = "BOOTWRIGHT_UPLOAD";
/// Attribute with the name that was asked for.
const NAME: &str = "BOOTWRIGHT_NAME";
