//! `clouds.yaml`, `secure.yaml` and `clouds-public.yaml`: where they are, and how they are laid over each other.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::values::Values;
use crate::upload::UploadError;

/// Where files may be; the first one that exists counts.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `clouds.yaml`.
    pub clouds: Vec<PathBuf>,
    /// `secure.yaml`, laid over it.
    pub secure: Vec<PathBuf>,
    /// `clouds-public.yaml`, which holds profiles.
    pub public: Vec<PathBuf>,
    /// The user's folder.
    pub home: Option<String>,
}

impl Places {
    /// Names the places: that of a variable, the working folder, the user's, the system's.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let home = variable("HOME");
        let configuration = variable("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| Path::new(home).join(".config")));
        let folders = [Some(PathBuf::from(".")), configuration.map(|folder| folder.join("openstack"))];
        let folders: Vec<PathBuf> =
            folders.into_iter().flatten().chain([PathBuf::from("/etc/openstack")]).collect();
        let files = |name: &str, first: Option<String>| {
            let named = first.map(PathBuf::from).into_iter();
            let inside = folders.iter().flat_map(|folder| {
                ["yaml", "yml", "json"].map(|ending| folder.join(format!("{name}.{ending}")))
            });
            named.chain(inside).collect()
        };
        Self {
            clouds: files("clouds", variable("OS_CLIENT_CONFIG_FILE")),
            secure: files("secure", variable("OS_CLIENT_SECURE_FILE")),
            public: files("clouds-public", variable("OS_CLIENT_VENDOR_FILE")),
            home,
        }
    }
}

/// What the files say. It holds secrets; its `Debug` shows names only.
pub struct Clouds {
    clouds: Map<String, Value>,
    profiles: Map<String, Value>,
    home: Option<String>,
}

/// Reads the files.
///
/// # Errors
/// When one of them is no YAML. The message shows no line of it: it may hold a password.
pub fn load(places: &Places) -> Result<Clouds, UploadError> {
    let mut clouds = first(&places.clouds, "clouds")?;
    for (name, secret) in first(&places.secure, "clouds")? {
        lay_over(clouds.entry(name).or_insert(Value::Null), secret);
    }
    Ok(Clouds { clouds, profiles: first(&places.public, "public-clouds")?, home: places.home.clone() })
}

impl std::fmt::Debug for Clouds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clouds").field("names", &self.names()).finish_non_exhaustive()
    }
}

impl Clouds {
    /// Returns the names of all clouds.
    pub fn names(&self) -> Vec<&str> {
        self.clouds.keys().map(String::as_str).collect()
    }

    /// Returns the name of the only cloud.
    pub fn only(&self) -> Option<String> {
        let mut names = self.clouds.keys();
        names.next().filter(|_| names.next().is_none()).cloned()
    }

    /// Returns the values of the cloud `name`, its profile's below its own.
    pub(super) fn cloud(&self, name: &str) -> Result<Values, UploadError> {
        let Some(own) = self.clouds.get(name) else {
            let why = match self.names().join(", ") {
                none if none.is_empty() => "no clouds.yaml was found".to_owned(),
                names => format!("clouds.yaml has {names}"),
            };
            let hint = "check the name (--cloud, OS_CLOUD), or name the file by OS_CLIENT_CONFIG_FILE";
            return Err(UploadError::input(format!("looking for the cloud '{name}'"), why, hint));
        };
        let profile = own.get("profile").or_else(|| own.get("cloud")).and_then(Value::as_str);
        let mut whole = match profile {
            None => Value::Null,
            Some(profile) => self.profiles.get(profile).cloned().ok_or_else(|| {
                let doing = format!("reading the cloud '{name}'");
                let why = format!("its profile '{profile}' is not known");
                UploadError::input(
                    doing,
                    why,
                    "describe it in clouds-public.yaml, or write its `auth_url` out",
                )
            })?,
        };
        lay_over(&mut whole, own.clone());
        Ok(Values::from_map(&whole, self.home.clone()))
    }
}

/// Reads the map `key` of the first file that exists.
fn first(paths: &[PathBuf], key: &str) -> Result<Map<String, Value>, UploadError> {
    let Some(path) = paths.iter().find(|path| path.is_file()) else { return Ok(Map::new()) };
    let failed = |why: String| {
        UploadError::input(
            format!("reading '{}'", path.display()),
            why,
            "write it as openstacksdk's documents say",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let whole: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let line = error.location().map(|at| format!(" (line {})", at.line())).unwrap_or_default();
        failed(format!("it is no YAML{line}"))
    })?;
    match whole.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(clouds)) => Ok(clouds.clone()),
        Some(_) => Err(failed(format!("`{key}` is no map"))),
    }
}

/// Lays `upper` over `lower`; maps are merged.
fn lay_over(lower: &mut Value, upper: Value) {
    match (lower, upper) {
        (Value::Object(lower), Value::Object(upper)) => {
            for (key, value) in upper {
                lay_over(lower.entry(key).or_insert(Value::Null), value);
            }
        }
        (lower, upper) => *lower = upper,
    }
}
