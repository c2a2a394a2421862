//! The recipe's own keys, and `tests`.

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::Diagnostic;
use crate::recipe::keys;
use crate::recipe::node::Node;
use crate::recipe::schema::{Recipe, Services, Test};
use crate::recipe::source::Located;
use crate::recipe::words::{Architecture, TestAction};

pub(in crate::recipe) const ARCHITECTURES: [(&str, Option<Architecture>); 2] =
    [("amd64", Some(Architecture::Amd64)), ("arm64", None)];

/// Reads a whole recipe. `digest` is that of the same tree.
pub(in crate::recipe) fn recipe(decoder: &Decoder, node: &Node, digest: String) -> Option<Recipe> {
    let mut fields = decoder.fields(node, &keys::RECIPE)?;
    let d = decoder;
    // The value of `version` is checked file by file, `include` and `variables` are done with.
    fields.need("version");
    fields.take("include");
    fields.take("variables");
    let name = fields.need("name").and_then(|node| d.name(node));
    let architecture = fields.take("architecture").map(|node| d.choice(node, "architecture", &ARCHITECTURES));
    let distribution = fields.need("distribution");
    let distribution = distribution.and_then(|node| d.distribution(node));
    let mut packages = d.packages(fields.take("packages"));
    let recommends = fields.take("recommends").map(|node| d.boolean(node, "recommends"));
    let kernel = fields.take("kernel").map(|node| d.kernel(node));
    let debconf = d.list(fields.take("debconf"), "debconf", |item| d.debconf(item));
    let disk_at = node.entry("disk").map_or(&node.at, |entry| &entry.at);
    let disk = fields.take("disk").map(|node| d.disk(node, disk_at));
    let boot_at = node.entry("boot").map_or(&node.at, |entry| &entry.at);
    let boot = fields.take("boot").map(|node| d.boot(node, boot_at));
    let overlays = d.overlays(fields.take("overlays"));
    let mut files = d.files(fields.take("files"));
    let users = d.users(fields.take("users"));
    let locale = fields.take("locale").map(|node| d.locale(node));
    let timezone = fields.take("timezone").map(|node| d.timezone(node));
    let mut services =
        fields.take("services").map_or_else(|| Some(Services::default()), |node| d.services(node));
    let run = d.run(fields.take("run"));
    let residue = d.residue(fields.take("residue"));
    let apt_sources = fields.take("apt_sources").map(|node| d.apt_sources(node));
    let outputs = fields.need("outputs").map(|node| d.outputs(node));
    let tests = d.list(fields.take("tests"), "tests", |item| d.test(item));
    let firstboot = fields.take("firstboot").map(|node| d.firstboot(node));
    let roles = fields.take("roles").map(|node| d.roles(node));
    let uploads = fields.take("upload").map(|node| d.uploads(node));
    fields.finish();
    let mut firstboot = transpose(firstboot)?;
    if let Some(roles) = roles {
        // Roles are taken by the program, so it is there.
        firstboot = firstboot.or_else(|| Some(Located { value: "{}\n".into(), at: node.at.clone() }));
        roles.add_to(&mut packages, services.as_mut()?, &mut files);
    }
    Some(Recipe {
        at: node.at.clone(),
        digest,
        resolved: serde_json::Value::Null,
        name: name?,
        architecture: transpose(architecture)?.map_or(Architecture::Amd64, |found| found.value),
        distribution: distribution?,
        packages,
        local: Vec::new(),
        recommends: transpose(recommends)?.is_some_and(|found| found.value),
        kernel: transpose(kernel)?,
        debconf,
        disk: transpose(disk)?,
        boot: transpose(boot)?,
        overlays,
        files,
        users,
        locale: transpose(locale)?,
        timezone: transpose(timezone)?,
        services: services?,
        run,
        residue,
        apt_sources,
        outputs: outputs?,
        tests,
        firstboot,
        uploads: transpose(uploads)?.unwrap_or_default(),
    })
}

impl Decoder {
    fn name(&self, node: &Node) -> Option<Located<String>> {
        let good = |text: &str| {
            text.len() <= 64
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        // Artifacts are files of this name.
        self.checked(node, "name", "letters, digits, `-`, `_` and `.`, at most 64", good)
    }

    fn debconf(&self, node: &Node) -> Option<String> {
        const TYPES: [&str; 9] =
            ["string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error"];
        let text = self.text(node, "debconf")?;
        let words: Vec<&str> = text.value.split_whitespace().collect();
        if words.len() < 3 || !TYPES.contains(&words[2]) || !words[1].contains('/') {
            let problem = Diagnostic::new(&text.at, "this is not a line for debconf");
            self.problem(problem.hint("write `package package/question type value`"));
            return None;
        }
        Some(text.value)
    }

    fn test(&self, node: &Node) -> Option<Test> {
        let mut fields = self.fields(node, &keys::TEST)?;
        let name = fields.need("name").and_then(|node| self.text(node, "name"));
        let port = fields.take("port").map(|node| self.integer(node, "port", 1..=65535));
        let run = fields.take("run").map(|node| self.script(node, "run"));
        let timeout = fields.take("timeout").map(|node| self.duration(node, "timeout"));
        fields.finish();
        let action = match (port, run) {
            (Some(port), None) => TestAction::Port(u16::try_from(port?.value).ok()?),
            (None, Some(run)) => TestAction::Run(run?),
            (given, _) => {
                let message = if given.is_some() {
                    "a test has only one of `port` and `run`"
                } else {
                    "a test needs `port` or `run`"
                };
                self.problem(Diagnostic::new(&node.at, message));
                return None;
            }
        };
        Some(Test { name: name?, action, timeout: transpose(timeout)? })
    }
}
