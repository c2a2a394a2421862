//! A plan for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::model::{
    Customise, DiskPlan, FileContent, MirrorChoice, Origin, OutputKind, PartitionPlan, Plan, Repository,
    SignedBy, SizeRule, TableKind, TestAction, Variant, Want,
};

/// Renders a plan as text.
pub fn explain(plan: &Plan) -> String {
    let mut out = format!("{} ({} {})\n", plan.name, plan.suite, plan.architecture.debian());
    let outputs: Vec<String> = plan.outputs.iter().map(|output| output_name(*output)).collect();
    line(&mut out, "recipe", &plan.recipe_digest);
    line(&mut out, "seed", &plan.seed.to_string());
    line(&mut out, "outputs", &outputs.join(", "));
    line(&mut out, "mirror", &mirror_names(plan).join(", then "));
    section(&mut out, "repositories", plan.repositories.iter().map(describe_repository));
    let recommends = if plan.packages.recommends { "with" } else { "without" };
    let base = format!("base set {}, {recommends} recommends", variant_name(plan.packages.variant));
    let terms = plan
        .packages
        .terms
        .iter()
        .map(|term| format!("{:<28} {}", wish(&term.name, &term.want), term.origin));
    section(&mut out, "packages", std::iter::once(base).chain(terms));
    let tools = format!("{} of {}", plan.tools.packages.join(", "), plan.tools.repository.suite);
    section(&mut out, "tools tree", std::iter::once(tools));
    section(&mut out, "debconf", plan.debconf.iter().cloned());
    explain_disk(&mut out, plan);
    section(&mut out, "steps", steps(&plan.customise).into_iter().map(|step| step.text()));
    section(
        &mut out,
        "tests",
        plan.tests.iter().map(|test| {
            let action = match &test.action {
                TestAction::Run(command) => format!("run {}", first_line(command)),
                TestAction::Port(port) => format!("port {port}"),
            };
            format!("{}: {action}, at most {} s", test.name, test.timeout)
        }),
    );
    out
}

fn line(out: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  {name:<9} {value}");
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    for (index, text) in lines.enumerate() {
        if index == 0 {
            let _ = writeln!(out, "\n{title}");
        }
        let _ = writeln!(out, "  {}", text.trim_end());
    }
}

fn explain_disk(out: &mut String, plan: &Plan) {
    let Some(disk) = &plan.disk else { return };
    let head = format!("{} {}, size {}", disk.table.name(), disk.identifier(), disk.size);
    let rows = (1..).zip(&disk.partitions).map(|(number, partition)| describe_partition(number, partition));
    section(out, "disk", std::iter::once(head).chain(rows));
    let Some(boot) = &plan.boot else { return };
    let arguments = format!("kernel arguments: {}", boot.kernel_command_line.join(" "));
    section(out, "boot", boot_entries(plan).into_iter().map(str::to_owned).chain(std::iter::once(arguments)));
}

fn describe_partition(number: usize, partition: &PartitionPlan) -> String {
    let mut text = format!("{number} {:<9} {:<8}", partition.kind.name(), partition.size);
    if let Some(filesystem) = &partition.filesystem {
        let mount = filesystem.mount.as_deref().unwrap_or("-");
        let _ = write!(text, " {:<4} {mount:<10} {}", filesystem.kind.name(), filesystem.uuid_text());
        if !filesystem.options.is_empty() {
            let _ = write!(text, " {}", filesystem.options.join(","));
        }
    }
    if partition.grow {
        text.push_str(" (grows)");
    }
    for subvolume in partition.filesystem.iter().flat_map(|filesystem| &filesystem.subvolumes) {
        let mount = subvolume.mount.as_deref().unwrap_or("-");
        let _ = write!(text, "\n    subvolume {:<10} {mount}", subvolume.path);
        if !subvolume.options.is_empty() {
            let _ = write!(text, " {}", subvolume.options.join(","));
        }
    }
    text
}

