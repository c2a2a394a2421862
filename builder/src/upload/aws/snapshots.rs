//! Snapshots: begun, completed, looked at and deleted.

use std::time::{Duration, Instant};

use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Status, Tag as EbsTag};
use aws_sdk_ec2::types::{Filter, Snapshot, SnapshotState};
use contract::encoding::encode_base64;

use super::blocks::Summary;
use super::connection::Connection;
use super::{BLOCK, ID_TAG, Settings};
use crate::upload::{Kind, UploadError};

/// Minutes without a block after which AWS gives a snapshot up: a broken upload can be gone on with for a day.
const GIVEN_UP: i32 = 24 * 60;
/// How long a snapshot may take to be complete.
const COMPLETION: Duration = Duration::from_secs(60 * 60);

/// How many looks a snapshot gets whose completion was refused.
const REFUSED: u32 = 10;

/// What is asked of a new snapshot.
pub(super) struct Wanted<'a> {
    pub(super) settings: &'a Settings,
    /// GiB.
    pub(super) size: u64,
    pub(super) id: &'a str,
    pub(super) description: &'a str,
    pub(super) tags: &'a [(String, String)],
}

/// Begins a snapshot, or finds the one that the same token began; its id and its state.
pub(super) fn start(
    connection: &Connection,
    wanted: &Wanted<'_>,
) -> Result<(String, Option<Status>), UploadError> {
    let doing = "beginning the snapshot";
    let tags: Vec<EbsTag> =
        wanted.tags.iter().map(|(key, value)| EbsTag::builder().key(key).value(value).build()).collect();
    let started = connection.ask(doing, || {
        let call = connection
            .ebs
            .start_snapshot()
            .volume_size(i64::try_from(wanted.size).unwrap_or(i64::MAX))
            .description(wanted.description)
            .client_token(wanted.id)
            .set_tags(Some(tags.clone()))
            .timeout(GIVEN_UP);
        let call = if wanted.settings.encrypted { call.encrypted(true) } else { call };
        call.set_kms_key_arn(wanted.settings.kms_key.clone()).send()
    })?;
    if started.block_size().is_some_and(|size| usize::try_from(size) != Ok(BLOCK)) {
        let why = format!("it asks for blocks of {:?} bytes, not {BLOCK}", started.block_size());
        return Err(UploadError::new(Kind::Refused, doing, why, "check the endpoint; use a newer version"));
    }
    let status = started.status().cloned();
    started.snapshot_id().map(|id| (id.to_owned(), status)).ok_or_else(|| {
        UploadError::new(Kind::Refused, doing, "the answer names no snapshot", "check the endpoint")
    })
}

/// Returns our snapshots in a region that have a tag of this value.
pub(super) fn tagged(
    connection: &Connection,
    region: &str,
    tag: &str,
    value: &str,
) -> Result<Vec<Snapshot>, UploadError> {
    let filter = Filter::builder().name(format!("tag:{tag}")).values(value).build();
    let client = connection.ec2(region);
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let page = connection.ask(&format!("looking for snapshots in {region}"), || {
            let call = client.describe_snapshots().owner_ids("self").filters(filter.clone());
            call.set_next_token(next.clone()).send()
        })?;
        found.extend(page.snapshots().iter().cloned());
        next = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if next.is_none() {
            return Ok(found);
        }
    }
}

/// Looks at a snapshot by its id; none if AWS does not know it (yet).
pub(super) fn show(connection: &Connection, snapshot: &str) -> Result<Option<Snapshot>, UploadError> {
    let client = connection.ec2(&connection.home);
    let found = connection
        .ask(&format!("looking at {snapshot}"), || client.describe_snapshots().snapshot_ids(snapshot).send());
    match found {
        Ok(found) => Ok(found.snapshots().first().cloned()),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Says that all blocks are there, and waits until AWS has put them together.
pub(super) fn complete(
    connection: &Connection,
    snapshot: &str,
    summary: &Summary,
) -> Result<(), UploadError> {
    let completed = connection.ask(&format!("completing {snapshot}"), || {
        connection
            .ebs
            .complete_snapshot()
            .snapshot_id(snapshot)
            .changed_blocks_count(i32::try_from(summary.count).unwrap_or(i32::MAX))
            .checksum(encode_base64(&summary.linear))
            .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
            .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear)
            .send()
    });
    match completed {
        // The answer to an earlier try was lost, or another run was quicker; what AWS says of the snapshot counts.
        Err(error) if may_be_sealed(&error) => wait(connection, snapshot, Some(error)),
        Err(error) => Err(error),
        Ok(_) => wait(connection, snapshot, None),
    }
}

/// Tells whether a refusal is what AWS says of a snapshot that takes no more since it is complete.
pub(super) fn may_be_sealed(error: &UploadError) -> bool {
    error.kind == Kind::Conflict || error.to_string().contains("ValidationException")
}

/// Waits until the snapshot is complete. One that stays pending after `refused` is not.
pub(super) fn wait(
    connection: &Connection,
    snapshot: &str,
    mut refused: Option<UploadError>,
) -> Result<(), UploadError> {
    let doing = format!("waiting for {snapshot}");
    let (began, mut pause) = (Instant::now(), connection.patience.limits.poll / 8);
    while began.elapsed() < COMPLETION {
        let there = show(connection, snapshot)?;
        match there.as_ref().and_then(Snapshot::state) {
            Some(SnapshotState::Completed) => return Ok(()),
            Some(SnapshotState::Error) => {
                let message = there.as_ref().and_then(Snapshot::state_message).unwrap_or("it gave no reason");
                return Err(UploadError::new(Kind::Refused, doing, message, "run it again; it is made anew"));
            }
            _ if began.elapsed() > connection.patience.limits.poll * REFUSED => {
                if let Some(error) = refused.take() {
                    return Err(error);
                }
            }
            _ => {}
        }
        connection.patience.interrupt.sleep(pause)?;
        pause = (pause * 2).min(connection.patience.limits.poll * 2);
    }
    let why = format!("it is not complete after {} minutes", COMPLETION.as_secs() / 60);
    Err(UploadError::new(Kind::Refused, doing, why, "run the same again later; it goes on from here"))
}

/// Deletes a snapshot; none is no error.
pub(super) fn delete(connection: &Connection, region: &str, snapshot: &str) -> Result<(), UploadError> {
    let client = connection.ec2(region);
    let mut attempt = 0;
    loop {
        let deleted = connection
            .ask(&format!("deleting {snapshot}"), || client.delete_snapshot().snapshot_id(snapshot).send());
        match deleted {
            Ok(_) => return Ok(()),
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            // The image that was of it has just gone, and not everybody knows yet.
            Err(error) if attempt < 8 && error.to_string().contains("InUse") => {
                attempt += 1;
                connection.patience.interrupt.sleep(connection.patience.limits.poll)?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns the tag that says of which upload a snapshot is.
pub(super) fn upload_of(snapshot: &Snapshot) -> Option<&str> {
    snapshot.tags().iter().find(|tag| tag.key() == Some(ID_TAG))?.value()
}
