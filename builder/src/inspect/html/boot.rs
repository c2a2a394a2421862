//! The ways from the firmware to the root filesystem, as pictures.

use super::escape;
use crate::inspect::{BiosBoot, EfiProgram, Report, size};

/// One box of a picture.
struct Step {
    title: String,
    detail: String,
    badge: Option<(bool, &'static str)>,
    colour: usize,
}

impl Step {
    fn new(title: impl Into<String>, detail: impl Into<String>, colour: usize) -> Self {
        Self { title: title.into(), detail: detail.into(), badge: None, colour }
    }

    fn signed(mut self, signed: bool) -> Self {
        self.badge = Some(if signed { (true, "signed") } else { (false, "not signed") });
        self
    }

    fn markup(&self) -> String {
        let badge = self.badge.map_or_else(String::new, |(good, text)| {
            format!("<span class=\"badge {}\">{text}</span>", if good { "good" } else { "bad" })
        });
        format!(
            "<li style=\"--tint:var(--c{})\"><b>{}</b><span class=\"detail\">{}</span>{badge}</li>",
            self.colour,
            escape(&self.title),
            escape(&self.detail)
        )
    }
}

pub(super) fn section(report: &Report) -> String {
    let boot = &report.boot;
    let mut body = String::new();
    if let Some(bios) = &boot.bios {
        body += &chain("BIOS", "", &[bios_steps(report, bios), common(report, false)].concat_steps());
    }
    let first = first_program(&boot.uefi);
    if let Some(first) = first {
        let programs = uefi_steps(first, &boot.uefi);
        let ready = first.signed
            && programs.iter().all(|step| step.badge.is_none_or(|(good, _)| good))
            && boot.kernels.first().is_none_or(|kernel| kernel.signed);
        let word = if ready {
            "good\">every part is signed for Secure Boot"
        } else {
            "bad\">not every part is signed for Secure Boot"
        };
        let badge = format!(" <span class=\"badge {word}</span>");
        body += &chain("UEFI", &badge, &[programs, common(report, true)].concat_steps());
    }
    if body.is_empty() {
        body = "<p class=\"note\">Neither a boot loader for the BIOS nor programs for UEFI were found.</p>"
            .to_owned();
    }
    if let Some(line) = boot.command_line() {
        body += &format!("<h3>Kernel arguments</h3><code class=\"arguments\">{}</code>", escape(line));
    }
    format!("<section><h2>Boot</h2>{body}{}</section>\n", program_table(&boot.uefi))
}

trait Concat {
    fn concat_steps(self) -> Vec<Step>;
}

impl<const N: usize> Concat for [Vec<Step>; N] {
    fn concat_steps(self) -> Vec<Step> {
        self.into_iter().flatten().collect()
    }
}

fn chain(name: &str, badge: &str, steps: &[Step]) -> String {
    let steps: String = steps.iter().map(Step::markup).collect();
    format!("<h3>{name}{badge}</h3><ol class=\"chain\">{steps}</ol>")
}

fn bios_steps(report: &Report, bios: &BiosBoot) -> Vec<Step> {
    let mut steps = vec![Step::new("First sector", format!("{} boot code", bios.loader), 0)];
    if let Some(sector) = bios.core_sector {
        let place = match bios.core_partition {
            Some(number) => format!("sector {sector}, in partition {number}"),
            None => format!("sector {sector}, before the partitions"),
        };
        let mut core = Step::new("Core image", place, 0);
        if !bios.core_present {
            core.badge = Some((false, "not there"));
        }
        steps.push(core);
    }
    if bios.loader != "GRUB" && report.boot.menu.is_empty() {
        steps.push(Step::new("Boot loader", "not known", 7));
    }
    steps
}

/// The program that firmware starts by itself.
fn first_program(programs: &[EfiProgram]) -> Option<&EfiProgram> {
    let standard = |program: &&EfiProgram| program.path.to_ascii_lowercase().starts_with("/efi/boot/boot");
    programs.iter().find(standard).or_else(|| programs.first())
}

fn uefi_steps(first: &EfiProgram, programs: &[EfiProgram]) -> Vec<Step> {
    let step = |program: &EfiProgram| {
        let by = program.certificates.first().map_or_else(String::new, |name| format!(" · {name}"));
        Step::new(program.kind.clone(), format!("{}{by}", program.path), 2).signed(program.signed)
    };
    let mut steps = vec![Step::new("Firmware", "starts the program at its standard path", 7), step(first)];
    if first.kind == "shim" {
        let folder = first.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let next = programs.iter().find(|program| program.kind == "GRUB" && program.path.starts_with(folder));
        steps.extend(next.map(step));
    }
    steps
}

/// What both ways share: menu, kernel, initramfs, root.
fn common(report: &Report, checked: bool) -> Vec<Step> {
    let boot = &report.boot;
    let mut steps = Vec::new();
    if let Some(entry) = boot.menu.first() {
        let more = match boot.menu.len() {
            1 => "the only entry".to_owned(),
            count => format!("the first of {count} entries"),
        };
        steps.push(Step::new(format!("Menu: {}", entry.title), more, 1));
    }
    if let Some(kernel) = boot.kernels.first() {
        let step = Step::new(format!("Linux {}", kernel.release), size(kernel.size), 3);
        steps.push(if checked { step.signed(kernel.signed) } else { step });
        steps.push(match kernel.initramfs_size {
            Some(bytes) => Step::new("Initramfs", size(bytes), 3),
            None => Step { badge: Some((false, "not there")), ..Step::new("Initramfs", "", 3) },
        });
    }
    let root = report.partitions.iter().find(|partition| partition.mount.as_deref() == Some("/"));
    if let Some(root) = root {
        let place = root
            .entry
            .as_ref()
            .map_or_else(|| "the whole disk".to_owned(), |entry| format!("partition {}", entry.number));
        steps.push(Step::new("Root", format!("{} on {place}", root.filesystem.kind.name()), 5));
    }
    steps
}

fn program_table(programs: &[EfiProgram]) -> String {
    if programs.is_empty() {
        return String::new();
    }
    let rows: String = programs
        .iter()
        .map(|program| {
            let names = if program.certificates.is_empty() {
                "not signed".to_owned()
            } else {
                program.certificates.join(", ")
            };
            format!(
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"number\">{}</td></tr>",
                escape(&program.path),
                escape(&program.kind),
                escape(&names),
                size(program.size)
            )
        })
        .collect();
    format!(
        "<details><summary>Programs on the EFI system partition</summary><table><thead><tr><th>path</th><th>program</th>\
         <th>names in its signature</th><th class=\"number\">size</th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
}
