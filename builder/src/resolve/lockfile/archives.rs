//! Which archive a package is from: named in the lock, and an address again when a build uses it.

use crate::plan::{Origin, Plan};
use crate::resolve::{Locked, local_index};

/// The archive of the .debs that a recipe names by their path.
const LOCAL: &str = "local";

/// Returns the name of the archive at `base`; the files of this machine are in none.
pub(super) fn name<'a>(locked: &'a Locked, base: &str) -> &'a str {
    match locked.origin(base) {
        Some(Origin::Debian) => "debian",
        Some(Origin::DebianSecurity) => "debian-security",
        Some(Origin::Uri(uri)) => uri,
        None => LOCAL,
    }
}

/// Returns the address of the archive `from`, in which the package `name` is; none of a local file that the plan does
/// not name.
pub(super) fn address(
    from: &str,
    name: &str,
    plan: &Plan,
    base: impl Fn(&Origin) -> String,
) -> Option<String> {
    Some(match from {
        "debian" => base(&Origin::Debian),
        "debian-security" => base(&Origin::DebianSecurity),
        LOCAL => local_index(plan.local.iter().find(|package| package.name == name)?).0.base,
        uri => uri.trim_end_matches('/').to_owned(),
    })
}
