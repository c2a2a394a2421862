//! The disk, drawn to scale, and its partitions.

use super::{escape, percent};
use crate::image::filesystem::Kind;
use crate::inspect::{PartitionReport, Report, size};

/// Colours of the style sheet.
const COLOURS: usize = 7;

/// Space between partitions below this is alignment, and not told apart from the border.
const LEAST_GAP: u64 = 64 << 10;

/// A share of the disk below which there is no room for a name.
const LEAST_NAMED: f64 = 0.08;

pub(super) fn section(report: &Report) -> String {
    let table = match &report.table {
        Some(table) => format!("{} table <code>{}</code>", table.kind, escape(&table.id)),
        None => "no partition table".to_owned(),
    };
    let parts: String =
        report.partitions.iter().enumerate().map(|(index, partition)| card(index, partition)).collect();
    format!(
        "<section><h2>Disk</h2><div class=\"disk\" role=\"img\" aria-label=\"partitions to scale\">{}</div>\
         <div class=\"scale\"><span>0</span><span>{}</span></div><div class=\"parts\">{parts}</div>\
         <p class=\"note\">{table}. Filled: used. Widths are to scale; hatched is not in any partition.</p></section>\n",
        bar(report),
        size(report.virtual_size)
    )
}

/// A partition's place: start and end, its index, itself.
fn places(report: &Report) -> Vec<(u64, u64, usize, &PartitionReport)> {
    let mut places = Vec::new();
    for (index, partition) in report.partitions.iter().enumerate() {
        let entry = partition.entry.as_ref();
        // An extended partition is drawn by what is in it.
        if entry.is_some_and(|entry| matches!(entry.type_id.as_str(), "05" | "0f" | "85")) {
            continue;
        }
        let (start, length) = entry.map_or((0, report.virtual_size), |entry| (entry.start, entry.length));
        places.push((start, start.saturating_add(length), index, partition));
    }
    places.sort_by_key(|(start, ..)| *start);
    places
}

fn bar(report: &Report) -> String {
    let whole = report.virtual_size;
    let mut boxes = String::new();
    let mut at = 0;
    for (start, end, index, partition) in places(report) {
        boxes += &gap(at, start, whole);
        let filesystem = &partition.filesystem;
        let used = filesystem.size.zip(filesystem.free).map(|(size, free)| size.saturating_sub(free));
        let width = percent((end.saturating_sub(start)) as f64, whole as f64);
        let fill = used.map_or_else(String::new, |used| {
            let share = percent(used as f64, (end - start) as f64);
            format!("<div class=\"used\" style=\"width:{share}\"></div>")
        });
        let plain = if used.is_none() { " plain" } else { "" };
        let name = title(partition);
        let room = (end - start) as f64 / whole as f64 >= LEAST_NAMED;
        let shown =
            if room { format!("<span class=\"name\">{}</span>", escape(&name)) } else { String::new() };
        boxes += &format!(
            "<div class=\"part{plain}\" style=\"width:{width};--tint:var(--c{})\" title=\"{}, {}\">{fill}{shown}</div>",
            index % COLOURS,
            escape(&name),
            size(end - start)
        );
        at = at.max(end);
    }
    boxes + &gap(at, whole, whole)
}

fn gap(from: u64, to: u64, whole: u64) -> String {
    let length = to.saturating_sub(from);
    if length < LEAST_GAP {
        return String::new();
    }
    let width = percent(length as f64, whole as f64);
    format!("<div class=\"gap\" style=\"width:{width}\" title=\"{} in no partition\"></div>", size(length))
}

fn title(partition: &PartitionReport) -> String {
    match &partition.entry {
        Some(entry) if entry.name.is_empty() => format!("{} {}", entry.number, entry.kind),
        Some(entry) => format!("{} {}", entry.number, entry.name),
        None => "the whole disk".to_owned(),
    }
}

fn card(index: usize, partition: &PartitionReport) -> String {
    let filesystem = &partition.filesystem;
    let mut lines = Vec::new();
    if let Some(entry) = &partition.entry {
        lines.push(format!("{}, {} at {}", escape(&entry.kind), size(entry.length), size(entry.start)));
    }
    if filesystem.kind != Kind::None {
        let name = filesystem
            .variant
            .as_deref()
            .filter(|_| filesystem.kind == Kind::Vfat)
            .unwrap_or(filesystem.kind.name());
        let label = if filesystem.label.is_empty() {
            String::new()
        } else {
            format!(" “{}”", escape(&filesystem.label))
        };
        let mount = partition
            .mount
            .as_ref()
            .map_or_else(String::new, |mount| format!(" on <code>{}</code>", escape(mount)));
        lines.push(format!("<b>{}</b>{label}{mount}", escape(name)));
    }
    if let Some(uuid) = &filesystem.uuid {
        lines.push(format!("<span class=\"mono\">{}</span>", escape(uuid)));
    }
    let mut meter = String::new();
    if let (Some(total), Some(free)) = (filesystem.size, filesystem.free) {
        let used = total.saturating_sub(free);
        let share = percent(used as f64, total as f64);
        meter = format!("<div class=\"meter\"><i style=\"width:{share}\"></i></div>");
        lines.push(format!("{} used of {}", size(used), size(total)));
    }
    if filesystem.clean == Some(false) {
        lines.push("<span class=\"badge bad\">not left clean</span>".to_owned());
    }
    let lines: String = lines.iter().map(|line| format!("<p>{line}</p>")).collect();
    format!(
        "<article style=\"--tint:var(--c{})\"><h4><span class=\"swatch\"></span>{}</h4>{meter}{lines}</article>",
        index % COLOURS,
        escape(&title(partition))
    )
}
