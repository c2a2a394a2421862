//! What is to be installed: the recipe's packages, the kernel, and what booting needs.

use super::customise::is_built_in;
use super::model::{BootPlan, DiskPlan, FilesystemKind, PackageRequest, PackageTerm, Variant, Want};
use crate::recipe::{Diagnostic, Diagnostics, PackageWish, Quoted, Recipe, Span};

/// Suites whose unsigned GRUB image for UEFI is still a part of grub-efi-amd64-bin.
const BEFORE_SPLIT: [&str; 4] = ["bullseye", "bookworm", "oldstable", "oldoldstable"];

/// Package that moves `/bin`, `/lib` and `/sbin` into `/usr`.
const CONVERTER: &str = "usrmerge";

/// Plans the packages. Those that booting needs name the key that needs them as their origin.
pub(super) fn packages(
    recipe: &Recipe,
    boot: Option<&BootPlan>,
    disk: Option<&DiskPlan>,
    problems: &mut Diagnostics,
) -> PackageRequest {
    let mut terms: Vec<PackageTerm> = Vec::new();
    refuse_contradictions(&recipe.packages, problems);
    for wish in recipe.packages.iter().chain(&recipe.kernel) {
        add_wish(&mut terms, wish);
    }
    refuse_unwanted_kernel(recipe, problems);
    for need in needs(recipe, boot, disk) {
        add_need(&mut terms, &need, recipe, problems);
    }
    merge_usr_from_the_start(recipe, &mut terms);
    PackageRequest { variant: recipe.distribution.variant, terms, recommends: recipe.recommends }
}

/// In bookworm the essential set takes `usrmerge | usr-is-merged`. The first converts an unmerged tree, by a Perl
/// script with packages of its own; a tree that is merged from the start needs only the second, and debootstrap
/// decides likewise. A recipe that names `usrmerge` has it its way.
fn merge_usr_from_the_start(recipe: &Recipe, terms: &mut Vec<PackageTerm>) {
    if recipe.distribution.suite.value == "bookworm" && !terms.iter().any(|term| term.name == CONVERTER) {
        terms.push(PackageTerm {
            name: CONVERTER.to_owned(),
            want: Want::Never,
            origin: "the tree is merged from the start".to_owned(),
        });
    }
}

/// Adds a wish unless it is there; `name=version` and `name/suite` say more than `name` and take its place.
fn add_wish(terms: &mut Vec<PackageTerm>, wish: &PackageWish) {
    let term = PackageTerm { name: wish.name.clone(), want: wish.want.clone(), origin: wish.at.to_string() };
    match terms.iter_mut().find(|known| known.name == term.name) {
        None => terms.push(term),
        Some(known) if known.want == Want::Install => *known = term,
        Some(_) => {}
    }
}

/// A package that a key of the recipe needs.
struct Need<'a> {
    package: &'static str,
    key: &'static str,
    at: &'a Span,
}

