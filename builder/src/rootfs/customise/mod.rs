//! What the recipe does to a configured tree: users, overlays, files, locale, time zone, services, commands.
//!
//! The order is fixed. Users come first because files may belong to them; services come after files because a
//! file may be a unit; commands come last and see everything. [`keep_services`] comes after all of it, so that what
//! the commands enabled holds after the first boot as well.

use std::path::Path;

use anyhow::{Context, Result};
use host::beneath::Root;

use crate::plan::Plan;
use crate::progress::Stage;
use crate::sandbox::Sandbox;

mod accounts;
mod apt;
mod enabled;
mod files;
mod locale;
mod overlay;
mod services;
#[cfg(test)]
mod tests;

pub use accounts::Accounts;
pub use apt::write_apt_sources;

/// Variables that name proxies; a step with network sees those of this process.
const PROXY_VARIABLES: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// Applies the recipe's customisation to the tree at `root`.
///
/// # Errors
///
/// Names the recipe's key and what failed: a missing user, a unit that does not exist, a command's output.
pub fn customise(root: &Path, plan: &Plan, sandbox: &Sandbox, stage: &Stage<'_>) -> Result<()> {
    let tree = Root::open(root).with_context(|| format!("opening the tree '{}'", root.display()))?;
    let wanted = &plan.customise;
    accounts::create_users(&tree, root, &wanted.users, sandbox)?;
    let accounts = Accounts::load(&tree)?;
    for overlay in &wanted.overlays {
        overlay::lay(&tree, overlay, &accounts)
            .with_context(|| format!("laying overlay '{}'", overlay.from.display()))?;
    }
    for file in &wanted.files {
        files::write(&tree, file, &accounts).with_context(|| format!("writing file '{}'", file.path))?;
    }
    locale::set_locale(&tree, root, wanted.locale.as_deref(), sandbox)?;
    locale::set_timezone(&tree, wanted.timezone.as_deref())?;
    services::apply(&tree, root, &wanted.services, sandbox)?;
    for step in &wanted.run {
        stage.working(step.name.clone());
        let command = sandbox.command(root, "/bin/sh").args(["-ec", &step.command]).network(step.network);
        // Who builds behind a proxy has no other way out.
        let proxies = if step.network { &PROXY_VARIABLES[..] } else { &[] };
        let given = proxies.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        given
            .fold(command, |command, (name, value)| command.env(name, value))
            .run()
            .with_context(|| format!("running step '{}' ({})", step.name, step.origin))?;
    }
    apt::check_keyrings(&tree, &wanted.apt_sources)
}

/// Makes what is enabled and disabled now hold over the first boot; call it when no more units are placed.
///
/// # Errors
///
/// When unit files cannot be read or the preset file cannot be written.
pub fn keep_services(root: &Path) -> Result<()> {
    let tree = Root::open(root).with_context(|| format!("opening the tree '{}'", root.display()))?;
    services::write_presets(&tree)
}
