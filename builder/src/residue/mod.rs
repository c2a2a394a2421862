//! Looks through a finished tree for what must not be in an image: private keys, tokens, somebody's shell history, an identity.
//!
//! An image is copied to many machines and many hands. What was meant for one of them, a host key or a password of the machine that
//! built it, is found here and fails the build, unless the recipe says under `residue` why it is there. Files of packages below
//! `/usr` and `/boot` are as their signed archives have them and are not read; `/usr/local`, and all else, is.
//!
//! To add a kind: a row in `rules`.

mod rules;

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::plan::Residue;

/// How much of each file is looked at; keys and tokens stand in small files, or at their beginning.
const READ_BYTES: u64 = 1 << 20;

/// Folders that hold nothing but what packages ship, or dpkg's own account of it.
const NOT_READ: [&str; 5] = ["usr", "boot", "var/lib/dpkg", "var/lib/apt/lists", "var/cache"];
/// Folders below those that are read all the same.
const READ: [&str; 1] = ["usr/local"];

/// Something that must not be in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The path in the image.
    pub path: String,
    /// What it is.
    pub what: &'static str,
}

/// The tree cannot become an image.
#[derive(Debug, thiserror::Error)]
pub enum ResidueError {
    /// It holds what must not be copied.
    #[error(
        "the image would hold what must not be in it:{}\n  hint: remove it by a step of `run`, or say in the recipe why it is there: \
         `residue: [{{ path: {}, reason: … }}]`",
        list(findings),
        findings.first().map_or("", |finding| finding.path.as_str())
    )]
    Found {
        /// All of it.
        findings: Vec<Finding>,
    },
    /// Part of the tree could not be read.
    #[error("looking through '{}' of the tree: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("\n    {}: {}", finding.path, finding.what)).collect()
}

/// Looks through the tree at `root`; what `allowed` names, and all below it, may be there.
///
/// # Errors
/// When there is something else, all of which the error names, and when the tree cannot be read.
pub fn check(root: &Path, allowed: &[Residue]) -> Result<(), ResidueError> {
    let mut findings = Vec::new();
    look_through(root, Path::new(""), &mut findings)?;
    let is_allowed =
        |finding: &Finding| allowed.iter().any(|one| Path::new(&finding.path).starts_with(&one.path));
    findings.retain(|finding| !is_allowed(finding));
    findings.sort_by(|one, other| one.path.cmp(&other.path));
    if findings.is_empty() { Ok(()) } else { Err(ResidueError::Found { findings }) }
}

fn look_through(root: &Path, inside: &Path, findings: &mut Vec<Finding>) -> Result<(), ResidueError> {
    let failed = |path: &Path| {
        let path = Path::new("/").join(path);
        move |source| ResidueError::Io { path, source }
    };
    for entry in fs::read_dir(root.join(inside)).map_err(failed(inside))? {
        let entry = entry.map_err(failed(inside))?;
        let path = inside.join(entry.file_name());
        let kind = entry.file_type().map_err(failed(&path))?;
        if kind.is_dir() {
            if !is_left_out(&path) {
                look_through(root, &path, findings)?;
            }
        } else if kind.is_file() && !is_left_out(&path) {
            let content = head(&entry.path()).map_err(failed(&path))?;
            if let Some(what) = rules::judge(path.as_os_str().as_bytes(), &content) {
                findings.push(Finding { path: format!("/{}", path.display()), what });
            }
        }
    }
    Ok(())
}

/// Tells whether nothing at or below a path is looked at.
fn is_left_out(path: &Path) -> bool {
    let leads_to_one = READ.iter().any(|read| path.starts_with(read) || Path::new(read).starts_with(path));
    NOT_READ.iter().any(|folder| path.starts_with(folder)) && !leads_to_one
}

/// The beginning of a regular file.
fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::open(path)?.take(READ_BYTES).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let tree =
                Self(std::env::temp_dir().join(format!("bootwright-residue-{name}-{}", std::process::id())));
            for (path, content) in files {
                let path = tree.0.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            tree
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const KEY: &str = "x\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n";

    #[test]
    fn all_is_found_and_what_the_recipe_allows_is_not() {
        let tree = Tree::new(
            "found",
            &[
                ("root/.ssh/id_ed25519", KEY),
                (
                    "srv/deep/er/key.pem",
                    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7secretbytes0123456789\n",
                ),
                ("usr/local/etc/key", KEY),
                ("usr/share/doc/key", KEY),
                ("etc/motd", "hello\n"),
            ],
        );
        let Err(ResidueError::Found { findings }) = check(&tree.0, &[]) else { panic!("nothing found") };
        let paths: Vec<&str> = findings.iter().map(|finding| finding.path.as_str()).collect();
        assert_eq!(paths, ["/root/.ssh/id_ed25519", "/srv/deep/er/key.pem", "/usr/local/etc/key"]);
        let allow = |path: &str| Residue { path: path.into(), reason: "a test".into() };
        let Err(ResidueError::Found { findings }) =
            check(&tree.0, &[allow("/srv/deep"), allow("/usr/local/etc/key")])
        else {
            panic!("nothing found")
        };
        assert_eq!(findings.len(), 1);
        check(&tree.0, &[allow("/srv"), allow("/usr/local"), allow("/root")]).unwrap();
    }

    #[test]
    fn an_ordinary_tree_has_nothing() {
        let tree = Tree::new(
            "clean",
            &[
                ("etc/machine-id", "uninitialized\n"),
                ("etc/ssh/ssh_host_key.pub", "ssh-ed25519 AAAA"),
                ("root/.bashrc", "#"),
            ],
        );
        check(&tree.0, &[]).unwrap();
    }
}
