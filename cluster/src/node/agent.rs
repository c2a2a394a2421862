//! The service on every node: says that it lives, renews its certificate, follows the cluster, and fences itself.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use contract::roles::template::Facts;
use contract::roles::{CONTROLLER, Catalogue};

use super::facts::facts;
use super::firewall;
use super::roles::RoleRunner;
use crate::channel::{Channel, refusal};
use crate::endpoint::store;
use crate::message::{Beat, ClusterView, Code, Done, Request, Standing};
use crate::place::Place;
use crate::record::Member;
use crate::{certificate, elevation, fence, migration, paths, random, roles, units};

/// How often a node says that it lives, seconds.
const BEAT: u64 = 10;
/// How often while its etcd has no place, seconds.
const WAITING: u64 = 2;
/// How soon it asks again when no core node answers.
const PAUSE: Duration = Duration::from_secs(2);
/// The kernel's name of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What an agent knows between two questions.
struct Agent<'a> {
    place: &'a Place,
    catalogue: Catalogue,
    member: Member,
    boot: String,
    /// The revision that the files of roles are of.
    revision: i64,
    /// Whether files of roles are older than that: somebody else works on roles.
    is_behind: bool,
    /// Roles whose files could not be brought up to date, and why.
    stale: BTreeMap<String, String>,
    /// What keeps a core node from holding the store.
    standing: Option<String>,
}

/// Works until this machine is no node any more.
///
/// # Errors
///
/// When this is no node, or its files cannot be read.
pub fn run(place: &Place) -> Result<()> {
    let member = Member::require(place)?;
    // A machine made of files shares the kernel with others, so its boots have names of their own.
    let boot = match place.is_live() {
        true => place.require(BOOT_ID)?.trim().to_owned(),
        false => random::uuid()?,
    };
    let catalogue = roles::catalogue(place)?;
    let mut agent = Agent {
        place,
        catalogue,
        member,
        boot,
        revision: 0,
        is_behind: false,
        stale: BTreeMap::new(),
        standing: None,
    };
    let mut gone = None;
    if let Err(error) = firewall::restore(place) {
        eprintln!("firstboot: {error:#}");
    }
    loop {
        let worked = migration::follow(place, &mut gone).and_then(|()| agent.work());
        let Err(error) = worked else { continue };
        if let Some(refusal) = refusal(&error)
            && matches!(refusal.code, Code::Removed | Code::Twin)
        {
            return agent.fence(&refusal.reason);
        }
        eprintln!("firstboot: {error:#}");
        std::thread::sleep(PAUSE);
    }
}