/// Names the ways in which the image boots.
fn boot_entries(plan: &Plan) -> Vec<&'static str> {
    let Some(boot) = &plan.boot else { return Vec::new() };
    let gap = plan.disk.as_ref().is_some_and(|disk| disk.table == TableKind::Msdos);
    let entries = [
        (boot.bios && !gap, "BIOS: GRUB in the bios-boot partition"),
        (boot.bios && gap, "BIOS: GRUB in the gap before the first partition"),
        (boot.uefi && !boot.secure, "UEFI: GRUB on the ESP, unsigned"),
        (boot.uefi && boot.secure, "UEFI, Secure Boot on or off: Debian's signed shim and GRUB on the ESP"),
    ];
    entries.into_iter().filter(|(there, _)| *there).map(|(_, text)| text).collect()
}

fn describe_repository(repository: &Repository) -> String {
    let at = match &repository.origin {
        Origin::Debian => "the Debian archive",
        Origin::DebianSecurity => "the Debian security archive",
        Origin::Uri(uri) => uri,
    };
    let pin = repository.pin.map(|pin| format!(", pin {pin}")).unwrap_or_default();
    let image = if repository.in_image.is_some() { ", in the image's apt sources" } else { "" };
    let what: Vec<&str> =
        std::iter::once(&repository.suite).chain(&repository.components).map(String::as_str).collect();
    format!("{} from {at}{pin}, signed by {}{image}", what.join(" "), keys(repository))
}

fn keys(repository: &Repository) -> String {
    match &repository.signed_by {
        SignedBy::DebianArchive => "the Debian archive keys".to_owned(),
        SignedBy::File(path) => path.display().to_string(),
    }
}

/// One step of customising, in the order in which they are done.
struct Step {
    kind: &'static str,
    what: String,
}

impl Step {
    fn text(&self) -> String {
        format!("{} {}", self.kind, self.what)
    }
}

fn steps(customise: &Customise) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |kind, what: String| steps.push(Step { kind, what });
    for overlay in &customise.overlays {
        add("overlay", format!("{} for {}", overlay.from.display(), overlay.owner));
    }
    for file in &customise.files {
        match &file.content {
            FileContent::Link(target) => add("link", format!("{} → {target}", file.path)),
            _ => add("file", format!("{} {:04o} {}:{}", file.path, file.mode, file.owner, file.group)),
        }
    }
    customise.users.iter().for_each(|user| add("user", user.name.clone()));
    customise.locale.iter().for_each(|locale| add("locale", locale.clone()));
    customise.timezone.iter().for_each(|timezone| add("timezone", timezone.clone()));
    customise.firstboot.iter().for_each(|_| add("firstboot", "as each clone first boots".to_owned()));
    let services = &customise.services;
    for (kind, units) in
        [("enable", &services.enable), ("disable", &services.disable), ("mask", &services.mask)]
    {
        units.iter().for_each(|unit| add(kind, unit.clone()));
    }
    for run in &customise.run {
        let network = if run.network { " (with network)" } else { "" };
        add("run", format!("{}: {}{network}", run.name, first_line(&run.command)));
    }
    steps
}

fn first_line(text: &str) -> String {
    let mut lines = text.trim().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { first + " …" } else { first }
}

fn wish(name: &str, want: &Want) -> String {
    match want {
        Want::Install => name.to_owned(),
        Want::Version(version) => format!("{name}={version}"),
        Want::Suite(suite) => format!("{name}/{suite}"),
        Want::Never => format!("{name}-"),
        Want::File(path) => format!("{name} of {}", path.display()),
    }
}

fn variant_name(variant: Variant) -> &'static str {
    match variant {
        Variant::Custom => "custom",
        Variant::Essential => "essential",
        Variant::Minbase => "minbase",
        Variant::Important => "important",
        Variant::Standard => "standard",
    }
}

fn output_name(output: OutputKind) -> String {
    match output.option() {
        Some((key, value)) => format!("{} ({key} {value})", output.name()),
        None => output.name().to_owned(),
    }
}

fn mirror_names(plan: &Plan) -> Vec<&str> {
    let name = |mirror| match mirror {
        &MirrorChoice::Auto => "auto",
        MirrorChoice::Uri(uri) => uri,
    };
    plan.mirrors.iter().map(name).collect()
}

