//! AWS as the command line asks for it.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::args::{AccessArguments, AwsArguments, BootModeWord, ReplaceWord};
use crate::upload::aws::{self, Access, Aws, BootMode, Settings};
use crate::upload::{Entry, ImageFacts, Patience, SourceImage, UploadError};

/// Checks what is asked of AWS, and prepares for it.
pub(super) fn prepare(
    settings: Settings,
    access: Access,
    image: &SourceImage,
    facts: &ImageFacts,
    patience: Arc<Patience>,
) -> Result<Aws, UploadError> {
    settings.check(facts, image)?;
    Aws::new(access, image.path.clone(), facts.clone(), settings, patience)
}

/// Returns which account and region is meant. Asks nobody.
pub(super) fn access(arguments: &AccessArguments) -> Result<Access, UploadError> {
    let profile = arguments.profile.clone();
    let region = aws::region(arguments.region.clone(), profile.as_deref())?;
    Ok(Access { profile, region, endpoint: endpoint() })
}

/// Prepares for the account and region that an entry of a journal names; none if its endpoint is not the present one.
pub(super) fn of_entry(
    entry: &Entry,
    arguments: &AccessArguments,
    image: &Path,
    patience: Arc<Patience>,
) -> Result<Option<Aws>, UploadError> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let endpoint = text(&entry.place["endpoint"]);
    let Some(region) = text(&entry.place["region"]).filter(|_| endpoint == self::endpoint()) else {
        return Ok(None);
    };
    if arguments.region.as_ref().is_some_and(|named| *named != region) {
        return Ok(None);
    }
    let copies = entry.place["copies"].as_array().into_iter().flatten().filter_map(text).collect();
    let settings =
        Settings { copies, ..settings(&AwsArguments::default(), ReplaceWord::Keep, String::new())? };
    let profile = arguments.profile.clone().or_else(|| entry.cloud.clone());
    let access = Access { profile, region, endpoint };
    Aws::new(access, image.to_owned(), ImageFacts::default(), settings, patience).map(Some)
}

/// Returns the address that stands for AWS's, if the environment names one.
fn endpoint() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("AWS_ENDPOINT_URL_EC2").or_else(|| variable("AWS_ENDPOINT_URL"))
}

/// Returns what the flags ask.
pub(super) fn settings(
    arguments: &AwsArguments,
    replace: ReplaceWord,
    name: String,
) -> Result<Settings, UploadError> {
    let shares = arguments.shares.iter().map(|text| aws::Share::parse(text));
    let shares = shares.collect::<Result<_, _>>();
    let shares = shares.map_err(|why| UploadError::input("reading --share", why, "see docs/upload.md"))?;
    Ok(Settings {
        name,
        copies: arguments.copies.clone(),
        tags: arguments.ami_tags.iter().cloned().collect(),
        architecture: arguments.architecture.clone(),
        boot_mode: arguments.boot_mode.map(|word| match word {
            BootModeWord::LegacyBios => BootMode::LegacyBios,
            BootModeWord::Uefi => BootMode::Uefi,
            BootModeWord::UefiPreferred => BootMode::UefiPreferred,
        }),
        tpm: arguments.tpm,
        encrypted: arguments.encrypted || arguments.kms_key.is_some(),
        kms_key: arguments.kms_key.clone(),
        shares,
        deprecate_at: arguments.deprecate_at.clone(),
        root_device: arguments.root_device.clone().unwrap_or_else(|| "/dev/xvda".to_owned()),
        send_free: arguments.send_free,
        replace: replace.into(),
    })
}
