//! Images of Glance as the target of an upload.

use serde_json::{Value, json};

use super::session::Session;
use super::{Cloud, PLAN_PROPERTY, Replace, Settings, Stores, calls};
use crate::upload::answer::Answer;
use crate::upload::sending::{digests_of, stream};
use crate::upload::{
    Creation, Digests, Http, ImageFacts, Kind, ObjectState, PlannedCall, Publication, RemoteDigest,
    RemoteObject, SourceImage, Target, Told, UploadError, UploadPlan,
};

pub(super) const JSON: &str = "application/json";
const PATCH: &str = "application/openstack-images-v2.1-json-patch";
const CONVERTED: &str = "the cloud converted it, so only what was sent is compared";
/// Pages of a list; more is a server that goes in circles.
const MOST_PAGES: usize = 1000;

/// Glance.
#[derive(Debug)]
pub struct Glance {
    pub(super) session: Session,
    facts: ImageFacts,
    pub(super) settings: Settings,
    /// The format that was sent, once it is known.
    format: Option<&'static str>,
    /// The image as Glance showed it when it was looked at last.
    seen: Option<Value>,
}

impl Glance {
    /// Prepares for a cloud; nobody is asked yet.
    pub fn new(http: Http, cloud: Cloud, facts: ImageFacts, settings: Settings) -> Self {
        Self { session: Session::new(http, cloud), facts, settings, format: None, seen: None }
    }

    pub(super) fn show(&self, id: &str) -> Result<Option<Value>, UploadError> {
        let doing = format!("looking at image {id}");
        let answer = self.session.ask("GET", &format!("/v2/images/{id}"), None)?;
        match answer.status {
            404 => Ok(None),
            _ => expect(&answer, &doing)?.json(&doing).map(Some),
        }
    }

    /// Returns all images that fit `query`, hidden ones too if asked.
    fn list(&self, query: &str, hidden: bool) -> Result<Vec<Value>, UploadError> {
        let doing = "listing images";
        let mut found = Vec::new();
        let mut next = Some(format!("/v2/images?{query}&os_hidden={hidden}"));
        for _ in 0..MOST_PAGES {
            let Some(path) = next else { break };
            let page = expect(&self.session.ask("GET", &path, None)?, doing)?.json(doing)?;
            found.extend(page["images"].as_array().cloned().unwrap_or_default());
            next = page["next"].as_str().map(str::to_owned);
        }
        Ok(found)
    }

    /// Tells whether an image is of our project, as far as we know our project.
    fn is_ours(&self, image: &Value) -> Result<bool, UploadError> {
        let project = self.session.granted()?.project;
        Ok(project.is_none_or(|project| image["owner"] == project.as_str()))
    }

    /// Changes an image; returns it as it is then, or null where the service does not say.
    fn patch(&self, id: &str, operations: &Value, hint: &str) -> Result<Value, UploadError> {
        let doing = format!("changing image {id}");
        let answer = self.session.ask("PATCH", &format!("/v2/images/{id}"), Some((PATCH, operations)))?;
        if !answer.is_success() {
            return Err(answer.refused(&doing, hint));
        }
        Ok(answer.json(&doing).unwrap_or(Value::Null))
    }

    /// Reads what Glance says of an image that was uploaded.
    fn object(&self, image: &Value) -> Option<RemoteObject> {
        let object = object(image)?;
        // Who runs the cloud may have imports converted; then its hash is of other bytes.
        let converted = object.state == ObjectState::Complete
            && self.settings.imports()
            && self.format.is_some_and(|format| image["disk_format"] != format);
        Some(if converted {
            RemoteObject { size: None, digest: None, checked: Some(CONVERTED), ..object }
        } else {
            object
        })
    }

    fn share(&self, id: &str) -> Result<(), UploadError> {
        for member in &self.settings.members {
            let path = format!("/v2/images/{id}/members");
            let answer = self.session.ask("POST", &path, Some((JSON, &json!({ "member": member }))))?;
            // 409: it is one already.
            if !answer.is_success() && answer.status != 409 {
                let doing = format!("sharing image {id} with project {member}");
                return Err(answer.refused(&doing, "name the project by its id (--member)"));
            }
        }
        Ok(())
    }

