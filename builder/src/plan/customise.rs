//! What is done to the tree after its packages are configured.

use super::model::{Customise, FileContent, FileEntry, Overlay, Residue, RunStep, Services, User};
use super::{refuse_twice, repositories};
use crate::recipe;
use crate::recipe::{Diagnostic, Diagnostics, Located, Quoted, Recipe};

/// Locales that glibc has in itself.
const BUILT_IN_LOCALES: [&str; 4] = ["C", "POSIX", "C.UTF-8", "C.utf8"];

/// Files that bootwright writes itself.
const OWN_FILES: [&str; 5] = [
    "/etc/fstab",
    "/etc/machine-id",
    "/etc/apt/sources.list.d/debian.sources",
    "/etc/default/grub.d/50-bootwright.cfg",
    "/boot/grub/grub.cfg",
];

/// Plans the steps.
pub(super) fn customise(
    recipe: &Recipe,
    repositories: &[super::Repository],
    problems: &mut Diagnostics,
) -> Customise {
    check_files(recipe, problems);
    check_services(&recipe.services, problems);
    refuse_twice(problems, "the user", recipe.users.iter().map(|user| (&user.name.value, &user.name.at)));
    let words = |units: &[Located<String>]| distinct(units.iter().map(|unit| unit.value.clone()));
    Customise {
        overlays: recipe.overlays.iter().map(overlay).collect(),
        files: recipe.files.iter().map(file).collect(),
        users: recipe.users.iter().map(user).collect(),
        locale: recipe.locale.as_ref().map(|locale| locale.value.clone()),
        timezone: recipe.timezone.as_ref().map(|timezone| timezone.value.clone()),
        firstboot: recipe.firstboot.as_ref().map(|document| document.value.clone()),
        services: Services {
            enable: words(&recipe.services.enable),
            disable: words(&recipe.services.disable),
            mask: words(&recipe.services.mask),
        },
        run: recipe.run.iter().map(run_step).collect(),
        residue: recipe.residue.iter().map(residue).collect(),
        apt_sources: repositories::apt_sources(recipe, repositories),
    }
}

/// Keeps the first of each.
fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}

fn residue(residue: &recipe::Residue) -> Residue {
    Residue { path: residue.path.value.clone(), reason: residue.reason.value.clone() }
}

fn overlay(overlay: &recipe::Overlay) -> Overlay {
    let map = overlay.map.iter().map(|(path, owner)| (path.value.clone(), owner.clone()));
    Overlay { from: overlay.from.value.clone(), owner: overlay.owner.clone(), map: map.collect() }
}

fn file(file: &recipe::File) -> FileEntry {
    FileEntry {
        path: file.path.value.clone(),
        content: file.content.value.clone(),
        mode: file.mode,
        owner: file.owner.clone(),
        group: file.group.clone(),
    }
}

fn user(user: &recipe::User) -> User {
    let shell = user.shell.clone();
    let default = if user.system { "/usr/sbin/nologin" } else { "/bin/bash" };
    User {
        name: user.name.value.clone(),
        groups: distinct(user.groups.iter().cloned()),
        ssh_keys: distinct(user.ssh_keys.iter().cloned()),
        shell: shell.unwrap_or_else(|| default.to_owned()),
        system: user.system,
        home: user.home.clone(),
    }
}

fn run_step(run: &recipe::Run) -> RunStep {
    RunStep {
        name: run.name.value.clone(),
        command: run.command.clone(),
        network: run.network,
        origin: run.name.at.to_string(),
    }
}

fn check_files(recipe: &Recipe, problems: &mut Diagnostics) {
    refuse_twice(problems, "the file", recipe.files.iter().map(|file| (&file.path.value, &file.path.at)));
    for file in &recipe.files {
        let (path, at) = (&file.path.value, &file.path.at);
        if OWN_FILES.contains(&path.as_str()) {
            let message = format!("{} is written by bootwright from other keys", Quoted(path));
            let hint = match path.as_str() {
                "/etc/fstab" => "see `disk.partitions`",
                "/etc/apt/sources.list.d/debian.sources" => "see `apt_sources`",
                "/boot/grub/grub.cfg" | "/etc/default/grub.d/50-bootwright.cfg" => "see `boot`",
                _ => "it is filled in by the clone at its first boot",
            };
            problems.push(Diagnostic::new(at, message).hint(hint));
        }
        let below = |other: &recipe::File| {
            path.strip_prefix(other.path.value.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(parent) = recipe.files.iter().find(|other| below(other)) {
            let problem = Diagnostic::new(at, format!("{} is below another file", Quoted(path)));
            problems.push(problem.note(&parent.path.at, "this is the other"));
        }
        if let (FileContent::Link(target), true) =
            (&file.content.value, file.owner != "root" || file.group != "root")
        {
            let message = format!("the link to {} must be root's", Quoted(target));
            problems.push(Diagnostic::new(at, message).hint("remove `owner` and `group`"));
        }
    }
}

fn check_services(services: &recipe::Services, problems: &mut Diagnostics) {
    let wanted = services.enable.iter().map(|unit| (unit, "enabled"));
    for (unit, how) in wanted.chain(services.disable.iter().map(|unit| (unit, "disabled"))) {
        let others = [("disabled", &services.disable), ("masked", &services.mask)];
        for (other_how, list) in others {
            let clash = how == "enabled" || other_how == "masked";
            let found = list.iter().find(|other| other.value == unit.value);
            if let (true, Some(other)) = (clash && how != other_how, found) {
                let message =
                    format!("the unit {} is {how} here and {other_how} elsewhere", Quoted(&unit.value));
                problems.push(Diagnostic::new(&unit.at, message).note(&other.at, "this is the other"));
            }
        }
    }
}

/// Tells whether a locale needs no package.
pub(super) fn is_built_in(locale: &str) -> bool {
    BUILT_IN_LOCALES.contains(&locale)
}
