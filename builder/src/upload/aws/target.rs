//! AWS as the target of an upload.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use aws_sdk_ebs::types::Status;
use aws_sdk_ec2::types::{Image, ImageState, Snapshot, SnapshotState};
use serde_json::{Value, json};

use super::connection::Connection;
use super::record::Record;
use super::send::Sender;
use super::{Access, ID_TAG, NAME_TAG, PLAN_TAG, Settings, calls, images, snapshots};
use crate::upload::glance::Replace;
use crate::upload::{
    Creation, Digests, ImageFacts, Kind, ObjectState, Patience, PlannedCall, Publication, RemoteObject,
    SourceImage, Target, Told, UploadError, UploadPlan,
};

const CHECKED: &str = "AWS counted the blocks and compared the SHA-256 of each and of all";

/// AWS.
#[derive(Debug)]
pub struct Aws {
    connection: Connection,
    access: Access,
    facts: ImageFacts,
    settings: Settings,
    /// The image that is uploaded, beside which the record of sent blocks lies.
    image: PathBuf,
    /// Size of its disk, GiB.
    size: u64,
    /// Snapshots that this run knows, by upload: AWS may need a while to find them by their tags.
    known: BTreeMap<String, String>,
    /// The upload whose snapshot was begun just now: it need not be looked for.
    fresh: Option<String>,
}

impl Aws {
    /// Prepares for an account; nobody is asked yet.
    ///
    /// # Errors
    /// When this machine cannot run AWS's clients.
    pub fn new(
        access: Access,
        image: PathBuf,
        facts: ImageFacts,
        settings: Settings,
        patience: Arc<Patience>,
    ) -> Result<Self, UploadError> {
        let connection = Connection::new(&access, &settings.copies, patience)?;
        Ok(Self { connection, access, facts, settings, image, size: 0, known: BTreeMap::new(), fresh: None })
    }

    fn regions(&self) -> Vec<&str> {
        let copies = self.settings.copies.iter().map(String::as_str);
        std::iter::once(self.access.region.as_str()).chain(copies).collect()
    }

    /// Returns the snapshot of an upload: by its tag, or by what this machine noted.
    fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, UploadError> {
        let home = &self.access.region;
        if let Some(found) = snapshots::tagged(&self.connection, home, ID_TAG, id)?.into_iter().next() {
            return Ok(Some(found));
        }
        let noted = self.known.get(id).cloned().or_else(|| Record::snapshot(&Record::path(&self.image, id)));
        match noted {
            Some(noted) => {
                let shown = snapshots::show(&self.connection, &noted)?;
                let fresh = Snapshot::builder().snapshot_id(noted).state(SnapshotState::Pending);
                // What this run began is there, even if AWS does not know it yet.
                Ok(shown.or_else(|| self.known.contains_key(id).then(|| fresh.build())))
            }
            None => Ok(None),
        }
    }

    /// A complete snapshot takes no blocks, and AWS says so by a mere refusal: then another run was quicker.
    fn refused(&self, snapshot: &str, error: UploadError) -> UploadError {
        let passes = snapshots::may_be_sealed(&error)
            && snapshots::wait(&self.connection, snapshot, Some(error.clone())).is_ok();
        if passes { error.of_kind(Kind::Conflict) } else { error }
    }

    /// Checks that nothing else has the name, which is given once.
    fn check_name(&self, plan: &UploadPlan, id: &str) -> Result<(), UploadError> {
        let name = self.settings.image_name(&plan.hash);
        let there = images::list(&self.connection, &self.access.region, "name", &name)?;
        match there.iter().find(|image| images::tag(image, ID_TAG) != Some(id)) {
            None => Ok(()),
            Some(other) => {
                let why = format!("{} has it already", other.image_id().unwrap_or("another image"));
                let hint = "give another --name, or --replace hide or delete, which adds to the name what tells them apart";
                Err(UploadError::new(Kind::Refused, format!("taking the name '{name}'"), why, hint))
            }
        }
    }

    /// Makes the machine image of a complete snapshot, or finds it; its id.
    fn registered(
        &self,
        plan: &UploadPlan,
        id: &str,
        wanted: &images::Wanted<'_>,
    ) -> Result<String, UploadError> {
        let there = images::of_upload(&self.connection, &self.access.region, id)?;
        if let Some(there) = there.as_ref().and_then(Image::image_id) {
            return Ok(there.to_owned());
        }
        self.check_name(plan, id)?;
        images::register(&self.connection, id, wanted)
    }

