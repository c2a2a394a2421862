//! Which cloud, and by what right: from `clouds.yaml` or from `OS_*`, as openstacksdk's documents describe them.

mod files;
mod values;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::upload::{Secret, Trust, UploadError};

pub use files::{Clouds, Places, load};
pub(super) use values::without_version;

/// A cloud and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cloud {
    /// Its name in `clouds.yaml`; none for that of the environment.
    pub name: Option<String>,
    /// Address of the identity service, without `/v3`.
    pub identity: String,
    /// Who asks.
    pub credential: Credential,
    /// What for; an application credential has its own.
    pub scope: Option<Named>,
    /// Region, if there is more than one.
    pub region: Option<String>,
    /// `public`, `internal` or `admin`.
    pub interface: String,
    /// Address of the image service instead of the catalog's.
    pub image: Option<String>,
    /// Whom to trust.
    pub trust: Trust,
}

/// A user or project: by id, or by name within a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By id.
    Id(String),
    /// By name.
    Name {
        /// The name.
        name: String,
        /// Its domain.
        domain: Domain,
    },
}

/// A domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    /// By id.
    Id(String),
    /// By name.
    Name(String),
}

/// By what right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's password.
    Password {
        /// The user.
        user: Named,
        /// The password.
        password: Secret,
    },
    /// An application credential.
    Application {
        /// Its id, or its name.
        which: String,
        /// The user, where `which` is a name.
        user: Option<Named>,
        /// Its secret.
        secret: Secret,
    },
    /// A token.
    Token(Secret),
}

impl Domain {
    fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name(name) => json!({ "name": name }),
        }
    }
}

impl Named {
    fn to_json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Name { name, domain } => json!({ "name": name, "domain": domain.to_json() }),
        }
    }
}

impl Cloud {
    /// Returns what tells this cloud and project from others, without secrets: part of a plan.
    pub(super) fn place(&self) -> Value {
        let scope = match &self.credential {
            Credential::Application { which, .. } => json!({ "application_credential": which }),
            _ => self.scope.as_ref().map_or(Value::Null, Named::to_json),
        };
        json!({ "identity": self.identity, "project": scope, "region": self.region, "image": self.image })
    }

    /// Returns the body that asks for a token. It holds secrets and is never shown.
    pub(super) fn token_request(&self) -> Value {
        let identity = match &self.credential {
            Credential::Password { user, password } => {
                let mut user = user.to_json();
                user["password"] = password.expose().into();
                json!({ "methods": ["password"], "password": { "user": user } })
            }
            Credential::Application { which, user, secret } => {
                let mut credential = json!({ "secret": secret.expose() });
                match user {
                    Some(user) => {
                        credential["name"] = which.as_str().into();
                        credential["user"] = user.to_json();
                    }
                    None => credential["id"] = which.as_str().into(),
                }
                json!({ "methods": ["application_credential"], "application_credential": credential })
            }
            Credential::Token(token) => json!({ "methods": ["token"], "token": { "id": token.expose() } }),
        };
        let mut auth = json!({ "identity": identity });
        let scoped = !matches!(self.credential, Credential::Application { .. });
        if let Some(scope) = self.scope.as_ref().filter(|_| scoped) {
            auth["scope"] = json!({ "project": scope.to_json() });
        }
        json!({ "auth": auth })
    }
}

/// Finds the cloud: by `name` (or `OS_CLOUD`) in the files; else the one that `OS_*` describe; else the only one in the
/// files.
///
/// # Errors
/// When there is none, or what is said of it is not enough.
pub fn find(name: Option<&str>, variable: &dyn Fn(&str) -> Option<String>) -> Result<Cloud, UploadError> {
    let named = name.map(str::to_owned).or_else(|| variable("OS_CLOUD"));
    if named.is_none() && variable("OS_AUTH_URL").is_some() {
        return values::cloud(None, &values::Values::from_environment(variable));
    }
    let places = Places::of(variable);
    let found = load(&places)?;
    let Some(name) = named.or_else(|| found.only()) else {
        let known = found.names().join(", ");
        let why =
            if known.is_empty() { "none is named".to_owned() } else { format!("there are several: {known}") };
        let hint = "name it by --cloud or OS_CLOUD, or set OS_AUTH_URL and what belongs to it";
        return Err(UploadError::input("choosing a cloud", why, hint));
    };
    let values = found.cloud(&name)?;
    let cloud = values::cloud(Some(name), &values)?;
    Ok(Cloud { trust: values::laid_over(cloud.trust, variable), ..cloud })
}

/// Returns a path with `~/` made out.
fn path(text: &str, home: Option<&str>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(text),
    }
}
