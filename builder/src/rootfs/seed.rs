//! Puts `firstboot` into the tree: with its units and document when the recipe has `firstboot`, with what lets it run a
//! bundle of tests when it has those.
//!
//! This comes before presets are written: they keep the unit enabled over the first boot.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use contract::native::FOLDER;
use contract::test_bundle::{MARKER_PATH, PROGRAM_PATH, UNIT_LINK, UNIT_PATH, UNIT_TEXT};
use contract::units;
use host::beneath::Root;

/// What the marker says to whoever finds it.
const MARKER_TEXT: &str = "The recipe of this image has tests: firstboot runs those that a host attaches.\n";

/// Name of the recipe's document; one of the image's owner that sorts later is stronger.
const DOCUMENT_NAME: &str = "10-recipe.yaml";

/// Name of the program beside ours.
const PROGRAM_NAME: &str = "firstboot";

/// Where the program is below the parent of our own folder when a package installed both: `/usr/bin` and `/usr/lib`.
const INSTALLED_PATH: &str = "lib/bootwright/firstboot";

/// Returns the `firstboot` program: the one given, else the one beside this program, else the one that a package
/// installed.
///
/// # Errors
///
/// When there is none.
pub fn find_firstboot(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = given {
        if !path.is_file() {
            bail!("--firstboot '{}' is not a file", path.display());
        }
        return Ok(path.to_owned());
    }
    let ours = std::env::current_exe().context("finding this program's own folder")?;
    let candidates = candidates(&ours);
    if let Some(found) = candidates.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let looked_at: Vec<String> = candidates.iter().map(|path| format!("'{}'", path.display())).collect();
    bail!(
        "the program firstboot, which the image is to hold, is neither at {}; install it with \
         `cargo install --path firstboot`, or name one with --firstboot",
        looked_at.join(" nor at ")
    );
}

/// Returns where the program may be, when ours is at `ours`.
fn candidates(ours: &Path) -> Vec<PathBuf> {
    let installed = ours.parent().and_then(Path::parent).map(|prefix| prefix.join(INSTALLED_PATH));
    [Some(ours.with_file_name(PROGRAM_NAME)), installed].into_iter().flatten().collect()
}

/// What `firstboot` shall do in the image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Duties<'a> {
    /// Run bundles of tests.
    pub tests: bool,
    /// Configure each clone, by this document beside others.
    pub document: Option<&'a str>,
}