impl Agent<'_> {
    /// Talks to one core node until the connection ends.
    fn work(&mut self) -> Result<()> {
        let mut channel = self.member.connect(self.place)?;
        // A core node may vanish just before the next beat: that, this wait, the pause and another connection together are
        // less than what makes a node silent.
        channel.set_patience(Duration::from_secs(BEAT + 4))?;
        loop {
            self.hold_store(&mut channel);
            self.tend_certificate();
            let _: Done = channel.ask(&Request::Beat(self.beat()))?;
            if self.renew(&mut channel)? {
                // The next connection shows the new certificate.
                return Ok(());
            }
            // Who waits for a place in the store, or for the lock of roles, asks for it all the time.
            let seconds = if self.standing.is_some() || self.is_behind { WAITING } else { BEAT };
            let view: ClusterView = channel.ask(&Request::Watch { revision: self.revision, seconds })?;
            if view.revision != self.revision || self.is_behind {
                self.follow(&mut channel, &view)?;
            }
        }
    }

    /// Keeps a core node's etcd where the cluster wants it.
    fn hold_store(&mut self, channel: &mut Channel) {
        if !elevation::is_core(&self.member) {
            return;
        }
        self.standing = match elevation::tend(self.place, &self.member, channel) {
            Ok(Standing::Standby | Standing::Voter) => None,
            Ok(standing) => Some(format!("its etcd has no place in the cluster's store yet ({standing:?})")),
            Err(error) => Some(format!("its etcd: {error:#}")),
        };
    }

    /// Renews the endpoint's certificate, if it is of our own making.
    fn tend_certificate(&self) {
        if store::showing(&self.catalogue, &self.member.roles).is_empty() {
            return;
        }
        let runner = RoleRunner { place: self.place, catalogue: &self.catalogue };
        let tended = store::own_names(self.place, &self.member)
            .and_then(|names| runner.tend_certificate(&self.member.roles, &names));
        if let Err(error) = tended {
            eprintln!("firstboot: the certificate of the cluster's endpoint: {error:#}");
        }
    }

    fn beat(&self) -> Beat {
        let runner = RoleRunner { place: self.place, catalogue: &self.catalogue };
        let own = |role: &String| self.standing.clone().filter(|_| role == CONTROLLER);
        let problem = |role: &String| {
            self.stale.get(role).cloned().or_else(|| own(role)).or_else(|| runner.problem(role))
        };
        let state = |role: &String| (role.clone(), problem(role));
        let shows = !store::showing(&self.catalogue, &self.member.roles).is_empty();
        Beat {
            certificate_ends: shows.then(|| store::ends(self.place)).flatten(),
            boot: self.boot.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            roles: self.member.roles.iter().map(state).collect(),
        }
    }

    /// Gets a new certificate in time; tells whether it did.
    fn renew(&self, channel: &mut Channel) -> Result<bool> {
        let facts = certificate::facts_of_pem(&self.place.require(paths::NODE_CERTIFICATE)?)?;
        if facts.renew_at() > self.place.clock.now() {
            return Ok(false);
        }
        self.replace_certificate(channel)?;
        Ok(true)
    }

    fn replace_certificate(&self, channel: &mut Channel) -> Result<()> {
        let text: String = channel.ask(&Request::Renew)?;
        certificate::facts_of_pem(&text).context("taking the new certificate")?;
        self.place.write(paths::NODE_CERTIFICATE, &text, 0o644)
    }

    /// Takes over what changed in the cluster.
    fn follow(&mut self, channel: &mut Channel, view: &ClusterView) -> Result<()> {
        let authority = self.place.require(paths::AUTHORITY)?;
        let me = view.nodes.iter().find(|node| node.uuid == self.member.node);
        let mut learned = Ok(());
        let before = std::mem::replace(
            &mut self.member,
            Member::update(self.place, |member| {
                learned = member.learn(&view.endpoints, &authority);
                if let Some(me) = me {
                    member.name.clone_from(&me.name);
                    member.address.clone_from(&me.address);
                }
            })?,
        );
        learned?;
        if (&before.name, &before.address) != (&self.member.name, &self.member.address) {
            self.replace_certificate(channel)?;
        }
        let facts = facts(self.place, view, &self.member, &self.catalogue)?;
        self.stale.clear();
        // A role may take minutes to start, and a node that waits for that would be silent.
        let lock = self.place.try_lock(paths::ROLES_LOCK)?;
        self.is_behind = lock.is_none();
        if lock.is_some() {
            self.follow_roles(&facts);
        }
        drop(lock);
        if let Err(error) = firewall::apply(self.place, &self.catalogue, &facts) {
            eprintln!("firstboot: {error:#}");
            let ruled = |role: &&String| self.catalogue.get(role).is_some_and(|role| !role.ports.is_empty());
            let ruled: Vec<String> = self.member.roles.iter().filter(ruled).cloned().collect();
            self.stale.extend(ruled.into_iter().map(|role| (role, format!("{error:#}"))));
        }
        self.revision = view.revision;
        Ok(())
    }

    fn follow_roles(&mut self, facts: &Facts) {
        let runner = RoleRunner { place: self.place, catalogue: &self.catalogue };
        for role in &self.member.roles {
            if let Err(error) = runner.follow(role, facts) {
                eprintln!("firstboot: {error:#}");
                self.stale.insert(role.clone(), format!("{error:#}"));
            }
        }
    }

    /// Stops everything that belongs to the cluster and moves it away.
    fn fence(&self, reason: &str) -> Result<()> {
        eprintln!("firstboot: {reason}");
        let runner = RoleRunner { place: self.place, catalogue: &self.catalogue };
        if let Err(error) = runner.stop(&self.member.roles) {
            eprintln!("firstboot: {error:#}");
        }
        firewall::remove();
        if self.place.exists(paths::CORE)
            && let Err(error) =
                self.place.services.call(&["disable", "--now"], &[units::CORED, units::ENGINE])
        {
            eprintln!("firstboot: {error:#}");
        }
        let target = fence::quarantine(self.place)?;
        eprintln!("firstboot: this machine is no node any more; what it had of the cluster is in '{target}'");
        self.place.services.call(&["disable"], &[units::AGENT])
    }
}
