//! In which ways an image is booted.

use crate::cli::args::TestFirmware;
use crate::machine::Firmware;
use crate::plan::BootPlan;

/// Returns the word of the command line.
pub(super) fn word(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "bios",
        Firmware::Uefi => "uefi",
        Firmware::Secure => "secure",
    }
}

/// Returns the name that people read.
pub(super) fn name(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi => "UEFI",
        Firmware::Secure => "UEFI with Secure Boot",
    }
}

/// Returns the ways that are asked for, each once; without any, BIOS where the image boots by it.
///
/// # Errors
///
/// Says which way the recipe's image does not boot, and what to do.
pub(super) fn choose(
    wanted: &[TestFirmware],
    boot: Option<&BootPlan>,
) -> Result<Vec<Firmware>, (String, String)> {
    let possible = boot.map_or_else(Vec::new, possible);
    let Some(first) = possible.first() else {
        let message = "the recipe's image boots by no firmware".to_owned();
        return Err((message, "add `boot: { grub: { bios: true, uefi: true } }` and `disk`".to_owned()));
    };
    let mut chosen = Vec::new();
    for one in wanted {
        let ways = match one {
            TestFirmware::All => possible.clone(),
            TestFirmware::Bios => vec![Firmware::Bios],
            TestFirmware::Uefi => vec![Firmware::Uefi],
            TestFirmware::Secure => vec![Firmware::Secure],
        };
        chosen.extend(ways.into_iter().filter(|way| !chosen.contains(way)).collect::<Vec<_>>());
    }
    if let Some(other) = chosen.iter().find(|way| !possible.contains(way)) {
        let known: Vec<&str> = possible.iter().map(|way| word(*way)).collect();
        let (name, known) = (name(*other), known.join(", "));
        return Err((
            format!("the recipe's image does not boot by {name}"),
            format!("`--firmware` may be: {known}, all"),
        ));
    }
    Ok(if chosen.is_empty() { vec![*first] } else { chosen })
}

fn possible(boot: &BootPlan) -> Vec<Firmware> {
    let ways = [
        (boot.bios, Firmware::Bios),
        (boot.uefi, Firmware::Uefi),
        (boot.uefi && boot.secure, Firmware::Secure),
    ];
    ways.into_iter().filter(|(boots, _)| *boots).map(|(_, way)| way).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(bios: bool, uefi: bool, secure: bool) -> BootPlan {
        BootPlan { bios, uefi, secure, kernel_command_line: Vec::new() }
    }

    #[test]
    fn all_is_every_way_and_none_is_the_first() {
        use TestFirmware::{All, Bios, Secure, Uefi};
        for (wanted, plan, expected) in [
            (vec![], boot(true, true, true), vec![Firmware::Bios]),
            (vec![], boot(false, true, true), vec![Firmware::Uefi]),
            (vec![All], boot(true, true, true), vec![Firmware::Bios, Firmware::Uefi, Firmware::Secure]),
            (vec![All], boot(true, false, true), vec![Firmware::Bios]),
            (vec![Secure, Uefi, Secure], boot(true, true, true), vec![Firmware::Secure, Firmware::Uefi]),
            (vec![Uefi, All], boot(true, true, false), vec![Firmware::Uefi, Firmware::Bios]),
        ] {
            assert_eq!(choose(&wanted, Some(&plan)), Ok(expected), "{wanted:?}");
        }
        let error = choose(&[Bios], Some(&boot(false, true, false))).expect_err("no BIOS");
        assert_eq!(error.0, "the recipe's image does not boot by BIOS");
        assert_eq!(error.1, "`--firmware` may be: uefi, all");
        assert!(choose(&[All], None).is_err());
    }
}
