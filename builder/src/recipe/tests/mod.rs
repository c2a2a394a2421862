//! Recipes that are right and recipes that are wrong, with the exact words of each error.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Diagnostics, LoadOptions, Recipe, load};

mod bad_values;
mod bad_yaml;
mod described;
pub(crate) mod good;
mod hostile;
mod merging;
mod rendering;
mod roles;

/// The least that a recipe needs: four lines, so that what a test adds begins in line 5.
pub(crate) const HEAD: &str =
    "version: 1\nname: x\ndistribution: { debian: { suite: bookworm } }\noutputs: [qcow2]\n";

/// A folder for the files of one test; goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bootwright-recipe-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written");
        let folder = Self(path);
        files.iter().for_each(|(name, text)| folder.write(name, text));
        folder
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it is below the folder")).expect("folders can be made");
        fs::write(path, text).expect("files can be written");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn load(&self, name: &str, options: &LoadOptions) -> Result<Recipe, Diagnostics> {
        load(&self.path(name), options)
    }

    /// Loads a recipe of the repository.
    pub(crate) fn load_path(path: &Path, options: &LoadOptions) -> Result<Recipe, Diagnostics> {
        load(path, options)
    }

    /// Writes errors one per line: place, message, notes, hint.
    pub(crate) fn brief(&self, problems: &Diagnostics) -> String {
        let mut out = String::new();
        for one in problems.iter() {
            out.push_str(&format!("{}: {}", one.at, one.message));
            for (at, note) in &one.notes {
                out.push_str(&format!(" [{at}: {note}]"));
            }
            if let Some(hint) = &one.hint {
                out.push_str(&format!(" ({hint})"));
            }
            out.push('\n');
        }
        self.strip(&out).replace("recipe.yaml:", "")
    }

    /// Removes the folder's own path from a message.
    pub(crate) fn strip(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Loads one text and returns its errors in brief, or nothing.
pub(crate) fn errors_of(text: &str) -> String {
    let folder = Folder::new(&[("recipe.yaml", text)]);
    match folder.load("recipe.yaml", &LoadOptions::default()) {
        Ok(_) => String::new(),
        Err(problems) => folder.brief(&problems),
    }
}

/// Checks each text, put after `head`, against its errors.
pub(crate) fn check_table(head: &str, table: &[(&str, &str)]) {
    let mut wrong = String::new();
    for (text, expected) in table {
        let found = errors_of(&format!("{head}{text}\n"));
        if found.trim_end() != expected.trim_end() {
            wrong.push_str(&format!("--- {text}\n  expected: {expected}\n  found:    {found}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
