//! What was built: the recipe and everything that it came to.

use serde_json::{Value, json};

use crate::date;
use crate::plan::{OutputKind, Plan};
use crate::resolve::{Locked, LockedPackage, ReleaseFacts};
use crate::sbom::{self, Distribution, NAMES};
use crate::store::Sha256Digest;

use super::statement::{BuildDefinition, Resource, digest};

/// Where an artifact was used: the image's own tree.
const IMAGE: &str = "image";
/// Where an artifact was used: the tree of the programs that make filesystems.
const TOOLS: &str = "tools";

pub(super) fn definition(locked: &Locked, inputs: Option<Sha256Digest>) -> BuildDefinition {
    let Locked { plan, packages, tools, releases, tools_release, epoch } = locked;
    let debian = |_: &LockedPackage| Distribution {
        vendor: "debian".to_owned(),
        codename: plan.tools.repository.suite.clone(),
    };
    let of_machine = inputs.map(|inputs| Resource {
        annotations: json!({ "what": "overlays, files, keys and programs that the recipe takes from the builder" }),
        ..Resource::new("inputs", inputs)
    });
    let lists = releases.iter().map(|facts| release(facts, IMAGE));
    let lists = lists.chain(tools_release.iter().map(|facts| release(facts, TOOLS)));
    let image = packages.iter().map(|one| package(one, &sbom::vendor(locked, one), IMAGE));
    let tools = tools.iter().map(|one| package(one, &debian(one), TOOLS));
    BuildDefinition {
        build_type: format!("{NAMES}/build/recipe/v1"),
        external_parameters: external(plan),
        internal_parameters: internal(plan, *epoch),
        resolved_dependencies: of_machine.into_iter().chain(lists).chain(image).chain(tools).collect(),
    }
}

/// What whoever asked for the build has decided. The recipe stands by its digest: its text may hold what is nobody's business.
fn external(plan: &Plan) -> Value {
    let output = |kind: &OutputKind| {
        let mut value = json!({ "format": kind.name() });
        if let Some((key, option)) = kind.option() {
            value[key] = option.into();
        }
        value
    };
    json!({
        "recipe": { "name": plan.name, "digest": digest(&plan.recipe_digest) },
        "architecture": plan.architecture.debian(),
        "suite": plan.suite,
        "outputs": plan.outputs.iter().map(output).collect::<Vec<_>>(),
    })
}

/// What follows from it. Steps with a network may have used what is not listed among the dependencies.
fn internal(plan: &Plan, epoch: i64) -> Value {
    let online = plan.customise.run.iter().filter(|step| step.network);
    json!({
        "epoch": epoch,
        "seed": plan.seed.to_string(),
        "stepsWithNetwork": online.map(|step| step.name.as_str()).collect::<Vec<_>>(),
    })
}

/// Describes a repository's signed Release file, which holds the digests of its indexes.
fn release(facts: &ReleaseFacts, tree: &str) -> Resource {
    let (name, _) = facts.public();
    Resource {
        uri: facts.address(),
        annotations: json!({
            "tree": tree,
            "suite": facts.suite,
            "codename": facts.codename,
            "date": date::iso(facts.date),
            "signedBy": facts.signed_by,
        }),
        ..Resource::new(&format!("Release of {name}"), facts.sha256)
    }
}

fn package(package: &LockedPackage, distribution: &Distribution, tree: &str) -> Resource {
    let LockedPackage { name, version, architecture, .. } = package;
    let Distribution { vendor, codename } = distribution;
    Resource {
        uri: sbom::purl::deb(vendor, name, version, architecture, codename),
        download_location: package.address(),
        annotations: json!({ "tree": tree }),
        ..Resource::new(name, package.sha256)
    }
}
