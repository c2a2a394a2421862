//! Whole files: requests repeated, resumed and checked until the bytes are there.

use std::io::Read;
use std::path::PathBuf;
use std::thread;

use crate::progress::Stage;
use crate::store::{Claim, Mismatch, ObjectWriter, Sha256Digest, Store, StoreError};

use super::client::{Ask, Client, Opened, Validators, cause};
use super::error::{Cause, FetchError, redacted};
use super::retry::{PROGRESS_BYTES, Retry};

/// Bytes read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// A file whose digest is known before its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Addresses in the order in which they are tried; at least one.
    pub urls: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the whole file.
    pub sha256: Sha256Digest,
}

/// What comes of asking for a small file.
pub(super) enum Answer {
    /// Its bytes, and what the server calls them.
    Bytes(Vec<u8>, Validators),
    /// It is as it was.
    Unchanged,
}

impl Client {
    /// Returns the bytes at `url`, which nothing vouches for; more than `limit` of them are an error.
    pub(super) fn bytes(&self, url: &str, limit: usize, patient: bool) -> Result<Vec<u8>, FetchError> {
        match self.bytes_unless(url, limit, patient, None)? {
            Answer::Bytes(bytes, _) => Ok(bytes),
            Answer::Unchanged => Err(failed(url, Cause::Connection("the server sent nothing".into()), 1)),
        }
    }

