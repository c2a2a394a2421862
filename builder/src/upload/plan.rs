//! What an upload will do, decided without asking anybody: every call, and one hash of all of it.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::source::hexadecimal;
use super::{SourceImage, Target};

/// Version of what the hash is made of; raised when equal wishes come to be carried out in another way.
const FORMAT: u32 = 1;
/// Namespace of the ids of objects: version 5 of the DNS name `bootwright.invalid`.
const NAMESPACE: Uuid = Uuid::from_u128(0x4998_65de_e183_5b5c_bb1b_d35c_a787_258b);

/// A call to a cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCall {
    /// HTTP method.
    pub method: &'static str,
    /// Path; `{…}` stands for what the service tells or the plan gives.
    pub path: String,
    /// Body; null if there is none.
    pub body: Value,
    /// What it is for, and when it is left out.
    pub purpose: &'static str,
}

/// What is known of the image in a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedImage {
    /// Bytes.
    pub size: u64,
    /// Hexadecimal digits.
    pub sha256: String,
    /// `raw` or `qcow2`.
    pub format: &'static str,
}

/// What an upload will do.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadPlan {
    /// The cloud's word.
    pub target: &'static str,
    /// What the object will be called.
    pub name: String,
    /// Where it will be.
    pub place: Value,
    /// What is sent.
    pub image: PlannedImage,
    /// SHA-256 of everything else here: the idempotency key.
    pub hash: String,
    calls: Vec<PlannedCall>,
}

impl UploadPlan {
    /// Plans the upload of `image` to `target` as `name`.
    pub fn new(target: &dyn Target, image: &SourceImage, name: &str) -> Self {
        let planned = PlannedImage {
            size: image.stamp.size,
            sha256: image.sha256.clone(),
            format: image.format.name(),
        };
        let mut plan = Self {
            target: target.name(),
            name: name.to_owned(),
            place: target.place(),
            image: planned,
            hash: String::new(),
            calls: target.calls(image),
        };
        // What a call is for is words for people and may be put better.
        let mut upload = plan.describe("{id}", "{plan}");
        for call in upload["calls"].as_array_mut().into_iter().flatten() {
            call["purpose"] = Value::Null;
        }
        let text = json!({ "format": FORMAT, "upload": upload }).to_string();
        plan.hash = hexadecimal(&Sha256::digest(text.as_bytes()));
        plan
    }

    /// Returns the id of the object that try number `attempt` (from 1) makes.
    pub fn id(&self, attempt: u32) -> String {
        Uuid::new_v5(&NAMESPACE, format!("{}/{attempt}", self.hash).as_bytes()).to_string()
    }

    /// Returns the whole plan, with the ids of a first try.
    pub fn to_json(&self) -> Value {
        let mut value = self.describe(&self.id(1), &self.hash);
        value["plan"] = self.hash.clone().into();
        value
    }

    /// Returns the body of the call for which `pick` says yes, made out for the object `id`.
    pub fn body(&self, id: &str, pick: impl Fn(&PlannedCall) -> bool) -> Option<Value> {
        self.calls.iter().find(|call| pick(call)).map(|call| filled(&call.body, id, &self.hash))
    }

    fn describe(&self, id: &str, hash: &str) -> Value {
        let call = |call: &PlannedCall| {
            json!({
                "method": call.method,
                "path": call.path.replace("{id}", id).replace("{plan}", hash),
                "body": filled(&call.body, id, hash),
                "purpose": call.purpose,
            })
        };
        let PlannedImage { size, sha256, format } = &self.image;
        json!({
            "target": self.target,
            "name": self.name,
            "place": self.place,
            "image": { "size": size, "sha256": sha256, "format": format },
            "calls": self.calls.iter().map(call).collect::<Vec<_>>(),
        })
    }
}

/// Puts the object's id and the plan's hash where a body is exactly the word for them.
fn filled(body: &Value, id: &str, hash: &str) -> Value {
    match body {
        Value::String(text) if text == "{id}" => id.into(),
        Value::String(text) if text == "{plan}" => hash.into(),
        Value::Array(items) => items.iter().map(|item| filled(item, id, hash)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.clone(), filled(value, id, hash))).collect()
        }
        other => other.clone(),
    }
}
