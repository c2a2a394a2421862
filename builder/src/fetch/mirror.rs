//! Which mirrors serve Debian: what the user says, what a Debian host itself uses, or Debian's own servers.
//!
//! A user may name several; each is tried after the one before it failed. `auto` among them stands for the host's.
//!
//! The host's release does not matter: its mirror serves every suite. A host whose sources are not Debian's
//! (another distribution, a snapshot, a package vendor) says nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::plan::{MirrorChoice, Origin, Repository};

use super::release::Source;

/// Base addresses of Debian's archives, each list in the order in which they are tried and never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrors {
    debian: Vec<String>,
    security: Vec<String>,
    /// Base addresses in the archive of all that ever was, as of one moment: Debian's, the security archive's.
    snapshot: Option<[String; 2]>,
}

/// What the user says about mirrors. A mirror of the archive says nothing about the security archive, which many
/// mirrors do not carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MirrorOverrides {
    /// The archive: `--mirror`, `BOOTWRIGHT_MIRROR`, or `mirror:` of the recipe. None means the same as `auto`.
    pub debian: Vec<MirrorChoice>,
    /// Base address of the security archive: `BOOTWRIGHT_SECURITY_MIRROR`.
    pub security: Option<String>,
}

/// One entry of apt's sources for binary packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// Base address.
    pub uri: String,
    /// Suites.
    pub suites: Vec<String>,
    /// Components.
    pub components: Vec<String>,
    /// Keyring file, if it names one.
    pub signed_by: Option<String>,
}

impl Mirrors {
    /// Chooses by `overrides`, then by the host's own `sources`.
    pub fn choose(overrides: &MirrorOverrides, sources: &[AptSource]) -> Self {
        let host = |fits: fn(&AptSource) -> bool, default: Origin| {
            let found = sources.iter().find(|source| fits(source)).map(|source| source.uri.as_str());
            found.unwrap_or(default.address()).trim_end_matches('/').to_owned()
        };
        let auto = || host(AptSource::is_debian_archive, Origin::Debian);
        let mut debian: Vec<String> = Vec::new();
        for mirror in &overrides.debian {
            let base = match mirror {
                MirrorChoice::Auto => auto(),
                MirrorChoice::Uri(uri) => uri.trim_end_matches('/').to_owned(),
            };
            if !debian.contains(&base) {
                debian.push(base);
            }
        }
        if debian.is_empty() {
            debian.push(auto());
        }
        let security = match &overrides.security {
            Some(uri) => uri.trim_end_matches('/').to_owned(),
            None => host(AptSource::is_debian_security, Origin::DebianSecurity),
        };
        Self { debian, security: vec![security], snapshot: None }
    }

    /// Returns the address of an archive that is tried first.
    pub fn base(&self, origin: &Origin) -> String {
        self.bases(origin).first().cloned().unwrap_or_default()
    }

    fn bases(&self, origin: &Origin) -> Vec<String> {
        match origin {
            Origin::Debian => self.debian.clone(),
            Origin::DebianSecurity => self.security.clone(),
            Origin::Uri(uri) => vec![uri.trim_end_matches('/').to_owned()],
        }
    }

    /// Returns where `repository` is: at least one place, in the order in which they are tried.
    pub fn sources(&self, repository: &Repository) -> Vec<Source> {
        let (name, suite) = (&repository.name, &repository.suite);
        let source = |base: &String| Source { name: name.clone(), base: base.clone(), suite: suite.clone() };
        self.bases(&repository.origin).iter().map(source).collect()
    }

    /// Returns the base addresses under which what is at `base` is found: that one first, then the mirrors behind it,
    /// then those before it, which have failed already if they were tried.
    pub fn alternatives(&self, base: &str) -> Vec<String> {
        let lists = [&self.debian, &self.security];
        let place = |list: &Vec<String>| list.iter().position(|one| one == base);
        let Some((list, at)) = lists.iter().find_map(|list| Some((list, place(list)?))) else {
            return vec![base.to_owned()];
        };
        let (before, from) = list.split_at(at);
        // A mirror may hold both archives below one address.
        let snapshot = self.snapshot.iter().flatten().zip(lists).filter(|(_, list)| place(list).is_some());
        from.iter().chain(before).chain(snapshot.map(|(base, _)| base)).cloned().collect()
    }

    /// Adds the archive of all that ever was at `base`, laid out as snapshot.debian.org, as it was at `time`, seconds since
    /// 1970: the last place for files of Debian that the mirrors have no more.
    #[must_use]
    pub fn with_snapshot(mut self, base: &str, time: i64) -> Self {
        let (base, stamp) = (base.trim_end_matches('/'), crate::date::stamp(time));
        self.snapshot =
            Some(["debian", "debian-security"].map(|archive| format!("{base}/archive/{archive}/{stamp}")));
        self
    }
}