    /// As [`Client::bytes`], but only if they are not as they were when the server called them `known`.
    pub(super) fn bytes_unless(
        &self,
        url: &str,
        limit: usize,
        patient: bool,
        known: Option<&Validators>,
    ) -> Result<Answer, FetchError> {
        let retry = if patient { self.retry } else { self.retry.impatient() };
        let ask = Ask { from: 0, fresh: true, unless: known };
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self
                .open(url, ask)
                .and_then(|opened| opened.map_or(Ok(Answer::Unchanged), |it| read_all(it, limit)))
            {
                Ok(answer) => return Ok(answer),
                Err(cause) => pause(retry, url, attempt, cause)?,
            }
        }
    }

    /// Returns the path in `store` of the file `wanted`, fetching it unless it is there.
    ///
    /// # Errors
    /// The last address's [`FetchError`] when none gives the right bytes.
    pub fn object(&self, store: &Store, wanted: &Wanted, stage: &Stage<'_>) -> Result<PathBuf, FetchError> {
        let mut meter = Meter { stage, high: 0 };
        let first = wanted.urls.first().map_or("", String::as_str);
        let refused = |error: StoreError| failed(first, error.into(), 1);
        if let Some(path) = store.checked(&wanted.sha256).map_err(refused)? {
            meter.reach(wanted.size);
            return Ok(path);
        }
        match store.writer(wanted.sha256, wanted.size).map_err(refused)? {
            Claim::Present(path) => {
                meter.reach(wanted.size);
                Ok(path)
            }
            Claim::Writer(mut writer) => self.fill(&mut writer, &wanted.urls, &mut meter),
        }
    }

    fn fill(
        &self,
        writer: &mut ObjectWriter<'_>,
        urls: &[String],
        meter: &mut Meter<'_>,
    ) -> Result<PathBuf, FetchError> {
        let mut last: Option<FetchError> = None;
        // A server that cannot be reached is asked for nothing more.
        let mut lost: Vec<&str> = Vec::new();
        for (at, url) in urls.iter().enumerate() {
            if lost.contains(&server(url)) {
                continue;
            }
            let others = urls[at + 1..].iter().any(|other| server(other) != server(url));
            let retry = if others { self.retry.impatient() } else { self.retry };
            match self.fill_from(url, writer, meter, retry) {
                Ok(path) => return Ok(path),
                Err(error)
                    if error.cause.is_of_this_address() || others && error.cause.is_of_the_network() =>
                {
                    tracing::debug!("{error}");
                    if !error.cause.is_of_this_address() {
                        lost.push(server(url));
                    }
                    last = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| failed("", Cause::Address("no address is known".into()), 1)))
    }

    fn fill_from(
        &self,
        url: &str,
        writer: &mut ObjectWriter<'_>,
        meter: &mut Meter<'_>,
        retry: Retry,
    ) -> Result<PathBuf, FetchError> {
        let mut attempt = 0;
        loop {
            let before = writer.length();
            // Whether bytes of an earlier run are under these; they may be what is wrong.
            let resumed = writer.resumed();
            attempt += 1;
            let cause = match self.append_from(url, writer, meter) {
                Ok(()) => match writer.commit() {
                    Ok(path) => return Ok(path),
                    Err(StoreError::Mismatch(_)) if resumed => continue,
                    Err(error) => Cause::from(error),
                },
                Err(cause) => cause,
            };
            if matches!(cause, Cause::Mismatch(_)) {
                writer.restart().map_err(|error| failed(url, error.into(), attempt))?;
            } else if writer.length() >= before + PROGRESS_BYTES {
                attempt = 1;
            }
            pause(retry, url, attempt, cause)?;
        }
    }

    /// Asks once for what is missing and appends it.
    fn append_from(
        &self,
        url: &str,
        writer: &mut ObjectWriter<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<(), Cause> {
        let expected = writer.size();
        if writer.length() == expected {
            return Ok(());
        }
        let ask = Ask { from: writer.length(), ..Ask::default() };
        let opened = match self.open(url, ask) {
            Err(cause @ Cause::Status { status: 416, .. }) => {
                writer.restart()?;
                return Err(cause);
            }
            opened => opened?.ok_or_else(|| Cause::Connection("the server sent nothing".into()))?,
        };
        if let Some(found) = opened.total.filter(|found| *found != expected) {
            return Err(Mismatch::Size { expected, found }.into());
        }
        if opened.start != writer.length() {
            writer.restart()?;
            if opened.start != 0 {
                return Err(Cause::Connection("the server sent another range than it was asked for".into()));
            }
        }
        meter.reach(writer.length());
        copy(opened, writer, meter)
    }
}

/// Waits for the next try, or says that there is none.
fn pause(retry: Retry, url: &str, attempts: u32, cause: Cause) -> Result<(), FetchError> {
    let Some(wait) = retry.wait(attempts, &cause) else {
        return Err(failed(url, cause, attempts));
    };
    tracing::debug!("fetching '{}' again in {wait:?}: {cause}", redacted(url));
    thread::sleep(wait);
    Ok(())
}

/// Returns the scheme and host of an address.
fn server(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

fn failed(url: &str, cause: Cause, attempts: u32) -> FetchError {
    FetchError { url: redacted(url), cause, attempts }
}

fn copy(mut opened: Opened, writer: &mut ObjectWriter<'_>, meter: &mut Meter<'_>) -> Result<(), Cause> {
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = opened.body.read(&mut buffer).map_err(|error| cause(error.into()))?;
        if count == 0 {
            break;
        }
        writer.append(&buffer[..count])?;
        meter.reach(writer.length());
    }
    let (expected, found) = (writer.size(), writer.length());
    if found < expected { Err(Cause::Truncated { expected, found }) } else { Ok(()) }
}

fn read_all(opened: Opened, limit: usize) -> Result<Answer, Cause> {
    let mut bytes = Vec::new();
    let most = limit as u64 + 1;
    opened.body.take(most).read_to_end(&mut bytes).map_err(|error| cause(error.into()))?;
    if bytes.len() > limit {
        return Err(Cause::TooLarge(limit as u64));
    }
    match opened.total {
        Some(expected) if expected != bytes.len() as u64 => {
            Err(Cause::Truncated { expected, found: bytes.len() as u64 })
        }
        _ => Ok(Answer::Bytes(bytes, opened.validators)),
    }
}

/// Tells the stage of bytes that are there for the first time; a transfer that starts over tells nothing twice.
struct Meter<'a> {
    stage: &'a Stage<'a>,
    high: u64,
}

impl Meter<'_> {
    fn reach(&mut self, length: u64) {
        if length > self.high {
            self.stage.advance(length - self.high);
            self.high = length;
        }
    }
}