    /// Hides or deletes older images of the name that this program made.
    fn retire(&self, id: &str) -> Result<Vec<String>, UploadError> {
        if self.settings.replace == Replace::Keep {
            return Ok(Vec::new());
        }
        let mut retired = Vec::new();
        for image in self.list(&format!("name={}&status=active", encoded(&self.settings.name)), false)? {
            let ours = image.get(PLAN_PROPERTY).is_some() && self.is_ours(&image)?;
            let Some(old) = image["id"].as_str().filter(|old| ours && *old != id) else { continue };
            // The name is asked for by a pattern language of the service; the answer is what counts.
            if image["name"] != self.settings.name.as_str() {
                continue;
            }
            match self.settings.replace {
                Replace::Delete => self.remove(old)?,
                _ => drop(self.patch(old, &calls::hide(), "hide it by hand; the new image is published")?),
            }
            retired.push(old.to_owned());
        }
        Ok(retired)
    }

    fn remove(&self, id: &str) -> Result<(), UploadError> {
        let path = format!("/v2/images/{id}");
        let mut answer = self.session.ask("DELETE", &path, None)?;
        if answer.status == 403 && self.show(id)?.is_some_and(|image| image["protected"] == true) {
            let open = json!([{ "op": "replace", "path": "/protected", "value": false }]);
            self.patch(id, &open, "take its protection off by hand")?;
            answer = self.session.ask("DELETE", &path, None)?;
        }
        if answer.is_success() || answer.status == 404 {
            return Ok(());
        }
        Err(answer
            .refused(&format!("deleting image {id}"), "it may be in use; delete it when nothing needs it"))
    }

    /// Sends the image with a token that is new.
    fn put(
        &self,
        image: &SourceImage,
        id: &str,
        told: &dyn Fn(Told),
    ) -> Result<(Answer, Digests), UploadError> {
        let granted = self.session.fresh()?;
        let part = if self.settings.imports() { "stage" } else { "file" };
        let url = format!("{}/v2/images/{id}/{part}", granted.image);
        let mut headers = vec![granted.header(), ("X-OpenStack-Image-Size", image.stamp.size.to_string())];
        match &self.settings.stores {
            Stores::Named(names) if part == "file" && !names.is_empty() => {
                headers.push(("X-Image-Meta-Store", names[0].clone()));
            }
            _ => {}
        }
        let http = &self.session.http;
        let sent = |amount| told(Told::Sent(amount));
        stream(image, &http.patience.interrupt, &http.cut, &sent, |body| {
            let answer = http.put(&url, &headers, image.stamp.size, body)?;
            if answer.is_success() { Ok(answer) } else { Err(sending(&answer, id)) }
        })
    }
}

