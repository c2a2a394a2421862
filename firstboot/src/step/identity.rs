//! Which machine this is: made once per clone, recognised on every boot.
//!
//! A clone is recognised by its hardware. The firmware's UUID decides where both sides have one; else the network cards'
//! addresses do, of which one in common is enough, so that a card may be added or taken. Another instance of the cloud's
//! on the same hardware is a new machine as well. A clone gets its own machine-id, SSH host keys and random seed.

use anyhow::{Context, Result};
use contract::merge::Merged;
use contract::state::Phase;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::change::Change;
use super::{Step, Target, host_key};
use crate::machine::{Machine, paths};
use crate::source::Firmware;

/// Version of the record.
const VERSION: u32 = 1;
const MACHINE_ID: &str = "/etc/machine-id";
const DBUS_MACHINE_ID: &str = "/var/lib/dbus/machine-id";
const RANDOM_SEED: &str = "/var/lib/systemd/random-seed";

/// The record of which machine this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    version: u32,
    /// Names the instance in the journal.
    pub key: String,
    instance_id: Option<String>,
    product_uuid: String,
    /// Sorted.
    hardware_addresses: Vec<String>,
    /// Why this machine is not the one that the disk was before; not kept.
    #[serde(skip)]
    pub is_new: Option<&'static str>,
}

