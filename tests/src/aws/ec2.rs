//! EC2's calls about snapshots and images.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{ACCOUNT, Answer, Asked, Image, Snapshot, State};

type Form = BTreeMap<String, String>;
type Outcome = Result<String, (&'static str, String)>;

/// What `RegisterImage` must come with, since AWS's own defaults are of another time.
const NEEDED: [&str; 3] = ["Architecture", "VirtualizationType", "RootDeviceName"];

pub(super) fn answer(state: &mut State, region: &str, asked: &Asked) -> Answer {
    let form = asked.form();
    let action = form.get("Action").cloned().unwrap_or_default();
    let outcome = match action.as_str() {
        "DescribeSnapshots" => describe_snapshots(state, region, &form),
        "DescribeImages" => describe_images(state, region, &form),
        "RegisterImage" => register(state, region, &form),
        "CopyImage" => copy(state, region, &form),
        "DeregisterImage" => change(state, region, &form, |state, id| drop(state.images.remove(id))),
        "DisableImage" => change(state, region, &form, |state, id| {
            state.images.entry(id.to_owned()).and_modify(|image| image.disabled = true);
        }),
        "EnableImageDeprecation" => {
            let time = form.get("DeprecateAt").cloned();
            change(state, region, &form, |state, id| {
                state.images.entry(id.to_owned()).and_modify(|image| image.deprecated = time);
            })
        }
        "ModifyImageAttribute" => {
            let added = form.iter().filter(|(key, _)| key.starts_with("LaunchPermission.Add."));
            let added: Vec<String> = added.map(|(_, value)| value.clone()).collect();
            change(state, region, &form, |state, id| {
                state.images.entry(id.to_owned()).and_modify(|image| image.shared.extend(added));
            })
        }
        "DeleteSnapshot" => delete_snapshot(state, region, &form),
        _ => Err(("InvalidAction", format!("the action {action} is not known"))),
    };
    match outcome {
        Ok(body) => Answer::xml(format!(
            "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>1</requestId>{body}</{action}Response>"
        )),
        Err((code, why)) => asked.refuse(400, code, &why),
    }
}

/// Returns the values of `NAME.1`, `NAME.2`, ….
fn list<'a>(form: &'a Form, name: &str) -> Vec<&'a str> {
    (1..).map_while(|number| form.get(&format!("{name}.{number}"))).map(String::as_str).collect()
}

