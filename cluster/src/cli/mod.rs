//! The verbs of a cluster: `node`, `token`, `role`, `cored`, and the cluster's part of `status`.

use std::process::ExitCode;

use anyhow::Result;

use crate::core::server;
use crate::place::{Place, PlaceArguments};

pub mod certificate;
pub mod node;
pub mod role;
pub mod show;
pub mod token;

/// Exit codes of what looks at a cluster; they never change. 1 is that of errors, 2 the command line's own.
pub mod exit {
    /// Every node lives and every role works.
    pub const HEALTHY: u8 = 0;
    /// Something does not.
    pub const UNHEALTHY: u8 = 1;
}

/// `cored`: serves until it is killed.
///
/// # Errors
///
/// When it cannot begin.
pub fn cored(arguments: &PlaceArguments) -> Result<ExitCode> {
    server::run(&Place::open(arguments)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The longest time that can be said, so that no clock counts past its end.
const LONGEST: u64 = 36_500 * 24 * 60 * 60;

/// Reads a time such as `90s`, `30m`, `1h` or `7d`; gives seconds.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{:.40}' is no time such as 90s, 30m, 1h or 7d", text.escape_debug());
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(factor).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    if seconds > LONGEST {
        return Err(format!("'{text}' is longer than a hundred years (36500d)"));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h", 3600), ("7d", 604_800)] {
            assert_eq!(parse_seconds(text).expect(text), seconds);
        }
        for bad in [
            "",
            "h",
            "1",
            "0s",
            "-1h",
            "1.5h",
            "1ä",
            "99999999999999999999d",
            "999999999999999999d",
            "36501d",
        ] {
            parse_seconds(bad).expect_err(bad);
        }
    }
}
