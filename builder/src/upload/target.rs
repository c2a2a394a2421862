//! What a cloud must be able to do: the steps of an upload, each of which may be repeated.

use serde_json::Value;

use super::{PlannedCall, SourceImage, UploadError, UploadPlan};

/// An object of a cloud that an image becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteObject {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: ObjectState,
    /// Whether users of the cloud see it as intended.
    pub published: bool,
    /// Bytes that it has.
    pub size: Option<u64>,
    /// The digest of its bytes by the service's own account.
    pub digest: Option<RemoteDigest>,
    /// How the service itself compared what it has with what was sent, if it took the data by no other way.
    pub checked: Option<&'static str>,
    /// The id by which users of the cloud know it, where that is not `id`.
    pub known_as: Option<String>,
    /// What else a receipt tells; null for nothing.
    pub details: Value,
}

/// A digest with the name of its algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDigest {
    /// As the service calls it: `sha512`, `sha256`.
    pub algorithm: String,
    /// Hexadecimal digits.
    pub value: String,
}

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectState {
    /// It has no data and takes some.
    Empty,
    /// Somebody is sending its data.
    Receiving,
    /// It has its data.
    Complete,
    /// Nothing can become of it.
    Failed,
}

/// What came of creating an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Made(RemoteObject),
    /// It was there: an earlier or other run with the same plan made it.
    Found(RemoteObject),
    /// Its id is used up, by an object that was deleted or is somebody else's.
    IdUsedUp,
}

/// Digests of what was sent, as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// SHA-256.
    pub sha256: String,
    /// SHA-512; none where the service has no use for it.
    pub sha512: Option<String>,
}

impl Digests {
    /// Tells whether one by `algorithm` is taken.
    pub fn knows(algorithm: &str) -> bool {
        matches!(algorithm, "sha256" | "sha512")
    }

    /// Returns the one that `algorithm` names, if it was taken.
    pub fn by_name(&self, algorithm: &str) -> Option<&str> {
        match algorithm {
            "sha256" => Some(&self.sha256),
            "sha512" => self.sha512.as_deref(),
            _ => None,
        }
    }
}

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publication {
    /// The object as the service told of it at the end; none where it has to be asked.
    pub object: Option<RemoteObject>,
    /// Ids of the older ones that were retired.
    pub retired: Vec<String>,
}

/// What a sending tells as it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// So many bytes more are on their way, or there.
    Sent(u64),
    /// So many are to be sent in all, where that is not the file's size, or turned out to be less.
    Total(u64),
}

/// A cloud. Every step finds out what is there before it acts, so that a step that was cut off can be taken again.
pub trait Target {
    /// Returns the word for it on the command line.
    fn name(&self) -> &'static str;

    /// Returns where the object will be, without secrets and aliases: part of the plan's hash.
    fn place(&self) -> Value;

    /// Returns every call of an upload, in order; `{id}` and `{plan}` stand for what the plan gives. Asks nobody.
    fn calls(&self, image: &SourceImage) -> Vec<PlannedCall>;

    /// Tells whether [`Target::create`] always says when an object of the plan is there, because the service gives each id
    /// out once. Then nobody looks for one before creating.
    fn tells_when_creating(&self) -> bool {
        false
    }

    /// Returns the objects that bear the hash `plan`, the most finished first.
    ///
    /// # Errors
    /// When the service does not answer or refuses.
    fn find(&mut self, plan: &str) -> Result<Vec<RemoteObject>, UploadError>;

    /// Returns the object `id`; none if the service does not have or show it.
    ///
    /// # Errors
    /// As [`Target::find`].
    fn look(&mut self, id: &str) -> Result<Option<RemoteObject>, UploadError>;

    /// Creates the object, hidden.
    ///
    /// # Errors
    /// As [`Target::find`].
    fn create(&mut self, plan: &UploadPlan, id: &str) -> Result<Creation, UploadError>;

    /// Sends the data once. The digests are of what was read for it.
    ///
    /// # Errors
    /// As [`Target::find`]; transient ones are for the caller to act on. [`super::Kind::Conflict`] when somebody else
    /// has begun.
    fn send(&mut self, image: &SourceImage, id: &str, told: &dyn Fn(Told)) -> Result<Digests, UploadError>;

    /// Reads the object's data back and returns its digests, for services whose own digest is not one of ours.
    ///
    /// # Errors
    /// As [`Target::find`].
    fn read_back(&mut self, id: &str) -> Result<Digests, UploadError>;

    /// Shows the verified object to those who shall see it, and retires older ones as the settings ask.
    ///
    /// # Errors
    /// As [`Target::find`].
    fn publish(&mut self, plan: &UploadPlan, id: &str) -> Result<Publication, UploadError>;

    /// Deletes the object; none is no error.
    ///
    /// # Errors
    /// As [`Target::find`].
    fn remove(&mut self, id: &str) -> Result<(), UploadError>;
}
