//! `distribution` and `apt_sources`: where packages come from.

use super::Decoder;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::schema::{AptSource, Distribution};
use crate::recipe::source::{Located, Span};
use crate::recipe::words::{MirrorChoice, Variant};

pub(in crate::recipe) const VARIANTS: [(&str, Option<Variant>); 4] = [
    ("essential", Some(Variant::Essential)),
    ("minbase", Some(Variant::Minbase)),
    ("important", Some(Variant::Important)),
    ("standard", Some(Variant::Standard)),
];

impl Decoder {
    /// Reads `distribution`.
    pub(super) fn distribution(&self, node: &Node) -> Option<Distribution> {
        let mut fields = self.fields(node, &keys::DISTRIBUTION)?;
        let debian = fields.need("debian").and_then(|node| self.debian(node));
        let mirrors = fields.take("mirror").map(|node| self.mirrors(node));
        let auth = fields.take("auth").map(|node| self.host_path(node, "auth"));
        let repositories =
            self.list(fields.take("repositories"), "repositories", |item| self.repository(item));
        fields.finish();
        let mut distribution = debian?;
        distribution.mirrors = mirrors.unwrap_or_else(|| vec![MirrorChoice::Auto]);
        distribution.auth = transpose(auth)?;
        distribution.repositories = repositories;
        Some(distribution)
    }

    fn debian(&self, node: &Node) -> Option<Distribution> {
        let mut fields = self.fields(node, &keys::DEBIAN)?;
        let suite = fields.need("suite").and_then(|node| self.suite(node, "suite"));
        let variant = fields.take("variant").map(|node| self.choice(node, "variant", &VARIANTS));
        let components = fields.take("components").map(|node| self.components(node));
        let security = fields.take("security").and_then(|node| self.boolean(node, "security"));
        let updates = fields.take("updates").and_then(|node| self.boolean(node, "updates"));
        fields.finish();
        Some(Distribution {
            suite: suite?,
            variant: variant
                .unwrap_or_else(|| Some(Located { value: Variant::Minbase, at: node.at.clone() }))?
                .value,
            components: components.unwrap_or_else(|| vec!["main".to_owned()]),
            security,
            updates,
            mirrors: Vec::new(),
            auth: None,
            credentials: Vec::new(),
            repositories: Vec::new(),
        })
    }

    pub(super) fn suite(&self, node: &Node, name: &str) -> Option<Located<String>> {
        self.checked(node, name, "a suite or codename such as bookworm", is_suite)
    }

    pub(super) fn components(&self, node: &Node) -> Vec<String> {
        self.refuse_empty(node, "components");
        let good = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let wanted = "a word such as main";
        let read = self.list(Some(node), "components", |item| self.checked(item, "components", wanted, good));
        let mut components: Vec<String> = Vec::new();
        for component in read {
            // An includer may name what an included file named already.
            if !components.contains(&component.value) {
                components.push(component.value);
            }
        }
        components
    }

    /// Reads one mirror, or a list of mirrors in the order in which they are tried.
    fn mirrors(&self, node: &Node) -> Vec<MirrorChoice> {
        if !matches!(node.value, Value::List(_)) {
            return self.mirror(node).into_iter().collect();
        }
        self.refuse_empty(node, "mirror");
        let mut mirrors: Vec<MirrorChoice> = Vec::new();
        for mirror in self.list(Some(node), "mirror", |item| self.mirror(item)) {
            // An includer may name what an included file named already.
            if !mirrors.contains(&mirror) {
                mirrors.push(mirror);
            }
        }
        mirrors
    }

    fn mirror(&self, node: &Node) -> Option<MirrorChoice> {
        if matches!(&node.value, Value::Scalar(scalar) if scalar.text == "auto") {
            return Some(MirrorChoice::Auto);
        }
        self.uri(node, "mirror").map(|uri| MirrorChoice::Uri(uri.value))
    }

    pub(super) fn uri(&self, node: &Node, name: &str) -> Option<Located<String>> {
        let text = self.text(node, name)?;
        match parse_uri(&text.value) {
            Ok(uri) => Some(Located { value: uri, at: text.at }),
            Err(problem) => {
                self.problem(problem.at(&text.at, &text.value, name));
                None
            }
        }
    }

    /// Reads `apt_sources`.
    pub(super) fn apt_sources(&self, node: &Node) -> Vec<AptSource> {
        self.list(Some(node), "apt_sources", |item| self.apt_source(item))
    }

    fn apt_source(&self, node: &Node) -> Option<AptSource> {
        let mut fields = self.fields(node, &keys::APT_SOURCE)?;
        let uri = fields.need("uri").and_then(|node| self.uri(node, "uri"));
        let suites = fields.need("suites").map(|node| {
            self.refuse_empty(node, "suites");
            self.list(Some(node), "suites", |item| self.suite(item, "suites"))
        });
        let components = fields.need("components").map(|node| self.components(node));
        let signed_by = fields.take("signed_by").map(|node| self.image_path(node, "signed_by"));
        fields.finish();
        Some(AptSource {
            uri: uri?.value,
            suites: suites?.into_iter().map(|suite| suite.value).collect(),
            components: components?,
            signed_by: transpose(signed_by)?.map(|path| path.value),
        })
    }
}

/// Turns "given and wrong" into `None`, "not given" into `Some(None)`.
pub(super) fn transpose<T>(given: Option<Option<T>>) -> Option<Option<T>> {
    match given {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

/// Words, with slashes between them where an archive keeps suites in folders.
pub(super) fn is_suite(suite: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !word.contains("..")
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    suite.split('/').all(word)
}

/// Why an address cannot be used.
#[derive(Debug)]
pub(in crate::recipe) struct BadUri {
    hint: &'static str,
    /// Whether it holds a password, which no message may repeat.
    private: bool,
}

impl BadUri {
    /// Makes it an error about the text at a place.
    pub(in crate::recipe) fn at(self, at: &Span, text: &str, name: &str) -> Diagnostic {
        if self.private {
            return Diagnostic::new(at, format!("this is not a valid `{name}`")).hint(self.hint).private();
        }
        Diagnostic::new(at, format!("{} is not a valid `{name}`", Quoted(text))).hint(self.hint)
    }
}

/// Checks the address of an archive and removes slashes at its end.
pub(in crate::recipe) fn parse_uri(text: &str) -> Result<String, BadUri> {
    let bad = |hint| Err(BadUri { hint, private: false });
    let after = text.split_once("://").map_or(text, |(_, rest)| rest);
    if after.split('/').next().unwrap_or_default().contains('@') {
        let hint = "an address with a password would end up in logs; use one without";
        return Err(BadUri { hint, private: true });
    }
    let plain = |b: u8| b.is_ascii_graphic() && !b"?#\\\"'<>`{|}^".contains(&b);
    if let Some(path) = text.strip_prefix("file:") {
        return parse_file_uri(path).filter(|path| path.bytes().all(plain)).ok_or(BadUri {
            hint: "write it as file:///folder, an absolute path, `%20` for a space",
            private: false,
        });
    }
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else {
        return bad("write an address that begins with http://, https:// or file:///");
    };
    if rest.starts_with(['/', ':']) || rest.is_empty() || !rest.bytes().all(plain) {
        return bad("write it as http://host/path, without spaces, `?` or `#`");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Returns the address in the form with three slashes; apt takes one slash as well.
fn parse_file_uri(path: &str) -> Option<String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    let good = path.starts_with('/') && !path.split('/').any(|part| part == "..");
    let path = path.trim_end_matches('/');
    (good && !path.is_empty()).then(|| format!("file://{path}"))
}
