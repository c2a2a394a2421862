//! Images that come in by the service's own import: staged first, then taken in, which may convert them.

use std::time::Instant;

use serde_json::Value;

use super::images::{Glance, JSON, expect};
use super::{Stores, calls};
use crate::upload::{Kind, UploadError};

const METHOD: &str = "glance-direct";

impl Glance {
    /// Checks before anything is sent that the service imports, and has the stores.
    pub(super) fn check_import(&self) -> Result<(), UploadError> {
        if self.settings.imports() {
            let doing = "asking how images are imported";
            let answer = self.session.ask("GET", "/v2/info/import", None)?;
            let methods = expect(&answer, doing)?.json(doing)?;
            let methods = methods["import-methods"]["value"].clone();
            if !methods.as_array().is_some_and(|methods| methods.iter().any(|method| method == METHOD)) {
                let why = format!("the service does not import by {METHOD}; it knows {methods}");
                return Err(UploadError::input(doing, why, "leave --import and further stores out"));
            }
        }
        let Stores::Named(wanted) = &self.settings.stores else { return Ok(()) };
        if wanted.is_empty() {
            return Ok(());
        }
        let doing = "asking for the image service's stores";
        let answer = self.session.ask("GET", "/v2/info/stores", None)?;
        let stores = expect(&answer, doing)?.json(doing)?;
        let known: Vec<&str> = stores["stores"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|store| store["id"].as_str())
            .collect();
        match wanted.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let why = format!("it has no store '{name}'; it has {}", known.join(", "));
                Err(UploadError::input(doing, why, "name one of these by --store"))
            }
        }
    }

    /// Has what was staged taken in, and waits until it is.
    pub(super) fn import(&self, id: &str) -> Result<(), UploadError> {
        let doing = format!("importing image {id}");
        let body = calls::import(&self.settings);
        let answer = self.session.ask("POST", &format!("/v2/images/{id}/import"), Some((JSON, &body)))?;
        // 409: the answer to an earlier try was lost, and it is at it.
        if !answer.is_success() && answer.status != 409 {
            return Err(
                answer.refused(&doing, "the user needs the right to import images, and the cloud the stores")
            );
        }
        let limits = self.session.http.patience.limits;
        let began = Instant::now();
        loop {
            let image = self.show(id)?.unwrap_or(Value::Null);
            match image["status"].as_str().unwrap_or("gone") {
                "active" => return self.check_stores(id, &image),
                "importing" | "uploading" | "saving" if began.elapsed() < limits.stale => {}
                status => {
                    let why = match self.task_message(id)? {
                        Some(message) => format!("it is {status}: {message}"),
                        None => format!("it is {status}"),
                    };
                    let hint =
                        "ask who runs the cloud what its import did; without --import it is sent directly";
                    return Err(UploadError::new(Kind::Refused, doing, why, hint));
                }
            }
            self.session.http.patience.interrupt.sleep(limits.poll / 4)?;
        }
    }

    fn check_stores(&self, id: &str, image: &Value) -> Result<(), UploadError> {
        match image["os_glance_failed_import"].as_str().filter(|failed| !failed.is_empty()) {
            None => Ok(()),
            Some(failed) => {
                let why = format!("these stores did not take it: {failed}");
                Err(UploadError::new(Kind::Refused, format!("importing image {id}"), why, "leave them out"))
            }
        }
    }

    /// Returns what the service says of its last task for the image, where it says something.
    fn task_message(&self, id: &str) -> Result<Option<String>, UploadError> {
        let answer = self.session.ask("GET", &format!("/v2/images/{id}/tasks"), None)?;
        let tasks = if answer.is_success() { answer.json("reading tasks")? } else { Value::Null };
        let mut messages =
            tasks["tasks"].as_array().into_iter().flatten().filter_map(|task| task["message"].as_str());
        Ok(messages.rfind(|message| !message.is_empty()).map(str::to_owned))
    }
}
