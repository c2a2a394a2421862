//! What a recipe asks of the archives, in words: the part of a plan that decides which packages are chosen.

use crate::plan::{Origin, PackageTerm, Plan, Repository, SignedBy, Variant, Want};

/// Returns one line per wish, in the recipe's order.
pub(super) fn of(plan: &Plan) -> Vec<String> {
    let mut lines = vec![
        format!("architecture {}", plan.architecture.debian()),
        format!("variant {}", variant(plan.packages.variant)),
        format!("recommends {}", plan.packages.recommends),
    ];
    lines.extend(plan.repositories.iter().map(|one| format!("repository {}", repository(one))));
    lines.extend(plan.packages.terms.iter().map(|term| format!("package {}", package(term))));
    lines
        .extend(plan.local.iter().map(|one| format!("local package {} of SHA-256 {}", one.name, one.sha256)));
    if plan.disk.is_some() {
        lines.push(format!("tools {}", repository(&plan.tools.repository)));
        lines.extend(plan.tools.packages.iter().map(|name| format!("tool {name}")));
    }
    lines
}

fn repository(repository: &Repository) -> String {
    let Repository { name, origin, suite, components, signed_by, pin, .. } = repository;
    let origin = match origin {
        Origin::Debian => "debian",
        Origin::DebianSecurity => "debian-security",
        Origin::Uri(uri) => uri,
    };
    let keys = match signed_by {
        SignedBy::DebianArchive => "Debian's keys",
        SignedBy::File(_) => "keys of its own",
    };
    let pin = pin.map_or_else(String::new, |pin| format!(", pinned to {pin}"));
    let components = components.join(" ");
    format!("{name}: {origin} {suite} {components}, signed by {keys}{pin}")
}

fn package(term: &PackageTerm) -> String {
    let name = &term.name;
    match &term.want {
        Want::Install => name.clone(),
        Want::Version(version) => format!("{name}={version}"),
        Want::Suite(suite) => format!("{name}/{suite}"),
        Want::Never => format!("{name}-"),
        Want::File(_) => format!("{name} of a file"),
    }
}

fn variant(variant: Variant) -> &'static str {
    match variant {
        Variant::Custom => "custom",
        Variant::Essential => "essential",
        Variant::Minbase => "minbase",
        Variant::Important => "important",
        Variant::Standard => "standard",
    }
}
