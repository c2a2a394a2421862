//! The steps of an upload, for every cloud: find, create, send, verify, publish; and what is done when one fails.
//!
//! The steps are taken by what the service says of the object, not by what was done before. So a run that follows a
//! killed one, and two runs at once, go the same way as any other.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use super::clean::clean_up;
use super::{
    Creation, Digests, Journal, Kind, ObjectState, Patience, Publication, Receipt, RemoteObject, SourceImage,
    Target, Told, UploadError, UploadPlan,
};
use crate::progress::{Reporter, Stage, Unit, format_bytes};

/// Ids that are tried for one plan; each deleted object uses one up.
const MOST_IDS: u32 = 100;
/// Times that somebody else may be quicker.
const MOST_CONFLICTS: u32 = 20;

/// One upload.
#[derive(Clone)]
pub struct Job<'a> {
    /// What is done.
    pub plan: &'a UploadPlan,
    /// What is sent.
    pub image: &'a SourceImage,
    /// Where it is noted.
    pub journal: &'a Journal,
    /// Which of the user's clouds this is.
    pub cloud: Option<&'a str>,
    /// Whether an object that an earlier run of ours left half filled is taken over at once.
    pub resume: bool,
    /// How long to wait.
    pub patience: Arc<Patience>,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("plan", &self.plan.hash).finish_non_exhaustive()
    }
}

/// Puts the image into the cloud, or finds that it is there. When it fails, what it made and nobody can use is removed.
///
/// # Errors
/// The first thing that failed; what cleaning up met is added to its hint.
pub fn upload(target: &mut dyn Target, job: &Job<'_>) -> Result<Receipt, UploadError> {
    let mut run = Run {
        job,
        started: Instant::now(),
        sent: None,
        bytes: Cell::new(0),
        owned: Vec::new(),
        wanted: None,
        attempt: 0,
    };
    let outcome = run.steps(target);
    let Run { owned, wanted, .. } = run;
    outcome.map_err(|error| clean_up(target, job, &owned, wanted.as_deref(), error))
}

/// What one run knows.
pub(super) struct Run<'a> {
    pub(super) job: &'a Job<'a>,
    started: Instant,
    /// Digests of what this run sent.
    pub(super) sent: Option<Digests>,
    bytes: Cell<u64>,
    /// Objects that this run made or is filling, which nobody else needs.
    pub(super) owned: Vec<String>,
    /// The object that was to be made when it is not known whether it was.
    wanted: Option<String>,
    /// Number of the last id that was tried.
    attempt: u32,
}

