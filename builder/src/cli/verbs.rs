//! The verbs that need no worker.

use std::time::Duration;

use anyhow::Result;

use super::args::{self, BootArguments, CheckArguments, PlanArguments, Shared};
use super::{check, plan, terminal};
use crate::error::ExitCode;
use crate::machine::{self, AcceleratorChoice, BootEnd, BootOptions, Machine};

/// Validates recipes and documents for clones.
pub fn check_recipes(arguments: &CheckArguments, shared: &Shared) -> Result<u8> {
    let recipe = &arguments.recipe;
    let code = check::check(&arguments.files, &recipe.set, &recipe.mirror, terminal::color(shared.color));
    Ok(code as u8)
}

/// Shows a plan.
pub fn show_plan(arguments: &PlanArguments, shared: &Shared) -> Result<u8> {
    let recipe = &arguments.recipe;
    let color = terminal::color(shared.color);
    let code = plan::plan(&arguments.path, &recipe.set, &recipe.mirror, arguments.json, color);
    Ok(code as u8)
}

/// Boots an image with its console on this terminal.
pub fn boot(arguments: &BootArguments, shared: &Shared) -> Result<u8> {
    let cache = super::build::cache_folder(shared).ok();
    let machine = Machine::new(&arguments.image)
        .firmware(firmware(arguments.firmware))
        .accelerator(accelerator(arguments.accelerator))
        .processors(arguments.processors)
        .memory(arguments.memory)
        .writable(arguments.write)
        .seed(arguments.seed.clone())
        .cache(cache);
    let machine = arguments.forward.iter().fold(machine, |machine, port| machine.forward(*port));
    let options =
        BootOptions { expect: arguments.expect.clone(), timeout: arguments.timeout.map(Duration::from_secs) };
    let end = machine::boot(machine, &options, &terminal::say)?;
    Ok(match end {
        BootEnd::Expected | BootEnd::PoweredOff | BootEnd::Left => ExitCode::Success as u8,
        BootEnd::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(ExitCode::Failure as u8),
    })
}

fn firmware(firmware: args::Firmware) -> machine::Firmware {
    match firmware {
        args::Firmware::Bios => machine::Firmware::Bios,
        args::Firmware::Uefi => machine::Firmware::Uefi,
        args::Firmware::Secure => machine::Firmware::Secure,
    }
}

pub(super) fn accelerator(accelerator: args::Accelerator) -> AcceleratorChoice {
    match accelerator {
        args::Accelerator::Auto => AcceleratorChoice::Auto,
        args::Accelerator::Kvm => AcceleratorChoice::Kvm,
        args::Accelerator::Tcg => AcceleratorChoice::Tcg,
    }
}