/// Renders a plan for machines. Sizes are in bytes; `null` stands for `auto`.
pub fn explain_json(plan: &Plan) -> Value {
    json!({
        "name": plan.name,
        "recipe_digest": plan.recipe_digest,
        "seed": plan.seed.to_string(),
        "architecture": plan.architecture.debian(),
        "suite": plan.suite,
        "mirrors": mirror_names(plan),
        "outputs": plan.outputs.iter().map(|output| match output.option() {
            Some((key, value)) => json!({ "type": output.name(), key: value }),
            None => json!(output.name()),
        }).collect::<Vec<_>>(),
        "repositories": plan.repositories.iter().map(repository_json).collect::<Vec<_>>(),
        "packages": {
            "variant": variant_name(plan.packages.variant),
            "recommends": plan.packages.recommends,
            "terms": plan.packages.terms.iter().map(|term| json!({
                "name": term.name,
                "wish": wish(&term.name, &term.want),
                "origin": term.origin,
            })).collect::<Vec<_>>(),
        },
        "tools": {
            "repository": repository_json(&plan.tools.repository),
            "packages": plan.tools.packages,
        },
        "debconf": plan.debconf,
        "disk": disk_json(plan),
        "boot": plan.boot.as_ref().map(|boot| json!({
            "bios": boot.bios,
            "uefi": boot.uefi,
            "secure": boot.secure,
            "entries": boot_entries(plan),
            "kernel_command_line": boot.kernel_command_line,
        })),
        "steps": steps(&plan.customise).iter().map(|step| json!({
            "kind": step.kind,
            "what": step.what,
        })).collect::<Vec<_>>(),
        "apt_sources": plan.customise.apt_sources,
        "tests": plan.tests.iter().map(|test| match &test.action {
            TestAction::Run(run) => json!({ "name": test.name, "run": run, "timeout": test.timeout }),
            TestAction::Port(port) => json!({ "name": test.name, "port": port, "timeout": test.timeout }),
        }).collect::<Vec<_>>(),
    })
}

fn repository_json(repository: &Repository) -> Value {
    json!({
        "name": repository.name,
        "uri": match &repository.origin {
            Origin::Uri(uri) => Some(uri),
            Origin::Debian | Origin::DebianSecurity => None,
        },
        "suite": repository.suite,
        "components": repository.components,
        "signed_by": keys(repository),
        "pin": repository.pin,
        "in_image": repository.in_image,
    })
}

fn disk_json(plan: &Plan) -> Option<Value> {
    let disk = plan.disk.as_ref()?;
    let partitions: Vec<Value> = (1..)
        .zip(&disk.partitions)
        .map(|(number, partition)| partition_json(number, disk, partition))
        .collect();
    Some(json!({
        "table": disk.table.name(),
        "guid": disk.identifier(),
        "size": size_json(disk.size),
        "partitions": partitions,
    }))
}

fn partition_json(number: usize, disk: &DiskPlan, partition: &PartitionPlan) -> Value {
    json!({
        "number": number,
        "type": partition.kind.name(),
        "name": partition.name,
        "guid": disk.partition_identifier(number),
        "size": size_json(partition.size),
        "grow": partition.grow,
        "origin": partition.origin,
        "filesystem": partition.filesystem.as_ref().map(|filesystem| json!({
            "kind": filesystem.kind.name(),
            "uuid": filesystem.uuid_text(),
            "label": filesystem.label,
            "mount": filesystem.mount,
            "options": filesystem.options,
            "subvolumes": filesystem.subvolumes.iter().map(|subvolume| json!({
                "path": subvolume.path,
                "mount": subvolume.mount,
                "options": subvolume.options,
            })).collect::<Vec<_>>(),
            "quota": filesystem.quota.iter().map(|quota| quota.name()).collect::<Vec<_>>(),
        })),
    })
}

fn size_json(size: SizeRule) -> Option<u64> {
    match size {
        SizeRule::Auto => None,
        SizeRule::Bytes(bytes) => Some(bytes),
    }
}
