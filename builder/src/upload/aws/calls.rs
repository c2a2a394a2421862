//! The calls of an upload to AWS, before anybody is asked.

use serde_json::{Map, Value, json};

use super::{BLOCK, GIB, ID_TAG, NAME_TAG, PLAN_TAG, Settings};
use crate::upload::glance::Replace;
use crate::upload::{Format, ImageFacts, PlannedCall, SourceImage};

/// Returns all tags of what an upload makes.
pub(super) fn tags(settings: &Settings, plan: &str, id: &str) -> Vec<(String, String)> {
    let own = [("Name", settings.name.as_str()), (NAME_TAG, &settings.name), (PLAN_TAG, plan), (ID_TAG, id)];
    let own = own.into_iter().filter(|(key, _)| !settings.tags.contains_key(*key));
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    own.chain(settings.tags.clone()).collect()
}

/// Returns what image and snapshot are described by.
pub(super) fn description(settings: &Settings, facts: &ImageFacts) -> String {
    let system = facts.distribution.as_deref().map(|name| {
        let version = facts.version.as_deref().map(|version| format!(" {version}")).unwrap_or_default();
        format!(" ({name}{version})")
    });
    format!("{}{}", settings.name, system.unwrap_or_default())
}

/// Returns the calls in order.
pub(super) fn calls(facts: &ImageFacts, settings: &Settings, image: &SourceImage) -> Vec<PlannedCall> {
    let (ebs, ec2) = ("{ebs}", "{ec2}");
    let call = |method, service: &str, action: &str, body, purpose| PlannedCall {
        method,
        path: format!("{service}{action}"),
        body,
        purpose,
    };
    let size = image.virtual_size.div_ceil(GIB);
    let tags: Map<String, Value> =
        tags(settings, "{plan}", "{id}").into_iter().map(|(key, value)| (key, value.into())).collect();
    let name = settings.image_name("{plan}");
    let description = description(settings, facts);
    let start = json!({
        "VolumeSize": size, "ClientToken": "{id}", "Description": description, "Tags": tags,
        "Encrypted": settings.encrypted, "KmsKeyArn": settings.kms_key,
    });
    let blocks = json!({
        "Blocks": image.virtual_size.div_ceil(BLOCK as u64), "BlockSize": BLOCK, "ChecksumAlgorithm": "SHA256",
        "LeftOut": if settings.send_free { "none" } else { "zero blocks that the partition table and ext4 call free" },
        "Format": match image.format { Format::Raw => "raw", Format::Qcow2 => "qcow2, read as a disk" },
    });
    let register = json!({
        "Name": name, "Description": description, "Architecture": settings.architecture(facts),
        "BootMode": settings.boot_mode(facts).name(), "VirtualizationType": "hvm", "EnaSupport": true,
        "SriovNetSupport": "simple", "ImdsSupport": "v2.0", "TpmSupport": settings.tpm.then_some("v2.0"),
        "RootDeviceName": settings.root_device,
        "BlockDeviceMapping": {
            "SnapshotId": "{snapshot}", "VolumeSize": size, "VolumeType": "gp3", "DeleteOnTermination": true,
        },
        "Tags": tags,
    });
    let mine = json!({ "Owner": "self", "Filter": { format!("tag:{PLAN_TAG}"): "{plan}" } });
    let mut calls = vec![
        call("POST", ec2, "DescribeSnapshots", mine.clone(), "is it there already?"),
        call("POST", ec2, "DescribeImages", mine, "is it there already?"),
        call(
            "POST",
            ec2,
            "DescribeImages",
            json!({ "Owner": "self", "Filter": { "name": name } }),
            "is the name free?",
        ),
        call("POST", ebs, "/snapshots", start, "begin the snapshot; unless it is there"),
        call(
            "PUT",
            ebs,
            "/snapshots/{snapshot}/blocks/{index}",
            blocks,
            "send each block that is not there yet",
        ),
        call(
            "POST",
            ebs,
            "/snapshots/completion/{snapshot}",
            json!({ "ChecksumAlgorithm": "SHA256", "ChecksumAggregationMethod": "LINEAR" }),
            "have AWS compare the number of blocks and their hash",
        ),
        call("POST", ec2, "DescribeSnapshots", json!({ "SnapshotId": "{snapshot}" }), "until it is complete"),
        call("POST", ec2, "RegisterImage", register, "make the machine image; unless it is there"),
        call("POST", ec2, "DescribeImages", json!({ "ImageId": "{ami}" }), "until it is available"),
    ];
    for region in &settings.copies {
        let body = json!({ "Region": region, "ClientToken": "{id}", "SourceImageId": "{ami}", "Encrypted": settings.encrypted });
        calls.push(call("POST", ec2, "CopyImage", body, "copy it, and wait until the copy is available"));
    }
    if let Some(time) = &settings.deprecate_at {
        let body = json!({ "ImageId": "{ami}", "DeprecateAt": time });
        calls.push(call("POST", ec2, "EnableImageDeprecation", body, "in each region"));
    }
    if !settings.shares.is_empty() {
        let shares: Vec<&str> = settings.shares.iter().map(super::Share::text).collect();
        let body = json!({ "ImageId": "{ami}", "LaunchPermission.Add": shares });
        calls.push(call("POST", ec2, "ModifyImageAttribute", body, "share it, in each region"));
    }
    let older = json!({ "ImageId": "{old}" });
    match settings.replace {
        Replace::Keep => {}
        Replace::Hide => calls.push(call(
            "POST",
            ec2,
            "DisableImage",
            older,
            "hide each older one of this name that is ours",
        )),
        Replace::Delete => calls.extend([
            call("POST", ec2, "DeregisterImage", older, "delete each older one of this name that is ours"),
            call("POST", ec2, "DeleteSnapshot", json!({ "SnapshotId": "{old}" }), "and its snapshots"),
        ]),
    }
    calls
}
