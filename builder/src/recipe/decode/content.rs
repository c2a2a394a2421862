//! `overlays` and `files`: what is put into the tree.

use std::path::PathBuf;

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::{Node, Value};
use crate::recipe::schema::{File, Overlay, Residue};
use crate::recipe::source::{Located, Span};
use crate::recipe::words::FileContent;

impl Decoder {
    /// Reads a path of this machine, relative to the file that names it.
    pub(super) fn host_path(&self, node: &Node, name: &str) -> Option<Located<PathBuf>> {
        let text = self.text(node, name)?;
        let path = text.at.resolve(&text.value);
        Some(Located { value: path, at: text.at })
    }

    /// Reads an absolute path in the image that names something below `/`.
    pub(super) fn image_path(&self, node: &Node, name: &str) -> Option<Located<String>> {
        let text = self.text(node, name)?;
        let hint = match text.value.strip_prefix('/') {
            None => "it must begin with `/`: a path in the image",
            Some(_) if text.value.split('/').any(|part| part == "..") => "it must not contain `..`",
            Some(rest) if rest.split('/').any(|part| part.is_empty() || part == ".") => {
                "write it without `.`, double slashes or a slash at the end"
            }
            Some(_) => return Some(text),
        };
        let message = format!("{} is not a valid `{name}`", Quoted(&text.value));
        self.problem(Diagnostic::new(&text.at, message).hint(hint));
        None
    }

    /// Reads the name of a user or group of the image.
    pub(super) fn account(&self, node: &Node, name: &str) -> Option<Located<String>> {
        self.checked(node, name, "a name such as www-data: a-z, 0-9, `_` and `-`, at most 32", is_account)
    }

    /// Reads `overlays`.
    pub(super) fn overlays(&self, node: Option<&Node>) -> Vec<Overlay> {
        self.list(node, "overlays", |item| {
            let mut fields = self.fields(item, &keys::OVERLAY)?;
            let from = fields.need("from").and_then(|node| self.host_path(node, "from"));
            let owner = fields.take("owner").map(|node| self.account(node, "owner"));
            let map = fields.take("map").map_or_else(Vec::new, |node| self.owner_map(node));
            fields.finish();
            Some(Overlay { from: from?, owner: or_root(owner)?, map })
        })
    }

    fn owner_map(&self, node: &Node) -> Vec<(Located<String>, String)> {
        let Value::Map(entries) = &node.value else {
            let problem = Diagnostic::new(&node.at, format!("`map` must be a map, not {}", node.kind()));
            self.problem(problem.hint("write `map: { \"srv/www\": www-data }`"));
            return Vec::new();
        };
        let mut map = Vec::new();
        for entry in entries {
            if entry.key.split('/').any(|part| matches!(part, "" | "." | "..")) {
                let message = format!("{} is not a path below the overlay", Quoted(&entry.key));
                self.problem(Diagnostic::new(&entry.at, message).hint("write it as in `srv/www`"));
                continue;
            }
            if let Some(owner) = self.account(&entry.value, "owner") {
                map.push((Located { value: entry.key.clone(), at: entry.at.clone() }, owner.value));
            }
        }
        map
    }

    /// Reads `files`.
    pub(super) fn files(&self, node: Option<&Node>) -> Vec<File> {
        self.list(node, "files", |item| self.file(item))
    }

    pub(super) fn residue(&self, node: Option<&Node>) -> Vec<Residue> {
        self.list(node, "residue", |item| {
            let mut fields = self.fields(item, &keys::RESIDUE)?;
            let path = fields.need("path").and_then(|node| self.image_path(node, "path"));
            let reason = fields.need("reason").and_then(|node| self.text(node, "reason"));
            fields.finish();
            Some(Residue { path: path?, reason: reason? })
        })
    }

    fn file(&self, node: &Node) -> Option<File> {
        let mut fields = self.fields(node, &keys::FILE)?;
        let path = fields.need("path").and_then(|node| self.image_path(node, "path"));
        let content = [
            fields
                .take("content")
                .map(|node| self.any_text(node, "content").map(|text| text.map(FileContent::Inline))),
            fields
                .take("from")
                .map(|node| self.host_path(node, "from").map(|path| path.map(FileContent::Host))),
            fields
                .take("link")
                .map(|node| self.text(node, "link").map(|target| target.map(FileContent::Link))),
        ];
        let mode_at = fields.entries.iter().find(|entry| entry.key == "mode").map(|entry| entry.at.clone());
        let mode = fields.take("mode").map(|node| self.mode(node));
        let owner = fields.take("owner").map(|node| self.account(node, "owner"));
        let group = fields.take("group").map(|node| self.account(node, "group"));
        fields.finish();
        let content = self.one_of(&node.at, content.into_iter().flatten().collect());
        let (path, content) = (path?, content?);
        let link = matches!(content.value, FileContent::Link(_));
        if let (true, Some(at)) = (link, &mode_at) {
            self.problem(Diagnostic::new(at, "a symbolic link has no mode").hint("remove the key"));
        }
        let default = if link { 0o777 } else { 0o644 };
        Some(File {
            path,
            content,
            mode: mode.unwrap_or(Some(default))?,
            owner: or_root(owner)?,
            group: or_root(group)?,
        })
    }

    fn one_of(
        &self,
        at: &Span,
        mut given: Vec<Option<Located<FileContent>>>,
    ) -> Option<Located<FileContent>> {
        if given.len() == 1 {
            return given.remove(0);
        }
        let message = if given.is_empty() {
            "a file needs `content`, `from` or `link`"
        } else {
            "a file has only one of `content`, `from` and `link`"
        };
        self.problem(Diagnostic::new(at, message));
        None
    }

    /// Reads permission bits: three or four octal digits, as text.
    pub(super) fn mode(&self, node: &Node) -> Option<u32> {
        if let Value::Scalar(scalar) = &node.value
            && scalar.is_number()
        {
            let message = format!("`mode` must be text, and {} is a number", Quoted(&scalar.text));
            let digits = scalar.text.trim_start_matches("0o").trim_start_matches('0');
            let hint = format!("put it in quotes: \"0{digits}\"");
            self.problem(Diagnostic::new(&node.at, message).hint(hint));
            return None;
        }
        let good =
            |text: &str| (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let text = self.checked(node, "mode", "three or four octal digits such as \"0644\"", good)?;
        u32::from_str_radix(&text.value, 8).ok()
    }
}

fn or_root(given: Option<Option<Located<String>>>) -> Option<String> {
    Some(transpose(given)?.map_or_else(|| "root".to_owned(), |name| name.value))
}

/// The rule of Debian's useradd.
pub(super) fn is_account(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}
