//! OpenNebula as the target of an upload.

use std::time::Instant;

use serde_json::{Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::objects::{Image, datastore, images, show, template};
use super::rpc::{self, Parameter};
use super::server::Server;
use super::template::write;
use super::{Access, Settings, Source, calls};
use crate::upload::glance::Replace;
use crate::upload::source::{each_chunk, hexadecimal, unreadable};
use crate::upload::{
    Creation, Digests, Http, ImageFacts, Kind, ObjectState, PlannedCall, Publication, RemoteObject,
    SourceImage, Target, Told, UploadError, UploadPlan,
};

/// States of an image, from OpenNebula's `Image.h`.
const READY: i64 = 1;
const USED: i64 = 2;
const DISABLED: i64 = 3;
const LOCKED: i64 = 4;
const ERROR: i64 = 5;
const PULLED: &str = "OpenNebula compared its SHA-1";
const TOLD: &str = "OpenNebula was told its SHA-1";

/// OpenNebula.
#[derive(Debug)]
pub struct OpenNebula {
    http: Http,
    access: Access,
    facts: ImageFacts,
    settings: Settings,
    plan: String,
}

impl OpenNebula {
    /// Prepares for a front-end; nobody is asked yet.
    pub fn new(http: Http, access: Access, facts: ImageFacts, settings: Settings) -> Self {
        Self { http, access, facts, settings, plan: String::new() }
    }

    fn call(&self, method: &str, parameters: &[Parameter<'_>]) -> Result<rpc::Value, UploadError> {
        rpc::call(&self.http, &self.access, method, parameters)
    }

    fn of_upload(&self, id: &str) -> Result<Option<Image>, UploadError> {
        let found = images(&self.http, &self.access)?;
        Ok(found.into_iter().find(|image| image.upload.as_deref() == Some(id)))
    }

    fn object(&self, image: &Image) -> Option<RemoteObject> {
        let state = match image.state {
            READY | USED => ObjectState::Complete,
            LOCKED | 0 => ObjectState::Receiving,
            _ => ObjectState::Failed,
        };
        let named = image.name == self.settings.name || self.settings.name.is_empty();
        let shown = !self.settings.public || image.public;
        Some(RemoteObject {
            id: image.upload.clone()?,
            state,
            published: state == ObjectState::Complete && named && shown,
            size: None,
            digest: None,
            checked: Some(if matches!(self.settings.source, Source::Path(_)) { TOLD } else { PULLED }),
            known_as: Some(image.number.to_string()),
            details: json!({ "upload": image.upload, "name": image.name }),
        })
    }

    /// Has the image fetched, and waits until it is; progress is that of the longest reading.
    fn fetch(
        &self,
        id: &str,
        store: i64,
        server: Option<&Server>,
        attributes: &str,
        told: &dyn Fn(Told),
    ) -> Result<(), UploadError> {
        let mut seen = 0;
        let mut progress = || {
            let furthest = server.map_or(0, Server::furthest);
            told(Told::Sent(furthest.saturating_sub(seen)));
            seen = seen.max(furthest);
        };
        let parameters = [Parameter::Text(attributes), Parameter::Number(store), Parameter::Flag(false)];
        let number = match self.call("one.image.allocate", &parameters) {
            Ok(number) => number.number(),
            // The answer to an earlier try was lost, or another run was quicker.
            Err(error) if error.to_string().contains("already taken") => {
                Some(self.of_upload(id)?.ok_or(error)?.number)
            }
            Err(error) => return Err(self.unreachable(error, server)),
        };
        let number = number.ok_or_else(|| {
            UploadError::new(
                Kind::Refused,
                "allocating the image",
                "the answer has no number",
                "check ONE_XMLRPC",
            )
        })?;
        let doing = format!("waiting for image {number}");
        let limits = self.http.patience.limits;
        let (mut moved, mut before) = (Instant::now(), 0);
        loop {
            progress();
            match show(&self.http, &self.access, number)? {
                Some(image) if matches!(image.state, READY | USED) => return Ok(()),
                Some(image) if image.state == ERROR => {
                    let why = image.error.unwrap_or_else(|| "OpenNebula gave no reason".to_owned());
                    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
                    let error = UploadError::new(Kind::Refused, doing, why, "see the front-end's oned.log");
                    return Err(self.unreachable(error, server));
                }
                Some(_) => {}
                None => {
                    let hint = "somebody deleted it; run it again";
                    return Err(UploadError::new(Kind::NotFound, doing, "it is there no more", hint));
                }
            }
            let now = server.map_or(0, Server::furthest);
            if now > before {
                (moved, before) = (Instant::now(), now);
            }
            if moved.elapsed() > limits.stale {
                let why = format!("nothing moved for {} minutes", limits.stale.as_secs() / 60);
                return Err(UploadError::new(Kind::Refused, doing, why, "see the front-end's oned.log"));
            }
            self.http.patience.interrupt.sleep(limits.poll / 4)?;
        }
    }

    /// Adds to an error that the front-end never came for the file.
    fn unreachable(&self, error: UploadError, server: Option<&Server>) -> UploadError {
        match server.filter(|server| !server.was_asked() && !error.is_transient()) {
            Some(server) => error.and_hint(&format!(
                "the front-end never asked for {}: name by --advertise and --listen what it can reach, or put the file \
                 there and name it by --front-end-path",
                server.url.rsplit_once('/').map_or("", |(url, _)| url.rsplit_once('/').map_or("", |(url, _)| url))
            )),
            None => error,
        }
    }

    /// Takes the SHA-1 that OpenNebula compares, and the SHA-256 once more.
    fn hash(&self, image: &SourceImage) -> Result<(String, String), UploadError> {
        let (mut sha1, mut sha256) = (<Sha1 as sha1::Digest>::new(), Sha256::new());
        let mut stopped = Ok(());
        each_chunk(&image.file, image.stamp.size, |chunk| {
            sha1::Digest::update(&mut sha1, &chunk);
            sha256.update(&chunk);
            stopped = self.http.patience.interrupt.check();
            stopped.is_ok()
        })
        .map_err(|error| unreadable(&image.path, &error))?;
        stopped?;
        image.check_unchanged()?;
        Ok((hexadecimal(&sha1::Digest::finalize(sha1)), hexadecimal(&sha256.finalize())))
    }

    fn rename(&self, number: i64, name: &str) -> Result<(), UploadError> {
        self.call("one.image.rename", &[Parameter::Number(number), Parameter::Text(name)]).map(drop)
    }

    /// Gives the image its name, and takes it from older ones of ours.
    fn take_name(&self, image: &Image) -> Result<Vec<String>, UploadError> {
        if self.settings.replace == Replace::Keep {
            return Ok(Vec::new());
        }
        let mut older = Vec::new();
        for old in images(&self.http, &self.access)? {
            let ours = old.asked_name.as_deref() == Some(&self.settings.name) && old.number != image.number;
            if !ours {
                continue;
            }
            if old.name == self.settings.name {
                self.rename(old.number, &self.settings.old_name(old.number))?;
            }
            older.push(old);
        }
        if image.name != self.settings.name {
            self.rename(image.number, &self.settings.name)?;
        }
        let mut numbers = Vec::new();
        for old in older {
            match self.settings.replace {
                // Machines that run of it keep it.
                Replace::Delete if old.state != USED => self.delete(old.number)?,
                _ if old.state == DISABLED => continue,
                _ if old.state == USED => continue,
                _ => {
                    let parameters = [Parameter::Number(old.number), Parameter::Flag(false)];
                    self.call("one.image.enable", &parameters)?;
                }
            }
            numbers.push(old.number.to_string());
        }
        Ok(numbers)
    }

    fn delete(&self, number: i64) -> Result<(), UploadError> {
        let delete =
            |force| self.call("one.image.delete", &[Parameter::Number(number), Parameter::Flag(force)]);
        let gone = match delete(false) {
            // It is being fetched; only administrators may stop that.
            Err(error) if error.kind == Kind::Conflict || error.to_string().contains("LOCKED") => {
                delete(true)
            }
            other => other,
        };
        match gone {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Target for OpenNebula {
    fn name(&self) -> &'static str {
        "opennebula"
    }

    fn place(&self) -> Value {
        json!({ "endpoint": self.access.endpoint, "user": self.access.user })
    }

    fn calls(&self, image: &SourceImage) -> Vec<PlannedCall> {
        calls::calls(&self.facts, &self.settings, image)
    }

    fn find(&mut self, plan: &str) -> Result<Vec<RemoteObject>, UploadError> {
        let mut found: Vec<RemoteObject> = images(&self.http, &self.access)?
            .iter()
            .filter(|image| image.plan.as_deref() == Some(plan))
            .filter_map(|image| self.object(image))
            .collect();
        found.sort_by_key(|object| {
            (!object.published, object.state != ObjectState::Complete, object.id.clone())
        });
        Ok(found)
    }

    fn look(&mut self, id: &str) -> Result<Option<RemoteObject>, UploadError> {
        Ok(self.of_upload(id)?.as_ref().and_then(|image| self.object(image)))
    }

    fn create(&mut self, plan: &UploadPlan, id: &str) -> Result<Creation, UploadError> {
        self.plan.clone_from(&plan.hash);
        if let Some(found) = self.look(id)? {
            return Ok(Creation::Found(found));
        }
        let name = self.settings.first_name(&plan.hash);
        if let Some(other) = images(&self.http, &self.access)?.iter().find(|image| image.name == name) {
            let hint = "give another --name, or --replace hide or delete";
            let why = format!("your image {} has it already", other.number);
            return Err(UploadError::new(Kind::Refused, format!("taking the name '{name}'"), why, hint));
        }
        // It comes into being when it is sent.
        Ok(Creation::Made(RemoteObject {
            id: id.to_owned(),
            state: ObjectState::Empty,
            published: false,
            size: None,
            digest: None,
            checked: None,
            known_as: None,
            details: Value::Null,
        }))
    }

    fn send(&mut self, image: &SourceImage, id: &str, told: &dyn Fn(Told)) -> Result<Digests, UploadError> {
        let store = datastore(&self.http, &self.access, &self.settings.datastore)?;
        let (server, path) = match &self.settings.source {
            Source::Path(path) => (None, path.clone()),
            source => {
                let server = Server::start(image, source, &self.access)?;
                let url = server.url.clone();
                (Some(server), url)
            }
        };
        store.check(image.stamp.size, server.is_none().then_some(path.as_str()))?;
        let (sha1, sha256) = self.hash(image)?;
        if sha256 != image.sha256 {
            let why = format!("its SHA-256 is {sha256}, its manifest says {}", image.sha256);
            let doing = format!("hashing '{}'", image.path.display());
            return Err(UploadError::new(Kind::Mismatch, doing, why, "the file or its manifest is damaged"));
        }
        let name = self.settings.first_name(&self.plan);
        let digests = [path.as_str(), &sha1, &sha256];
        let attributes = calls::image(&self.settings, &self.facts, &name, &self.plan, id, digests);
        self.fetch(id, store.number, server.as_ref(), &write(&attributes), told)?;
        if server.is_none() {
            told(Told::Sent(image.stamp.size));
        }
        image.check_unchanged()?;
        Ok(Digests { sha256, sha512: None })
    }

    fn read_back(&mut self, id: &str) -> Result<Digests, UploadError> {
        let why = "OpenNebula does not say that it compared its hash";
        Err(UploadError::new(Kind::Refused, format!("verifying upload {id}"), why, "run the same again"))
    }

    fn publish(&mut self, _plan: &UploadPlan, id: &str) -> Result<Publication, UploadError> {
        let image = self.of_upload(id)?.ok_or_else(|| {
            let hint = "somebody deleted it; run it again";
            UploadError::new(Kind::NotFound, format!("publishing upload {id}"), "it is there no more", hint)
        })?;
        if self.settings.public && !image.public {
            // Owner's, group's and others' use, manage, administrate: -1 leaves as it is.
            let bits = [-1, -1, -1, -1, -1, -1, 1, -1, -1].map(Parameter::Number);
            let parameters = [&[Parameter::Number(image.number)][..], &bits].concat();
            self.call("one.image.chmod", &parameters)?;
        }
        let retired = self.take_name(&image)?;
        if let Some(name) = &self.settings.template
            && template(&self.http, &self.access, id)?.is_none()
        {
            let number = image.number.to_string();
            let attributes = calls::machine(&self.settings, &self.facts, name, id, &number);
            self.call("one.template.allocate", &[Parameter::Text(&write(&attributes))])?;
        }
        Ok(Publication { object: None, retired })
    }

    fn remove(&mut self, id: &str) -> Result<(), UploadError> {
        if let Some(template) = template(&self.http, &self.access, id)? {
            self.call("one.template.delete", &[Parameter::Number(template), Parameter::Flag(false)])?;
        }
        match self.of_upload(id)? {
            Some(image) => self.delete(image.number),
            None => Ok(()),
        }
    }
}
