//! `roles`: what a clone may be in a cluster, judged by the code that the clone reads it with.

use contract::roles::{
    CONTROLLER, Catalogue, FOLDER, Health, Port, PortSource, Protocol, Role, RoleFile, check_name,
};

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::Diagnostic;
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::schema::{File, PackageWish, Services};
use crate::recipe::source::{Located, Span};
use crate::recipe::words::{FileContent, Want};

pub(in crate::recipe) const PROTOCOLS: [(&str, Option<Protocol>); 2] =
    [("tcp", Some(Protocol::Tcp)), ("udp", Some(Protocol::Udp))];

pub(in crate::recipe) const ANYBODY: [(&str, Option<Anybody>); 2] =
    [("any", Some(Anybody::Any)), ("cluster", Some(Anybody::Cluster))];

/// Whom a port may be open for without roles being named.
#[derive(Debug, Clone, Copy)]
pub(in crate::recipe) enum Anybody {
    Any,
    Cluster,
}

/// What roles ask of an image.
#[derive(Debug, Default)]
pub(super) struct Roles {
    pub packages: Vec<PackageWish>,
    /// Units that are disabled.
    pub units: Vec<Located<String>>,
    /// Units that nobody can start by mistake.
    pub masked: Vec<Located<String>>,
    /// One for each role.
    pub files: Vec<File>,
}

impl Roles {
    /// Adds what roles ask for to what the rest of the recipe does.
    pub fn add_to(self, packages: &mut Vec<PackageWish>, services: &mut Services, files: &mut Vec<File>) {
        // A package or unit may be that of several roles, or be named by the recipe as well.
        for wish in self.packages {
            if !packages.iter().any(|other| other.name == wish.name && other.want == wish.want) {
                packages.push(wish);
            }
        }
        for unit in self.units {
            if !services.disable.iter().any(|other| other.value == unit.value) {
                services.disable.push(unit);
            }
        }
        services.mask.extend(self.masked);
        files.extend(self.files);
    }
}

impl Decoder {
    /// Reads `roles`.
    pub(super) fn roles(&self, node: &Node) -> Roles {
        let Value::Map(entries) = &node.value else {
            let problem = Diagnostic::new(&node.at, format!("`roles` must be a map, not {}", node.kind()));
            self.problem(problem.hint("write `roles: { router: { … } }`"));
            return Roles::default();
        };
        let mut asked = Roles::default();
        let mut read: Vec<(Role, Span)> = Vec::new();
        for entry in entries {
            if let Err(reason) = check_name(&entry.key) {
                self.problem(Diagnostic::new(&entry.at, reason));
                continue;
            }
            if entry.key == CONTROLLER {
                asked.packages.push(PackageWish {
                    name: "etcd-server".into(),
                    want: Want::Install,
                    at: entry.at.clone(),
                });
                // Debian's unit would begin a store of its own, open to everybody.
                asked.masked.push(Located { value: "etcd.service".into(), at: entry.at.clone() });
            }
            if let Some(role) = self.role(&entry.key, &entry.value, &mut asked) {
                read.push((role, entry.at.clone()));
            }
        }
        if let Some((_, at)) = read.iter().find(|(role, _)| !role.ports.is_empty()) {
            asked.packages.push(PackageWish { name: "nftables".into(), want: Want::Install, at: at.clone() });
        }
        let catalogue = Catalogue::new(read.iter().map(|(role, _)| role.clone()));
        for (name, reason) in catalogue.problems() {
            let at = read.iter().find(|(role, _)| role.name == name).map_or(&node.at, |(_, at)| at);
            self.problem(Diagnostic::new(at, format!("in the role `{name}`, {reason}")));
        }
        asked.files = read.iter().map(|(role, at)| file(role, at)).collect();
        asked
    }

