//! `upload`: the clouds that a build puts its image into, as the words that the command line takes.

use super::Decoder;
use crate::recipe::diagnostic::Diagnostic;
use crate::recipe::keys::{self, Kind, Section};
use crate::recipe::node::Node;
use crate::recipe::schema::Upload;

/// Flags that are not called as their keys.
const FLAGS: [(&str, &str, &str); 8] = [
    ("glance", "members", "member"),
    ("glance", "tags", "tag"),
    ("glance", "properties", "property"),
    ("glance", "stores", "store"),
    ("aws", "tags", "ami-tag"),
    ("aws", "copies", "copy-to"),
    ("aws", "shares", "share"),
    ("opennebula", "labels", "label"),
];

impl Decoder {
    pub(super) fn uploads(&self, node: &Node) -> Option<Vec<Upload>> {
        let mut fields = self.fields(node, &keys::UPLOAD)?;
        let clouds: [(&'static str, &'static Section); 3] =
            [("glance", &keys::GLANCE), ("aws", &keys::AWS), ("opennebula", &keys::OPENNEBULA)];
        let uploads = clouds.map(|(cloud, section)| Some((cloud, section, fields.take(cloud)?)));
        fields.finish();
        let uploads = uploads.into_iter().flatten();
        uploads.map(|(cloud, section, node)| self.cloud(cloud, section, node)).collect()
    }

    fn cloud(&self, cloud: &'static str, section: &'static Section, node: &Node) -> Option<Upload> {
        let mut fields = self.fields(node, section)?;
        let mut flags = Vec::new();
        let mut good = true;
        for key in section.keys {
            let named = FLAGS.iter().find(|(of, name, _)| *of == cloud && *name == key.name);
            let flag =
                format!("--{}", named.map_or_else(|| key.name.replace('_', "-"), |named| named.2.to_owned()));
            let Some(value) = fields.take(key.name) else { continue };
            let read = self.flag(&flag, key.name, &key.kind, value);
            good &= read.is_some();
            flags.extend(read.into_iter().flatten());
        }
        fields.finish();
        good.then(|| Upload { at: node.at.clone(), cloud, flags })
    }

    /// Returns a key's value as words of the command line; one word each, so that no value is taken for a flag.
    fn flag(&self, flag: &str, name: &'static str, kind: &Kind, node: &Node) -> Option<Vec<String>> {
        let one = |value: &str| vec![format!("{flag}={value}")];
        match kind {
            Kind::Boolean => {
                Some(if self.boolean(node, name)?.value { vec![flag.to_owned()] } else { Vec::new() })
            }
            Kind::Integer(from, to) => Some(one(&self.integer(node, name, *from..=*to)?.value.to_string())),
            Kind::Choice(words) => {
                let words: Vec<(&str, Option<&str>)> =
                    words.words().into_iter().map(|(word, works)| (word, works.then_some(word))).collect();
                Some(one(self.choice(node, name, &words)?.value))
            }
            Kind::List(inner, _) => {
                let before = self.items(node, name);
                let read: Vec<Option<Vec<String>>> =
                    before.iter().map(|item| self.flag(flag, name, inner, item)).collect();
                read.into_iter().collect::<Option<Vec<_>>>().map(|lists| lists.concat())
            }
            Kind::Text(text) if text.name == keys::PAIR.name => {
                let pair = |text: &str| text.split_once('=').is_some_and(|(key, _)| !key.trim().is_empty());
                Some(one(&self.checked(node, name, "KEY=VALUE", pair)?.value))
            }
            Kind::Text(_) => Some(one(&self.text(node, name)?.value)),
            _ => {
                self.problem(Diagnostic::new(&node.at, format!("`{name}` cannot be read")));
                None
            }
        }
    }
}
