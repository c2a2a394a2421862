//! The lines of a lock.

use serde::{Deserialize, Serialize};

use crate::resolve::{LockedPackage, ReleaseFacts, Sha256Digest};

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedEntry {
    /// Name.
    pub name: String,
    /// Version, in full.
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// The archive: `debian`, `debian-security`, `local` for a file that the recipe names, or a base address.
    pub from: String,
    /// Path below the archive's base address.
    pub file: String,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the whole file.
    #[serde(with = "digest")]
    pub sha256: Sha256Digest,
    /// Whether it belongs to the variant's base set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub base_set: bool,
    /// Whether it came only as a dependency.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automatic: bool,
}

/// One signed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedRelease {
    /// Short name, as in the plan.
    pub name: String,
    /// Suite asked for.
    pub suite: String,
    /// `Codename` field.
    pub codename: String,
    /// `Origin` field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// `Label` field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// `Suite` field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub archive: String,
    /// `Date` field, seconds since 1970.
    #[serde(with = "date")]
    pub date: i64,
    /// Fingerprint of the key that signed it.
    pub signed_by: String,
    /// Digest of the signed text.
    #[serde(with = "digest")]
    pub sha256: Sha256Digest,
}

impl LockedEntry {
    /// Describes `package`, which is from the archive `from`.
    pub(super) fn of(package: &LockedPackage, from: &str) -> Self {
        Self {
            name: package.name.clone(),
            version: package.version.clone(),
            architecture: package.architecture.clone(),
            from: from.to_owned(),
            file: package.filename.clone(),
            size: package.size,
            sha256: package.sha256,
            base_set: package.base_set,
            automatic: package.automatic,
        }
    }

    /// Returns the package, its archive being at `base`.
    pub(super) fn package(&self, base: String) -> LockedPackage {
        LockedPackage {
            name: self.name.clone(),
            version: self.version.clone(),
            architecture: self.architecture.clone(),
            base,
            filename: self.file.clone(),
            size: self.size,
            sha256: self.sha256,
            base_set: self.base_set,
            automatic: self.automatic,
        }
    }
}

impl LockedRelease {
    pub(super) fn of(facts: &ReleaseFacts) -> Self {
        Self {
            name: facts.name.clone(),
            suite: facts.suite.clone(),
            codename: facts.codename.clone(),
            origin: facts.origin.clone(),
            label: facts.label.clone(),
            archive: facts.archive.clone(),
            date: facts.date,
            signed_by: facts.signed_by.clone(),
            sha256: facts.sha256,
        }
    }

    pub(super) fn facts(&self, base: String) -> ReleaseFacts {
        let Self { name, suite, codename, origin, label, archive, date, signed_by, sha256 } = self.clone();
        ReleaseFacts { name, base, suite, codename, origin, label, archive, date, signed_by, sha256 }
    }
}

/// Digests as hexadecimal digits.
mod digest {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::resolve::Sha256Digest;

    pub(super) fn serialize<S: Serializer>(digest: &Sha256Digest, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(digest)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Sha256Digest, D::Error> {
        let text = String::deserialize(from)?;
        Sha256Digest::parse(&text).ok_or_else(|| D::Error::custom("a SHA-256 has 64 hexadecimal digits"))
    }
}

/// Dates as Release files write them, without the weekday.
mod date {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(seconds: &i64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::date::release_form(*seconds))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        let wrong = || D::Error::custom("a date is written like `11 Jul 2026 10:16:37 UTC`");
        crate::date::parse(&text).ok_or_else(wrong)
    }
}
