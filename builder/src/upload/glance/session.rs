//! A token of Keystone v3 and the address of Glance, and requests that carry it.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Cloud;
use super::cloud::without_version;
use crate::upload::answer::Answer;
use crate::upload::http::Request;
use crate::upload::{Http, Kind, Secret, UploadError};

/// Age at which a token is renewed before it is used for a long request.
const FRESH: Duration = Duration::from_secs(60);

/// Who we are for a cloud's services.
pub(super) struct Session {
    pub(super) http: Http,
    cloud: Cloud,
    granted: RefCell<Option<Granted>>,
}

/// What Keystone gave.
#[derive(Debug, Clone)]
pub(super) struct Granted {
    token: Secret,
    /// Id of the project that everything happens in.
    pub(super) project: Option<String>,
    /// Address of Glance, without `/v2`.
    pub(super) image: String,
    at: Instant,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("cloud", &self.cloud.name).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(http: Http, cloud: Cloud) -> Self {
        Self { http, cloud, granted: RefCell::default() }
    }

    pub(super) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Returns what Keystone gave; asks it if it has not been asked.
    pub(super) fn granted(&self) -> Result<Granted, UploadError> {
        if let Some(granted) = self.granted.borrow().as_ref() {
            return Ok(granted.clone());
        }
        let granted = self.authenticate()?;
        *self.granted.borrow_mut() = Some(granted.clone());
        Ok(granted)
    }

    /// Returns a token that has just been made: services check it when a request begins, and a long one should not end
    /// by its end.
    pub(super) fn fresh(&self) -> Result<Granted, UploadError> {
        let old = self.granted.borrow().as_ref().is_some_and(|granted| granted.at.elapsed() > FRESH);
        if old {
            self.forget();
        }
        self.granted()
    }

    /// Throws the token away.
    pub(super) fn forget(&self) {
        *self.granted.borrow_mut() = None;
    }

    /// Asks Glance; once more with a new token if the old one has ended.
    pub(super) fn ask(
        &self,
        method: &'static str,
        path: &str,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Answer, UploadError> {
        let mut renewed = false;
        loop {
            let granted = self.granted()?;
            let answer = self.http.send(&Request {
                method,
                url: format!("{}{path}", granted.image),
                headers: vec![granted.header()],
                body: body.map(|(kind, value)| (kind, value.to_string().into_bytes())),
            })?;
            if answer.status != 401 || renewed {
                return Ok(answer);
            }
            self.forget();
            renewed = true;
        }
    }

    fn authenticate(&self) -> Result<Granted, UploadError> {
        let url = format!("{}/v3/auth/tokens", self.cloud.identity);
        let doing = format!("asking for a token at {url}");
        let answer = self.http.send(&Request {
            method: "POST",
            url,
            headers: Vec::new(),
            body: Some(("application/json", self.cloud.token_request().to_string().into_bytes())),
        })?;
        if !answer.is_success() {
            let hint = match answer.status {
                401 => "check user, password and domain, or the application credential and its expiry",
                404 => "check `auth_url`: it must lead to Keystone version 3",
                _ => "check `auth_url` and the project",
            };
            return Err(answer.refused(&doing, hint));
        }
        let token = answer.headers.get("x-subject-token").and_then(|value| value.to_str().ok());
        let token = token.ok_or_else(|| {
            UploadError::new(Kind::Refused, &doing, "the answer has no X-Subject-Token", "check `auth_url`")
        })?;
        let body = answer.json(&doing)?;
        let image = match &self.cloud.image {
            Some(image) => image.clone(),
            None => self.endpoint(&body["token"]["catalog"])?,
        };
        let project = body["token"]["project"]["id"].as_str().map(str::to_owned);
        Ok(Granted { token: Secret::new(token), project, image, at: Instant::now() })
    }

    /// Finds Glance in a catalog.
    fn endpoint(&self, catalog: &Value) -> Result<String, UploadError> {
        let Cloud { region, interface, .. } = &self.cloud;
        let services = catalog.as_array().into_iter().flatten().filter(|service| service["type"] == "image");
        let endpoints: Vec<&Value> =
            services.filter_map(|service| service["endpoints"].as_array()).flatten().collect();
        let fits = |endpoint: &&&Value| {
            let regions = [&endpoint["region_id"], &endpoint["region"]];
            endpoint["interface"] == interface.as_str()
                && region.as_deref().is_none_or(|region| regions.iter().any(|known| **known == region))
        };
        let found = endpoints.iter().find(fits).and_then(|endpoint| endpoint["url"].as_str());
        found.map(|url| without_version(url, "/v2").to_owned()).ok_or_else(|| {
            let shown = |endpoint: &&Value| {
                let word = |key: &str| endpoint[key].as_str().unwrap_or("?").to_owned();
                format!("{} in {}", word("interface"), word("region_id"))
            };
            let known: Vec<String> = endpoints.iter().map(shown).collect();
            let known = if known.is_empty() { "no image service".to_owned() } else { known.join(", ") };
            let place = region.as_deref().map(|region| format!(" in region {region}")).unwrap_or_default();
            UploadError::input(
                "looking for the image service",
                format!("the catalog has none with interface {interface}{place}; it has {known}"),
                "check `region_name` and `interface`, or set `image_endpoint_override`",
            )
        })
    }
}

impl Granted {
    /// Returns the header that carries the token.
    pub(super) fn header(&self) -> (&'static str, String) {
        ("X-Auth-Token", self.token.expose().to_owned())
    }
}