impl Run<'_> {
    fn steps(&mut self, target: &mut dyn Target) -> Result<Receipt, UploadError> {
        let found = self.find(target)?;
        let object = self.fill(target, found)?;
        // Also what another machine made: `upload clean` finds it from here.
        self.note(&object.id)?;
        if !object.published || self.sent.is_some() {
            self.verify(target, &object)?;
        }
        let Publication { object: told, retired } = self.publish(target, &object.id)?;
        let object = match told {
            Some(told) => told,
            None => target.look(&object.id)?.ok_or_else(|| vanished(&object.id))?,
        };
        Ok(Receipt {
            object,
            made: self.bytes.get() > 0,
            retired,
            bytes_sent: self.bytes.get(),
            retries: self.job.patience.retries(),
            elapsed: self.started.elapsed(),
        })
    }

    /// Looks for the object of this very plan: by the hash that it bears, and by the journal.
    fn find(&self, target: &mut dyn Target) -> Result<Option<RemoteObject>, UploadError> {
        let mut entries = self.job.journal.entries()?;
        entries.retain(|entry| entry.plan == self.job.plan.hash);
        let told_later = target.tells_when_creating();
        if told_later && entries.is_empty() {
            return Ok(None);
        }
        let stage = Stage::start(self.job.reporter, "look in the cloud");
        let mut found = if told_later { None } else { self.bearer(target)? };
        for entry in entries {
            if found.is_none() {
                found = target.look(&entry.id)?;
            }
        }
        stage.finish(found.as_ref().map_or_else(|| "not there yet".to_owned(), state));
        Ok(found)
    }

    /// Returns the object that bears the plan's hash.
    fn bearer(&self, target: &mut dyn Target) -> Result<Option<RemoteObject>, UploadError> {
        Ok(target.find(&self.job.plan.hash)?.into_iter().next())
    }

    /// Goes on until the object has its data.
    fn fill(
        &mut self,
        target: &mut dyn Target,
        mut object: Option<RemoteObject>,
    ) -> Result<RemoteObject, UploadError> {
        let (mut failures, mut conflicts) = (0, 0);
        loop {
            self.job.patience.interrupt.check()?;
            let Some(there) = object else {
                object = self.create(target)?;
                continue;
            };
            object = match there.state {
                ObjectState::Complete => return Ok(there),
                ObjectState::Failed => self.remove(target, &there.id)?,
                ObjectState::Receiving => self.wait(target, &there.id)?,
                ObjectState::Empty => {
                    self.note(&there.id)?;
                    match self.send(target, &there.id) {
                        Ok(()) => {}
                        Err(error) if error.kind == Kind::Conflict && conflicts < MOST_CONFLICTS => {
                            conflicts += 1;
                            // Somebody else is filling it.
                            self.owned.retain(|owned| *owned != there.id);
                            self.job.patience.interrupt.sleep(self.job.patience.limits.poll)?;
                        }
                        Err(error) => {
                            failures += 1;
                            self.job.patience.wait(failures, error)?;
                        }
                    }
                    target.look(&there.id)?
                }
            };
        }
    }

    /// Makes an object; none if its id is used up.
    fn create(&mut self, target: &mut dyn Target) -> Result<Option<RemoteObject>, UploadError> {
        self.attempt += 1;
        if self.attempt > MOST_IDS {
            let why = format!("{MOST_IDS} ids that this upload would have are used up");
            return Err(UploadError::new(Kind::Refused, "creating an image", why, "give it another --name"));
        }
        let id = self.job.plan.id(self.attempt);
        let stage = Stage::start(self.job.reporter, "create the image");
        self.note(&id)?;
        self.wanted = Some(id.clone());
        let created = self.created(target, &id)?;
        self.wanted = None;
        match created {
            Creation::Made(object) => {
                stage.finish(&id);
                self.owned.push(id);
                Ok(Some(object))
            }
            Creation::Found(object) => {
                if object.id != id {
                    self.job.journal.forget(&id)?;
                }
                stage.finish(state(&object));
                Ok(Some(object))
            }
            Creation::IdUsedUp => {
                self.job.journal.forget(&id)?;
                stage.finish(format!("the id {id} is used up"));
                Ok(None)
            }
        }
    }

    /// Creates the object. Where it was not looked for before, a refusal (a quota, a role) does not count if it is there.
    fn created(&self, target: &mut dyn Target, id: &str) -> Result<Creation, UploadError> {
        let error = match target.create(self.job.plan, id) {
            Err(error) if error.kind == Kind::Refused && target.tells_when_creating() => error,
            other => return other,
        };
        match self.bearer(target) {
            Ok(Some(object)) => Ok(Creation::Found(object)),
            _ => Err(error),
        }
    }

    fn note(&self, id: &str) -> Result<(), UploadError> {
        self.job.journal.begin(self.job.plan, self.job.cloud, self.job.image.stamp, id)
    }

    fn remove(&self, target: &mut dyn Target, id: &str) -> Result<Option<RemoteObject>, UploadError> {
        target.remove(id)?;
        self.job.journal.forget(id)?;
        Ok(None)
    }

    fn send(&mut self, target: &mut dyn Target, id: &str) -> Result<(), UploadError> {
        let size = self.job.image.stamp.size;
        let stage = Stage::start(self.job.reporter, "send the image");
        stage.total(size, Unit::Bytes);
        let (began, before) = (Instant::now(), self.bytes.get());
        let told = |told| match told {
            Told::Sent(amount) => {
                self.bytes.set(self.bytes.get() + amount);
                stage.advance(amount);
            }
            Told::Total(total) => stage.total(total, Unit::Bytes),
        };
        self.owned.push(id.to_owned());
        let digests = target.send(self.job.image, id, &told);
        let seconds = began.elapsed().as_secs_f64().max(1e-3);
        let sent = self.bytes.get() - before;
        let digests = match digests {
            Ok(digests) => digests,
            Err(error) => {
                stage.finish(format!("stopped after {}", format_bytes(sent)));
                return Err(error);
            }
        };
        let rate = format_bytes((sent as f64 / seconds) as u64);
        stage.finish(format!("{}, {rate}/s", format_bytes(sent)));
        self.sent = Some(digests);
        Ok(())
    }

    /// Waits for the one who is sending; when he must be gone, the object is removed.
    fn wait(&self, target: &mut dyn Target, id: &str) -> Result<Option<RemoteObject>, UploadError> {
        let limits = self.job.patience.limits;
        // What this run filled itself has lost its sender.
        let ours = self.job.resume && self.is_noted(id)?;
        let limit = if ours || self.bytes.get() > 0 { limits.orphan } else { limits.stale };
        let stage = Stage::start(self.job.reporter, "wait for the data");
        stage.working("somebody is sending it");
        let began = Instant::now();
        loop {
            self.job.patience.interrupt.sleep(limits.poll)?;
            match target.look(id)? {
                Some(object) if object.state == ObjectState::Receiving => {}
                other => {
                    stage.finish("it came, or its sender is gone");
                    return Ok(other);
                }
            }
            if began.elapsed() < limit {
                continue;
            }
            if limit == limits.stale {
                let why =
                    format!("image {id} has been waiting for data for {} minutes", limit.as_secs() / 60);
                let hint =
                    "if no other upload of it runs, run it with --resume, or remove it by `upload clean`";
                return Err(UploadError::new(Kind::Local, "waiting for another upload", why, hint));
            }
            stage.finish("its sender is gone; it is made anew");
            return self.remove(target, id);
        }
    }

    fn is_noted(&self, id: &str) -> Result<bool, UploadError> {
        Ok(self.job.journal.entries()?.iter().any(|entry| entry.id == id))
    }

    fn publish(&self, target: &mut dyn Target, id: &str) -> Result<Publication, UploadError> {
        let stage = Stage::start(self.job.reporter, "publish");
        let publication = target.publish(self.job.plan, id)?;
        self.job.journal.finish(id)?;
        stage.finish(match publication.retired.len() {
            0 => id.to_owned(),
            count => format!("{id}; {count} older retired"),
        });
        Ok(publication)
    }
}

/// Says how far an object is that was found.
fn state(object: &RemoteObject) -> String {
    format!("{} {}", object.id, if object.published { "is there already" } else { "was begun" })
}

fn vanished(id: &str) -> UploadError {
    let hint = "somebody deleted it; run it again";
    UploadError::new(Kind::NotFound, format!("looking at image {id}"), "it is there no more", hint)
}
