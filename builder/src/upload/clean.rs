//! Removing what uploads began: after a failure what this run made, and by `upload clean` what the journal names.

use super::{Entry, Job, Journal, State, Target, UploadError};

/// Removes what this run began and did not end, and adds what that met to the error. `wanted` is what it could not
/// make.
pub(super) fn clean_up(
    target: &mut dyn Target,
    job: &Job<'_>,
    owned: &[String],
    wanted: Option<&str>,
    error: UploadError,
) -> UploadError {
    job.patience.interrupt.lift();
    match remove_owned(target, job, owned, wanted) {
        Ok(removed) if removed.is_empty() => error,
        Ok(removed) => error.and_hint(&format!("removed what was begun: {}", removed.join(", "))),
        Err(second) => {
            let journal = job.journal.path().display();
            error.and_hint(&format!("cleaning up failed too ({second}); '{journal}' names what is left"))
        }
    }
}

fn remove_owned(
    target: &mut dyn Target,
    job: &Job<'_>,
    owned: &[String],
    wanted: Option<&str>,
) -> Result<Vec<String>, UploadError> {
    let mut removed = Vec::new();
    for entry in job.journal.entries()? {
        if entry.state == State::Begun && owned.contains(&entry.id) {
            removed.extend(discard(target, job.journal, &entry)?);
        }
    }
    // One that is there all the same may be another run's; the journal goes on naming it.
    if let Some(wanted) = wanted
        && target.look(wanted)?.is_none()
    {
        job.journal.forget(wanted)?;
    }
    Ok(removed)
}

/// Removes the objects of `entries`, and those that bear their plans' hashes: unfinished ones, or with `all` every one.
/// Entries of another place are left alone: that an object is not seen here does not mean that it is gone.
///
/// # Errors
/// When the service does not answer or refuses.
pub fn clean(
    target: &mut dyn Target,
    journal: &Journal,
    entries: &[Entry],
    all: bool,
) -> Result<Vec<String>, UploadError> {
    let (mut removed, name, place) = (Vec::new(), target.name(), target.place());
    for entry in entries.iter().filter(|entry| entry.target == name && entry.place == place) {
        if all || entry.state == State::Begun {
            removed.extend(discard(target, journal, entry)?);
        }
        for object in target.find(&entry.plan)? {
            if all || !object.published {
                target.remove(&object.id)?;
                removed.push(object.id);
            }
        }
    }
    Ok(removed)
}

/// Removes one object; what was begun by its entry and is published all the same stays.
fn discard(target: &mut dyn Target, journal: &Journal, entry: &Entry) -> Result<Option<String>, UploadError> {
    let there = target.look(&entry.id)?;
    let removed = match there {
        Some(object) if object.published && entry.state == State::Begun => {
            journal.finish(&entry.id)?;
            return Ok(None);
        }
        Some(object) => {
            target.remove(&object.id)?;
            Some(object.id)
        }
        None => None,
    };
    journal.forget(&entry.id)?;
    Ok(removed)
}
