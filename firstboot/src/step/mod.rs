//! What is done to a machine: each step gives the changes that its part of the desired state comes to.
//!
//! A step's plan lists what shall hold; [`engine`] leaves out what holds already, writes the intent to the journal,
//! applies, verifies, and writes that it is done. A step that was done for the same instance and the same wish is not
//! looked at again, so what an operator changes later stays. To add a step, write a module with a type that implements
//! [`Step`] and name it in [`all`].

mod accounts;
mod authority;
pub mod certificate;
pub mod change;
mod cluster;
mod command;
mod documents;
pub mod engine;
mod files;
mod fstab;
mod grow;
mod host_key;
pub mod hostname;
pub mod identity;
mod locale;
mod mount;
mod network;
mod phone_home;
mod quotas;
mod rsa_host_key;
mod swap;
mod timezone;
mod users;

use anyhow::Result;
use contract::merge::Merged;
use contract::state::Phase;

use crate::machine::Machine;
use change::Change;
pub use command::CommandStep;
pub use identity::Identity;

/// What steps are made for.
#[derive(Debug)]
pub struct Target<'c> {
    /// The machine.
    pub machine: &'c Machine,
    /// What it shall become.
    pub wanted: &'c Merged,
    /// Documents that lie on its own disk.
    pub documents: &'c [String],
    /// Which machine it is.
    pub identity: &'c Identity,
    /// Whether commands may run: the machine is the running one, or the caller says so.
    pub runs_commands: bool,
    /// Whether nothing is done, and later steps see what earlier ones would have made.
    pub previews: bool,
    /// Whether the machine has the name that is asked for, or one that `rename` gave it since, and keeps it.
    pub keeps_name: bool,
}

/// One part of a machine's configuration.
pub trait Step {
    /// What the journal and the report call it.
    fn name(&self) -> String;

    /// When it is done.
    fn phase(&self) -> Phase;

    /// The wish that it fulfils; another wish is another piece of work. None when nothing is asked for.
    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value>;

    /// Whether it is tried again after it failed.
    fn is_repeatable(&self) -> bool {
        true
    }

    /// What shall hold, in the order in which it is made so.
    ///
    /// # Errors
    ///
    /// When the wish cannot be fulfilled on this machine.
    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>>;
}

/// Returns all steps in their order; `deferred` are commands that waited for this boot.
pub fn all(wanted: &Merged, deferred: Vec<Box<dyn Step>>) -> Vec<Box<dyn Step>> {
    let mut steps: Vec<Box<dyn Step>> = vec![
        Box::new(identity::IdentityStep),
        Box::new(documents::DocumentsStep),
        Box::new(hostname::HostnameStep),
        Box::new(certificate::CertificateStep),
        Box::new(network::NetworkStep),
        Box::new(grow::GrowStep),
        Box::new(swap::SwapStep),
    ];
    // What is written and who is made may lie on a filesystem that is mounted.
    let mounts = wanted.state.mounts.iter().cloned();
    steps.extend(mounts.map(|mount| Box::new(mount::MountStep(mount)) as Box<dyn Step>));
    let on_mounts: [Box<dyn Step>; 5] = [
        Box::new(timezone::TimezoneStep),
        Box::new(locale::LocaleStep),
        Box::new(files::FilesStep { late: false }),
        Box::new(users::UsersStep),
        Box::new(authority::AuthorityStep),
    ];
    steps.extend(on_mounts);
    // Limits are for users who may just have been made.
    let quotas = wanted.state.quotas.iter().cloned();
    steps.extend(quotas.map(|quota| Box::new(quotas::QuotaStep(quota)) as Box<dyn Step>));
    let commands = |phase: Phase| {
        let chosen =
            wanted.state.commands.iter().enumerate().filter(move |(_, command)| command.phase == phase);
        chosen.map(|(index, command)| {
            Box::new(command::CommandStep { index, command: command.clone() }) as Box<dyn Step>
        })
    };
    steps.extend(commands(Phase::Early));
    steps.push(Box::new(files::FilesStep { late: true }));
    steps.extend(commands(Phase::Final));
    steps.push(Box::new(cluster::ClusterStep));
    steps.extend(deferred);
    steps.push(Box::new(rsa_host_key::RsaHostKeyStep));
    steps.push(Box::new(phone_home::PhoneHomeStep));
    steps
}
