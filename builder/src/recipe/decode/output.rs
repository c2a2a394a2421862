//! `outputs`: a format by its name alone, or with options of its own.

use super::distribution::transpose;
use super::{Decoder, Fields};
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::output_kind::{OutputKind, Qcow2Compression, TarCompression, VhdSubformat};
use crate::recipe::source::Located;

/// The formats with their defaults.
pub(in crate::recipe) const OUTPUTS: [(&str, Option<OutputKind>); 6] = [
    ("qcow2", Some(OutputKind::Qcow2(Qcow2Compression::None))),
    ("raw", Some(OutputKind::Raw)),
    ("vmdk", Some(OutputKind::Vmdk)),
    ("vhd", Some(OutputKind::Vhd(VhdSubformat::Fixed))),
    ("tar", Some(OutputKind::Tar(TarCompression::None))),
    ("tree", Some(OutputKind::Tree)),
];

pub(in crate::recipe) const QCOW2_COMPRESSIONS: [(&str, Option<Qcow2Compression>); 3] = [
    ("none", Some(Qcow2Compression::None)),
    ("zstd", Some(Qcow2Compression::Zstd)),
    ("zlib", Some(Qcow2Compression::Zlib)),
];

pub(in crate::recipe) const TAR_COMPRESSIONS: [(&str, Option<TarCompression>); 4] = [
    ("none", Some(TarCompression::None)),
    ("gz", Some(TarCompression::Gzip)),
    ("xz", Some(TarCompression::Xz)),
    ("zstd", Some(TarCompression::Zstd)),
];

pub(in crate::recipe) const VHD_SUBFORMATS: [(&str, Option<VhdSubformat>); 2] =
    [("fixed", Some(VhdSubformat::Fixed)), ("dynamic", Some(VhdSubformat::Dynamic))];

impl Decoder {
    pub(super) fn outputs(&self, node: &Node) -> Vec<Located<OutputKind>> {
        self.refuse_empty(node, "outputs");
        self.list(Some(node), "outputs", |item| match &item.value {
            Value::Map(_) => self.output_with_options(item),
            _ => self.choice(item, "output", &OUTPUTS),
        })
    }

    fn output_with_options(&self, node: &Node) -> Option<Located<OutputKind>> {
        if self.refuse_nested(node) {
            return None;
        }
        let mut fields = self.fields(node, &keys::OUTPUT)?;
        let kind = fields.need("type").and_then(|node| self.choice(node, "type", &OUTPUTS));
        let Some(mut kind) = kind else {
            fields.take("compression");
            fields.take("subformat");
            fields.finish();
            return None;
        };
        let compression = match &mut kind.value {
            OutputKind::Qcow2(value) => self.option(&mut fields, "compression", &QCOW2_COMPRESSIONS, value),
            OutputKind::Tar(value) => self.option(&mut fields, "compression", &TAR_COMPRESSIONS, value),
            OutputKind::Raw => {
                self.refuse_option(&mut fields, "compression", "a raw disk has no compression")
            }
            OutputKind::Tree => self.refuse_option(&mut fields, "compression", "a tree has no compression"),
            OutputKind::Vhd(_) => self.refuse_option(&mut fields, "compression", "a VHD has no compression"),
            OutputKind::Vmdk => {
                self.refuse_option(&mut fields, "compression", "a stream-optimised VMDK is always compressed")
            }
        };
        let subformat = match &mut kind.value {
            OutputKind::Vhd(value) => self.option(&mut fields, "subformat", &VHD_SUBFORMATS, value),
            _ => self.refuse_option(&mut fields, "subformat", "only `vhd` has a `subformat`"),
        };
        fields.finish();
        compression.and(subformat)?;
        Some(kind)
    }

    /// Reads an option into `value`; nothing if it is wrong.
    fn option<T: Copy>(
        &self,
        fields: &mut Fields<'_>,
        key: &'static str,
        choices: &[(&str, Option<T>)],
        value: &mut T,
    ) -> Option<()> {
        let read = transpose(fields.take(key).map(|node| self.choice(node, key, choices)))?;
        if let Some(given) = read {
            *value = given.value;
        }
        Some(())
    }

    fn refuse_option(&self, fields: &mut Fields<'_>, key: &'static str, message: &str) -> Option<()> {
        let Some(entry) = fields.entry(key) else { return Some(()) };
        self.problem(Diagnostic::new(&entry.at, message).hint("remove the key"));
        None
    }

    /// Tells of `{ qcow2: { … } }`, which other tools write, how it is written here.
    fn refuse_nested(&self, node: &Node) -> bool {
        let Value::Map(entries) = &node.value else { return false };
        let nested = entries.iter().find(|entry| OUTPUTS.iter().any(|(name, _)| entry.key == *name));
        let Some(entry) = nested else { return false };
        let message = format!("an output names its format by `type`, not by the key {}", Quoted(&entry.key));
        let hint = format!("write `{{ type: {}, compression: … }}`", entry.key);
        self.problem(Diagnostic::new(&entry.at, message).hint(hint));
        true
    }
}
