//! One cloud's values, wherever they come from, made out to a [`Cloud`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Cloud, Credential, Domain, Named, path};
use crate::upload::{Secret, Trust, UploadError};

/// Values by their names in `clouds.yaml`, those of `auth` beside the others. Some are secrets, so there is no `Debug`.
pub(super) struct Values {
    found: BTreeMap<String, String>,
    home: Option<String>,
}

impl Values {
    /// Reads a cloud's map of `clouds.yaml`.
    pub(super) fn from_map(map: &Value, home: Option<String>) -> Self {
        let mut found = BTreeMap::new();
        let auth = map.get("auth").and_then(Value::as_object);
        let all = map.as_object().into_iter().chain(auth).flatten();
        for (key, value) in all {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => continue,
            };
            found.insert(key.replace('-', "_"), text);
        }
        Self { found, home }
    }

    /// Reads `OS_*`.
    pub(super) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let names = NAMES.iter().filter_map(|name| {
            let value = variable(&format!("OS_{}", name.to_uppercase()))?;
            Some(((*name).to_owned(), value))
        });
        Self { found: names.collect(), home: variable("HOME") }
    }

    fn get(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .find_map(|name| self.found.get(*name))
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    fn secret(&self, names: &[&str]) -> Option<Secret> {
        self.get(names).map(Secret::new)
    }

    fn domain(&self, id: &[&str], name: &[&str]) -> Option<Domain> {
        let by_id = self.get(id).map(|id| Domain::Id(id.to_owned()));
        by_id.or_else(|| self.get(name).map(|name| Domain::Name(name.to_owned())))
    }

    /// A domain that is not named is the one that every Keystone has.
    fn named(&self, id: &[&str], name: &[&str], domain: Option<Domain>) -> Option<Named> {
        if let Some(id) = self.get(id) {
            return Some(Named::Id(id.to_owned()));
        }
        let domain = domain.unwrap_or_else(|| Domain::Id("default".to_owned()));
        self.get(name).map(|name| Named::Name { name: name.to_owned(), domain })
    }
}

/// Every value that is read, by its name in `clouds.yaml`; `OS_` and the same in capitals in the environment.
const NAMES: &[&str] = &[
    "auth_type",
    "auth_url",
    "username",
    "user_id",
    "user_domain_id",
    "user_domain_name",
    "password",
    "project_id",
    "project_name",
    "tenant_id",
    "tenant_name",
    "project_domain_id",
    "project_domain_name",
    "domain_id",
    "domain_name",
    "default_domain",
    "default_domain_id",
    "default_domain_name",
    "token",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "region_name",
    "interface",
    "endpoint_type",
    "image_endpoint_override",
    "cacert",
    "cert",
    "key",
    "insecure",
];

/// Makes out one cloud.
///
/// # Errors
/// When something is missing; what, and how it is called in both places, is said.
pub(super) fn cloud(name: Option<String>, values: &Values) -> Result<Cloud, UploadError> {
    let doing = match &name {
        Some(name) => format!("reading the cloud '{name}'"),
        None => "reading the cloud of OS_*".to_owned(),
    };
    let missing = |what: &str, hint: &str| UploadError::input(&doing, format!("{what} is missing"), hint);
    let identity =
        values.get(&["auth_url"]).ok_or_else(|| missing("the address", "set `auth_url` (OS_AUTH_URL)"))?;
    let credential = credential(values).ok_or_else(|| {
        let hint = "give `username` and `password`, `application_credential_id` and `application_credential_secret`, \
                    or `token` (OS_USERNAME, OS_PASSWORD and so on); secrets may stand in secure.yaml";
        missing("who asks", hint)
    })?;
    let default = default_domain(values);
    let domain = values.domain(&["project_domain_id", "domain_id"], &["project_domain_name", "domain_name"]);
    let scope =
        values.named(&["project_id", "tenant_id"], &["project_name", "tenant_name"], domain.or(default));
    if scope.is_none() && matches!(credential, Credential::Password { .. }) {
        return Err(missing("the project", "set `project_name` (OS_PROJECT_NAME)"));
    }
    let interface = values.get(&["interface", "endpoint_type"]).unwrap_or("public");
    let owned = |names: &[&str]| values.get(names).map(str::to_owned);
    Ok(Cloud {
        name,
        identity: without_version(identity, "/v3").to_owned(),
        credential,
        scope,
        region: owned(&["region_name"]),
        interface: interface.trim_end_matches("URL").to_owned(),
        image: owned(&["image_endpoint_override"]).map(|url| without_version(&url, "/v2").to_owned()),
        trust: trust(values),
    })
}

fn credential(values: &Values) -> Option<Credential> {
    let domain = values.domain(&["user_domain_id", "domain_id"], &["user_domain_name", "domain_name"]);
    let user = values.named(&["user_id"], &["username"], domain.or_else(|| default_domain(values)));
    let application = || {
        let secret = values.secret(&["application_credential_secret"])?;
        if let Some(id) = values.get(&["application_credential_id"]) {
            return Some(Credential::Application { which: id.to_owned(), user: None, secret });
        }
        let which = values.get(&["application_credential_name"])?.to_owned();
        Some(Credential::Application { which, user: Some(user.clone()?), secret })
    };
    let password = || {
        let password = values.secret(&["password"])?;
        Some(Credential::Password { user: user.clone()?, password })
    };
    let token = || values.secret(&["token"]).map(Credential::Token);
    match values.get(&["auth_type"]).unwrap_or_default() {
        "v3applicationcredential" => application(),
        "token" | "v3token" => token(),
        "password" | "v3password" => password(),
        _ => application().or_else(password).or_else(token),
    }
}

fn default_domain(values: &Values) -> Option<Domain> {
    values.domain(&["default_domain_id", "default_domain"], &["default_domain_name"])
}

/// Lays the environment's files over those of a cloud. They are of this machine rather than of the cloud, so they count
/// also when `clouds.yaml` describes it, as with OpenStack's own client.
pub(super) fn laid_over(trust: Trust, variable: &dyn Fn(&str) -> Option<String>) -> Trust {
    let ours = self::trust(&Values::from_environment(variable));
    // A key of another certificate is of no use.
    let (certificate, key) = match ours.certificate {
        Some(certificate) => (Some(certificate), ours.key),
        None => (trust.certificate, ours.key.or(trust.key)),
    };
    Trust { authorities: ours.authorities.or(trust.authorities), certificate, key, blind: trust.blind }
}

fn trust(values: &Values) -> Trust {
    let file = |name: &str| values.get(&[name]).map(|text| path(text, values.home.as_deref()));
    let says = |name: &str, words: [&str; 3]| {
        values.get(&[name]).is_some_and(|value| words.contains(&value.to_lowercase().as_str()))
    };
    Trust {
        authorities: file("cacert"),
        certificate: file("cert"),
        key: file("key"),
        blind: says("verify", ["false", "no", "0"]) || says("insecure", ["true", "yes", "1"]),
    }
}

/// Returns an address without its version and last slash.
pub(in crate::upload::glance) fn without_version<'a>(url: &'a str, version: &str) -> &'a str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(version).unwrap_or(url).trim_end_matches('/')
}
