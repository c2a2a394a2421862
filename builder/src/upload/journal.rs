//! What uploads of an image have begun and ended, in `IMAGE.upload.json` beside it.
//!
//! Every remote id is on the disk before anything exists that bears it, so a run that was killed leaves nothing that
//! the next run, or `upload clean`, cannot name. Written by rename, synced; a lock on the image itself keeps two
//! uploads at once from losing each other's lines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::source::Stamp;
use super::{Kind, UploadError, UploadPlan};

/// Version of the file's format.
const FORMAT: u32 = 1;

/// The journal of one image.
#[derive(Debug)]
pub struct Journal {
    image: PathBuf,
    path: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    /// The image as it was when its digest was taken.
    image: Option<Known>,
    uploads: Vec<Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: String,
}

/// One object that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The cloud's word.
    pub target: String,
    /// Which of the user's clouds it is in; none for the one of the environment.
    pub cloud: Option<String>,
    /// Where the object is, as the plan says it: the same name may come to mean another cloud.
    pub place: Value,
    /// The plan's hash.
    pub plan: String,
    /// The object's id.
    pub id: String,
    /// What has become of it.
    pub state: State,
}

/// What has become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It may exist and may have data.
    Begun,
    /// It is published.
    Done,
}

impl Journal {
    /// Names the journal of `image`; nothing is read or made yet.
    pub fn of(image: &Path) -> Self {
        let mut name = image.file_name().unwrap_or_default().to_owned();
        name.push(".upload.json");
        Self { image: image.to_owned(), path: image.with_file_name(name) }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns what it holds; nothing if there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read: it may name what only it knows.
    pub fn entries(&self) -> Result<Vec<Entry>, UploadError> {
        Ok(self.load()?.uploads)
    }

    /// Returns the digest that an earlier run took of a file with this very stamp.
    pub(super) fn digest(&self, stamp: Stamp) -> Option<String> {
        let known = self.load().ok()?.image?;
        (known.stamp == stamp).then_some(known.sha256)
    }

    /// Notes the image's digest, and the object `id` that is about to be made for `plan`.
    ///
    /// # Errors
    /// When it cannot be written; then nothing must be made.
    pub(super) fn begin(
        &self,
        plan: &UploadPlan,
        cloud: Option<&str>,
        stamp: Stamp,
        id: &str,
    ) -> Result<(), UploadError> {
        self.update(|record| {
            record.image = Some(Known { stamp, sha256: plan.image.sha256.clone() });
            let entry = Entry {
                target: plan.target.to_owned(),
                cloud: cloud.map(str::to_owned),
                place: plan.place.clone(),
                plan: plan.hash.clone(),
                id: id.to_owned(),
                state: State::Begun,
            };
            if !record.uploads.iter().any(|known| known.id == id) {
                record.uploads.push(entry);
            }
        })
    }

    /// Notes that the object `id` is published.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn finish(&self, id: &str) -> Result<(), UploadError> {
        self.update(|record| {
            for entry in record.uploads.iter_mut().filter(|entry| entry.id == id) {
                entry.state = State::Done;
            }
        })
    }

    /// Forgets the object `id`, which is gone; a journal that names nothing goes with it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn forget(&self, id: &str) -> Result<(), UploadError> {
        self.update(|record| record.uploads.retain(|entry| entry.id != id))
    }

    fn load(&self) -> Result<Record, UploadError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Record { format: FORMAT, image: None, uploads: Vec::new() });
            }
            Err(error) => return Err(self.failed("reading", &error, "check its permissions")),
        };
        let hint = "move it away, and look in the cloud for images that it names";
        let record: Record =
            serde_json::from_slice(&text).map_err(|error| self.failed("reading", &error, hint))?;
        if record.format != FORMAT {
            let why = format!("it has format {}, this version knows {FORMAT}", record.format);
            return Err(self.failed("reading", &why, "use the version that wrote it"));
        }
        Ok(record)
    }

    fn update(&self, change: impl FnOnce(&mut Record)) -> Result<(), UploadError> {
        let hint = "every object is noted beside the image before it is made; copy the image to a folder that can be \
                    written to";
        let locked = File::open(&self.image).and_then(|image| image.lock().map(|()| image));
        let _locked = locked.map_err(|error| self.failed("locking", &error, hint))?;
        let mut record = self.load()?;
        change(&mut record);
        self.write(&record).map_err(|error| self.failed("writing", &error, hint))
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        if record.uploads.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => File::open(folder)?.sync_all(),
            };
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut file = File::create(&new)?;
        file.write_all(format!("{:#}\n", serde_json::to_value(record)?).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(folder)?.sync_all()
    }

    fn failed(&self, doing: &str, why: &dyn std::fmt::Display, hint: &str) -> UploadError {
        UploadError::new(Kind::Local, format!("{doing} the journal '{}'", self.path.display()), why, hint)
    }
}
