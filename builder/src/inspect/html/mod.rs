//! The report as one page for a browser: no script, nothing loaded, light and dark, narrow and wide.
//!
//! A section is one module with a function that returns its markup. Every text that comes from the image goes
//! through `escape`.

mod boot;
mod disk;
mod packages;
mod times;
mod treemap;

#[cfg(test)]
mod tests;

use super::{Report, Times, size};

const STYLE: &str = include_str!("style.css");

/// Returns the page; `times` are those of the build that made the image, if they are known.
pub fn page(report: &Report, times: Option<&Times>) -> String {
    let name = report.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sections = [
        header(report, &name),
        alerts(report),
        disk::section(report),
        boot::section(report),
        report.packages.as_ref().map_or_else(String::new, packages::section),
        times.map_or_else(String::new, times::section),
        "<footer>Written by bootwright inspect; this page loads nothing.</footer>".to_owned(),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        title = escape(&name),
        body = sections.concat()
    )
}

fn header(report: &Report, name: &str) -> String {
    let system = report.system.as_ref();
    let title = system.and_then(|system| system.name.clone()).unwrap_or_else(|| "no system found".to_owned());
    let mut facts = vec![
        (
            "format",
            format!("{}, {}", report.format, report.table.as_ref().map_or("no table", |table| table.kind)),
        ),
        ("disk", size(report.virtual_size)),
        ("file", size(report.allocated)),
    ];
    if let Some(packages) = &report.packages {
        facts.push(("packages", format!("{} · {}", packages.count, size(packages.installed_size))));
    }
    if let Some(system) = system {
        facts.push(("files", format!("{} · {}", system.names, size(system.content))));
        if let Some(hostname) = &system.hostname {
            facts.push(("host name", hostname.clone()));
        }
        facts.push(("firstboot", if system.firstboot { "there" } else { "not there" }.to_owned()));
    }
    let facts: String = facts
        .iter()
        .map(|(what, value)| format!("<div><dt>{what}</dt><dd>{}</dd></div>", escape(value)))
        .collect();
    format!(
        "<header><h1>{}</h1><p class=\"lead\">{}</p><dl class=\"facts\">{facts}</dl></header>\n",
        escape(name),
        escape(&title)
    )
}

fn alerts(report: &Report) -> String {
    let backing =
        report.backing_file.as_ref().map(|file| format!("It depends on the backing file '{file}'."));
    let damage = report.damage().into_iter().map(|what| format!("Damaged: {what}"));
    let alerts = damage.chain(backing);
    alerts.map(|text| format!("<p class=\"alert\">{}</p>\n", escape(&text))).collect()
}

/// Writes text so that it is text in HTML, in attributes too.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A share in percent, with the point that CSS wants.
fn percent(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { part / whole * 100.0 } else { 0.0 };
    format!("{share:.4}%")
}
