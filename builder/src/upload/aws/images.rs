//! Machine images: registered of a snapshot, copied to regions, shared, retired.

use std::time::{Duration, Instant};

use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, Filter, Image, ImageState,
    ImdsSupportValues, LaunchPermission, LaunchPermissionModifications, PermissionGroup, ResourceType, Tag,
    TagSpecification, TpmSupportValues, VolumeType,
};

use super::connection::Connection;
use super::{BootMode, ID_TAG, Settings, Share};
use crate::upload::{Kind, UploadError};

/// How long an image may take to be available; copies between continents take their time.
const AVAILABILITY: Duration = Duration::from_secs(4 * 60 * 60);

/// What is registered.
pub(super) struct Wanted<'a> {
    pub(super) settings: &'a Settings,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) architecture: &'a str,
    pub(super) boot_mode: BootMode,
    pub(super) snapshot: &'a str,
    /// GiB.
    pub(super) size: u64,
    pub(super) tags: &'a [(String, String)],
}

/// Returns our images in a region that fit a filter, deprecated and disabled ones too.
pub(super) fn list(
    connection: &Connection,
    region: &str,
    filter: &str,
    value: &str,
) -> Result<Vec<Image>, UploadError> {
    let filter = Filter::builder().name(filter).values(value).build();
    let client = connection.ec2(region);
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = connection.ask(&format!("looking for images in {region}"), || {
            let call = client.describe_images().owners("self").filters(filter.clone());
            call.include_deprecated(true).include_disabled(true).set_next_token(next.clone()).send()
        })?;
        found.extend(page.images().iter().cloned());
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Returns the image of an upload in a region.
pub(super) fn of_upload(
    connection: &Connection,
    region: &str,
    id: &str,
) -> Result<Option<Image>, UploadError> {
    Ok(list(connection, region, &format!("tag:{ID_TAG}"), id)?.into_iter().next())
}

fn tagged(kind: ResourceType, tags: &[(String, String)]) -> TagSpecification {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.collect())).build()
}

