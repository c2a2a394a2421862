//! `packages` and `kernel`: wishes in apt's forms.

use super::Decoder;
use crate::recipe::diagnostic::{Diagnostic, Quoted};
use crate::recipe::node::Node;
use crate::recipe::schema::PackageWish;
use crate::recipe::source::Span;
use crate::recipe::words::Want;

impl Decoder {
    /// Reads `packages`.
    pub(super) fn packages(&self, node: Option<&Node>) -> Vec<PackageWish> {
        self.list(node, "packages", |item| self.package(item, "packages"))
    }

    /// Reads `kernel`, which is a package that must not be refused.
    pub(super) fn kernel(&self, node: &Node) -> Option<PackageWish> {
        let wish = self.package(node, "kernel")?;
        if wish.want == Want::Never {
            self.problem(Diagnostic::new(
                &wish.at,
                "`kernel` names the kernel to install, not one to refuse",
            ));
            return None;
        }
        Some(wish)
    }

    fn package(&self, node: &Node, name: &str) -> Option<PackageWish> {
        let text = self.text(node, name)?;
        let at = text.at;
        let written = text.value.as_str();
        if let Some(wish) = self.local(written, &at) {
            return wish;
        }
        if let Some((before, _)) = written.split_once(':')
            && is_package_name(before)
        {
            let why = format!("an image holds packages of one architecture and `all`; write `{before}`");
            self.not_yet(&at, &format!("the architecture in {} is", Quoted(written)), Some(&why));
            return None;
        }
        match split_wish(written) {
            Ok((package, want)) => Some(PackageWish { name: package.to_owned(), want, at }),
            Err(message) => {
                let hint = "write name, name=version, name/suite, name- or ./file.deb";
                self.problem(Diagnostic::new(&at, message).hint(hint));
                None
            }
        }
    }
}

impl Decoder {
    /// Reads a wish for a file; none if it is no such wish. The name is filled in when the file is read.
    fn local(&self, written: &str, at: &Span) -> Option<Option<PackageWish>> {
        let path = written.starts_with("./") || written.starts_with("../") || written.starts_with('/');
        if !written.ends_with(".deb") && !path {
            return None;
        }
        if !path || !written.ends_with(".deb") {
            let message = format!("{} is not the path of a package", Quoted(written));
            let hint = "write the path of a .deb so that it begins with ./, ../ or /";
            self.problem(Diagnostic::new(at, message).hint(hint));
            return Some(None);
        }
        let want = Want::File(at.resolve(written));
        Some(Some(PackageWish { name: String::new(), want, at: at.clone() }))
    }
}

fn split_wish(text: &str) -> Result<(&str, Want), String> {
    let (name, want) = if let Some((name, version)) = text.split_once('=') {
        if !is_version(version) {
            return Err(format!("{} is not a version", Quoted(version)));
        }
        (name, Want::Version(version.to_owned()))
    } else if let Some((name, suite)) = text.split_once('/') {
        if !super::distribution::is_suite(suite) {
            return Err(format!("{} is not a suite", Quoted(suite)));
        }
        (name, Want::Suite(suite.to_owned()))
    } else if let Some(name) = text.strip_suffix('-') {
        (name, Want::Never)
    } else {
        (text, Want::Install)
    };
    if is_package_name(name) {
        Ok((name, want))
    } else {
        Err(format!("{} is not a package name", Quoted(name)))
    }
}

/// Debian Policy 5.6.1.
pub(super) fn is_package_name(name: &str) -> bool {
    name.len() >= 2
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
}

/// Debian Policy 5.6.12.
fn is_version(version: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    upstream.starts_with(|c: char| c.is_ascii_alphanumeric())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-~:".contains(&b))
}