/// Writes the program into the tree at `root`, and what it needs for its duties.
///
/// # Errors
///
/// Names what could not be read or written; a program that is linked dynamically is refused.
pub fn install(root: &Path, firstboot: &Path, duties: Duties<'_>) -> Result<()> {
    let tree = &Root::open(root).with_context(|| format!("opening the tree '{}'", root.display()))?;
    let program = std::fs::read(firstboot).with_context(|| format!("reading '{}'", firstboot.display()))?;
    if !is_static_program(&program) {
        bail!(
            "'{}' is not a statically linked x86-64 program, so it might not run in the image",
            firstboot.display()
        );
    }
    write(tree, PROGRAM_PATH, &program, 0o755)?;
    if duties.tests {
        write(tree, MARKER_PATH, MARKER_TEXT.as_bytes(), 0o644)?;
        enable(tree, UNIT_PATH, UNIT_TEXT, UNIT_LINK)?;
    }
    if let Some(document) = duties.document {
        for unit in units::ALL {
            enable(tree, unit.path, unit.text, unit.link)?;
        }
        // It may hold hashes of passwords.
        write(tree, &format!("{FOLDER}/{DOCUMENT_NAME}"), document.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Writes a unit and the link that starts it.
fn enable(tree: &Root, path: &str, text: &str, link: &str) -> Result<()> {
    write(tree, path, text.as_bytes(), 0o644)?;
    create_parents(tree, link)?;
    tree.replace_with_symlink(link, path, 0, 0).with_context(|| format!("linking '{link}'"))
}

fn write(tree: &Root, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
    create_parents(tree, path)?;
    tree.write_file(path, bytes, mode, 0, 0).with_context(|| format!("writing '{path}' of the tree"))
}

fn create_parents(tree: &Root, path: &str) -> Result<()> {
    let folders: Vec<&Path> =
        Path::new(path).ancestors().skip(1).filter(|folder| *folder != Path::new("/")).collect();
    for folder in folders.into_iter().rev() {
        let folder = folder.to_str().context("paths of the contract are UTF-8")?;
        tree.create_folder(folder, 0o755, 0, 0)
            .with_context(|| format!("making folder '{folder}' of the tree"))?;
    }
    Ok(())
}

/// Tells whether this is an x86-64 ELF program without an interpreter.
pub fn is_static_program(bytes: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    const X86_64: u64 = 62;
    let number = |at: usize, length: usize| {
        let field = bytes.get(at..at.checked_add(length)?)?;
        Some(field.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    let has_interpreter = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        for index in 0..count {
            let at = table.checked_add(index * size)?;
            if number(usize::try_from(at).ok()?, 4)? == PT_INTERP {
                return Some(true);
            }
        }
        Some(false)
    };
    bytes.starts_with(b"\x7fELF\x02\x01") && number(18, 2) == Some(X86_64) && has_interpreter() == Some(false)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// An ELF header with one program header of this type.
    fn program(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (bytes[18], bytes[32], bytes[54], bytes[56], bytes[64]) = (62, 64, 56, 1, kind);
        bytes
    }

    #[test]
    fn a_program_with_an_interpreter_is_refused() {
        assert!(is_static_program(&program(1)));
        assert!(!is_static_program(&program(3)));
        assert!(!is_static_program(&program(1)[..64]), "cut short");
        assert!(!is_static_program(b"#!/bin/sh\n"));
        let ours = fs::read("/proc/self/exe").expect("this test program");
        assert!(!is_static_program(&ours), "tests are linked dynamically");
    }

    #[test]
    fn tests_are_enabled_only_when_asked_for() {
        let folder = std::env::temp_dir().join(format!("bootwright-seed-tree-{}", std::process::id()));
        fs::create_dir_all(folder.join("tree/usr/sbin")).expect("a tree");
        let firstboot = folder.join("firstboot");
        fs::write(&firstboot, program(1)).expect("a program");
        let root = folder.join("tree");
        let tests = Duties { tests: true, ..Duties::default() };
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        install(&root, &firstboot, Duties::default()).expect("installing the program");
        let mode = fs::metadata(inside(PROGRAM_PATH)).expect("the program").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert!(!inside("/etc").exists(), "nothing but the program");
        install(&root, &firstboot, tests).expect("enabling tests");
        assert_eq!(fs::read_link(inside(UNIT_LINK)).expect("the link"), Path::new(UNIT_PATH));
        assert_eq!(fs::read_to_string(inside(UNIT_PATH)).expect("the unit"), UNIT_TEXT);
        let mode = fs::metadata(inside(MARKER_PATH)).expect("the marker").permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
        install(&root, &firstboot, tests).expect("a second time changes nothing");
        fs::write(&firstboot, program(3)).expect("another program");
        let error = install(&root, &firstboot, Duties::default()).expect_err("a dynamic one").to_string();
        assert!(error.contains("statically"), "{error}");
        fs::remove_dir_all(&folder).expect("cleaning up");
    }

    #[test]
    fn clones_are_configured_by_the_recipes_document() {
        let folder = std::env::temp_dir().join(format!("bootwright-seed-units-{}", std::process::id()));
        let root = folder.join("tree");
        fs::create_dir_all(&root).expect("a tree");
        fs::write(folder.join("firstboot"), program(1)).expect("a program");
        let duties = Duties { document: Some("{}\n"), ..Duties::default() };
        install(&root, &folder.join("firstboot"), duties).expect("installed");
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        for unit in units::ALL {
            assert_eq!(fs::read_to_string(inside(unit.path)).expect("a unit"), unit.text);
            assert_eq!(fs::read_link(inside(unit.link)).expect("a link"), Path::new(unit.path));
        }
        let document = inside(FOLDER).join(DOCUMENT_NAME);
        assert_eq!(fs::read_to_string(&document).expect("a document"), "{}\n");
        assert_eq!(fs::metadata(document).expect("it").permissions().mode() & 0o7777, 0o600);
        assert!(!inside(MARKER_PATH).exists(), "no tests");
        fs::remove_dir_all(&folder).expect("cleaning up");
    }

    #[test]
    fn it_is_looked_for_beside_us_and_where_packages_put_it() {
        let paths = candidates(Path::new("/usr/bin/bootwright"));
        assert_eq!(paths, [Path::new("/usr/bin/firstboot"), Path::new("/usr/lib/bootwright/firstboot")]);
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = find_firstboot(Some(Path::new("/nonexistent"))).expect_err("no file").to_string();
        assert!(error.contains("--firstboot '/nonexistent'"), "{error}");
    }
}
