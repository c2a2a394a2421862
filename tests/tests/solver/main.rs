//! The solver against the suite's own apt: the same request must give the same packages in the same versions.
//!
//! apt runs with `--simulate` on a tree of its own (`Dir`), so the machine's packages play no part. Environment:
//! `BOOTWRIGHT_SOLVER_SUITES` (default: this machine's own release), `BOOTWRIGHT_SOLVER_RANDOM` (how many lists are
//! drawn, default 15) and `BOOTWRIGHT_SOLVER_SEED`. A suite other than this machine's needs root: its apt runs in a
//! chroot that mmdebstrap makes.

mod apt;
mod lists;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use bootwright::plan::{Architecture, PackageRequest};
use bootwright::resolve::{ResolveError, Universe, select};
use integration_tests::indexes::universe;

use apt::{Apt, Outcome};
use lists::{List, Random};

#[test]
fn chooses_what_apt_chooses_network() -> Result<()> {
    let host = apt::host_codename()?;
    let suites = std::env::var("BOOTWRIGHT_SOLVER_SUITES").unwrap_or(host);
    for suite in suites.split(',') {
        compare_suite(suite).with_context(|| format!("comparing with apt of '{suite}'"))?;
    }
    Ok(())
}

fn compare_suite(suite: &str) -> Result<()> {
    let apt = Apt::set_up(suite)?;
    let universe = universe(&apt.indexes, &[])?;
    let mut tally = Tally::default();
    for list in lists::written() {
        if list.pins.is_empty() {
            tally.add(&apt, &universe, &list)?;
        } else {
            tally.add(&apt, &self::universe(&apt.indexes, list.pins)?, &list)?;
        }
    }
    eprintln!("{suite}: written lists: {tally:?}");
    let mut random = Random::from_environment()?;
    eprintln!("{suite}: drawing {} lists with BOOTWRIGHT_SOLVER_SEED={}", random.count, random.seed);
    let names = apt.package_names();
    for list in random.lists(&names) {
        tally.add(&apt, &universe, &list)?;
    }
    eprintln!("{suite}: all lists: {} alike, {} refused by both", tally.alike, tally.refused);
    ensure!(
        tally.different.is_empty(),
        "{} lists differ:\n{}",
        tally.different.len(),
        tally.different.join("\n")
    );
    ensure!(tally.alike > 0, "apt met no list at all");
    Ok(())
}

/// Outcomes so far.
#[derive(Debug, Default)]
struct Tally {
    alike: usize,
    refused: usize,
    different: Vec<String>,
}

impl Tally {
    fn add(&mut self, apt: &Apt, universe: &Universe, list: &List) -> Result<()> {
        let request = list.request(apt)?;
        let ours = choose(universe, &request);
        match (apt.choose(list, &request)?, ours) {
            (Outcome::Chosen(theirs), Ok(ours)) if theirs == ours => self.alike += 1,
            (Outcome::Refused(_), Err(_)) => self.refused += 1,
            (Outcome::Chosen(theirs), Ok(ours)) => {
                let lacking: Vec<_> = theirs.difference(&ours).collect();
                let extra: Vec<_> = ours.difference(&theirs).collect();
                self.differ(format!("{list}\n  only apt: {lacking:?}\n  only we: {extra:?}"));
            }
            (Outcome::Chosen(theirs), Err(error)) => {
                self.differ(format!("{list}\n  apt chose {} packages, we refused: {error}", theirs.len()));
            }
            (Outcome::Refused(why), Ok(ours)) => {
                self.differ(format!("{list}\n  we chose {} packages, apt refused: {why}", ours.len()));
            }
        }
        Ok(())
    }

    fn differ(&mut self, text: String) {
        eprintln!("different: {text}");
        self.different.push(text);
    }
}

fn choose(universe: &Universe, request: &PackageRequest) -> Result<BTreeSet<(String, String)>, ResolveError> {
    let selection = select(universe, request, Architecture::Amd64)?;
    Ok(selection.packages.into_iter().map(|package| (package.name, package.version)).collect())
}
