//! What the user asks of an image in AWS.

use std::collections::BTreeMap;

use crate::upload::glance::Replace;
use crate::upload::{ImageFacts, SourceImage, UploadError};

/// Lengths of a machine image's name.
const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;
/// What a name may have beside letters and digits.
const NAME_MARKS: &str = "()[] ./-'@_";
/// Tags of an object, less those that this program sets.
const MOST_TAGS: usize = 50 - 4;
/// Largest volume, GiB.
const LARGEST: u64 = 64 << 10;
/// Letters of the part of a plan's hash that tells images of one name apart.
const SHORT: usize = 8;

/// What the user asks of an image in AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// Regions that it is copied to.
    pub copies: Vec<String>,
    /// Tags of image and snapshot.
    pub tags: BTreeMap<String, String>,
    /// Its processors, as uname(2) calls them, if the image does not tell or tells wrong.
    pub architecture: Option<String>,
    /// How machines start it; none for what the image has.
    pub boot_mode: Option<BootMode>,
    /// Whether machines have a TPM 2.0.
    pub tpm: bool,
    /// Whether the snapshot is encrypted.
    pub encrypted: bool,
    /// By which key; none for the account's default.
    pub kms_key: Option<String>,
    /// Who may start machines of it, beside its account.
    pub shares: Vec<Share>,
    /// When it is deprecated, `YYYY-MM-DDTHH:MM:SSZ`.
    pub deprecate_at: Option<String>,
    /// What the root disk is called.
    pub root_device: String,
    /// Whether zero blocks that no filesystem uses are sent too.
    pub send_free: bool,
    /// What becomes of older images of the name.
    pub replace: Replace,
}

/// How machines start an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootMode {
    /// By the BIOS.
    LegacyBios,
    /// By UEFI.
    Uefi,
    /// By UEFI where the machine has it, else by the BIOS.
    UefiPreferred,
}

/// Who may start machines of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// Everybody.
    All,
    /// An account, by its twelve digits.
    Account(String),
    /// An organization, by its ARN.
    Organization(String),
    /// A unit of an organization, by its ARN.
    Unit(String),
}

impl BootMode {
    /// Returns EC2's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::LegacyBios => "legacy-bios",
            Self::Uefi => "uefi",
            Self::UefiPreferred => "uefi-preferred",
        }
    }
}

impl Share {
    /// Reads `all`, an account's number, or the ARN of an organization or a unit of one.
    ///
    /// # Errors
    /// When it is none of these, in words for the command line.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self::Account(text.to_owned()));
        }
        let part = text.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(4));
        match part.and_then(|part| part.split_once('/')) {
            Some(("organization", _)) => Ok(Self::Organization(text.to_owned())),
            Some(("ou", _)) => Ok(Self::Unit(text.to_owned())),
            _ => {
                Err("write `all`, an account's 12 digits, or the ARN of an organization or of a unit of one"
                    .into())
            }
        }
    }

    /// Returns it as it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Account(text) | Self::Organization(text) | Self::Unit(text) => text,
        }
    }
}

impl Settings {
    /// Returns the machine image's name. Names are given once in an account and region; where an older one is replaced,
    /// both are there for a while, so part of the plan's hash is added.
    pub(super) fn image_name(&self, plan: &str) -> String {
        match self.replace {
            Replace::Keep => self.name.clone(),
            _ => format!("{}-{}", self.name, plan.get(..SHORT).unwrap_or(plan)),
        }
    }

