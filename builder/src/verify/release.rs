//! A Release file that is to be believed, and the indexes it vouches for.

use std::collections::HashMap;
use std::time::SystemTime;

use pgp::armor::Dearmor;
use pgp::packet::{Packet, PacketParser, Signature};

use crate::date;
use crate::fetch::{Compression, IndexFile, SignedContent, SignedRelease, Source};
use crate::plan::Architecture;
use crate::resolve::ReleaseFacts;
use crate::store::Sha256Digest;

use super::clearsign;
use super::deb822::Stanza;
use super::error::{Problem, SignatureProblem, VerifyError};
use super::keyring::Keyring;
use super::openpgp::{self, CLOCK_TOLERANCE_SECONDS, Framing};

/// A Release file: signed by an allowed key, for the suite that was asked for, valid now.
#[derive(Debug, Clone)]
pub struct Release {
    /// What a lockfile keeps of it.
    pub facts: ReleaseFacts,
    /// `Suite` field, for example `oldstable`; empty where there is none.
    pub archive: String,
    /// `Origin` field.
    pub origin: String,
    /// `Label` field.
    pub label: String,
    /// `Version` field.
    pub version: String,
    /// Whether apt would install nothing from it unasked (priority 1).
    pub not_automatic: bool,
    /// Whether, being so, it still upgrades what came from it (priority 100).
    pub but_automatic_upgrades: bool,
    /// `Valid-Until`, seconds since 1970.
    pub valid_until: Option<i64>,
    by_hash: bool,
    /// Whether packages for all architectures are listed apart.
    all_apart: bool,
    files: HashMap<String, (u64, Sha256Digest)>,
}

/// Judges `signed`, which came from `source`, by the keys of `keyring` and the time `now`.
///
/// # Errors
/// A [`VerifyError`] that names the first rule it breaks: form, signature, suite, date.
pub fn release(
    signed: &SignedRelease,
    source: &Source,
    keyring: &Keyring,
    now: SystemTime,
) -> Result<Release, VerifyError> {
    let now = date::seconds(now);
    judge(signed, source, keyring, now).map_err(|problem| problem.of(&signed.url))
}

fn judge(signed: &SignedRelease, source: &Source, keyring: &Keyring, now: i64) -> Result<Release, Problem> {
    let (text, signed_by) = signed_text(&signed.content, keyring, now)?;
    let stanza = Stanza::parse(&text).map_err(Problem::Malformed)?;
    let release = read(&stanza, &text, source, signed_by)?;
    check_suite(&release, &source.suite)?;
    check_dates(&release, now)?;
    Ok(release)
}

/// Returns the text that an allowed key signed, and that key.
fn signed_text(content: &SignedContent, keyring: &Keyring, now: i64) -> Result<(String, String), Problem> {
    match content {
        SignedContent::Inline(bytes) => {
            let message = clearsign::parse(bytes).map_err(Problem::Malformed)?;
            let mut signatures = Vec::new();
            for block in &message.signatures {
                signatures.extend(parse_signatures(block.as_bytes())?);
            }
            let key = accept(&signatures, Framing::Clear, &message.signed, keyring, now)?;
            Ok((message.text, key))
        }
        SignedContent::Detached { release, signature } => {
            let signatures = parse_signatures(signature)?;
            let key = accept(&signatures, Framing::Detached, release, keyring, now)?;
            let text = String::from_utf8(release.clone());
            Ok((text.map_err(|_| Problem::Malformed("it is not UTF-8 text".to_owned()))?, key))
        }
    }
}

/// Parses signatures, armoured or not; anything else beside them is refused.
fn parse_signatures(bytes: &[u8]) -> Result<Vec<Signature>, Problem> {
    let malformed = |why: String| Problem::Malformed(format!("its signature cannot be read: {why}"));
    let mut packets = Vec::new();
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        packets.extend(PacketParser::new(bytes));
    } else {
        packets.extend(PacketParser::new(std::io::BufReader::new(Dearmor::new(bytes))));
    }
    let signature = |packet: Result<Packet, pgp::errors::Error>| match packet {
        Ok(Packet::Signature(signature)) => Ok(signature),
        Ok(other) => Err(malformed(format!("a packet of type {:?}", pgp::packet::PacketTrait::tag(&other)))),
        Err(error) => Err(malformed(error.to_string())),
    };
    let signatures = packets.into_iter().map(signature).collect::<Result<Vec<_>, _>>()?;
    if signatures.is_empty() { Err(malformed("it is empty".to_owned())) } else { Ok(signatures) }
}

fn accept(
    signatures: &[Signature],
    framing: Framing,
    data: &[u8],
    keyring: &Keyring,
    now: i64,
) -> Result<String, Problem> {
    openpgp::verify(signatures, framing, data, keyring, now).map_err(|problems| {
        let unknown = problems.iter().map(|problem| match problem {
            SignatureProblem::UnknownKey(key) => Some(key.clone()),
            _ => None,
        });
        match unknown.collect::<Option<Vec<_>>>() {
            Some(keys) => Problem::UnknownKey(keys),
            None => Problem::BadSignature(problems),
        }
    })
}

