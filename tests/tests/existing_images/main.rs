//! Existing images: `inspect` against outside witnesses, `diff` of builds with one known change, `shell` and what it
//! leaves, and images that are not what they should be.

mod diff;
mod hostile;
mod inspect;
mod shell;
mod support;
