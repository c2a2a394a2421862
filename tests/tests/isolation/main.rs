//! The worker and the sandbox from outside: what programs see, what they leave, and what a kill leaves.
//!
//! Run as root, everything is tried in root's namespaces, in a user namespace of root's, and as a fresh ordinary user
//! with subordinate ids, who is gone afterwards. Run as an ordinary user, that user's own namespace is all there is.

mod ended;
mod level;
mod refused;
mod seen;
mod traces;
