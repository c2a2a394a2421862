//! Where something is written: a file and a place in it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One text that is read: a recipe file, or an argument of the command line.
pub struct SourceFile {
    /// How it is shown in messages: the path as the user or an `include:` wrote it.
    pub name: String,
    /// Folder against which relative paths in it are resolved.
    pub folder: PathBuf,
    /// Its whole text.
    pub text: String,
}

impl SourceFile {
    /// Makes a source for messages.
    pub fn new(name: impl Into<String>, folder: impl Into<PathBuf>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), folder: folder.into(), text: text.into() })
    }

    /// Returns the line with this number, counted from 1, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        self.text.lines().nth((number as usize).checked_sub(1)?)
    }
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceFile").field(&self.name).finish()
    }
}

/// A place in a source. Lines and columns count from 1, columns in characters.
#[derive(Clone)]
pub struct Span {
    /// The text it is in.
    pub file: Arc<SourceFile>,
    /// Line.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// How many characters of the line are meant, at least 1.
    pub length: u32,
}

impl Span {
    /// Returns the place of the first character of `file`.
    pub fn start_of(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), line: 1, column: 1, length: 1 }
    }

    /// Returns the place of `bytes.start..bytes.end` of the file's text, cut at the end of its first line.
    pub fn of_bytes(file: &Arc<SourceFile>, bytes: std::ops::Range<usize>) -> Self {
        let before = file.text.get(..bytes.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let inside = file.text.get(bytes).unwrap_or_default();
        let length = inside.lines().next().map_or(0, |line| line.chars().count());
        Self {
            file: Arc::clone(file),
            line: narrow(before.matches('\n').count() + 1),
            column: narrow(before[line_start..].chars().count() + 1),
            length: narrow(length.max(1)),
        }
    }

    /// Resolves a path written here against the folder of the file.
    pub fn resolve(&self, path: &str) -> PathBuf {
        self.file.folder.join(path)
    }
}

/// Recipes are far below 4 GiB, so that the fallback is never seen.
pub(super) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.name, self.line, self.column)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value and where it is written.
#[derive(Debug, Clone)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Span,
}

impl<T> Located<T> {
    /// Applies `change` to the value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), at: self.at }
    }
}

/// Joins a path to a folder for messages and removes `.` and `x/..` where no file need be looked at.
pub(super) fn join_shown(folder: &Path, path: &str) -> PathBuf {
    use std::path::Component;
    let mut joined = PathBuf::new();
    for component in folder.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(joined.components().next_back(), Some(Component::Normal(_))) => {
                joined.pop();
            }
            other => joined.push(other),
        }
    }
    joined
}