    fn retire(&self, id: &str) -> Result<Vec<String>, UploadError> {
        let mut retired = Vec::new();
        if self.settings.replace == Replace::Keep {
            return Ok(retired);
        }
        for region in self.regions() {
            let filter = format!("tag:{NAME_TAG}");
            for old in images::list(&self.connection, region, &filter, &self.settings.name)? {
                let other = images::tag(&old, ID_TAG).filter(|other| *other != id);
                let (Some(other), Some(image)) = (other, old.image_id()) else { continue };
                if self.settings.replace == Replace::Delete {
                    images::deregister(&self.connection, region, image)?;
                    for snapshot in snapshots::tagged(&self.connection, region, ID_TAG, other)? {
                        snapshots::delete(
                            &self.connection,
                            region,
                            snapshot.snapshot_id().unwrap_or_default(),
                        )?;
                    }
                } else if old.state() == Some(&ImageState::Available) {
                    images::disable(&self.connection, region, image)?;
                } else {
                    continue;
                }
                retired.push(image.to_owned());
            }
        }
        Ok(retired)
    }

    fn object(&self, id: &str, snapshot: Option<&Snapshot>, image: Option<&Image>) -> Option<RemoteObject> {
        let usable = image.and_then(Image::state) == Some(&ImageState::Available);
        let state = match (snapshot.and_then(Snapshot::state), image) {
            (_, Some(_)) | (Some(SnapshotState::Completed), None) => ObjectState::Complete,
            (Some(SnapshotState::Pending), None) => ObjectState::Empty,
            (Some(_), None) => ObjectState::Failed,
            (None, None) => return None,
        };
        Some(RemoteObject {
            id: id.to_owned(),
            state,
            published: usable,
            size: None,
            digest: None,
            checked: Some(CHECKED),
            known_as: image.and_then(Image::image_id).map(str::to_owned),
            details: json!({
                "upload": id, "region": self.access.region, "snapshot": snapshot.and_then(Snapshot::snapshot_id),
            }),
        })
    }
}