impl AptSource {
    /// Returns whether this is a whole Debian archive. Vendors' repositories look much alike; they bring their
    /// own keys, have other components, or lie elsewhere.
    fn is_debian_archive(&self) -> bool {
        self.may_be_debian()
            && self.last_segment() == "debian"
            && self.suites.iter().any(|suite| is_release(suite.trim_end_matches("-updates")))
    }

    fn is_debian_security(&self) -> bool {
        let security = |suite: &String| {
            suite.strip_suffix("-security").or_else(|| suite.strip_suffix("/updates")).is_some_and(is_release)
        };
        self.may_be_debian()
            && ["debian-security", "debian"].contains(&self.last_segment())
            && self.suites.iter().any(security)
    }

    fn may_be_debian(&self) -> bool {
        let fetchable = ["http://", "https://", "file:///"].iter().any(|scheme| self.uri.starts_with(scheme));
        let theirs = self.signed_by.as_deref().is_none_or(|keyring| keyring.contains("debian-archive"));
        fetchable && theirs && self.components.iter().any(|component| component == "main")
    }

    fn last_segment(&self) -> &str {
        let uri = self.uri.trim_end_matches('/');
        uri.rsplit_once('/').map_or("", |(_, last)| last)
    }
}

/// Returns whether `suite` is a name of a Debian release: an alias or a code name, which is one plain word.
fn is_release(suite: &str) -> bool {
    !suite.is_empty() && suite.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Reads the host's apt sources below `root`, in apt's order. What cannot be read says nothing.
pub fn load_host_sources(root: &Path) -> Vec<AptSource> {
    let apt = root.join("etc/apt");
    let mut files = vec![apt.join("sources.list")];
    let listed = fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<PathBuf> = listed.map(|entry| entry.path()).collect();
    parts.sort();
    files.extend(parts);
    let parse = |path: &PathBuf| {
        let parse = match path.extension()?.to_str()? {
            "list" => parse_one_line,
            "sources" => parse_deb822,
            _ => return None,
        };
        match fs::read_to_string(path) {
            Ok(text) => Some(parse(&text)),
            Err(error) => {
                tracing::debug!("passing over '{}': {error}", path.display());
                None
            }
        }
    };
    files.iter().filter_map(parse).flatten().collect()
}

/// Parses apt's one-line format: `deb [options] URI SUITE COMPONENT…`.
pub fn parse_one_line(text: &str) -> Vec<AptSource> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<AptSource> {
    let line = line.split('#').next()?.trim();
    let mut rest = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '[']))?.trim_start();
    let mut signed_by = None;
    if let Some(bracketed) = rest.strip_prefix('[') {
        let (options, behind) = bracketed.split_once(']')?;
        signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        rest = behind;
    }
    let mut words = rest.split_whitespace().map(str::to_owned);
    let (uri, suite) = (words.next()?, words.next()?);
    Some(AptSource {
        uri,
        suites: vec![suite],
        components: words.collect(),
        signed_by: signed_by.map(str::to_owned),
    })
}

/// Parses apt's deb822 format: stanzas of `Types:`, `URIs:`, `Suites:`, `Components:`.
pub fn parse_deb822(text: &str) -> Vec<AptSource> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).flat_map(parse_stanza).collect()
}

fn parse_stanza(lines: &[&str]) -> Vec<AptSource> {
    let field = |name: &str| -> Vec<String> {
        let mut found = Vec::new();
        let mut inside = false;
        for line in lines {
            let value = if line.starts_with([' ', '\t']) {
                if inside { Some(*line) } else { None }
            } else {
                let (key, value) = line.split_once(':').unwrap_or((line, ""));
                inside = key.trim().eq_ignore_ascii_case(name);
                inside.then_some(value)
            };
            found.extend(value.into_iter().flat_map(str::split_whitespace).map(str::to_owned));
        }
        found
    };
    let off = ["no", "false", "0", "off", "without", "disable"];
    let enabled = field("Enabled").first().is_none_or(|word| !off.contains(&word.to_lowercase().as_str()));
    if !enabled || !field("Types").iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let (suites, components) = (field("Suites"), field("Components"));
    // A key may be written out in place of a file's name; then it is not Debian's own.
    let signed_by = Some(field("Signed-By").join(" ")).filter(|keyring| !keyring.is_empty());
    let source = |uri| AptSource {
        uri,
        suites: suites.clone(),
        components: components.clone(),
        signed_by: signed_by.clone(),
    };
    field("URIs").into_iter().map(source).collect()
}
