//! Membership of a cluster, as the documents ask for it: begun, joined, or left to the clones of a template.

use anyhow::{Context, Result, anyhow};
use cluster::address::{CoreAddress, PORT};
use cluster::place::Place;
use cluster::record::Member;
use cluster::{attach, setup};
use contract::cluster::ClusterWish;
use contract::state::{Phase, Secret};
use serde::{Deserialize, Serialize};

use super::change::{Change, Deed};
use super::{Step, Target};
use crate::machine::Machine;

/// What clones of this machine become; the machine itself does not.
const DEFERRED: &str = "/var/lib/firstboot/cluster-deferred.json";
/// How long a core may be away before the boot goes on without it; the next boot tries again.
const PATIENCE: u64 = 300;
/// How long a node's certificate holds, seconds.
const CERTIFICATE_LIFE: u64 = 7 * 24 * 60 * 60;
/// How long a machine that joins may be silent, seconds.
const JOIN_LIFE: u64 = 120;

/// Makes the machine a part of its cluster.
#[derive(Debug)]
pub struct ClusterStep;

/// What a template keeps for its clones.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deferred {
    /// The key of the template's identity.
    template: String,
    wish: ClusterWish,
}

impl ClusterStep {
    /// What this machine shall become now, and what is kept for its clones.
    fn wanted(clone: &Target<'_>) -> Result<(Option<ClusterWish>, Option<Deferred>)> {
        let kept: Option<Deferred> = clone
            .machine
            .read_text(DEFERRED)?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(|| format!("reading '{DEFERRED}'"))?;
        let own = |template: &str| template == clone.identity.key;
        match (clone.wanted.state.cluster.clone(), kept) {
            (Some(wish), _) if !wish.defer => Ok((Some(wish), None)),
            // A clone of a template: its documents, if it has any, say the same or newer things.
            (wish, Some(kept)) if !own(&kept.template) => Ok((Some(wish.unwrap_or(kept.wish)), None)),
            (Some(wish), _) => Ok((None, Some(Deferred { template: clone.identity.key.clone(), wish }))),
            (None, _) => Ok((None, None)),
        }
    }
}

impl Step for ClusterStep {
    fn name(&self) -> String {
        "cluster".into()
    }

    fn phase(&self) -> Phase {
        Phase::Final
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        match Self::wanted(clone) {
            Ok((None, None)) => None,
            Ok((now, later)) => serde_json::to_value((now, later.map(|later| later.wish))).ok(),
            // Planning says what is wrong.
            Err(_) => Some(serde_json::Value::Null),
        }
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let (now, later) = Self::wanted(clone)?;
        let mut changes = Vec::new();
        if let Some(later) = later {
            let text = serde_json::to_string_pretty(&later).context("rendering what clones become")? + "\n";
            changes.push(Change::file(DEFERRED, text, 0o600));
        }
        if let Some(wish) = now {
            let runs = clone.runs_commands;
            changes.push(Change::deed(Membership { wish, runs }));
        }
        Ok(changes)
    }
}

/// The machine is a part of its cluster.
#[derive(Debug)]
struct Membership {
    wish: ClusterWish,
    /// Whether it is done, or would be on the machine itself only.
    runs: bool,
}

impl Deed for Membership {
    fn describe(&self) -> String {
        match &self.wish.setup {
            Some(name) => format!("begin the cluster {name}"),
            None => format!("join a cluster with the roles {}", self.wish.roles.join(", ")),
        }
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        Ok(!self.runs || Member::load(&Place::at(&machine.folder)?)?.is_some())
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        if !self.runs {
            return Ok(());
        }
        let place = Place::at(&machine.folder)?;
        let roles = self.wish.roles.clone();
        let member = match (&self.wish.setup, &self.wish.token) {
            (Some(endpoint), _) => setup::run(
                &place,
                &setup::Wish {
                    endpoint: endpoint.clone(),
                    name: None,
                    address: None,
                    port: PORT,
                    roles,
                    certificate_seconds: CERTIFICATE_LIFE,
                    join_seconds: JOIN_LIFE,
                },
            ),
            (None, Some(token)) => {
                let wish = attach::Wish { token: self.token(token)?, roles, name: None };
                attach::run_patiently(&place, &wish, PATIENCE)
            }
            (None, None) => Err(anyhow!("neither a token nor the name of a cluster is said")),
        }?;
        println!("firstboot: {} is a node of the cluster {}", member.name, member.cluster);
        Ok(())
    }
}

impl Membership {
    /// The token, with the core nodes that the document names.
    fn token(&self, token: &Secret) -> Result<cluster::token::Token> {
        let mut token: cluster::token::Token = token.reveal().parse().map_err(|why: String| anyhow!(why))?;
        if !self.wish.core.is_empty() {
            let cores = self.wish.core.iter().map(|core| core.parse::<CoreAddress>());
            token.cores = cores.collect::<Result<_, _>>().map_err(|why| anyhow!(why))?;
        }
        Ok(token)
    }
}