    /// Returns EC2's word for the processors.
    pub(super) fn architecture(&self, facts: &ImageFacts) -> Option<&'static str> {
        match self.architecture.as_deref().or(facts.architecture)? {
            "x86_64" => Some("x86_64"),
            "aarch64" => Some("arm64"),
            "i686" => Some("i386"),
            _ => None,
        }
    }

    /// Returns how machines start the image: as asked, else in every way that it has.
    pub(super) fn boot_mode(&self, facts: &ImageFacts) -> BootMode {
        let arm = self.architecture(facts) == Some("arm64");
        self.boot_mode.unwrap_or(match (facts.uefi, facts.bios) {
            _ if arm => BootMode::Uefi,
            (true, true) => BootMode::UefiPreferred,
            (true, false) => BootMode::Uefi,
            _ => BootMode::LegacyBios,
        })
    }

    /// Checks what AWS would refuse.
    ///
    /// # Errors
    /// When it is too long or too much, or the parts do not fit.
    pub fn check(&self, facts: &ImageFacts, image: &SourceImage) -> Result<(), UploadError> {
        let wrong =
            |why: String, hint: &str| Err(UploadError::input("checking what is asked of AWS", why, hint));
        let name = self.image_name(&"0".repeat(64));
        let strange = |letter: char| !letter.is_ascii_alphanumeric() && !NAME_MARKS.contains(letter);
        if !NAME_LENGTH.contains(&name.len()) || name.contains(strange) {
            let why =
                format!("'{name}' is no name of a machine image: 3 to 128 letters, digits and {NAME_MARKS}");
            return wrong(why, "give another --name");
        }
        if self.tags.len() > MOST_TAGS
            || self.tags.keys().any(|key| key.starts_with("aws:") || key.len() > 127)
        {
            return wrong(
                "there are too many tags, or one is too long or begins with `aws:`".into(),
                "change --ami-tag",
            );
        }
        if self.architecture(facts).is_none() {
            let why = "the image does not tell its architecture, or none that AWS has".to_owned();
            return wrong(why, "name it by --architecture x86_64 or aarch64");
        }
        let mode = self.boot_mode(facts);
        if self.tpm && mode != BootMode::Uefi {
            let why = format!("a TPM needs the boot mode `uefi`, and this image's is `{}`", mode.name());
            return wrong(why, "add --boot-mode uefi, or leave --tpm out");
        }
        let size = image.virtual_size.div_ceil(super::GIB);
        if size > LARGEST {
            return wrong(
                format!("a volume has at most {LARGEST} GiB, the disk has {size}"),
                "make it smaller",
            );
        }
        if self.encrypted && self.shares.contains(&Share::All) {
            return wrong(
                "an encrypted image cannot be public".into(),
                "leave --encrypted or --share all out",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::tests::{aws_settings, facts, with_image};

    fn refusal(change: impl FnOnce(&mut Settings), facts: &ImageFacts) -> String {
        let mut settings = aws_settings();
        change(&mut settings);
        with_image(b"image", |image| settings.check(facts, image))
            .map_err(|error| error.to_string())
            .unwrap_err()
    }

    #[test]
    fn what_aws_would_refuse_is_told_first() {
        let unknown = ImageFacts { architecture: None, ..facts() };
        assert!(refusal(|settings| settings.name = "a".into(), &facts()).contains("3 to 128"));
        assert!(refusal(|settings| settings.name = "web:1".into(), &facts()).contains("no name"));
        assert!(refusal(|_| {}, &unknown).contains("--architecture"));
        assert!(refusal(|settings| settings.tpm = true, &facts()).contains("uefi-preferred"));
        let public = |settings: &mut Settings| {
            settings.encrypted = true;
            settings.shares.push(Share::All);
        };
        assert!(refusal(public, &facts()).contains("cannot be public"));
        with_image(b"image", |image| aws_settings().check(&facts(), image)).unwrap();
    }

    #[test]
    fn the_boot_mode_is_what_the_image_has() {
        for (bios, uefi, architecture, expected) in [
            (true, true, "x86_64", "uefi-preferred"),
            (false, true, "x86_64", "uefi"),
            (true, false, "x86_64", "legacy-bios"),
            (false, false, "aarch64", "uefi"),
        ] {
            let facts = ImageFacts { bios, uefi, architecture: Some(architecture), ..facts() };
            assert_eq!(aws_settings().boot_mode(&facts).name(), expected);
        }
    }

    #[test]
    fn shares_are_told_apart() {
        assert_eq!(Share::parse("all"), Ok(Share::All));
        assert!(matches!(Share::parse("123456789012"), Ok(Share::Account(_))));
        let unit = "arn:aws:organizations::123456789012:ou/o-1/ou-2";
        assert_eq!(Share::parse(unit), Ok(Share::Unit(unit.to_owned())));
        assert!(Share::parse("12345").is_err() && Share::parse("arn:aws:iam::1:user/a").is_err());
    }
}
