//! Whether the service has the bytes of the file: by its own digest, or by reading them back.

use super::drive::Run;
use super::{Digests, Kind, RemoteObject, Target, UploadError};
use crate::progress::Stage;

impl Run<'_> {
    /// Compares what the service has with what this machine has.
    pub(super) fn verify(
        &mut self,
        target: &mut dyn Target,
        object: &RemoteObject,
    ) -> Result<(), UploadError> {
        let stage = Stage::start(self.job.reporter, "verify");
        let image = self.job.image;
        // Nobody can use it as long as it is not verified.
        self.owned.push(object.id.clone());
        let wrong = |what: &str, there: &str, here: &str| {
            let why = format!("its {what} is {there}, that of the file is {here}");
            let hint =
                "it was removed; the file, its manifest or the way to the cloud is damaged: run it again";
            Err(UploadError::new(Kind::Mismatch, format!("verifying image {}", object.id), why, hint))
        };
        let sent = self.sent.as_ref().filter(|sent| sent.sha256 != image.sha256);
        if let Some(sent) = sent {
            return wrong("SHA-256 as it was sent", &sent.sha256, &image.sha256);
        }
        if let Some(size) = object.size.filter(|size| *size != image.stamp.size) {
            return wrong("size", &size.to_string(), &image.stamp.size.to_string());
        }
        let how = match &object.digest {
            _ if object.checked.is_some() => object.checked.unwrap_or_default().to_owned(),
            Some(digest) if self.local(&digest.algorithm)?.is_some_and(|here| here == digest.value) => {
                format!("{} agrees", digest.algorithm)
            }
            Some(digest) if Digests::knows(&digest.algorithm) => {
                let here = self.local(&digest.algorithm)?.unwrap_or_default();
                return wrong(&digest.algorithm, &digest.value, &here);
            }
            _ => {
                let there = target.read_back(&object.id)?;
                if there.sha256 != image.sha256 {
                    return wrong("SHA-256 as it was read back", &there.sha256, &image.sha256);
                }
                "read back, SHA-256 agrees".to_owned()
            }
        };
        stage.finish(how);
        Ok(())
    }

    /// Returns a digest of the file; that of what was sent, else by one pass.
    fn local(&mut self, algorithm: &str) -> Result<Option<String>, UploadError> {
        if algorithm == "sha256" {
            return Ok(Some(self.job.image.sha256.clone()));
        }
        if self.sent.is_none() && Digests::knows(algorithm) {
            self.sent = Some(self.job.image.digests(&self.job.patience.interrupt)?);
        }
        Ok(self.sent.as_ref().and_then(|sent| sent.by_name(algorithm)).map(str::to_owned))
    }
}
