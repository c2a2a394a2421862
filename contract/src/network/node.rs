//! What the readers of networks ask of a document's nodes beside what [`crate::yaml`] says of them.

use super::{Place, Problem, Problems};
use crate::yaml::{self, Entry, Node};

impl Node {
    /// Where it is written.
    pub(super) fn place(&self) -> Place {
        place(self.line, self.column)
    }

    /// The value of a key, if this is a map that has it with something in it.
    pub(super) fn given(&self, key: &str) -> Option<&Self> {
        self.get(key).filter(|node| !node.is_null())
    }
}

impl Entry {
    /// Where the key is written.
    pub(super) fn place(&self) -> Place {
        place(self.line, self.column)
    }
}

/// Parses the one document of `text`. JSON is read as the YAML that it is, so that its problems have lines as well.
pub(super) fn parse(text: &str) -> Result<Node, Problems> {
    let node = yaml::parse(text).map_err(|error| one(place(error.line, 1), error.reason))?;
    if node.is_null() {
        return Err(one(Place::default(), "the document is empty"));
    }
    Ok(node)
}

fn place(line: usize, column: usize) -> Place {
    let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Place { line: narrow(line), column: narrow(column) }
}

fn one(place: Place, message: impl Into<String>) -> Problems {
    Problems(vec![Problem::error(place, message)])
}
