//! Scripts of packages whose loops are a good part of the time in which a tree is configured.
//!
//! While dpkg runs, copies with a few functions put before them are bound over them, so that the tree keeps the originals:
//! forks that only cut a text or look one up are answered in the shell. A script that does not look as expected runs as
//! it is. What comes out is the same; the trees compared with mmdebstrap's hold that.

use std::fs;
use std::path::Path;

use crate::sandbox::BASENAME;

/// A script, the functions, and lines that show that they fit it.
struct Familiar {
    path: &'static str,
    functions: [&'static str; 2],
    marks: &'static [&'static str],
}

const FAMILIAR: [Familiar; 3] = [
    Familiar {
        path: "/usr/sbin/update-ca-certificates",
        functions: [BASENAME, include_str!("familiar/update-ca-certificates.sh")],
        marks: &[
            "ADDED=\"$(mktemp ",
            "$(basename \"$CERT\" .crt | sed -e 's/ /_/g' \\",
            "[ \"$(readlink \"$PEM\")\" != \"$CERT\" ]",
            "sed -e '$a\\' \"$CERT\" >> \"$TEMPBUNDLE\"",
            "chmod 0644 \"$TEMPBUNDLE\"",
        ],
    },
    Familiar {
        path: "/var/lib/dpkg/info/ca-certificates.config",
        functions: ["", include_str!("familiar/ca-certificates.config.sh")],
        marks: &["| grep -F -q -x \"$crt\""],
    },
    Familiar {
        path: "/usr/bin/dpkg-maintscript-helper",
        functions: [BASENAME, include_str!("familiar/dpkg-maintscript-helper.sh")],
        marks: &["PROGNAME=$(basename \"$0\")", "$(dpkg --validate-version -- \"$VERSION\" 2>&1)"],
    },
];

/// Returns the scripts of the tree at `root` that are to be bound over its own: path inside, and text.
pub fn scripts(root: &Path) -> Vec<(&'static str, String)> {
    let script = |familiar: &Familiar| {
        let text = fs::read_to_string(root.join(familiar.path.trim_start_matches('/'))).ok()?;
        Some((familiar.path, with_functions(&text, familiar)?))
    };
    FAMILIAR.iter().filter_map(script).collect()
}

/// Puts the functions behind the first line of a shell script; none where it does not look as expected.
fn with_functions(text: &str, familiar: &Familiar) -> Option<String> {
    let (first, rest) = text.split_once('\n')?;
    let fits = first.starts_with("#!/bin/sh") && familiar.marks.iter().all(|mark| rest.contains(mark));
    fits.then(|| format!("{first}\n{}{rest}", familiar.functions.concat()))
}

#[cfg(test)]
mod tests;
