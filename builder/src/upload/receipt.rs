//! What an upload came to.

use std::time::Duration;

use serde_json::{Value, json};

use super::{RemoteObject, UploadPlan};

/// What an upload came to.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The object, published.
    pub object: RemoteObject,
    /// Whether this run made it; else an earlier one did.
    pub made: bool,
    /// Older objects that were hidden or deleted.
    pub retired: Vec<String>,
    /// Bytes that were sent, those of broken tries included.
    pub bytes_sent: u64,
    /// How often something was tried again.
    pub retries: u32,
    /// Time that it took.
    pub elapsed: Duration,
}

impl Receipt {
    /// Returns the object that goes to stdout.
    pub fn to_json(&self, plan: &UploadPlan) -> Value {
        let digest = self.object.digest.as_ref();
        json!({
            "target": plan.target,
            "id": self.object.known_as.as_ref().unwrap_or(&self.object.id),
            "name": plan.name,
            "place": plan.place,
            "plan": plan.hash,
            "made": self.made,
            "size": plan.image.size,
            "sha256": plan.image.sha256,
            "remote_digest": digest.map(|digest| json!({ "algorithm": digest.algorithm, "value": digest.value })),
            "retired": self.retired,
            "bytes_sent": self.bytes_sent,
            "retries": self.retries,
            "seconds": self.elapsed.as_secs_f64(),
            "details": self.object.details,
        })
    }
}
