//! How long each stage of the build took.

use super::{escape, percent};
use crate::inspect::Times;

pub(super) fn section(times: &Times) -> String {
    let longest = times.stages.iter().map(|stage| stage.milliseconds).max().unwrap_or(0).max(1);
    let rows: String = times
        .stages
        .iter()
        .map(|stage| {
            let share = percent(stage.milliseconds as f64, longest as f64);
            format!(
                "<span>{}</span><span><i style=\"width:{share}\"></i></span><span class=\"value\">{}</span>",
                escape(&stage.name),
                seconds(stage.milliseconds)
            )
        })
        .collect();
    format!(
        "<section><h2>Time per stage</h2><div class=\"bars\">{rows}</div>\
         <p class=\"note\">{} in all. Stages overlap where they can, so the sum of the bars may be more.</p></section>\n",
        seconds(times.milliseconds)
    )
}

fn seconds(milliseconds: u64) -> String {
    if milliseconds < 1000 {
        format!("{milliseconds} ms")
    } else {
        format!("{:.1} s", milliseconds as f64 / 1000.0)
    }
}
