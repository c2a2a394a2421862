//! The network, as the strongest document that can be read says.
//!
//! A document is judged when its source is read, so one that cannot be has given its place to a weaker one already.

use anyhow::Result;
use contract::network::Reading;
use contract::state::Phase;

use super::change::{Change, Deed};
use super::{Step, Target};
use crate::machine::Machine;
use crate::network::machine::Machine as Interfaces;
use crate::network::setting::Setting;

/// Sets the network.
#[derive(Debug)]
pub struct NetworkStep;

impl Step for NetworkStep {
    fn name(&self) -> String {
        "network".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    /// The network as it is on this machine: another card in the place of the only one is another piece of work, a card
    /// more is none.
    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let document = clone.wanted.state.network.as_ref()?;
        match document.read() {
            Ok(Reading { disabled: true, .. }) => None,
            // What cannot be fitted is what `plan` tells of.
            _ => fit(clone)
                .and_then(|setting| setting.wish(&clone.machine.root))
                .ok()
                .or(Some(document.text.clone().into())),
        }
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let setting = fit(clone)?;
        for note in setting.notes() {
            eprintln!("firstboot: {note}");
        }
        let summary = setting.describe(&clone.machine.root)?;
        Ok(vec![Change::deed(SetNetwork { setting, summary })])
    }
}

/// The machine's files set the network.
#[derive(Debug)]
struct SetNetwork {
    setting: Setting,
    summary: String,
}

impl Deed for SetNetwork {
    fn describe(&self) -> String {
        self.summary.clone()
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        self.setting.holds(&machine.root)
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        self.setting.apply(&machine.root, machine.is_live)
    }
}

fn fit(clone: &Target<'_>) -> Result<Setting> {
    let network = match &clone.wanted.state.network {
        Some(document) => document.read()?.network,
        None => Default::default(),
    };
    Setting::fit(&clone.machine.root, Interfaces::load(&clone.machine.folder), network)
}
