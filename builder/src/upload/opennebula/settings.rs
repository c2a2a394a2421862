//! What the user asks of an image in OpenNebula.

use crate::upload::glance::Replace;
use crate::upload::{ImageFacts, UploadError};

const LONGEST_NAME: usize = 128;
const SHORT: usize = 8;

/// What the user asks of an image in OpenNebula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its name.
    pub name: String,
    /// The datastore, by its number or name.
    pub datastore: String,
    /// What it is.
    pub description: Option<String>,
    /// Labels in the web interface.
    pub labels: Vec<String>,
    /// Whether everybody may use it.
    pub public: bool,
    /// From where the front-end takes it.
    pub source: Source,
    /// Name of a template of machines that is made with it.
    pub template: Option<String>,
    /// Memory of such machines, MiB.
    pub memory: u64,
    /// What becomes of an older image of the name.
    pub replace: Replace,
}

/// From where the front-end takes an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path of its own, in one of the datastore's SAFE_DIRS, where the same file lies already.
    Path(String),
    /// This machine.
    Server {
        /// Address and port to listen on.
        listen: String,
        /// Host name or address by which the front-end reaches this machine; none for that of the route to it.
        advertise: Option<String>,
    },
}

impl Settings {
    /// Returns the name that the image has until it is verified: its own, where nothing is replaced.
    pub(super) fn first_name(&self, plan: &str) -> String {
        match self.replace {
            Replace::Keep => self.name.clone(),
            _ => format!("{}.new-{}", self.name, plan.get(..SHORT).unwrap_or(plan)),
        }
    }

    /// Returns the name that an older image gets.
    pub(super) fn old_name(&self, number: i64) -> String {
        format!("{}.old-{number}", self.name)
    }

    /// Returns OpenNebula's word for the processors.
    pub(super) fn architecture(facts: &ImageFacts) -> Option<&'static str> {
        facts.architecture
    }

    /// Checks what OpenNebula would refuse.
    ///
    /// # Errors
    /// When it is too long, or the parts do not fit.
    pub fn check(&self) -> Result<(), UploadError> {
        let wrong = |why: String, hint: &str| {
            Err(UploadError::input("checking what is asked of OpenNebula", why, hint))
        };
        let length = self.name.chars().count();
        if length == 0
            || length > LONGEST_NAME - ".new-12345678".len()
            || self.name.contains(char::is_control)
        {
            return wrong(
                format!("'{}' is no name of an image: 1 to 115 characters of one line", self.name),
                "give another --name",
            );
        }
        if let Some(label) = self.labels.iter().find(|label| label.is_empty() || label.contains(',')) {
            return wrong(format!("'{label}' is no label: it is empty or has a comma"), "change --label");
        }
        match &self.source {
            Source::Path(path) if !path.starts_with('/') => wrong(
                format!("'{path}' is no absolute path"),
                "name the file by its whole path on the front-end",
            ),
            _ => Ok(()),
        }
    }
}