/// Tells whether something fits all filters of a request.
fn fits(form: &Form, name: &str, tags: &BTreeMap<String, String>) -> Result<bool, (&'static str, String)> {
    for number in 1.. {
        let Some(filter) = form.get(&format!("Filter.{number}.Name")) else { break };
        let wanted = list(form, &format!("Filter.{number}.Value"));
        let here = match filter.strip_prefix("tag:") {
            Some(key) => tags.get(key).map(String::as_str),
            None if filter == "name" => Some(name),
            None => return Err(("InvalidParameterValue", format!("The filter '{filter}' is invalid"))),
        };
        if !here.is_some_and(|here| wanted.contains(&here)) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn tag_set(tags: &BTreeMap<String, String>) -> String {
    let items: String = tags
        .iter()
        .map(|(key, value)| {
            format!("<item><key>{}</key><value>{}</value></item>", escaped(key), escaped(value))
        })
        .collect();
    format!("<tagSet>{items}</tagSet>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn describe_snapshots(state: &State, region: &str, form: &Form) -> Outcome {
    let asked = list(form, "SnapshotId");
    let visible = |snapshot: &Snapshot| {
        snapshot.region == region && snapshot.begun.elapsed() >= state.trouble.forgetful
    };
    for id in &asked {
        if !state.snapshots.get(*id).is_some_and(visible) {
            return Err(("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
        }
    }
    let mut items = String::new();
    for (id, snapshot) in state.snapshots.iter().filter(|(_, snapshot)| visible(snapshot)) {
        if (asked.is_empty() || asked.contains(&id.as_str())) && fits(form, "", &snapshot.tags)? {
            let word = snapshot.state(&state.trouble);
            let message =
                if word == "error" { "<statusMessage>as the test says</statusMessage>" } else { "" };
            items += &format!(
                "<item><snapshotId>{id}</snapshotId><status>{word}</status>{message}<ownerId>{ACCOUNT}</ownerId>\
                 <volumeSize>{}</volumeSize><description>{}</description><encrypted>{}</encrypted>{}</item>",
                snapshot.size,
                escaped(&snapshot.description),
                snapshot.encrypted,
                tag_set(&snapshot.tags)
            );
        }
    }
    Ok(format!("<snapshotSet>{items}</snapshotSet>"))
}

fn image_state(image: &Image, state: &State) -> &'static str {
    match image {
        Image { failed: true, .. } => "failed",
        Image { disabled: true, .. } => "disabled",
        Image { made, .. } if made.elapsed() < state.trouble.slow => "pending",
        _ => "available",
    }
}

fn describe_images(state: &State, region: &str, form: &Form) -> Outcome {
    let asked = list(form, "ImageId");
    if let Some(id) =
        asked.iter().find(|id| state.images.get(**id).is_none_or(|image| image.region != region))
    {
        return Err(("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
    }
    let mut items = String::new();
    for (id, image) in state.images.iter().filter(|(_, image)| image.region == region) {
        if !(asked.is_empty() || asked.contains(&id.as_str())) || !fits(form, &image.name, &image.tags)? {
            continue;
        }
        let field = |name: &str| image.fields.get(name).map_or("", String::as_str);
        items += &format!(
            "<item><imageId>{id}</imageId><imageState>{}</imageState><imageOwnerId>{ACCOUNT}</imageOwnerId>\
             <name>{}</name><architecture>{}</architecture><bootMode>{}</bootMode><imdsSupport>{}</imdsSupport>\
             <enaSupport>{}</enaSupport><rootDeviceName>{}</rootDeviceName><rootDeviceType>ebs</rootDeviceType>\
             <virtualizationType>hvm</virtualizationType><blockDeviceMapping><item><deviceName>{}</deviceName><ebs>\
             <snapshotId>{}</snapshotId><volumeSize>{}</volumeSize><volumeType>{}</volumeType></ebs></item>\
             </blockDeviceMapping>{}</item>",
            image_state(image, state),
            escaped(&image.name),
            field("Architecture"),
            field("BootMode"),
            field("ImdsSupport"),
            field("EnaSupport"),
            field("RootDeviceName"),
            field("BlockDeviceMapping.1.DeviceName"),
            image.snapshot,
            field("BlockDeviceMapping.1.Ebs.VolumeSize"),
            field("BlockDeviceMapping.1.Ebs.VolumeType"),
            tag_set(&image.tags)
        );
    }
    Ok(format!("<imagesSet>{items}</imagesSet>"))
}

/// Reads the tags that a request gives to things of a kind.
fn tags(form: &Form, kind: &str) -> Result<BTreeMap<String, String>, (&'static str, String)> {
    let mut found = BTreeMap::new();
    for number in 1.. {
        let prefix = format!("TagSpecification.{number}");
        let Some(named) = form.get(&format!("{prefix}.ResourceType")) else { break };
        if !["image", "snapshot"].contains(&named.as_str()) {
            return Err((
                "InvalidParameterValue",
                format!("'{named}' is not a valid taggable resource type"),
            ));
        }
        let keys = (1..).map_while(|tag| Some((tag, form.get(&format!("{prefix}.Tag.{tag}.Key"))?)));
        for (tag, key) in keys.filter(|_| named == kind) {
            let value = form.get(&format!("{prefix}.Tag.{tag}.Value")).cloned().unwrap_or_default();
            found.insert(key.clone(), value);
        }
    }
    Ok(found)
}

fn register(state: &mut State, region: &str, form: &Form) -> Outcome {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let name = field("Name");
    if !(3..=128).contains(&name.len()) {
        return Err((
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long".into(),
        ));
    }
    if let Some(missing) = NEEDED.iter().find(|needed| field(needed).is_empty()) {
        return Err(("MissingParameter", format!("the test wants {missing}")));
    }
    if let Some(id) =
        state.images.iter().find(|(_, image)| image.region == region && image.name == name).map(|(id, _)| id)
    {
        return Err(("InvalidAMIName.Duplicate", format!("AMI name {name} is already in use by AMI {id}")));
    }
    if !field("TpmSupport").is_empty() && field("BootMode") != "uefi" {
        return Err(("InvalidParameterCombination", "TpmSupport needs the boot mode uefi".into()));
    }
    if field("Architecture") == "arm64" && field("BootMode") != "uefi" {
        return Err(("InvalidParameterCombination", "arm64 boots by uefi".into()));
    }
    if !field("BlockDeviceMapping.1.Ebs.Encrypted").is_empty() {
        return Err(("InvalidParameter", "Encrypted cannot be given with a snapshot".into()));
    }
    let id = field("BlockDeviceMapping.1.Ebs.SnapshotId").to_owned();
    let Some(snapshot) = state.snapshots.get(&id).filter(|snapshot| snapshot.region == region) else {
        return Err(("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
    };
    if snapshot.state(&state.trouble) != "completed" {
        return Err(("InvalidSnapshot.NotFound", format!("Snapshot '{id}' is not completed")));
    }
    if field("BlockDeviceMapping.1.Ebs.VolumeSize").parse::<u64>().is_ok_and(|size| size < snapshot.size) {
        return Err(("InvalidBlockDeviceMapping", "Volume of size is smaller than snapshot".into()));
    }
    if field("BlockDeviceMapping.1.DeviceName") != field("RootDeviceName") {
        return Err(("InvalidBlockDeviceMapping", "no mapping for the root device".into()));
    }
    let image = Image {
        region: region.to_owned(),
        name: name.to_owned(),
        fields: form.clone(),
        tags: tags(form, "image")?,
        snapshot: id,
        shared: Vec::new(),
        deprecated: None,
        disabled: false,
        failed: std::mem::take(&mut state.trouble.image_fails),
        token: None,
        made: Instant::now(),
    };
    Ok(added(state, image))
}

fn added(state: &mut State, image: Image) -> String {
    let id = state.id("ami");
    let body = format!("<imageId>{id}</imageId>");
    state.images.insert(id, image);
    body
}

fn copy(state: &mut State, region: &str, form: &Form) -> Outcome {
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let source =
        state.images.get(field("SourceImageId")).filter(|image| image.region == field("SourceRegion"));
    let Some(source) = source.cloned() else {
        return Err(("InvalidAMIID.NotFound", "the source does not exist".into()));
    };
    if image_state(&source, state) != "available" {
        return Err(("InvalidRequest", "The source AMI is not in the state available".into()));
    }
    let token = form.get("ClientToken").cloned();
    let same = |image: &Image| image.region == region && token.is_some() && image.token == token;
    if let Some(id) = state.images.iter().find(|(_, image)| same(image)).map(|(id, _)| id) {
        return Ok(format!("<imageId>{id}</imageId>"));
    }
    let snapshot = Snapshot {
        region: region.to_owned(),
        tags: tags(form, "snapshot")?,
        encrypted: field("Encrypted") == "true",
        begun: Instant::now() - state.trouble.forgetful,
        token: None,
        ..state.snapshots[&source.snapshot].clone()
    };
    let id = state.id("snap");
    state.snapshots.insert(id.clone(), snapshot);
    let image = Image {
        region: region.to_owned(),
        name: field("Name").to_owned(),
        tags: tags(form, "image")?,
        snapshot: id,
        shared: Vec::new(),
        deprecated: None,
        token,
        made: Instant::now(),
        ..source
    };
    Ok(added(state, image))
}

fn change(state: &mut State, region: &str, form: &Form, act: impl FnOnce(&mut State, &str)) -> Outcome {
    let id = form.get("ImageId").cloned().unwrap_or_default();
    if state.images.get(&id).is_none_or(|image| image.region != region) {
        return Err(("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
    }
    act(state, &id);
    Ok("<return>true</return>".to_owned())
}

fn delete_snapshot(state: &mut State, region: &str, form: &Form) -> Outcome {
    let id = form.get("SnapshotId").cloned().unwrap_or_default();
    if state.snapshots.get(&id).is_none_or(|snapshot| snapshot.region != region) {
        return Err(("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
    }
    if let Some((image, _)) = state.images.iter().find(|(_, image)| image.snapshot == id) {
        return Err(("InvalidSnapshot.InUse", format!("The snapshot {id} is currently in use by {image}")));
    }
    state.snapshots.remove(&id);
    Ok("<return>true</return>".to_owned())
}
