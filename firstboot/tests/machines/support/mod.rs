//! Small machines made of files, described by one text each (`tests/golden/README.md`).

pub mod case;
pub mod machine;
pub mod server;
