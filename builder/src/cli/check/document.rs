//! Documents for clones: what a clone would report of them is told before there is one.

use std::fs;
use std::path::Path;

use contract::document::{DocumentKind, Flaw};

use crate::recipe::{Diagnostic, Diagnostics, SourceFile, Span};

/// Larger files are no documents: what clouds hand on is smaller by far.
const LIMIT_BYTES: u64 = 16 << 20;

/// Judges a file that is a document for clones; none for any other file, also one that cannot be read.
pub(super) fn judge(path: &Path) -> Option<Result<DocumentKind, Diagnostics>> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LIMIT_BYTES {
        return None;
    }
    let bytes = fs::read(path).ok()?;
    let kind = DocumentKind::of(&bytes)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let source = SourceFile::new(path.display().to_string(), folder, String::from_utf8_lossy(&bytes));
    let mut problems = Diagnostics::default();
    // Of several documents in one, and of what is compressed, a clone counts the lines of each.
    let is_one = kind != DocumentKind::UserData || bytes.starts_with(b"#cloud-config");
    for flaw in kind.judge(&bytes) {
        let flaw = if is_one { flaw } else { Flaw { line: None, column: None, ..flaw } };
        let at = locate(&flaw, &source);
        let diagnostic = Diagnostic::new(&at, flaw.message);
        // User data hold passwords and tokens, and a log of CI keeps what is shown: place and reason are enough.
        problems.push(if kind == DocumentKind::UserData { diagnostic.private() } else { diagnostic });
    }
    Some(problems.into_result(Some(kind)))
}

/// A flaw without a column is shown at the first sign of its line; one without a line at the file's beginning.
fn locate(flaw: &Flaw, source: &std::sync::Arc<SourceFile>) -> Span {
    let mut at = Span::start_of(source);
    let number = flaw.line.and_then(|line| u32::try_from(line).ok());
    if let Some((number, line)) = number.and_then(|number| Some((number, source.line(number)?))) {
        let first = line.chars().take_while(|sign| sign.is_whitespace()).count();
        let begin = flaw.column.map_or(first, |column| column.saturating_sub(1));
        let length = if flaw.column.is_some() { 1 } else { line.trim().chars().count().max(1) };
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        (at.line, at.column, at.length) = (number, narrow(begin + 1), narrow(length));
    }
    at
}
