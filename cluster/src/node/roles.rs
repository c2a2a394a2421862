//! Roles on this node: files, keys and databases of its own, units, health.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use contract::roles::template::{Facts, render};
use contract::roles::{Catalogue, Health, Role};
use serde::{Deserialize, Serialize};

use crate::command;
use crate::endpoint::store;
use crate::paths;
use crate::place::Place;
use crate::units;

/// How long making keys and databases may take.
const PREPARE: Duration = Duration::from_secs(600);
/// How long looking at files or health may take.
pub const LOOK: Duration = Duration::from_secs(30);
/// How long a role may take to be healthy, if it does not say.
const WITHIN: u64 = 60;

/// Starts and stops roles.
#[derive(Debug, Clone, Copy)]
pub struct RoleRunner<'a> {
    /// The machine.
    pub place: &'a Place,
    /// The roles of its image.
    pub catalogue: &'a Catalogue,
}

/// A file as it was.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    path: String,
    mode: u32,
    text: Option<String>,
}

/// Where the files of before are while new ones are looked at.
fn journal(role: &Role) -> String {
    format!("{}/files/{}.json", paths::FOLDER, role.name)
}

impl RoleRunner<'_> {
    fn role(&self, name: &str) -> Result<&Role> {
        self.catalogue.get(name).with_context(|| format!("this image has no role '{name}'"))
    }

    /// Starts a role, and waits until it is healthy.
    ///
    /// # Errors
    ///
    /// Which part of it failed.
    pub fn start(&self, name: &str, facts: &Facts) -> Result<()> {
        let role = self.role(name)?;
        let lock = self.place.lock(paths::ROLES_LOCK)?;
        self.prepare(role)?;
        let changed = self.bring_up_to_date(role, facts)?;
        let units: Vec<&str> = role.units.iter().map(String::as_str).collect();
        // What starts now reads the files anyhow, and some take minutes to start.
        let ran: Vec<&str> =
            units.iter().copied().filter(|unit| changed && self.place.services.is_active(unit)).collect();
        if !units.is_empty() {
            let mut is_new = false;
            for unit in &units {
                is_new |= units::gate(self.place, unit)?;
            }
            if is_new {
                self.place.services.call(&["daemon-reload"], &[])?;
            }
            self.place.services.call(&["enable", "--now"], &units)?;
        }
        self.tell(&ran)?;
        // The agent may look after other roles while this one comes up.
        drop(lock);
        self.wait(role)
    }

    /// Stops roles, the last one first.
    ///
    /// # Errors
    ///
    /// When a unit does not stop; the others are stopped first.
    pub fn stop(&self, names: &[String]) -> Result<()> {
        let _lock = self.place.lock(paths::ROLES_LOCK)?;
        let mut failure = Ok(());
        for name in names.iter().rev() {
            let Some(role) = self.catalogue.get(name) else { continue };
            let units: Vec<&str> = role.units.iter().rev().map(String::as_str).collect();
            if units.is_empty() {
                continue;
            }
            let stopped = self.place.services.call(&["disable", "--now"], &units);
            let stopped =
                stopped.and_then(|()| units.iter().try_for_each(|unit| units::ungate(self.place, unit)));
            if let Err(error) = stopped {
                failure = Err(error.context(format!("stopping the role '{name}'")));
            }
        }
        failure
    }

    /// Writes files anew where the cluster changed, and lets the units read them. Whoever calls has the lock of roles.
    ///
    /// # Errors
    ///
    /// When they cannot be used; those of before are back then.
    pub fn follow(&self, name: &str, facts: &Facts) -> Result<bool> {
        let role = self.role(name)?;
        let changed = self.bring_up_to_date(role, facts)?;
        if changed {
            self.tell_role(role)?;
        }
        Ok(changed)
    }

    /// Takes another certificate of the endpoint into use, by all roles that show it; returns these.
    ///
    /// # Errors
    ///
    /// When one of them cannot use it; the one before is back then.
    pub fn replace_certificate(&self, has: &[String], text: &str) -> Result<Vec<String>> {
        let _lock = self.place.lock(paths::ROLES_LOCK)?;
        store::replace(self.place, self.catalogue, has, text)?;
        self.tell_showing(has)
    }

    /// Makes a certificate of our own anew in time; tells whether it did.
    ///
    /// # Errors
    ///
    /// When the disk or a unit refuses.
    pub fn tend_certificate(&self, has: &[String], names: &[String]) -> Result<bool> {
        // Another role may have the lock for minutes, and who waits for it is silent.
        if !store::is_due(self.place, names)? {
            return Ok(false);
        }
        let _lock = self.place.lock(paths::ROLES_LOCK)?;
        let changed = store::tend(self.place, names)?;
        if changed {
            self.tell_showing(has)?;
        }
        Ok(changed)
    }

    /// Lets the units of all roles that show the certificate read it.
    fn tell_showing(&self, has: &[String]) -> Result<Vec<String>> {
        let roles = store::showing(self.catalogue, has);
        roles.iter().try_for_each(|role| self.tell_role(role))?;
        Ok(roles.iter().map(|role| role.name.clone()).collect())
    }

    fn tell_role(&self, role: &Role) -> Result<()> {
        self.tell(&role.units.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Lets units that run read their files again.
    fn tell(&self, units: &[&str]) -> Result<()> {
        if units.is_empty() {
            return Ok(());
        }
        self.place.services.call(&["try-reload-or-restart"], units)
    }

    /// Files, and the certificate that they name; tells whether one of them changed.
    fn bring_up_to_date(&self, role: &Role, facts: &Facts) -> Result<bool> {
        let names = store::names(&facts.cluster.endpoint, &facts.node.name, &facts.node.address);
        let is_new = role.certificate && store::tend(self.place, &names)?;
        Ok(self.write_files(role, facts)? || is_new)
    }

    /// What is made once for each clone: no image has a key or a database.
    fn prepare(&self, role: &Role) -> Result<()> {
        let marker = format!("{}/prepared/{}", paths::FOLDER, role.name);
        if role.prepare.is_empty() || self.place.exists(&marker) {
            return Ok(());
        }
        for line in &role.prepare {
            command::run(self.place, line, PREPARE)
                .with_context(|| format!("preparing the role '{}'", role.name))?;
        }
        self.place.write(&marker, "", 0o600)
    }

    /// Writes the files of a role, all or none; tells whether one changed.
    fn write_files(&self, role: &Role, facts: &Facts) -> Result<bool> {
        self.recover(role)?;
        let mut changes = Vec::new();
        for file in &role.files {
            let text = render(&file.content, facts)
                .map_err(|reason| anyhow!("the template of '{}': {reason}", file.path))?;
            let before = self.place.read(&file.path)?;
            if before.as_deref() != Some(&text) {
                changes.push((file, text, before));
            }
        }
        if changes.is_empty() {
            return Ok(false);
        }
        let before: Vec<Before> = changes
            .iter()
            .map(|(file, _, text)| Before { path: file.path.clone(), mode: file.mode, text: text.clone() })
            .collect();
        self.place.save(&journal(role), &before)?;
        let written =
            changes.iter().try_for_each(|(file, text, _)| self.place.write(&file.path, text, file.mode));
        // Looked at when all are there, because they may include each other.
        let checked = written.and_then(|()| {
            let mut lines = changes.iter().filter_map(|(file, ..)| file.validate.as_ref());
            lines.try_for_each(|line| command::run(self.place, line, LOOK))
        });
        if let Err(error) = checked {
            self.recover(role)?;
            return Err(error.context(format!(
                "files of the role '{}' cannot be used, so they are as they were before",
                role.name
            )));
        }
        self.place.remove(&journal(role))?;
        Ok(true)
    }

    /// Brings files back that were not found to be good, also when this was cut.
    fn recover(&self, role: &Role) -> Result<()> {
        let before: Vec<Before> = self.place.load(&journal(role))?.unwrap_or_default();
        for file in before.iter().rev() {
            ensure!(
                role.files.iter().any(|ours| ours.path == file.path),
                "'{}' is no file of the role '{}'",
                file.path,
                role.name
            );
            match &file.text {
                Some(text) => self.place.write(&file.path, text, file.mode)?,
                None => self.place.remove(&file.path)?,
            }
        }
        self.place.remove(&journal(role))
    }

    fn wait(&self, role: &Role) -> Result<()> {
        let within = role.health.as_ref().map(|health| health.within).filter(|within| *within > 0);
        let deadline = Instant::now() + Duration::from_secs(within.unwrap_or(WITHIN));
        loop {
            match self.problem(&role.name) {
                None => return Ok(()),
                Some(problem) => {
                    ensure!(
                        Instant::now() < deadline,
                        "the role '{}' does not become healthy: {problem}",
                        role.name
                    );
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What is wrong with a role; none if it works.
    pub fn problem(&self, name: &str) -> Option<String> {
        let role = self.catalogue.get(name)?;
        if let Some(unit) = role.units.iter().find(|unit| !self.place.services.is_active(unit)) {
            return Some(format!("{unit} does not run"));
        }
        if role.certificate
            && let Some(problem) = store::problem(self.place)
        {
            return Some(problem);
        }
        self.check(role.health.as_ref()?).err().map(|error| format!("{error:#}"))
    }

    fn check(&self, health: &Health) -> Result<()> {
        if let Some(port) = health.port {
            TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), Duration::from_secs(2))
                .with_context(|| format!("its port {port} takes no connection"))?;
        }
        health.run.as_ref().map_or(Ok(()), |line| command::run(self.place, line, LOOK))
    }
}
