//! The differences as text for people: `-` is only in the first image, `+` only in the second, `~` differs.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::{Change, Difference, FilesChange, OneFile, PackagesChange, PartitionChange, State};
use crate::inspect::size;

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "- {}\n+ {}", self.a.display(), self.b.display())?;
        if self.same {
            let limits = if self.not_compared.is_empty() { "" } else { " in what was compared" };
            return writeln!(f, "\nno differences{limits}");
        }
        group(f, "disk", &self.disk)?;
        if !self.partitions.is_empty() {
            writeln!(f, "\npartitions")?;
            self.partitions.iter().try_for_each(|partition| partition_lines(f, partition))?;
        }
        group(f, "boot", &self.boot)?;
        group(f, "system", &self.system)?;
        packages(f, &self.packages)?;
        files(f, self)?;
        group(f, "sizes", &self.sizes)
    }
}

fn group(f: &mut Formatter<'_>, title: &str, changes: &[Change]) -> fmt::Result {
    if changes.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    changes.iter().try_for_each(|change| writeln!(f, "  {change}"))
}

impl Display for Change {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.a, &self.b) {
            (Some(a), None) => write!(f, "- {}: {a}", self.what),
            (None, Some(b)) => write!(f, "+ {}: {b}", self.what),
            (a, b) => {
                let (a, b) = (a.as_deref().unwrap_or("none"), b.as_deref().unwrap_or("none"));
                write!(f, "~ {}: {a} → {b}", self.what)
            }
        }
    }
}

fn partition_lines(f: &mut Formatter<'_>, partition: &PartitionChange) -> fmt::Result {
    let sign = match partition.state {
        State::Added => '+',
        State::Removed => '-',
        State::Changed => '~',
    };
    let number = partition.number.map_or_else(String::new, |number| format!("{number} "));
    writeln!(f, "  {sign} {number}{}", partition.name)?;
    partition.changes.iter().try_for_each(|change| writeln!(f, "      {change}"))
}

fn packages(f: &mut Formatter<'_>, packages: &PackagesChange) -> fmt::Result {
    if packages.is_empty() {
        return Ok(());
    }
    writeln!(f, "\npackages")?;
    for (sign, list) in [('-', &packages.removed), ('+', &packages.added)] {
        for package in list {
            let (name, version, bytes) = (&package.name, &package.version, size(package.installed_size));
            writeln!(f, "  {sign} {name}:{} {version}, {bytes}", package.architecture)?;
        }
    }
    for change in &packages.changed {
        writeln!(f, "  ~ {}:{} {} → {}", change.name, change.architecture, change.a, change.b)?;
    }
    Ok(())
}

/// Files of packages that differ themselves, and dpkg's own, are counted; all others are named.
fn files(f: &mut Formatter<'_>, difference: &Difference) -> fmt::Result {
    let FilesChange { added, removed, changed } = &difference.files;
    if difference.files.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nfiles")?;
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (column, (sign, list)) in [('-', removed), ('+', added)].into_iter().enumerate() {
        for file in list {
            match counted(difference, file.package.as_deref()) {
                Some(package) => counts.entry(package).or_default()[column] += 1,
                None => one(f, sign, file)?,
            }
        }
    }
    for file in changed {
        if let Some(package) = counted(difference, file.package.as_deref()) {
            counts.entry(package).or_default()[2] += 1;
            continue;
        }
        writeln!(f, "  ~ {}", file.path)?;
        file.changes.iter().try_for_each(|change| writeln!(f, "      {change}"))?;
    }
    for (package, counts) in counts {
        let words = ["removed", "added", "changed"];
        let parts = words.iter().zip(counts).filter(|(_, count)| *count > 0);
        let parts: Vec<String> = parts.map(|(word, count)| format!("{count} {word}")).collect();
        writeln!(f, "    of {package}: {}", parts.join(", "))?;
    }
    Ok(())
}

/// Returns the package under which a file is counted; none if the file is named.
fn counted<'a>(difference: &Difference, package: Option<&'a str>) -> Option<&'a str> {
    package.filter(|package| is_explained(difference, package))
}

/// Tells whether files of `package` differ because the package itself does.
fn is_explained(difference: &Difference, package: &str) -> bool {
    let PackagesChange { added, removed, changed } = &difference.packages;
    let own = added.iter().chain(removed).any(|one| one.name == package)
        || changed.iter().any(|one| one.name == package);
    own || (package == super::owners::DATABASE && !difference.packages.is_empty())
}

fn one(f: &mut Formatter<'_>, sign: char, file: &OneFile) -> fmt::Result {
    let OneFile { path, kind, mode, uid, gid, size: length, target, .. } = file;
    let more = match target {
        Some(target) => format!(" → {target}"),
        None if *kind == "file" => format!(", {}", size(*length)),
        None => String::new(),
    };
    writeln!(f, "  {sign} {path}  {kind} {mode} {uid}:{gid}{more}")
}
