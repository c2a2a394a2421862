//! GRUB's module folder: the dependency list, and which files belong in `/boot/grub`.

use std::collections::BTreeMap;
use std::fs;

use super::{BootError, place};
use crate::rootfs::Tree;

/// What each module needs directly, by the text of `moddep.lst`.
#[derive(Debug, Default)]
pub(super) struct Dependencies(BTreeMap<String, Vec<String>>);

impl Dependencies {
    /// Parses `moddep.lst`: one line `module: needed needed…` for each module.
    pub(super) fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (module, needs) = line.split_once(':')?;
            Some((module.trim().to_owned(), needs.split_whitespace().map(str::to_owned).collect()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// Returns `wanted` with everything it needs, each module once and after those it needs.
    pub(super) fn closure(&self, wanted: &[&str]) -> Vec<String> {
        let mut order = Vec::new();
        let mut entered = std::collections::BTreeSet::new();
        for module in wanted {
            self.visit(module, &mut entered, &mut order);
        }
        order
    }

    /// Adds `module` after its dependencies; `entered` ends the walk on a cycle.
    fn visit(&self, module: &str, entered: &mut std::collections::BTreeSet<String>, order: &mut Vec<String>) {
        if !entered.insert(module.to_owned()) {
            return;
        }
        for needed in self.0.get(module).into_iter().flatten() {
            self.visit(needed, entered, order);
        }
        order.push(module.to_owned());
    }
}

/// Copies the modules and lists of one GRUB target to `/boot/grub`, as `grub-install` does.
pub(super) fn copy(
    tree: &Tree,
    target: &str,
    purpose: &'static str,
    package: &'static str,
) -> Result<usize, BootError> {
    let source = format!("/usr/lib/grub/{target}");
    let entries = match fs::read_dir(tree.path(&source)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(BootError::MissingFile { path: source, purpose, package });
        }
        other => other.map_err(BootError::io("listing", tree.path(&source)))?,
    };
    let mut copied = 0;
    for entry in entries {
        let entry = entry.map_err(BootError::io("listing", tree.path(&source)))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if belongs_beside_grub(&name) {
            place::copy(
                tree,
                &format!("{source}/{name}"),
                &format!("/boot/grub/{target}/{name}"),
                purpose,
                package,
            )?;
            copied += 1;
        }
    }
    Ok(copied)
}

/// Returns whether `grub-install` would copy a file of this name.
fn belongs_beside_grub(name: &str) -> bool {
    let suffix = [".mod", ".lst", ".o"].iter().any(|suffix| name.ends_with(suffix));
    (suffix && name != "fdt.lst") || name == "modinfo.sh"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closure_puts_needed_modules_first_and_names_each_once() {
        let dependencies =
            Dependencies::parse("normal: terminal boot\nterminal:\nboot: \next2: fshelp\nfshelp:\n");
        let order = dependencies.closure(&["ext2", "normal", "boot", "ext2"]);
        assert_eq!(order, ["fshelp", "ext2", "terminal", "boot", "normal"]);
    }

    #[test]
    fn closure_ends_on_a_cycle() {
        let dependencies = Dependencies::parse("a: b\nb: a\n");
        assert_eq!(dependencies.closure(&["a"]), ["b", "a"]);
    }

    #[test]
    fn only_run_time_files_are_copied() {
        let taken: Vec<&str> = [
            "ext2.mod",
            "kernel.img",
            "moddep.lst",
            "efiemu32.o",
            "boot.img",
            "modinfo.sh",
            "config.h",
            "fdt.lst",
        ]
        .into_iter()
        .filter(|name| belongs_beside_grub(name))
        .collect();
        assert_eq!(taken, ["ext2.mod", "moddep.lst", "efiemu32.o", "modinfo.sh"]);
    }
}