impl Target for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn place(&self) -> Value {
        json!({ "region": self.access.region, "copies": self.settings.copies, "endpoint": self.access.endpoint })
    }

    fn calls(&self, image: &SourceImage) -> Vec<PlannedCall> {
        calls::calls(&self.facts, &self.settings, image)
    }

    fn find(&mut self, plan: &str) -> Result<Vec<RemoteObject>, UploadError> {
        let home = &self.access.region;
        let mut ids: Vec<String> = Vec::new();
        for image in images::list(&self.connection, home, &format!("tag:{PLAN_TAG}"), plan)? {
            ids.extend(images::tag(&image, ID_TAG).map(str::to_owned));
        }
        for snapshot in snapshots::tagged(&self.connection, home, PLAN_TAG, plan)? {
            ids.extend(snapshots::upload_of(&snapshot).map(str::to_owned));
        }
        let mut found = Vec::new();
        for id in ids {
            if !found.iter().any(|object: &RemoteObject| object.id == id) {
                found.extend(self.look(&id)?);
            }
        }
        found.sort_by_key(|object| {
            (!object.published, object.state != ObjectState::Complete, object.id.clone())
        });
        Ok(found)
    }

    fn look(&mut self, id: &str) -> Result<Option<RemoteObject>, UploadError> {
        let snapshot = self.snapshot(id)?;
        let image = images::of_upload(&self.connection, &self.access.region, id)?;
        let mut object = self.object(id, snapshot.as_ref(), image.as_ref());
        if let Some(object) = object.as_mut().filter(|object| object.published) {
            let mut copies = BTreeMap::new();
            for region in &self.settings.copies {
                let copy = images::of_upload(&self.connection, region, id)?;
                copies.insert(region.clone(), copy.as_ref().and_then(Image::image_id).map(str::to_owned));
            }
            object.details["copies"] = json!(copies);
        }
        Ok(object)
    }

    fn create(&mut self, plan: &UploadPlan, id: &str) -> Result<Creation, UploadError> {
        self.check_name(plan, id)?;
        let started = plan.body(id, |call| call.path.ends_with("/snapshots"));
        self.size = started.and_then(|body| body["VolumeSize"].as_u64()).unwrap_or(self.size);
        let wanted = snapshots::Wanted {
            settings: &self.settings,
            size: self.size,
            id,
            description: &calls::description(&self.settings, &self.facts),
            tags: &calls::tags(&self.settings, &plan.hash, id),
        };
        let (snapshot, status) = match snapshots::start(&self.connection, &wanted) {
            // The token began another snapshot.
            Err(error) if error.kind == Kind::Conflict => return Ok(Creation::IdUsedUp),
            other => other?,
        };
        // Noted before a block is sent.
        Record::open(Record::path(&self.image, id), &snapshot)?;
        self.known.insert(id.to_owned(), snapshot.clone());
        let fresh = Snapshot::builder().snapshot_id(&snapshot).state(SnapshotState::Pending).build();
        // One that an earlier run began with the same token may have come further.
        let shown = if status == Some(Status::Pending) {
            self.fresh = Some(id.to_owned());
            None
        } else {
            snapshots::show(&self.connection, &snapshot)?
        };
        let object = self.object(id, Some(&shown.unwrap_or(fresh)), None);
        object.map(Creation::Made).ok_or_else(|| {
            UploadError::new(
                Kind::NotFound,
                "beginning the snapshot",
                "AWS has lost it",
                "run the same again",
            )
        })
    }

    fn send(&mut self, image: &SourceImage, id: &str, told: &dyn Fn(Told)) -> Result<Digests, UploadError> {
        let begun = self.fresh.take().filter(|fresh| fresh == id).and_then(|_| self.known.get(id).cloned());
        let snapshot = match begun {
            Some(begun) => Some(begun),
            None => self.snapshot(id)?.and_then(|snapshot| snapshot.snapshot_id().map(str::to_owned)),
        };
        let snapshot = snapshot.ok_or_else(|| {
            let why = "its snapshot is gone";
            UploadError::new(Kind::NotFound, format!("sending upload {id}"), why, "run the same again")
        })?;
        let mut record = Record::open(Record::path(&self.image, id), &snapshot)?;
        let send_free = self.settings.send_free;
        let sender = Sender { connection: &self.connection, image, snapshot: &snapshot, send_free, told };
        let summary = sender.send(&mut record).map_err(|error| self.refused(&snapshot, error))?;
        if summary.sha256 != image.sha256 {
            let why =
                format!("its SHA-256 as it was sent is {}, it should be {}", summary.sha256, image.sha256);
            let hint = "the file or its manifest is damaged: run it again";
            return Err(UploadError::new(
                Kind::Mismatch,
                format!("sending '{}'", image.path.display()),
                why,
                hint,
            ));
        }
        snapshots::complete(&self.connection, &snapshot, &summary)?;
        Ok(Digests { sha256: summary.sha256, sha512: None })
    }

    fn read_back(&mut self, id: &str) -> Result<Digests, UploadError> {
        let why = "AWS does not say that it compared its hash";
        Err(UploadError::new(Kind::Refused, format!("verifying upload {id}"), why, "run the same again"))
    }

    fn publish(&mut self, plan: &UploadPlan, id: &str) -> Result<Publication, UploadError> {
        let snapshot = self.snapshot(id)?;
        let (name, description) =
            (self.settings.image_name(&plan.hash), calls::description(&self.settings, &self.facts));
        let tags = calls::tags(&self.settings, &plan.hash, id);
        let size = plan.body(id, |call| call.path.ends_with("/snapshots"));
        let wanted = images::Wanted {
            settings: &self.settings,
            name: &name,
            description: &description,
            architecture: self.settings.architecture(&self.facts).unwrap_or("x86_64"),
            boot_mode: self.settings.boot_mode(&self.facts),
            snapshot: snapshot.as_ref().and_then(Snapshot::snapshot_id).unwrap_or_default(),
            size: size.and_then(|body| body["VolumeSize"].as_u64()).unwrap_or(self.size),
            tags: &tags,
        };
        let home = self.access.region.as_str();
        let image = self.registered(plan, id, &wanted)?;
        images::wait(&self.connection, home, &image)?;
        let mut made = vec![(home, image.clone())];
        for region in &self.settings.copies {
            made.push((region, images::copy(&self.connection, region, id, &image, &wanted)?));
        }
        for (region, image) in &made {
            images::wait(&self.connection, region, image)?;
            if let Some(time) = &self.settings.deprecate_at {
                images::deprecate(&self.connection, region, image, time)?;
            }
        }
        for (region, image) in &made {
            images::share(&self.connection, region, image, &self.settings.shares)?;
        }
        // It is needed no more; a rest of it would do no harm.
        let _ = std::fs::remove_file(Record::path(&self.image, id));
        Ok(Publication { object: None, retired: self.retire(id)? })
    }

    fn remove(&mut self, id: &str) -> Result<(), UploadError> {
        let filter = format!("tag:{ID_TAG}");
        let begun = self.snapshot(id)?.and_then(|snapshot| snapshot.snapshot_id().map(str::to_owned));
        for region in self.regions() {
            for image in images::list(&self.connection, region, &filter, id)? {
                images::deregister(&self.connection, region, image.image_id().unwrap_or_default())?;
            }
            for snapshot in snapshots::tagged(&self.connection, region, ID_TAG, id)? {
                snapshots::delete(&self.connection, region, snapshot.snapshot_id().unwrap_or_default())?;
            }
        }
        if let Some(begun) = begun {
            snapshots::delete(&self.connection, &self.access.region, &begun)?;
        }
        self.known.remove(id);
        // It may have gone with an earlier try.
        let _ = std::fs::remove_file(Record::path(&self.image, id));
        Ok(())
    }
}
