//! Words and numbers of the kernel's bonding driver, which every format passes on.

use super::fields::{self, Report};
use super::{BondMode, LacpRate, Problem};
use crate::yaml::Node;

/// The kernel's name or number of a mode; nothing is the kernel's default.
pub(super) fn bond_mode(node: Option<&Node>, report: &mut Report) -> BondMode {
    let Some(written) = fields::text(node, report) else { return BondMode::default() };
    let by_number = written.parse::<usize>().ok().and_then(|number| BondMode::ALL.get(number));
    let found = by_number.or_else(|| BondMode::ALL.iter().find(|mode| mode.name() == written));
    found.copied().unwrap_or_else(|| {
        let names: Vec<_> = BondMode::ALL.iter().map(|mode| mode.name()).collect();
        let message = format!("'{written}' is no mode of a bond; there are {}", names.join(", "));
        report.extend(node.map(|node| Problem::error(node.place(), message)));
        BondMode::default()
    })
}

/// `slow` and `fast`, or the kernel's numbers.
pub(super) fn lacp_rate(node: Option<&Node>, report: &mut Report) -> Option<LacpRate> {
    match fields::text(node, report)? {
        "slow" | "0" => Some(LacpRate::Slow),
        "fast" | "1" => Some(LacpRate::Fast),
        other => {
            report.push(Problem::error(
                node?.place(),
                format!("'{other}' is no LACP rate; 'slow' and 'fast' are"),
            ));
            None
        }
    }
}

/// The kernel's names of hash policies.
pub(super) fn hash_policy(node: Option<&Node>, report: &mut Report) -> Option<String> {
    const KNOWN: [&str; 6] = ["layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4", "vlan+srcmac"];
    let written = fields::text(node, report)?;
    if !KNOWN.contains(&written) {
        let message = format!("'{written}' is no hash policy; there are {}", KNOWN.join(", "));
        report.push(Problem::error(node?.place(), message));
        return None;
    }
    Some(written.to_owned())
}