fn read(stanza: &Stanza<'_>, text: &str, source: &Source, signed_by: String) -> Result<Release, Problem> {
    let owned = |name| stanza.value(name).unwrap_or_default().to_owned();
    let time = |name: &str| match stanza.value(name) {
        None => Ok(None),
        Some(value) => match date::parse(value) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(Problem::Malformed(format!("its {name} is '{value}', which is no date"))),
        },
    };
    let facts = ReleaseFacts {
        name: source.name.clone(),
        base: source.base.clone(),
        suite: source.suite.clone(),
        codename: owned("Codename"),
        origin: owned("Origin"),
        label: owned("Label"),
        archive: owned("Suite"),
        date: time("Date")?.ok_or_else(|| Problem::Malformed("it has no Date".to_owned()))?,
        signed_by,
        sha256: Sha256Digest::of(text.as_bytes()),
    };
    let all =
        stanza.value("Architectures").is_some_and(|list| list.split_whitespace().any(|word| word == "all"));
    let together = stanza.value("No-Support-for-Architecture-all") == Some("Packages");
    Ok(Release {
        facts,
        archive: owned("Suite"),
        origin: owned("Origin"),
        label: owned("Label"),
        version: owned("Version"),
        not_automatic: stanza.says_yes("NotAutomatic"),
        but_automatic_upgrades: stanza.says_yes("ButAutomaticUpgrades"),
        valid_until: time("Valid-Until")?,
        by_hash: stanza.says_yes("Acquire-By-Hash"),
        all_apart: all && !together,
        files: files(stanza)?,
    })
}

/// Reads the list of files: digest, size, path. Weaker digests than SHA-256 are not looked at.
fn files(stanza: &Stanza<'_>) -> Result<HashMap<String, (u64, Sha256Digest)>, Problem> {
    let lines = stanza.lines("SHA256");
    let mut files = HashMap::with_capacity(lines.len());
    for line in lines.iter().filter(|line| !line.is_empty()) {
        let mut words = line.split_ascii_whitespace();
        let entry = (|| {
            let digest = Sha256Digest::parse(words.next()?)?;
            let size = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), (size, digest)))
        })();
        let (path, file) =
            entry.ok_or_else(|| Problem::Malformed(format!("its SHA256 list has the line '{line}'")))?;
        if files.insert(path, file).is_some_and(|earlier| earlier != file) {
            return Err(Problem::Malformed(format!("its SHA256 list has two digests in '{line}'")));
        }
    }
    if files.is_empty() { Err(Problem::Malformed("it has no SHA256 list".to_owned())) } else { Ok(files) }
}

fn check_suite(release: &Release, asked: &str) -> Result<(), Problem> {
    // A flat repository is asked for by its path, which no field of the file repeats.
    if asked.ends_with('/') {
        return Ok(());
    }
    let (suite, codename) = (release.archive.clone(), release.facts.codename.clone());
    if [&suite, &codename].iter().any(|name| !name.is_empty() && *name == asked) {
        return Ok(());
    }
    Err(Problem::WrongSuite { asked: asked.to_owned(), suite, codename })
}

fn check_dates(release: &Release, now: i64) -> Result<(), Problem> {
    let date = release.facts.date;
    if date > now + CLOCK_TOLERANCE_SECONDS {
        return Err(Problem::FromTheFuture { date, now });
    }
    match release.valid_until {
        Some(until) if until < now => Err(Problem::Expired { until }),
        _ => Ok(()),
    }
}

impl Release {
    /// Returns the package lists of `components` for `architecture`, each in the best compression there is; with no
    /// components, the one list of a flat repository.
    ///
    /// # Errors
    /// [`Problem::Missing`] when the suite has no such list.
    pub fn indexes(
        &self,
        components: &[String],
        architecture: Architecture,
    ) -> Result<Vec<IndexFile>, VerifyError> {
        let mut indexes = Vec::new();
        if components.is_empty() {
            let list = "Packages";
            indexes.push(self.index("", list).ok_or_else(|| self.missing(list))?);
        }
        for component in components {
            let list = format!("{component}/binary-{}/Packages", architecture.debian());
            let found = self.index(component, &list).ok_or_else(|| self.missing(&list))?;
            indexes.push(found);
            if self.all_apart {
                indexes.extend(self.index(component, &format!("{component}/binary-all/Packages")));
            }
        }
        Ok(indexes)
    }

    fn index(&self, component: &str, list: &str) -> Option<IndexFile> {
        let text = self.files.get(list).copied();
        Compression::ALL.into_iter().find_map(|compression| {
            let path = format!("{list}{}", compression.suffix());
            let (size, sha256) = *self.files.get(&path)?;
            let component = component.to_owned();
            Some(IndexFile { component, path, size, sha256, compression, by_hash: self.by_hash, text })
        })
    }

    fn missing(&self, list: &str) -> VerifyError {
        let facts = &self.facts;
        Problem::Missing(format!("'{list}'")).of(&format!("{}/dists/{}", facts.base, facts.suite))
    }
}