impl Identity {
    /// Compares the machine with the record on its disk.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub fn determine(machine: &Machine, wanted: &Merged) -> Result<Self> {
        let mut now = Self {
            version: VERSION,
            key: String::new(),
            instance_id: wanted.state.instance_id.clone(),
            product_uuid: Firmware::read(machine).product_uuid,
            hardware_addresses: hardware_addresses(machine),
            is_new: None,
        };
        // A record that cannot be understood is no reason to take the machine's keys away.
        let before: Option<Self> = machine
            .read_text(paths::IDENTITY)?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(|| {
                format!("reading '{}' (remove it if this disk shall become a new machine)", paths::IDENTITY)
            })?;
        let Some(before) = before else {
            now.is_new = Some("it boots for the first time");
            now.key = now.make_key("");
            return Ok(now);
        };
        now.is_new = now.differs_from(&before);
        if now.is_new.is_some() {
            now.key = now.make_key(&before.key);
        } else {
            now.recognise(before);
        }
        Ok(now)
    }

    /// Returns the key of the machine that the disk was when it last ran; empty where it never did.
    ///
    /// # Errors
    ///
    /// When the record cannot be read.
    pub fn kept_key(machine: &Machine) -> Result<String> {
        let text = machine.read_text(paths::IDENTITY)?;
        let kept: Option<Self> = text
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .with_context(|| format!("reading '{}'", paths::IDENTITY))?;
        Ok(kept.map(|identity| identity.key).unwrap_or_default())
    }

    fn differs_from(&self, before: &Self) -> Option<&'static str> {
        if let (Some(now), Some(before)) = (&self.instance_id, &before.instance_id)
            && now != before
        {
            return Some("the cloud names another instance");
        }
        if !self.product_uuid.is_empty() && !before.product_uuid.is_empty() {
            return (self.product_uuid != before.product_uuid).then_some("the firmware has another UUID");
        }
        let strangers =
            self.hardware_addresses.iter().all(|address| !before.hardware_addresses.contains(address));
        let both = !self.hardware_addresses.is_empty() && !before.hardware_addresses.is_empty();
        (both && strangers).then_some("all network cards are other ones")
    }

    /// Takes over what is known of the same machine. Early in a boot the driver of a card may not be loaded yet, nor the
    /// cloud's name for the machine be known, so what does not show is not forgotten.
    fn recognise(&mut self, before: Self) {
        self.key = before.key;
        self.instance_id = self.instance_id.take().or(before.instance_id);
        self.hardware_addresses.extend(before.hardware_addresses);
        self.hardware_addresses.sort();
        self.hardware_addresses.dedup();
    }

    /// Made of what the disk was before as well: a disk that comes back to a machine is new there again.
    fn make_key(&self, before: &str) -> String {
        let text =
            format!("{before} {:?} {} {:?}", self.instance_id, self.product_uuid, self.hardware_addresses);
        digest(&SHA256, text.as_bytes()).as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Addresses of the cards that are hardware: those have a device behind them.
fn hardware_addresses(machine: &Machine) -> Vec<String> {
    let names = machine.root.list_folder("/sys/class/net").unwrap_or_default();
    let physical = names.iter().filter(|name| machine.exists(&format!("/sys/class/net/{name}/device")));
    let mut addresses: Vec<String> = physical
        .map(|name| machine.read_fact(&format!("/sys/class/net/{name}/address")).to_ascii_lowercase())
        .filter(|address| !address.is_empty())
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// Makes the identity of a clone.
#[derive(Debug)]
pub struct IdentityStep;

impl Step for IdentityStep {
    fn name(&self) -> String {
        "identity".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        serde_json::to_value(clone.identity).ok()
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let machine = clone.machine;
        let is_clone = clone.identity.is_new.is_some() && machine.exists(paths::IDENTITY);
        let mut changes = Vec::new();
        let has_machine_id = machine.read_text(MACHINE_ID)?.is_some_and(|text| is_machine_id(text.trim()));
        if !has_machine_id || is_clone {
            let id = format!("{}\n", random_hex()?);
            // D-Bus has a file of its own only where it is no link to the other, which comes last: where it is, this one is.
            if machine.exists(DBUS_MACHINE_ID) && !machine.root.is_symlink(DBUS_MACHINE_ID)? {
                changes.push(Change::file(DBUS_MACHINE_ID, id.clone(), 0o444));
            }
            changes.push(Change::file(MACHINE_ID, id, 0o444));
        }
        if is_clone {
            changes.push(Change::Absent { path: RANDOM_SEED.into() });
            for path in [super::certificate::CERTIFICATE, super::certificate::KEY] {
                changes.push(Change::Absent { path: path.into() });
            }
        }
        changes.extend(host_key::plan(machine, is_clone)?);
        // Last, because it says that the rest is done.
        let record = serde_json::to_string_pretty(clone.identity).context("rendering the identity")? + "\n";
        changes.push(Change::file(paths::IDENTITY, record, 0o600));
        Ok(changes)
    }
}

fn is_machine_id(text: &str) -> bool {
    text.len() == 32
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte != b'0')
}

/// 128 random bits in the form of machine-id(5): those of a random UUID.
fn random_hex() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok().context("getting random numbers from the kernel")?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(instance: Option<&str>, uuid: &str, addresses: &[&str]) -> Identity {
        Identity {
            version: VERSION,
            key: String::new(),
            instance_id: instance.map(str::to_owned),
            product_uuid: uuid.into(),
            hardware_addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            is_new: None,
        }
    }

    #[test]
    fn clones_differ_and_changed_hardware_does_not() {
        let before = identity(Some("i-1"), "a", &["02:00", "02:01"]);
        for (now, is_new) in [
            (identity(Some("i-1"), "a", &["02:00", "02:01"]), false),
            (identity(None, "a", &["02:07"]), false),
            (identity(Some("i-2"), "a", &["02:00"]), true),
            (identity(Some("i-1"), "b", &["02:00"]), true),
            (identity(Some("i-1"), "", &["02:01", "02:09"]), false),
            (identity(Some("i-1"), "", &["02:09"]), true),
            (identity(None, "", &[]), false),
        ] {
            assert_eq!(now.differs_from(&before).is_some(), is_new, "{now:?}");
        }
    }

    #[test]
    fn a_card_that_does_not_show_yet_is_not_forgotten() {
        let known = || Identity { key: "k".into(), ..identity(Some("i-1"), "", &["02:00", "02:01"]) };
        for (seen, wanted) in [
            (&[][..], &["02:00", "02:01"][..]),
            (&["02:01"], &["02:00", "02:01"]),
            (&["02:01", "02:09"], &["02:00", "02:01", "02:09"]),
        ] {
            let mut now = identity(None, "", seen);
            now.recognise(known());
            assert_eq!(now, Identity { key: "k".into(), ..identity(Some("i-1"), "", wanted) });
        }
    }

    #[test]
    fn machine_ids() {
        let id = random_hex().expect("random numbers");
        assert!(is_machine_id(&id) && id != random_hex().expect("random numbers"));
        for bad in ["", "uninitialized", &"0".repeat(32), &"g".repeat(32)] {
            assert!(!is_machine_id(bad), "{bad}");
        }
    }
}
