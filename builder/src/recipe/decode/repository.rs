//! `distribution.repositories`: archives beside Debian's own.

use super::Decoder;
use super::distribution::transpose;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::keys;
use crate::recipe::node::Node;
use crate::recipe::schema::ExtraRepository;
use crate::recipe::source::Located;

impl Decoder {
    /// Reads one repository.
    pub(super) fn repository(&self, node: &Node) -> Option<ExtraRepository> {
        let mut fields = self.fields(node, &keys::REPOSITORY)?;
        let uri = fields.need("uri").and_then(|node| self.uri(node, "uri"));
        let suite = fields.need("suite").map(|node| self.suite_or_path(node));
        let flat = matches!(&suite, Some(Some(suite)) if suite.value.ends_with('/'));
        let components = if flat {
            fields.take("components").map(|node| {
                let problem = Diagnostic::new(&node.at, "a flat repository has no components");
                self.problem(problem.hint("remove `components`, or name a suite without `/` at its end"));
                Vec::new()
            })
        } else {
            fields.need("components").map(|node| self.components(node))
        };
        let signed_by = fields.take("signed_by").map(|node| self.host_path(node, "signed_by"));
        let pin = fields.take("pin").map(|node| self.pin(node));
        let auth = fields.take("auth").map(|node| self.host_path(node, "auth"));
        let in_image = fields.take("in_image").map(|node| self.boolean(node, "in_image"));
        fields.finish_with(|key| match key {
            "trusted" | "allow_insecure" | "gpgcheck" => {
                Some("every repository must be signed; name the key in `signed_by`")
            }
            "key" | "keyring" | "signed-by" => Some("the key is named by `signed_by`"),
            "username" | "user" | "password" | "login" => {
                Some("write them into a file of apt's auth.conf form and name it in `auth`")
            }
            _ => None,
        });
        Some(ExtraRepository {
            at: node.at.clone(),
            uri: uri?.value,
            suite: suite??.value,
            components: if flat { Vec::new() } else { components? },
            signed_by: transpose(signed_by)?,
            pin: transpose(pin)?,
            auth: transpose(auth)?,
            in_image: transpose(in_image)?,
        })
    }

    /// Reads a suite, or the path of a flat repository: `./`, or a folder below `uri` with a slash at its end.
    fn suite_or_path(&self, node: &Node) -> Option<Located<String>> {
        let text = self.text(node, "suite")?;
        let Some(path) = text.value.strip_suffix('/') else { return self.suite(node, "suite") };
        let path = path.strip_prefix("./").unwrap_or(path);
        if path.is_empty() || path == "." {
            return Some(Located { value: "./".to_owned(), at: text.at });
        }
        if super::distribution::is_suite(path) {
            return Some(Located { value: format!("{path}/"), at: text.at });
        }
        let message = format!("{} is not the path of a flat repository", Quoted(&text.value));
        self.problem(
            Diagnostic::new(&text.at, message).hint("write `./`, or a folder below `uri` such as `stable/`"),
        );
        None
    }

    /// Reads the priority of apt_preferences(5).
    fn pin(&self, node: &Node) -> Option<i32> {
        let pin = self.integer(node, "pin", -32768..=32767)?;
        if pin.value == 0 {
            // apt_preferences(5): the meaning of priority 0 is undefined.
            self.problem(Diagnostic::new(&pin.at, "`pin: 0` has no meaning to apt"));
            return None;
        }
        i32::try_from(pin.value).ok()
    }
}
