//! Which front-end, and by what right: as OpenNebula's own tools find it.

use std::path::PathBuf;

use crate::upload::{Secret, UploadError};

const DEFAULT: &str = "http://localhost:2633/RPC2";

/// A front-end and who asks it.
#[derive(Debug, Clone)]
pub struct Access {
    /// Address of XML-RPC.
    pub endpoint: String,
    /// `USER:PASSWORD` or `USER:TOKEN`.
    pub(super) session: Secret,
    /// The user's name.
    pub(super) user: String,
}

impl Access {
    /// Reads `ONE_XMLRPC` or `~/.one/one_endpoint`, and the file that `ONE_AUTH` names or `~/.one/one_auth`.
    ///
    /// # Errors
    /// When there are no credentials.
    pub fn find(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, UploadError> {
        let home = |name: &str| variable("HOME").map(|home| PathBuf::from(home).join(".one").join(name));
        let first_line = |path: PathBuf| {
            let text = std::fs::read_to_string(path).ok()?;
            text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
        };
        let endpoint = variable("ONE_XMLRPC").or_else(|| home("one_endpoint").and_then(first_line));
        let file = variable("ONE_AUTH").map(PathBuf::from).or_else(|| home("one_auth")).unwrap_or_default();
        let session = first_line(file.clone()).filter(|session| session.contains(':')).ok_or_else(|| {
            let why = format!("'{}' has no line USER:PASSWORD", file.display());
            UploadError::input(
                "looking for OpenNebula's credentials",
                why,
                "name a file that has one by ONE_AUTH",
            )
        })?;
        let user = session.split(':').next().unwrap_or_default().to_owned();
        let endpoint = endpoint.unwrap_or_else(|| DEFAULT.to_owned());
        Ok(Self { endpoint, session: Secret::new(session), user })
    }

    /// Returns the host and port of the front-end.
    pub(super) fn host(&self) -> Option<(String, u16)> {
        let uri: ureq::http::Uri = self.endpoint.parse().ok()?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some((host, uri.port_u16().unwrap_or(default)))
    }
}
