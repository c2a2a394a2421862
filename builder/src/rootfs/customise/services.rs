//! systemd units: enabled, disabled, masked, and held so over the first boot.
//!
//! A first boot (machine-id `uninitialized`) makes systemd apply presets to every unit. Its built-in rule for a
//! unit that no preset names is `enable`, so what a recipe disabled would come back. The preset file written
//! here names what is enabled now and ends in `disable *`; read first, it makes that run a no-op, whichever
//! preset mode systemd was built with and whether root is mounted writable at that moment or not.

use std::path::Path;

use anyhow::{Context, Result, bail};
use host::beneath::Root;

use super::enabled::{Enabled, enabled_units};
use crate::plan::Services;
use crate::sandbox::Sandbox;

/// Sorts before every preset file that packages ship.
const PRESET_FILE: &str = "/etc/systemd/system-preset/00-bootwright.preset";

/// Asks questions on the console at a first boot, which nobody is there to answer.
const ALWAYS_MASKED: &str = "systemd-firstboot.service";

const SYSTEMCTL: &str = "/usr/bin/systemctl";

/// Applies the recipe's `services:`.
///
/// # Errors
///
/// When a unit does not exist, or units are named in an image without systemd.
pub fn apply(tree: &Root, root: &Path, services: &Services, sandbox: &Sandbox) -> Result<()> {
    if !tree.exists(SYSTEMCTL)? {
        let named = services.enable.iter().chain(&services.disable).chain(&services.mask).next();
        return match named {
            Some(unit) => {
                bail!("services: '{unit}' is named, but the image has no systemd; add `systemd-sysv`")
            }
            None => Ok(()),
        };
    }
    for (verb, units) in [("enable", &services.enable), ("disable", &services.disable)] {
        if !units.is_empty() {
            systemctl(root, sandbox, verb, units).with_context(|| format!("services: {verb}"))?;
        }
    }
    let masked: Vec<String> = services.mask.iter().cloned().chain([ALWAYS_MASKED.to_owned()]).collect();
    systemctl(root, sandbox, "mask", &masked).context("services: mask")
}

fn systemctl(root: &Path, sandbox: &Sandbox, verb: &str, units: &[String]) -> Result<()> {
    sandbox.command(root, SYSTEMCTL).arg(verb).args(units).run()?;
    Ok(())
}

/// Writes the preset file that keeps the present state over the first boot's preset run.
///
/// # Errors
///
/// When units cannot be read or the file cannot be written.
pub fn write_presets(tree: &Root) -> Result<()> {
    if !tree.exists(SYSTEMCTL)? {
        return Ok(());
    }
    let text = render_presets(&enabled_units(tree).context("looking for enabled units")?);
    tree.create_folder("/etc/systemd/system-preset", 0o755, 0, 0)?;
    tree.write_file(PRESET_FILE, text.as_bytes(), 0o644, 0, 0).context("writing presets")
}

/// Renders the enabled units as a preset file; the instances of a template stand behind its name.
pub fn render_presets(enabled: &Enabled) -> String {
    let mut text = String::from("# Written by bootwright: the first boot's preset run changes nothing.\n");
    for (name, instances) in enabled {
        let words: Vec<&str> =
            ["enable", name].into_iter().chain(instances.iter().map(String::as_str)).collect();
        text.push_str(&words.join(" "));
        text.push('\n');
    }
    text.push_str("disable *\n");
    text
}
