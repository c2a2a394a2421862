//! Names and passwords for archives, in the form of apt_auth.conf(5).
//!
//! ```text
//! machine HOST[:PORT][/PATH] login NAME password SECRET
//! ```
//!
//! As in apt, an entry without a scheme is used for `https://` only; who means to send a password in the clear writes
//! `machine http://HOST…`. The first entry that fits an address counts. Nothing here ever shows a password: not
//! `Debug`, not an error.

use std::fmt;

use crate::secret::Secret;

/// One entry of an auth file.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `http` or `https`.
    scheme: String,
    /// Host, with its port if the entry has one.
    host: String,
    /// What the path must begin with; empty for any.
    path: String,
    /// Name of the user.
    pub login: String,
    /// The secret.
    pub password: Secret,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.machine())
    }
}

/// What is wrong with an auth file, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadAuth {
    pub line: usize,
    pub problem: &'static str,
}

impl Credential {
    /// Returns what the entry is for, as `scheme://host/path`.
    pub fn machine(&self) -> String {
        format!("{}://{}{}", self.scheme, self.host, self.path)
    }

    /// Returns whether this entry is for `url`.
    pub fn fits(&self, url: &str) -> bool {
        let Some((scheme, rest)) = url.split_once("://") else { return false };
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let same = |own: &str| self.host.eq_ignore_ascii_case(own);
        scheme.eq_ignore_ascii_case(&self.scheme)
            && (same(host) || same(without_port))
            && path.starts_with(&self.path)
    }

    /// Returns whether it would be for `url` if it named the scheme `http`.
    pub(super) fn lacks_scheme_for(&self, url: &str) -> bool {
        let scheme = "http".to_owned();
        self.scheme == "https" && Self { scheme, ..self.clone() }.fits(url)
    }
}

/// Parses an auth file. Lines that begin with `#` are comments.
pub(crate) fn parse(text: &str) -> Result<Vec<Credential>, BadAuth> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    let mut words = lines.flat_map(|(at, line)| line.split_whitespace().map(move |word| (at + 1, word)));
    let mut entries: Vec<Entry> = Vec::new();
    while let Some((line, word)) = words.next() {
        let mut value = || {
            let problem = "a word that belongs after `machine`, `login` or `password` is missing";
            words.next().map(|(_, value)| value.to_owned()).ok_or(BadAuth { line, problem })
        };
        match (word, entries.last_mut()) {
            ("machine", _) => entries.push(Entry { line, machine: value()?, login: None, password: None }),
            ("login", Some(entry)) => entry.login = Some(value()?),
            ("password", Some(entry)) => entry.password = Some(Secret::new(value()?)),
            (_, None) => return Err(BadAuth { line, problem: "an entry begins with `machine HOST`" }),
            // The word may be a part of a password with a blank in it: it is not shown.
            _ => {
                let problem = "a word that is none of `machine`, `login` and `password`";
                return Err(BadAuth { line, problem });
            }
        }
    }
    entries.into_iter().map(Entry::finish).collect()
}

/// An entry while it is read.
struct Entry {
    line: usize,
    machine: String,
    login: Option<String>,
    password: Option<Secret>,
}

impl Entry {
    fn finish(self) -> Result<Credential, BadAuth> {
        let bad = |problem| BadAuth { line: self.line, problem };
        let (scheme, rest) = self.machine.split_once("://").unwrap_or(("https", &self.machine));
        if !["http", "https"].contains(&scheme) {
            return Err(bad("the scheme of `machine` is neither http nor https"));
        }
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if host.is_empty() || host.contains('@') {
            return Err(bad("`machine` names no host"));
        }
        let (scheme, host, path) = (scheme.to_owned(), host.to_owned(), path.to_owned());
        let login = self.login.ok_or_else(|| bad("the entry has no `login`"))?;
        let password = self.password.ok_or_else(|| bad("the entry has no `password`"))?;
        Ok(Credential { scheme, host, path, login, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_fit_as_apt_takes_them() {
        let text = "# ours\nmachine example.org login a password b\n\
            machine http://plain.example.org:8080/deb\n  login c\n  password d#e\n";
        let parsed = parse(text).expect("it is right");
        let fitting = |url| parsed.iter().find(|one| one.fits(url)).map(|one| one.login.as_str());
        for (url, login) in [
            ("https://example.org/debian/dists", Some("a")),
            ("https://EXAMPLE.org", Some("a")),
            ("https://example.org:8443/x", Some("a")),
            ("http://example.org/debian", None),
            ("https://evil-example.org/", None),
            ("https://example.org.evil.net/", None),
            ("http://plain.example.org:8080/deb/x", Some("c")),
            ("http://plain.example.org:8080/other", None),
            ("http://plain.example.org/deb/x", None),
            ("file:///example.org/", None),
        ] {
            assert_eq!(fitting(url), login, "{url}");
        }
        assert!(parsed[0].lacks_scheme_for("http://example.org/debian"));
        assert!(!parsed[1].lacks_scheme_for("http://example.org/debian"));
        assert_eq!(parsed[1].password.expose(), "d#e");
    }

    #[test]
    fn no_secret_is_shown() {
        let parsed = parse("machine example.org login user password hunter2").expect("it is right");
        assert_eq!(format!("{parsed:?}"), "[Credential(https://example.org)]");
    }

    #[test]
    fn broken_files_are_told_by_line() {
        for (text, line, words) in [
            ("login a password b", 1, "begins with"),
            ("machine x login a\n", 1, "no `password`"),
            ("\nmachine x password a\n", 2, "no `login`"),
            ("machine x login a password", 1, "missing"),
            ("machine x login a password two words", 1, "none of"),
            ("machine ftp://x login a password b", 1, "neither"),
            ("machine https:///x login a password b", 1, "no host"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text}");
            assert!(error.problem.contains(words), "{text}: {error:?}");
        }
        assert_eq!(parse("# nothing\n"), Ok(Vec::new()));
    }
}
