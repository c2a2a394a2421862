//! `users`, `locale`, `timezone`, `services` and `run`: how the system is set up.

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::schema::{Run, Services, User};
use crate::recipe::source::Located;

/// Suffixes of units that can be enabled.
const UNIT_SUFFIXES: [&str; 8] =
    [".service", ".socket", ".timer", ".target", ".path", ".mount", ".automount", ".swap"];

/// Beginnings of a line of `authorized_keys`, key types of OpenSSH.
const KEY_TYPES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

impl Decoder {
    /// Reads `users`.
    pub(super) fn users(&self, node: Option<&Node>) -> Vec<User> {
        self.list(node, "users", |item| {
            let mut fields = self.fields(item, &keys::USER)?;
            let name = fields.need("name").and_then(|node| self.account(node, "name"));
            let groups = self.list(fields.take("groups"), "groups", |item| self.account(item, "groups"));
            let ssh_keys = self.list(fields.take("ssh_keys"), "ssh_keys", |item| self.ssh_key(item));
            let shell = fields.take("shell").map(|node| self.image_path(node, "shell"));
            let system = fields.take("system").map(|node| self.boolean(node, "system"));
            let home = fields.take("home").map(|node| self.image_path(node, "home"));
            fields.finish_with(|key| {
                let password = matches!(key, "password" | "passwd" | "plain_text_passwd" | "hashed_passwd");
                password.then_some("passwords are always locked; give `ssh_keys`")
            });
            Some(User {
                name: name?,
                groups: groups.into_iter().map(|group| group.value).collect(),
                ssh_keys,
                shell: transpose(shell)?.map(|shell| shell.value),
                system: transpose(system)?.is_some_and(|system| system.value),
                home: transpose(home)?.map(|home| home.value),
            })
        })
    }

    fn ssh_key(&self, node: &Node) -> Option<String> {
        if let Value::Scalar(scalar) = &node.value
            && scalar.text.contains("PRIVATE KEY")
        {
            let problem = Diagnostic::new(&node.at, "this is a private key").private();
            self.problem(problem.hint("give the public one, from the file that ends in .pub"));
            return None;
        }
        let text = self.text(node, "ssh_keys")?;
        // Options may come before the type; they may hold spaces in quotes.
        let typed = text.value.split_whitespace().zip(text.value.split_whitespace().skip(1));
        let found = typed.into_iter().any(|(kind, key)| {
            KEY_TYPES.iter().any(|prefix| kind.starts_with(prefix))
                && key.starts_with("AAAA")
                && key.len() > 40
        });
        if found {
            return Some(text.value);
        }
        let problem = Diagnostic::new(&text.at, "this is not a public key of OpenSSH");
        self.problem(problem.hint("give the line of a .pub file: `ssh-ed25519 AAAA… comment`"));
        None
    }

    /// Reads `locale`.
    pub(super) fn locale(&self, node: &Node) -> Option<Located<String>> {
        let good = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.@-".contains(&b))
        };
        self.checked(node, "locale", "a name such as C.UTF-8 or de_DE.UTF-8", good)
    }

    /// Reads `timezone`.
    pub(super) fn timezone(&self, node: &Node) -> Option<Located<String>> {
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
        };
        self.checked(node, "timezone", "a name such as Etc/UTC or Europe/Berlin", |text| {
            text.split('/').all(part)
        })
    }

    /// Reads `services`.
    pub(super) fn services(&self, node: &Node) -> Option<Services> {
        let mut fields = self.fields(node, &keys::SERVICES)?;
        let mut units = |key| self.list(fields.take(key), key, |item| self.unit(item));
        let services = Services { enable: units("enable"), disable: units("disable"), mask: units("mask") };
        fields.finish();
        Some(services)
    }

    pub(super) fn unit(&self, node: &Node) -> Option<Located<String>> {
        let good = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b));
        let text = self.checked(node, "unit", "a unit such as ssh or apt-daily.timer", good)?;
        let suffixed = UNIT_SUFFIXES.iter().any(|suffix| text.value.ends_with(suffix));
        Some(text.map(|unit| if suffixed { unit } else { unit + ".service" }))
    }

    /// Reads `run`.
    pub(super) fn run(&self, node: Option<&Node>) -> Vec<Run> {
        self.list(node, "run", |item| {
            let mut fields = self.fields(item, &keys::RUN)?;
            let name = fields.need("name").and_then(|node| self.text(node, "name"));
            let command = fields.need("command").and_then(|node| self.script(node, "command"));
            let network = fields.take("network").map(|node| self.boolean(node, "network"));
            fields.finish();
            Some(Run {
                name: name?,
                command: command?,
                network: transpose(network)?.is_some_and(|network| network.value),
            })
        })
    }

    /// Reads shell text, which may have several lines.
    pub(super) fn script(&self, node: &Node, name: &str) -> Option<String> {
        let text = self.any_text(node, name)?;
        if text.value.trim().is_empty() {
            self.problem(Diagnostic::new(&text.at, format!("`{name}` is empty")));
            return None;
        }
        if let Some(bad) = text.value.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            let shown = Quoted(&bad.escape_default().to_string());
            self.problem(Diagnostic::new(&text.at, format!("`{name}` holds the control character {shown}")));
            return None;
        }
        Some(text.value)
    }
}