/// Registers the image; its id.
pub(super) fn register(
    connection: &Connection,
    id: &str,
    wanted: &Wanted<'_>,
) -> Result<String, UploadError> {
    let doing = format!("registering '{}'", wanted.name);
    let disk = EbsBlockDevice::builder()
        .snapshot_id(wanted.snapshot)
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(wanted.size).unwrap_or(i32::MAX))
        .delete_on_termination(true)
        .build();
    let device = BlockDeviceMapping::builder().device_name(&wanted.settings.root_device).ebs(disk).build();
    let client = connection.ec2(&connection.home);
    let registered = connection.ask(&doing, || {
        let call = client
            .register_image()
            .name(wanted.name)
            .description(wanted.description)
            .architecture(ArchitectureValues::from(wanted.architecture))
            .boot_mode(BootModeValues::from(wanted.boot_mode.name()))
            .virtualization_type("hvm")
            .ena_support(true)
            .sriov_net_support("simple")
            .imds_support(ImdsSupportValues::V20)
            .root_device_name(&wanted.settings.root_device)
            .block_device_mappings(device.clone())
            .tag_specifications(tagged(ResourceType::Image, wanted.tags));
        if wanted.settings.tpm { call.tpm_support(TpmSupportValues::V20) } else { call }.send()
    });
    match registered {
        Ok(answer) => answer.image_id().map(str::to_owned).ok_or_else(|| {
            UploadError::new(Kind::Refused, doing, "the answer names no image", "check the endpoint")
        }),
        // The answer to an earlier try was lost, or another run was quicker.
        Err(error) if error.to_string().contains("InvalidAMIName.Duplicate") => {
            let ours = of_upload(connection, &connection.home, id)?;
            ours.as_ref().and_then(Image::image_id).map(str::to_owned).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Waits until an image can be used.
pub(super) fn wait(connection: &Connection, region: &str, image: &str) -> Result<(), UploadError> {
    let doing = format!("waiting for {image} in {region}");
    let client = connection.ec2(region);
    let (began, mut pause) = (Instant::now(), connection.patience.limits.poll / 8);
    while began.elapsed() < AVAILABILITY {
        let shown = connection.ask(&doing, || client.describe_images().image_ids(image).send());
        let shown = match shown {
            // It was made a moment ago, and not everybody knows.
            Err(error)
                if error.kind == Kind::NotFound && began.elapsed() < connection.patience.limits.budget =>
            {
                None
            }
            other => other?.images().first().cloned(),
        };
        match shown.as_ref().and_then(Image::state) {
            Some(ImageState::Available) => return Ok(()),
            Some(
                state @ (ImageState::Failed
                | ImageState::Error
                | ImageState::Invalid
                | ImageState::Deregistered),
            ) => {
                let reason = shown.as_ref().and_then(Image::state_reason).and_then(|reason| reason.message());
                let why = format!("it is {}: {}", state.as_str(), reason.unwrap_or("AWS gave no reason"));
                return Err(UploadError::new(
                    Kind::Refused,
                    doing,
                    why,
                    "remove it by `upload clean` and run it again",
                ));
            }
            _ => {}
        }
        connection.patience.interrupt.sleep(pause)?;
        pause = (pause * 2).min(connection.patience.limits.poll * 5);
    }
    let why = format!("it is not available after {} hours", AVAILABILITY.as_secs() / 3600);
    Err(UploadError::new(Kind::Refused, doing, why, "run the same again later; it goes on from here"))
}

/// Copies the image to a region, unless it is there; its id there.
pub(super) fn copy(
    connection: &Connection,
    region: &str,
    id: &str,
    image: &str,
    wanted: &Wanted<'_>,
) -> Result<String, UploadError> {
    if let Some(there) = of_upload(connection, region, id)?.as_ref().and_then(Image::image_id) {
        return Ok(there.to_owned());
    }
    let doing = format!("copying {image} to {region}");
    let copied = connection.ask(&doing, || {
        let call = connection
            .ec2(region)
            .copy_image()
            .name(wanted.name)
            .description(wanted.description)
            .source_image_id(image)
            .source_region(&connection.home)
            .client_token(id)
            .tag_specifications(tagged(ResourceType::Image, wanted.tags))
            .tag_specifications(tagged(ResourceType::Snapshot, wanted.tags));
        if wanted.settings.encrypted { call.encrypted(true) } else { call }.send()
    })?;
    copied.image_id().map(str::to_owned).ok_or_else(|| {
        UploadError::new(Kind::Refused, doing, "the answer names no image", "check the endpoint")
    })
}

/// Lets the accounts that were asked for start machines of it.
pub(super) fn share(
    connection: &Connection,
    region: &str,
    image: &str,
    shares: &[Share],
) -> Result<(), UploadError> {
    if shares.is_empty() {
        return Ok(());
    }
    let permission = |share: &Share| {
        let permission = LaunchPermission::builder();
        match share {
            Share::All => permission.group(PermissionGroup::All),
            Share::Account(account) => permission.user_id(account),
            Share::Organization(arn) => permission.organization_arn(arn),
            Share::Unit(arn) => permission.organizational_unit_arn(arn),
        }
        .build()
    };
    let added = LaunchPermissionModifications::builder()
        .set_add(Some(shares.iter().map(permission).collect()))
        .build();
    let client = connection.ec2(region);
    connection.ask(&format!("sharing {image} in {region}"), || {
        client.modify_image_attribute().image_id(image).launch_permission(added.clone()).send()
    })?;
    Ok(())
}

/// Has the image deprecated at a time, `YYYY-MM-DDTHH:MM:SSZ`.
pub(super) fn deprecate(
    connection: &Connection,
    region: &str,
    image: &str,
    time: &str,
) -> Result<(), UploadError> {
    let doing = format!("deprecating {image} in {region}");
    let at = DateTime::from_str(time, DateTimeFormat::DateTime)
        .map_err(|error| UploadError::input(&doing, error, "write the time as 2027-01-31T00:00:00Z"))?;
    let client = connection.ec2(region);
    connection.ask(&doing, || client.enable_image_deprecation().image_id(image).deprecate_at(at).send())?;
    Ok(())
}

/// Makes an old image one that no machine can be started of, and that only its account sees.
pub(super) fn disable(connection: &Connection, region: &str, image: &str) -> Result<(), UploadError> {
    let client = connection.ec2(region);
    connection.ask(&format!("disabling {image}"), || client.disable_image().image_id(image).send())?;
    Ok(())
}

/// Takes an image away; none is no error. Its snapshot stays.
pub(super) fn deregister(connection: &Connection, region: &str, image: &str) -> Result<(), UploadError> {
    let client = connection.ec2(region);
    let gone = connection
        .ask(&format!("deregistering {image}"), || client.deregister_image().image_id(image).send());
    match gone {
        Err(error) if error.kind != Kind::NotFound && !error.to_string().contains("Unavailable") => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Returns one of an image's tags.
pub(super) fn tag<'a>(image: &'a Image, key: &str) -> Option<&'a str> {
    image.tags().iter().find(|tag| tag.key() == Some(key))?.value()
}
