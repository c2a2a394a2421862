//! Many documents → one state, with the origin of every value.
//!
//! Layers come with the strongest first. Of a single value (a name, a zone, the network) the strongest wins. Users are
//! merged by name, field by field; keys, certificates, quotas and mounts are joined; of files with the same path those of the
//! strongest layer count. Commands run from the weakest layer to the strongest: the image's own, then the cloud's.

use serde::{Deserialize, Serialize};

use crate::cloud_config::Reading;
use crate::native::INSTANCE_ID;
use crate::quota::Quota;
use crate::state::{Action, DesiredState, User};

/// One document and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// For example `NoCloud '/dev/vdb': user-data`.
    pub origin: String,
    /// What it says.
    pub reading: Reading,
}

/// A value, what it is about, and who said so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// For example `hostname` or `users.admin.ssh_keys`.
    pub key: String,
    /// The value, or what can be said of it where it may be secret.
    pub value: String,
    /// [`Layer::origin`].
    pub origin: String,
}

/// One state of all layers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// The state.
    pub state: DesiredState,
    /// Where each value came from, in the order of the state's fields.
    pub provenance: Vec<Provenance>,
}

/// Merges layers, the strongest first.
pub fn merge(layers: &[Layer]) -> Merged {
    let mut merged = Merged::default();
    for layer in layers {
        merged.add_names(layer);
        merged.add_values(layer);
        merged.add_users(layer);
        merged.add_lists(layer);
    }
    for layer in layers.iter().rev() {
        for command in &layer.reading.state.commands {
            merged.note(layer, format!("commands.{}", command.name), describe(&command.action));
            merged.state.commands.push(command.clone());
        }
    }
    merged.fill_in();
    merged
}

impl Merged {
    fn note(&mut self, layer: &Layer, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        self.provenance.push(Provenance { key, value, origin: layer.origin.clone() });
    }

    /// Names go together: a full name alone gives the host name as well, and a weaker full name counts only if it is that
    /// of the host name.
    fn add_names(&mut self, layer: &Layer) {
        let from = &layer.reading.state;
        let first_label = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
        let hostname = from.hostname.clone().or_else(|| from.fqdn.as_deref().map(first_label));
        if let (None, Some(name)) = (&self.state.hostname, hostname) {
            self.note(layer, "hostname", name.clone());
            self.state.hostname = Some(name);
        }
        let ours = self.state.hostname.as_deref().map(first_label);
        let fits = from.hostname == self.state.hostname || from.fqdn.as_deref().map(first_label) == ours;
        if let (None, Some(name), true) = (&self.state.fqdn, &from.fqdn, fits) {
            self.note(layer, "fqdn", name.clone());
            self.state.fqdn = Some(name.clone());
        }
    }

    fn add_values(&mut self, layer: &Layer) {
        let from = &layer.reading.state;
        macro_rules! take {
            ($($field:ident => $shown:expr),* $(,)?) => {$(
                if let (None, Some(value)) = (&self.state.$field, &from.$field) {
                    self.state.$field = Some(value.clone());
                    self.note(layer, stringify!($field), $shown(value));
                }
            )*};
        }
        take! {
            instance_id => |value: &String| value.clone(),
            default_user => |value: &String| value.clone(),
            swap => |swap: &crate::state::Swap| format!("{} bytes in {}", swap.bytes, swap.path),
            grow => |value: &bool| value.to_string(),
            timezone => |value: &String| value.clone(),
            locale => |value: &String| value.clone(),
            certificate => |value: &crate::state::Certificate| format!("{} more names", value.names.len()),
            phone_home => |value: &crate::state::PhoneHome| value.url.clone(),
            cluster => |wish: &crate::cluster::ClusterWish| wish.roles.join(", "),
            network => |value: &crate::state::NetworkDocument| format!("{:?}, {} bytes", value.format, value.text.len()),
        }
    }

    fn add_users(&mut self, layer: &Layer) {
        for user in &layer.reading.state.users {
            self.note(layer, format!("users.{}", user.name), format!("{} keys", user.ssh_keys.len()));
            match self.state.users.iter_mut().find(|known| known.name == user.name) {
                Some(known) => strengthen(known, user),
                None => self.state.users.push(user.clone()),
            }
        }
    }

    fn add_lists(&mut self, layer: &Layer) {
        let from = &layer.reading.state;
        let keys = join(&mut self.state.ssh_keys, &from.ssh_keys);
        let certificates = join(&mut self.state.ca_certificates, &from.ca_certificates);
        for (key, count) in [("ssh_keys", keys), ("ca_certificates", certificates)] {
            if count > 0 {
                self.note(layer, key, format!("{count} of them"));
            }
        }
        let taken: Vec<String> = self.state.files.iter().map(|file| file.path.clone()).collect();
        for file in from.files.iter().filter(|file| !taken.contains(&file.path)) {
            self.note(
                layer,
                format!("files.{}", file.path),
                format!("{} bytes, mode {:04o}", file.content.0.len(), file.mode),
            );
            self.state.files.push(file.clone());
        }
        let taken: Vec<String> = self.state.quotas.iter().map(Quota::subject).collect();
        for quota in from.quotas.iter().filter(|quota| !taken.contains(&quota.subject())) {
            self.note(layer, format!("quotas.{}", quota.subject()), "a limit");
            self.state.quotas.push(quota.clone());
        }
        for mount in &from.mounts {
            if self.state.mounts.iter().all(|known| known.target != mount.target) {
                self.note(layer, format!("mounts.{}", mount.target), mount.device.clone());
                self.state.mounts.push(mount.clone());
            }
        }
    }

