//! Packages by size, as a treemap and as a list.

use std::collections::BTreeMap;

use super::treemap::{Rectangle, squarify};
use super::{escape, percent};
use crate::inspect::{Package, PackagesReport, size};

/// Sections with a colour of their own; the rest shares the last one.
const COLOURS: usize = 7;
/// A package below this share of all is drawn together with the others of its kind.
const LEAST_SHARE: f64 = 0.0012;
/// Packages that are named in the list.
const LARGEST: usize = 12;

/// The two layouts and the size in pixels that each is made for.
const LAYOUTS: [(&str, f64, f64); 2] = [("wide", 1100.0, 540.0), ("tall", 340.0, 560.0)];

/// Pixels without which a name does not fit, and what a letter takes.
const LEAST_HEIGHT: f64 = 20.0;
const LETTER: f64 = 6.6;
const PADDING: f64 = 12.0;

/// A box of the picture.
struct Item {
    name: String,
    title: String,
    bytes: u64,
    colour: usize,
}

pub(super) fn section(packages: &PackagesReport) -> String {
    if packages.list.is_empty() {
        return "<section><h2>Packages</h2><p class=\"note\">None is installed.</p></section>\n".to_owned();
    }
    let colours = colours(packages);
    let items = items(packages, &colours);
    let maps: String =
        LAYOUTS.iter().map(|(class, width, height)| map(&items, class, *width, *height)).collect();
    format!("<section><h2>Packages by size</h2>{maps}{}{}</section>\n", legend(&colours), lists(packages))
}

/// The sections with a colour, the largest first.
fn colours(packages: &PackagesReport) -> Vec<String> {
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for package in &packages.list {
        *sums.entry(package.section.as_str()).or_default() += package.installed_size;
    }
    let mut sections: Vec<(&str, u64)> = sums.into_iter().collect();
    sections.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    sections.into_iter().take(COLOURS).map(|(name, _)| name.to_owned()).collect()
}

fn colour(section: &str, colours: &[String]) -> usize {
    colours.iter().position(|name| name == section).unwrap_or(COLOURS)
}

fn items(packages: &PackagesReport, colours: &[String]) -> Vec<Item> {
    let total = packages.installed_size.max(1) as f64;
    let (large, small): (Vec<&Package>, Vec<&Package>) = packages
        .by_size()
        .into_iter()
        .partition(|package| package.installed_size as f64 / total >= LEAST_SHARE);
    let mut items: Vec<Item> = large
        .into_iter()
        .map(|package| Item {
            name: package.name.clone(),
            title: format!(
                "{} {}, {}, {}",
                package.name,
                package.version,
                size(package.installed_size),
                package.section
            ),
            bytes: package.installed_size,
            colour: colour(&package.section, colours),
        })
        .collect();
    let bytes: u64 = small.iter().map(|package| package.installed_size).sum();
    if bytes > 0 {
        let name = format!("{} smaller ones", small.len());
        items.push(Item { title: format!("{name}, {}", size(bytes)), name, bytes, colour: COLOURS });
    }
    items.sort_by_key(|item| std::cmp::Reverse(item.bytes));
    items
}

fn map(items: &[Item], class: &str, width: f64, height: f64) -> String {
    let sizes: Vec<f64> = items.iter().map(|item| item.bytes as f64).collect();
    let boxes = squarify(&sizes, Rectangle { x: 0.0, y: 0.0, width, height });
    let boxes: String =
        items.iter().zip(boxes).map(|(item, place)| one(item, place, width, height)).collect();
    format!("<div class=\"map {class}\" role=\"img\" aria-label=\"packages by size\">{boxes}</div>")
}

fn one(item: &Item, place: Rectangle, width: f64, height: f64) -> String {
    let letters = (place.width - PADDING) / LETTER;
    let fits = place.height >= LEAST_HEIGHT && letters >= item.name.chars().count() as f64;
    // A long name is cut where a good part of it can be read.
    let cut = place.height >= LEAST_HEIGHT && letters >= 7.0;
    let label = if fits {
        escape(&item.name)
    } else if cut {
        let part: String = item.name.chars().take(letters as usize - 1).collect();
        format!("{}…", escape(&part))
    } else {
        String::new()
    };
    let bytes = size(item.bytes);
    let second =
        place.height >= 2.0 * LEAST_HEIGHT && letters >= bytes.chars().count() as f64 && !label.is_empty();
    let second = if second { format!("<small>{bytes}</small>") } else { String::new() };
    let bare = if label.is_empty() { " class=\"bare\"" } else { "" };
    format!(
        "<div{bare} style=\"left:{};top:{};width:{};height:{};--tint:var(--c{})\" title=\"{}\">{label}{second}</div>",
        percent(place.x, width),
        percent(place.y, height),
        percent(place.width, width),
        percent(place.height, height),
        item.colour,
        escape(&item.title)
    )
}

fn legend(colours: &[String]) -> String {
    let one = |(index, name): (usize, &str)| {
        let name = if name.is_empty() { "no section" } else { name };
        format!(
            "<span style=\"--tint:var(--c{index})\"><span class=\"swatch\"></span>{}</span>",
            escape(name)
        )
    };
    let names: String = colours.iter().map(String::as_str).enumerate().map(one).collect();
    format!("<p class=\"legend\">{names}{}</p>", one((COLOURS, "others")))
}

fn lists(packages: &PackagesReport) -> String {
    let row = |package: &Package| {
        format!(
            "<tr><td>{}</td><td class=\"mono\">{}</td><td class=\"number\">{}</td></tr>",
            escape(&package.name),
            escape(&package.version),
            size(package.installed_size)
        )
    };
    let head = "<thead><tr><th>package</th><th>version</th><th class=\"number\">installed</th></tr></thead>";
    let largest: String = packages.by_size().into_iter().take(LARGEST).map(row).collect();
    let all: String = packages.list.iter().map(row).collect();
    let unfinished = packages
        .unfinished
        .iter()
        .map(|name| format!("<p class=\"alert\">Not installed well: {}</p>", escape(name)));
    format!(
        "{}<h3>The largest</h3><table>{head}<tbody>{largest}</tbody></table>\
         <details><summary>All {} packages</summary><table>{head}<tbody>{all}</tbody></table></details>",
        unfinished.collect::<String>(),
        packages.count
    )
}