impl Target for Glance {
    fn name(&self) -> &'static str {
        "glance"
    }

    fn place(&self) -> Value {
        self.session.cloud().place()
    }

    fn calls(&self, image: &SourceImage) -> Vec<PlannedCall> {
        calls::calls(&self.facts, &self.settings, image)
    }

    fn tells_when_creating(&self) -> bool {
        true
    }

    fn find(&mut self, plan: &str) -> Result<Vec<RemoteObject>, UploadError> {
        let query = format!("{PLAN_PROPERTY}={plan}");
        let mut images = self.list(&query, false)?;
        images.extend(self.list(&query, true)?);
        let mut found = Vec::new();
        for image in images {
            if self.is_ours(&image)? && image[PLAN_PROPERTY] == plan {
                found.extend(object(&image));
            }
        }
        let rank = |object: &RemoteObject| {
            let state = match object.state {
                ObjectState::Complete => 0,
                ObjectState::Receiving => 1,
                ObjectState::Empty => 2,
                ObjectState::Failed => 3,
            };
            (!object.published, state, object.id.clone())
        };
        found.sort_by_key(rank);
        Ok(found)
    }

    fn look(&mut self, id: &str) -> Result<Option<RemoteObject>, UploadError> {
        self.seen = self.show(id)?;
        Ok(self.seen.as_ref().and_then(|image| self.object(image)))
    }

    fn create(&mut self, plan: &UploadPlan, id: &str) -> Result<Creation, UploadError> {
        let doing = format!("creating the image '{}'", plan.name);
        let body = plan.body(id, |call| call.method == "POST" && call.path.ends_with("/v2/images"));
        let body = body.unwrap_or(Value::Null);
        self.check_import()?;
        let answer = self.session.ask("POST", "/v2/images", Some((JSON, &body)))?;
        if answer.status == 409 {
            // An image of ours, or one that was deleted: Glance gives an id out once.
            let Some(there) = self.show(id)? else { return Ok(Creation::IdUsedUp) };
            let ours = there[PLAN_PROPERTY] == plan.hash.as_str() && self.is_ours(&there)?;
            let there = object(&there).filter(|_| ours);
            return Ok(there.map_or(Creation::IdUsedUp, Creation::Found));
        }
        if !answer.is_success() {
            let hint = match answer.status {
                403 => "the user needs a role that may create images (`member`)",
                413 => "the project has too many images, or the image too many properties; see your quota",
                _ => "check the properties, name and tags that were asked for",
            };
            return Err(answer.refused(&doing, hint));
        }
        let image = answer.json(&doing)?;
        object(&image).map(Creation::Made).ok_or_else(|| {
            UploadError::new(Kind::Refused, doing, "the answer names no image", "check the service's address")
        })
    }

    fn send(&mut self, image: &SourceImage, id: &str, told: &dyn Fn(Told)) -> Result<Digests, UploadError> {
        self.format = Some(image.format.name());
        let sent = match self.put(image, id, told) {
            Err(error) if error.kind == Kind::Unauthorized => {
                self.session.forget();
                self.put(image, id, told)
            }
            other => other,
        };
        let (_, digests) = sent?;
        if self.settings.imports() {
            self.import(id)?;
        }
        Ok(digests)
    }

    fn read_back(&mut self, id: &str) -> Result<Digests, UploadError> {
        let doing = format!("reading image {id} back");
        let granted = self.session.fresh()?;
        let url = format!("{}/v2/images/{id}/file", granted.image);
        let (status, body) = self.session.http.get(&url, &[granted.header()])?;
        if status != 200 {
            let why = format!("the service answered {status}");
            let hint = "the user needs the right to download images, or the cloud a hash of sha256 or sha512";
            return Err(UploadError::new(Kind::Refused, doing, why, hint));
        }
        let digests = digests_of(body, &self.session.http.patience.interrupt);
        digests.map_err(|error| crate::upload::http::failed(&doing, error.into()))
    }

    fn publish(&mut self, plan: &UploadPlan, id: &str) -> Result<Publication, UploadError> {
        let wanted = plan.body(id, |call| call.method == "PATCH" && call.path.ends_with("/{id}"));
        let wanted = wanted.unwrap_or(Value::Null);
        let mut there = match self.seen.take() {
            Some(seen) if seen["id"] == id => seen,
            _ => self.show(id)?.unwrap_or(Value::Null),
        };
        let differs = |operation: &&Value| {
            let key = operation["path"].as_str().unwrap_or_default().trim_start_matches('/');
            there[key] != operation["value"]
        };
        let differing: Vec<&Value> = wanted.as_array().into_iter().flatten().filter(differs).collect();
        if !differing.is_empty() {
            let hint = "the user needs the right to do that: only some roles may make an image public";
            there = self.patch(id, &json!(differing), hint)?;
        }
        if self.settings.visibility == super::Visibility::Shared {
            self.share(id)?;
        }
        let object = self.object(&there).filter(|object| object.id == id);
        Ok(Publication { object, retired: self.retire(id)? })
    }

    fn remove(&mut self, id: &str) -> Result<(), UploadError> {
        Glance::remove(self, id)
    }
}

/// Reads what Glance says of an image; none if it is gone.
fn object(image: &Value) -> Option<RemoteObject> {
    let state = match image["status"].as_str()? {
        "queued" => ObjectState::Empty,
        "saving" | "uploading" | "importing" => ObjectState::Receiving,
        "active" => ObjectState::Complete,
        "deleted" | "pending_delete" => return None,
        _ => ObjectState::Failed,
    };
    let text = |key: &str| image[key].as_str().map(str::to_owned);
    let digest = text("os_hash_algo").zip(text("os_hash_value"));
    Some(RemoteObject {
        id: text("id")?,
        state,
        published: state == ObjectState::Complete && image["os_hidden"] == false,
        size: image["size"].as_u64(),
        digest: digest.map(|(algorithm, value)| RemoteDigest { algorithm, value }),
        checked: None,
        known_as: None,
        details: Value::Null,
    })
}

pub(super) fn expect<'a>(answer: &'a Answer, doing: &str) -> Result<&'a Answer, UploadError> {
    if answer.is_success() {
        Ok(answer)
    } else {
        Err(answer.refused(doing, "check the user's roles in the project"))
    }
}

/// Says why the data was refused.
fn sending(answer: &Answer, id: &str) -> UploadError {
    let hint = match answer.status {
        401 => "the token ended before the data came; run it again",
        403 => "the user needs the right to upload images",
        409 => "another upload of it runs; it is waited for",
        410 => "the image was deleted meanwhile; run it again",
        413 => {
            "the image is larger than the cloud or the project's quota allows; free some, or send it as compressed qcow2"
        }
        415 => "the cloud looks into images and refuses this one; see what it says",
        _ => "run it again later",
    };
    answer.refused(&format!("sending the data of image {id}"), hint)
}

/// Writes a text as part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