    /// Puts the instance into names that wait for it. Without one there is nothing to put in, and the name falls away.
    fn fill_in(&mut self) {
        let instance: Option<String> = self.state.instance_id.as_ref().map(|id| {
            let host = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            id.chars().map(host).collect::<String>().trim_matches('-').chars().take(40).collect()
        });
        for (key, name) in [("hostname", &mut self.state.hostname), ("fqdn", &mut self.state.fqdn)] {
            if name.as_ref().is_none_or(|text| !text.contains(INSTANCE_ID)) {
                continue;
            }
            *name = name.as_ref().zip(instance.as_ref()).map(|(text, id)| text.replace(INSTANCE_ID, id));
            if let Some(noted) = self.provenance.iter_mut().find(|noted| noted.key == key) {
                noted.value = name.clone().unwrap_or_else(|| "(no instance to name it after)".into());
            }
        }
    }
}

/// Says what an action is, without what may be secret in it.
fn describe(action: &Action) -> String {
    match action {
        Action::Shell(text) => format!("shell, {} bytes", text.0.len()),
        Action::Script(text) => format!("script, {} bytes", text.0.len()),
        Action::Program(words) => format!(
            "program '{}', {} arguments",
            words.first().map_or("", String::as_str),
            words.len().saturating_sub(1)
        ),
    }
}

/// Fills what the stronger user does not say from the weaker one.
fn strengthen(known: &mut User, weaker: &User) {
    macro_rules! fill {
        ($($field:ident),*) => {$( if known.$field.is_none() { known.$field.clone_from(&weaker.$field); } )*};
    }
    fill!(comment, uid, primary_group, home, create_home, shell, password_hash, lock_password);
    join(&mut known.groups, &weaker.groups);
    join(&mut known.sudo, &weaker.sudo);
    join(&mut known.ssh_keys, &weaker.ssh_keys);
}

/// Adds what is not there yet; returns how many were added.
fn join(known: &mut Vec<String>, more: &[String]) -> usize {
    let before = known.len();
    for item in more {
        if !known.contains(item) {
            known.push(item.clone());
        }
    }
    known.len() - before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cloud_config, native};

    fn layer(origin: &str, reading: Reading) -> Layer {
        assert_eq!(reading.findings, [], "{origin}");
        Layer { origin: origin.into(), reading }
    }

    #[test]
    fn the_strongest_wins_and_everything_has_an_origin() {
        let cloud = cloud_config::parse(
            "hostname: web\nusers: [{name: ops, shell: /bin/zsh, ssh_authorized_keys: [ssh-rsa AAAAB a]}]\n\
            runcmd: [second]\nwrite_files: [{path: /a, content: cloud}]\n",
        );
        let image = native::parse(
            "hostname: image\ntimezone: Etc/UTC\nusers: [{name: ops, shell: /bin/sh, groups: [sudo]}]\n\
            commands: [{name: c, run: first}]\nfiles: [{path: /a, content: image}, {path: /b, content: image}]\n",
        );
        let merged = merge(&[layer("cloud", cloud.expect("YAML")), layer("image", image.expect("YAML"))]);
        let state = &merged.state;
        assert_eq!((state.hostname.as_deref(), state.timezone.as_deref()), (Some("web"), Some("Etc/UTC")));
        assert_eq!((state.users[0].shell.as_deref(), state.users[0].groups.len()), (Some("/bin/zsh"), 1));
        assert_eq!(state.commands.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["c", "runcmd 1"]);
        assert_eq!(
            state.files.iter().map(|f| f.content.0.as_slice()).collect::<Vec<_>>(),
            [&b"cloud"[..], b"image"]
        );
        let origin = |key: &str| {
            merged.provenance.iter().find(|noted| noted.key == key).map(|noted| noted.origin.as_str())
        };
        assert_eq!(
            (origin("hostname"), origin("timezone"), origin("files./b")),
            (Some("cloud"), Some("image"), Some("image"))
        );
    }

    #[test]
    fn names_go_together() {
        let names = |hostname: Option<&str>, fqdn: Option<&str>| {
            let mut reading = Reading::default();
            (reading.state.hostname, reading.state.fqdn) =
                (hostname.map(str::to_owned), fqdn.map(str::to_owned));
            layer("x", reading)
        };
        for (strong, weak, hostname, fqdn) in [
            (names(None, Some("a.org")), names(Some("b"), None), "a", Some("a.org")),
            (names(Some("a"), None), names(None, Some("b.org")), "a", None),
            (names(Some("a"), None), names(Some("b"), Some("a.org")), "a", Some("a.org")),
            (names(Some("a"), Some("x.org")), names(Some("b"), Some("b.org")), "a", Some("x.org")),
        ] {
            let state = merge(&[strong, weak]).state;
            assert_eq!((state.hostname.as_deref(), state.fqdn.as_deref()), (Some(hostname), fqdn));
        }
    }

    #[test]
    fn names_are_filled_in_by_the_instance() {
        let image = || layer("image", native::parse("hostname: node-{{instance_id}}\n").expect("YAML"));
        let mut cloud = Reading::default();
        cloud.state.instance_id = Some("I_42/x".into());
        let merged = merge(&[layer("cloud", cloud), image()]);
        assert_eq!(merged.state.hostname.as_deref(), Some("node-i-42-x"));
        assert_eq!(merge(&[image()]).state.hostname, None);
    }
}
