//! The calls of an upload to Glance, before anybody is asked.

use serde_json::{Map, Value, json};

use super::{PLAN_PROPERTY, Replace, Settings, Stores, Visibility, properties};
use crate::upload::{ImageFacts, PlannedCall, SourceImage};

const GIB: u64 = 1 << 30;

/// Returns the calls in order.
pub(super) fn calls(facts: &ImageFacts, settings: &Settings, image: &SourceImage) -> Vec<PlannedCall> {
    let none = Value::Null;
    let call =
        |method, path: &str, body, purpose| PlannedCall { method, path: path.to_owned(), body, purpose };
    let mut calls = vec![
        call("POST", "{identity}/v3/auth/tokens", none.clone(), "a token; the body holds the credentials"),
        call(
            "POST",
            "{image}/v2/images",
            create(facts, settings, image),
            "create it, hidden; 409: it is there",
        ),
        call(
            "GET",
            "{image}/v2/images/{id}",
            none.clone(),
            "how far is it? before creating it if the journal names it, and after 409",
        ),
        call(
            "GET",
            &format!("{{image}}/v2/images?{PLAN_PROPERTY}={{plan}}"),
            none.clone(),
            "is it there already? if creating it was refused, as by a quota",
        ),
    ];
    let bytes = json!({ "bytes": image.stamp.size });
    if settings.imports() {
        calls.extend([
            call("GET", "{image}/v2/info/import", none.clone(), "does it import?"),
            call("PUT", "{image}/v2/images/{id}/stage", bytes, "send it, once"),
            call("POST", "{image}/v2/images/{id}/import", import(settings), "have it taken in"),
            call("GET", "{image}/v2/images/{id}", none.clone(), "until it is active"),
        ]);
    } else {
        let body = match &settings.stores {
            Stores::Named(names) if !names.is_empty() => {
                json!({ "bytes": image.stamp.size, "store": names[0] })
            }
            _ => bytes,
        };
        calls.push(call("PUT", "{image}/v2/images/{id}/file", body, "send it, once"));
    }
    calls.push(call("GET", "{image}/v2/images/{id}", none.clone(), "compare size and os_hash_value"));
    if settings.visibility == Visibility::Shared {
        for member in &settings.members {
            let body = json!({ "member": member });
            calls.push(call("POST", "{image}/v2/images/{id}/members", body, "share it"));
        }
    }
    calls.push(call(
        "PATCH",
        "{image}/v2/images/{id}",
        publish(settings),
        "show it, now that it is verified",
    ));
    let old = "{image}/v2/images/{old}";
    match settings.replace {
        Replace::Keep => {}
        Replace::Hide => {
            calls.push(call("PATCH", old, hide(), "hide each older one of this name that is ours"))
        }
        Replace::Delete => {
            calls.push(call("DELETE", old, none, "delete each older one of this name that is ours"))
        }
    }
    calls
}

/// Body of the call that creates the image.
fn create(facts: &ImageFacts, settings: &Settings, image: &SourceImage) -> Value {
    let disk = settings.minimum_disk.unwrap_or_else(|| image.virtual_size.div_ceil(GIB));
    let body = json!({
        "id": "{id}",
        "name": settings.name,
        "disk_format": image.format.name(),
        "container_format": "bare",
        "visibility": "private",
        "os_hidden": true,
        "protected": false,
        "min_disk": disk,
        "min_ram": settings.minimum_memory.unwrap_or(0),
        "tags": settings.tags,
        PLAN_PROPERTY: "{plan}",
    });
    let mut body = match body {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (key, value) in properties::properties(facts, settings, image) {
        body.entry(key).or_insert_with(|| value.into());
    }
    body.into()
}

/// Body of the call that has what was staged taken in.
pub(super) fn import(settings: &Settings) -> Value {
    let mut body = json!({ "method": { "name": "glance-direct" } });
    match &settings.stores {
        Stores::All => body["all_stores"] = true.into(),
        Stores::Named(names) if !names.is_empty() => body["stores"] = json!(names),
        Stores::Named(_) => {}
    }
    if body.get("stores").is_some() || body.get("all_stores").is_some() {
        // Half of the stores is no success.
        body["all_stores_must_succeed"] = true.into();
    }
    body
}

/// Patch that shows the image.
fn publish(settings: &Settings) -> Value {
    json!([
        { "op": "replace", "path": "/visibility", "value": settings.visibility.name() },
        { "op": "replace", "path": "/protected", "value": settings.protected },
        { "op": "replace", "path": "/os_hidden", "value": false },
    ])
}

/// Patch that hides an image from lists.
pub(super) fn hide() -> Value {
    json!([{ "op": "replace", "path": "/os_hidden", "value": true }])
}