fn needs<'a>(recipe: &'a Recipe, boot: Option<&BootPlan>, disk: Option<&DiskPlan>) -> Vec<Need<'a>> {
    let mut needs = Vec::new();
    let mut add = |key, at: &'a Span, packages: &[&'static str]| {
        needs.extend(packages.iter().map(|&package| Need { package, key, at }));
    };
    if let (Some(plan), Some(written)) = (boot, &recipe.boot) {
        // zstd is what initramfs-tools compresses with if it is there.
        add("boot", &written.at, &["systemd-sysv", "udev", "initramfs-tools", "zstd"]);
        if plan.bios {
            add("boot.grub.bios", &written.bios.at, &["grub-pc-bin", "grub2-common"]);
        }
        if plan.uefi && plan.secure {
            add("boot.grub.secure", &written.secure.at, &["grub-efi-amd64-signed", "shim-signed"]);
        } else if plan.uefi && !BEFORE_SPLIT.contains(&recipe.distribution.suite.value.as_str()) {
            add("boot.grub.secure", &written.secure.at, &["grub-efi-amd64-unsigned"]);
        }
        if plan.uefi {
            add("boot.grub.uefi", &written.uefi.at, &["grub-efi-amd64-bin", "grub2-common"]);
        }
    }
    if let Some(locale) = recipe.locale.as_ref().filter(|locale| !is_built_in(&locale.value)) {
        let compiled =
            recipe.packages.iter().any(|wish| wish.name == "locales-all" && wish.want != Want::Never);
        add("locale", &locale.at, if compiled { &[] } else { &["locales"] });
    }
    if let Some(timezone) = &recipe.timezone {
        add("timezone", &timezone.at, &["tzdata"]);
    }
    // Larger base sets have it.
    if let (Some(user), Variant::Essential) = (recipe.users.first(), recipe.distribution.variant) {
        add("users", &user.name.at, &["passwd"]);
    }
    if let (Some(plan), Some(written)) = (disk, &recipe.disk) {
        let kinds = || plan.partitions.iter().filter_map(|one| one.filesystem.as_ref()).map(|one| one.kind);
        if let Some(kind) = kinds().find(|kind| kind.is_ext()) {
            add(ext_key(kind), &written.at, &["e2fsprogs"]);
        }
        if kinds().any(|kind| kind == FilesystemKind::Xfs) {
            add("disk.partitions: xfs", &written.at, &["xfsprogs"]);
        }
        if kinds().any(|kind| kind == FilesystemKind::Btrfs) {
            add("disk.partitions: btrfs", &written.at, &["btrfs-progs"]);
        }
        if kinds().any(|kind| kind == FilesystemKind::Vfat) {
            add("disk.partitions: vfat", &written.at, &["dosfstools"]);
        }
    }
    needs
}

/// Names what needs e2fsprogs.
fn ext_key(kind: FilesystemKind) -> &'static str {
    match kind {
        FilesystemKind::Ext2 => "disk.partitions: ext2",
        FilesystemKind::Ext3 => "disk.partitions: ext3",
        _ => "disk.partitions: ext4",
    }
}

fn add_need(terms: &mut Vec<PackageTerm>, need: &Need<'_>, recipe: &Recipe, problems: &mut Diagnostics) {
    let refused = recipe.packages.iter().find(|wish| wish.name == need.package && wish.want == Want::Never);
    if let Some(wish) = refused {
        let message =
            format!("the package {} is refused here and needed by `{}`", Quoted(need.package), need.key);
        problems.push(Diagnostic::new(&wish.at, message).note(need.at, "it is needed by this"));
    }
    if !terms.iter().any(|term| term.name == need.package) {
        terms.push(PackageTerm {
            name: need.package.to_owned(),
            want: Want::Install,
            origin: format!("{}: {}", need.at, need.key),
        });
    }
}

/// Tells of packages that are wanted in two ways that exclude each other.
fn refuse_contradictions(wishes: &[PackageWish], problems: &mut Diagnostics) {
    for (index, wish) in wishes.iter().enumerate() {
        let other =
            wishes[..index].iter().find(|first| first.name == wish.name && excludes(&first.want, &wish.want));
        if let Some(first) = other {
            let message = format!("the package {} is wanted in two ways", Quoted(&wish.name));
            problems.push(
                Diagnostic::new(&wish.at, message).note(&first.at, "this is the other").hint("keep one"),
            );
        }
    }
}

fn excludes(one: &Want, other: &Want) -> bool {
    match (one, other) {
        (Want::Never, other) => *other != Want::Never,
        (one, Want::Never) => *one != Want::Never,
        (Want::Install, _) | (_, Want::Install) => false,
        (one, other) => one != other,
    }
}

fn refuse_unwanted_kernel(recipe: &Recipe, problems: &mut Diagnostics) {
    let Some(kernel) = &recipe.kernel else { return };
    let other =
        recipe.packages.iter().find(|wish| wish.name == kernel.name && excludes(&wish.want, &kernel.want));
    if let Some(wish) = other {
        let message = format!("the kernel {} is wanted in another way", Quoted(&kernel.name));
        problems.push(Diagnostic::new(&wish.at, message).note(&kernel.at, "this is the kernel"));
    }
}
