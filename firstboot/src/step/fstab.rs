//! Lines of `/etc/fstab` that are ours, between two marks; every other line stays.

use anyhow::{Result, ensure};

use crate::machine::Machine;

/// Where it is.
pub const PATH: &str = "/etc/fstab";
const BEGIN: &str = "# firstboot: the lines up to the next mark are managed";
const END: &str = "# firstboot: end";

/// Returns the file with this line of ours in it, in the place of an older one for the same mount point or swap space.
///
/// # Errors
///
/// When the file cannot be read, or a line that is not ours is for the same.
pub fn with_line(machine: &Machine, line: &str) -> Result<String> {
    let text = machine.read_text(PATH)?.unwrap_or_default();
    let (before, ours, after) = split(&text);
    let key = key_of(line);
    for foreign in [before, after].iter().flat_map(|part| part.lines()) {
        let is_comment = foreign.trim_start().starts_with('#');
        ensure!(
            is_comment || key_of(foreign) != key,
            "'{PATH}' has a line for '{}' that is not firstboot's",
            key.unwrap_or_default()
        );
    }
    let mut lines: Vec<&str> = ours.lines().filter(|own| key_of(own) != key).collect();
    lines.push(line);
    let end = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{before}{end}{BEGIN}\n{}\n{END}\n{after}", lines.join("\n")))
}

/// The text before our block, in it and behind it; a block without an end is left alone.
fn split(text: &str) -> (&str, &str, &str) {
    let block = text.find(BEGIN).and_then(|start| {
        let inside = start + BEGIN.len();
        let end = inside + text[inside..].find(END)?;
        Some((start, inside, end))
    });
    let Some((start, inside, end)) = block else { return (text, "", "") };
    let after = &text[end + END.len()..];
    (&text[..start], text[inside..end].trim_matches('\n'), after.strip_prefix('\n').unwrap_or(after))
}

/// What a line is for: its mount point, or the swap space itself.
fn key_of(line: &str) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let (device, target, kind) = (fields.next()?, fields.next()?, fields.next()?);
    Some(if kind == "swap" { device } else { target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_lines_change() {
        let folder = std::env::temp_dir().join(format!("firstboot-fstab-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("etc")).expect("a folder");
        let machine = Machine::open(&folder).expect("a machine");
        let put = |line: &str| {
            let text = with_line(&machine, line).expect(line);
            std::fs::write(folder.join("etc/fstab"), &text).expect("written");
            text
        };
        std::fs::write(folder.join("etc/fstab"), "UUID=a / ext4 defaults 0 1").expect("written");
        put("UUID=b /srv ext4 defaults 0 2");
        put("/swap.img none swap sw 0 0");
        let text = put("UUID=c /srv xfs defaults 0 0");
        let block = format!("{BEGIN}\n/swap.img none swap sw 0 0\nUUID=c /srv xfs defaults 0 0\n{END}\n");
        assert_eq!(text, format!("UUID=a / ext4 defaults 0 1\n{block}"));
        assert_eq!(put("UUID=c /srv xfs defaults 0 0"), text);
        let told = with_line(&machine, "UUID=d / ext4 defaults 0 1").expect_err("the root is the image's");
        assert!(told.to_string().contains("'/'"), "{told}");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