    fn role(&self, name: &str, node: &Node, asked: &mut Roles) -> Option<Role> {
        let mut fields = self.fields(node, &keys::ROLE_KEYS)?;
        let description = fields.take("description").map(|node| self.text(node, "description"));
        let packages = self.packages(fields.take("packages"));
        let units = self.list(fields.take("units"), "units", |item| self.unit(item));
        let ports = self.list(fields.take("ports"), "ports", |item| self.role_port(item));
        let files = self.list(fields.take("files"), "files", |item| self.role_file(item));
        let prepare = self.list(fields.take("prepare"), "prepare", |item| self.script(item, "prepare"));
        let health = fields.take("health").map(|node| self.health(node));
        let mut names = |key| self.list(fields.take(key), key, |item| self.role_name(item, key));
        let (conflicts, requires, groups) = (names("conflicts"), names("requires"), names("groups"));
        let certificate = fields.take("certificate").map(|node| self.boolean(node, "certificate"));
        let exclusive = fields.take("exclusive").map(|node| self.boolean(node, "exclusive"));
        let single_node = fields.take("single_node").map(|node| self.boolean(node, "single_node"));
        fields.finish();
        let role = Role {
            name: name.to_owned(),
            description: transpose(description)?.map(|text| text.value).unwrap_or_default(),
            packages: packages.iter().map(|wish| wish.name.clone()).collect(),
            units: units.iter().map(|unit| unit.value.clone()).collect(),
            ports,
            files,
            prepare,
            health: transpose(health)?,
            conflicts,
            requires,
            groups,
            certificate: transpose(certificate)?.is_some_and(|found| found.value),
            exclusive: transpose(exclusive)?.is_some_and(|found| found.value),
            single_node: transpose(single_node)?.is_some_and(|found| found.value),
        };
        asked.packages.extend(packages);
        asked.units.extend(units);
        Some(role)
    }

    fn role_name(&self, node: &Node, key: &str) -> Option<String> {
        let wanted = "the name of a role: a-z first, then a-z, 0-9, `-` and `_`, at most 40";
        self.checked(node, key, wanted, |text| check_name(text).is_ok()).map(|name| name.value)
    }

    fn role_port(&self, node: &Node) -> Option<Port> {
        let mut fields = self.fields(node, &keys::ROLE_PORT)?;
        let port = fields.need("port").and_then(|node| self.integer(node, "port", 1..=65535));
        let protocol = fields.take("protocol").map(|node| self.choice(node, "protocol", &PROTOCOLS));
        let from = fields.take("from").map(|node| self.port_source(node));
        fields.finish();
        Some(Port {
            port: u16::try_from(port?.value).ok()?,
            protocol: transpose(protocol)?.map_or(Protocol::Tcp, |found| found.value),
            from: transpose(from)?.unwrap_or_default(),
        })
    }

    fn port_source(&self, node: &Node) -> Option<PortSource> {
        if matches!(node.value, Value::List(_)) {
            self.refuse_empty(node, "from");
            let roles = self.list(Some(node), "from", |item| self.role_name(item, "from"));
            return Some(PortSource::Roles(roles));
        }
        Some(match self.choice(node, "from", &ANYBODY)?.value {
            Anybody::Any => PortSource::Any,
            Anybody::Cluster => PortSource::Cluster,
        })
    }

    fn role_file(&self, node: &Node) -> Option<RoleFile> {
        let mut fields = self.fields(node, &keys::ROLE_FILE)?;
        let path = fields.need("path").and_then(|node| self.image_path(node, "path"));
        let content = fields.need("content").and_then(|node| self.any_text(node, "content"));
        let mode = fields.take("mode").map(|node| self.mode(node));
        let validate = fields.take("validate").map(|node| self.script(node, "validate"));
        fields.finish();
        Some(RoleFile {
            path: path?.value,
            content: content?.value,
            mode: transpose(mode)?.unwrap_or(0o644),
            validate: transpose(validate)?,
        })
    }

    fn health(&self, node: &Node) -> Option<Health> {
        let mut fields = self.fields(node, &keys::ROLE_HEALTH)?;
        let port = fields.take("port").map(|node| self.integer(node, "port", 1..=65535));
        let run = fields.take("run").map(|node| self.script(node, "run"));
        let within = fields.take("within").map(|node| self.duration(node, "within"));
        fields.finish();
        let port = transpose(port)?.and_then(|found| u16::try_from(found.value).ok());
        Some(Health { port, run: transpose(run)?, within: transpose(within)?.unwrap_or(60) })
    }
}

/// The file by which an image knows a role.
fn file(role: &Role, at: &Span) -> File {
    let text = serde_json::to_string_pretty(role).unwrap_or_default() + "\n";
    File {
        path: Located { value: format!("{FOLDER}/{}.json", role.name), at: at.clone() },
        content: Located { value: FileContent::Inline(text), at: at.clone() },
        mode: 0o644,
        owner: "root".into(),
        group: "root".into(),
    }
}
