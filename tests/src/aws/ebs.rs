//! EBS direct: snapshots begun, filled and completed.

use std::collections::{BTreeMap, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use contract::encoding::{decode_base64, encode_base64};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ACCOUNT, Answer, Asked, BLOCK, Snapshot, StandIn};

const GIB: u64 = 1 << 30;
const INVALID: (u16, &str) = (400, "ValidationException");
const UNKNOWN: (u16, &str) = (404, "ResourceNotFoundException");

/// Status and body, or status, code and reason of a refusal.
type Outcome = Result<(u16, Value), ((u16, &'static str), String)>;

/// What a failing block meets, in turn.
enum Fault {
    Status(u16, &'static str),
    Reset,
    Stall,
    /// It is kept, and the answer lost.
    Lost,
}

impl StandIn {
    /// Answers; nothing to break the connection.
    pub(super) fn ebs(&self, region: &str, asked: &Asked) -> Option<Answer> {
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        let outcome = match (asked.method.as_str(), parts.as_slice()) {
            ("POST", ["snapshots"]) => self.begin(region, asked),
            ("PUT", ["snapshots", id, "blocks", index]) => match self.fault() {
                None => self.put(region, id, index, asked),
                Some(Fault::Status(status, code)) => Err(((status, code), "as the test says".to_owned())),
                Some(Fault::Reset) => return None,
                Some(Fault::Stall) => {
                    thread::sleep(Duration::from_millis(1500));
                    return None;
                }
                Some(Fault::Lost) => {
                    let _kept = self.put(region, id, index, asked);
                    return None;
                }
            },
            ("POST", ["snapshots", "completion", id]) => self.complete(region, id, asked),
            _ => Err((INVALID, "no such call".to_owned())),
        };
        Some(match outcome {
            Ok((status, body)) => Answer::json(status, body.to_string()),
            Err(((status, code), why)) => asked.refuse(status, code, &why),
        })
    }

    fn begin(&self, region: &str, asked: &Asked) -> Outcome {
        let wrong = |why: &str| Err((INVALID, why.to_owned()));
        let wanted: Value =
            serde_json::from_slice(&asked.body).map_err(|error| (INVALID, error.to_string()))?;
        let size = wanted["VolumeSize"].as_u64().unwrap_or(0);
        if !(1..=65536).contains(&size) {
            return wrong("VolumeSize");
        }
        if wanted["Timeout"].as_u64().is_some_and(|minutes| !(10..=4320).contains(&minutes)) {
            return wrong("Timeout");
        }
        let token = wanted["ClientToken"].as_str().map(|token| (token.to_owned(), wanted.to_string()));
        if token.as_ref().is_some_and(|(token, _)| token.len() > 64 || !token.is_ascii()) {
            return wrong("ClientToken");
        }
        let list = wanted["Tags"].as_array().cloned().unwrap_or_default();
        let pair = |tag: &Value| Some((tag["Key"].as_str()?.to_owned(), tag["Value"].as_str()?.to_owned()));
        let tags: BTreeMap<String, String> = list.iter().filter_map(pair).collect();
        if tags.len() != list.len() || tags.len() > 50 {
            return wrong("Tags");
        }
        let mut state = self.state();
        let same = |snapshot: &Snapshot| {
            snapshot.token.as_ref().map(|(text, _)| text) == token.as_ref().map(|(text, _)| text)
                && token.is_some()
                && snapshot.region == region
        };
        if let Some((id, known)) = state.snapshots.iter().find(|(_, snapshot)| same(snapshot)) {
            if known.token != token {
                return Err(((409, "ConflictException"), "the token began another snapshot".to_owned()));
            }
            return Ok((201, begun(id, known)));
        }
        let id = state.id("snap");
        let snapshot = Snapshot {
            region: region.to_owned(),
            size,
            description: wanted["Description"].as_str().unwrap_or_default().to_owned(),
            tags,
            encrypted: wanted["Encrypted"] == true,
            kms_key: wanted["KmsKeyArn"].as_str().map(str::to_owned),
            blocks: HashMap::new(),
            puts: 0,
            failed: false,
            token,
            begun: Instant::now(),
            completed: None,
        };
        let answer = begun(&id, &snapshot);
        state.snapshots.insert(id, snapshot);
        Ok((201, answer))
    }

    fn put(&self, region: &str, id: &str, index: &str, asked: &Asked) -> Outcome {
        let wrong = |why: &str| Err((INVALID, why.to_owned()));
        // Taken before the lock, so that blocks come side by side.
        let digest: [u8; 32] = Sha256::digest(&asked.body).into();
        if asked.body.len() != BLOCK || asked.header("x-amz-data-length") != BLOCK.to_string() {
            return wrong("a block has 524288 bytes");
        }
        let sum = decode_base64(asked.header("x-amz-checksum")).unwrap_or_default();
        if asked.header("x-amz-checksum-algorithm") != "SHA256" || sum != digest {
            return wrong("the checksum is another");
        }
        let mut state = self.state();
        if !state.allows_block() {
            return Err(((400, "RequestThrottledException"), "slow down".to_owned()));
        }
        let forgetful = state.trouble.forgetful;
        let known = state.snapshots.get_mut(id).filter(|known| known.region == region);
        let Some(snapshot) = known.filter(|known| known.begun.elapsed() >= forgetful) else {
            return Err((UNKNOWN, "The snapshot does not exist".to_owned()));
        };
        if snapshot.completed.is_some() {
            return wrong("the snapshot is not pending");
        }
        let index: u32 = index.parse().map_err(|_| (INVALID, "the index is no number".to_owned()))?;
        if u64::from(index) >= snapshot.size * GIB / BLOCK as u64 {
            return wrong("the block is beyond the volume");
        }
        snapshot.blocks.insert(index, digest);
        snapshot.puts += 1;
        let body = json!({ "Checksum": encode_base64(&digest), "ChecksumAlgorithm": "SHA256" });
        Ok((201, body))
    }

    fn complete(&self, region: &str, id: &str, asked: &Asked) -> Outcome {
        let wrong = |why: &str| Err((INVALID, why.to_owned()));
        let mut state = self.state();
        let fails = std::mem::take(&mut state.trouble.snapshot_fails);
        let Some(snapshot) = state.snapshots.get_mut(id).filter(|known| known.region == region) else {
            return Err((UNKNOWN, "The snapshot does not exist".to_owned()));
        };
        if snapshot.completed.is_some() {
            return wrong("the snapshot is not pending");
        }
        if asked.header("x-amz-changedblockscount") != snapshot.blocks.len().to_string() {
            return wrong("the number of blocks is another");
        }
        let mut ordered: Vec<_> = snapshot.blocks.iter().collect();
        ordered.sort_unstable();
        let sum = ordered.iter().fold(Sha256::new(), |sum, (_, digest)| sum.chain_update(digest)).finalize();
        let method =
            (asked.header("x-amz-checksum-algorithm"), asked.header("x-amz-checksum-aggregation-method"));
        if method != ("SHA256", "LINEAR")
            || decode_base64(asked.header("x-amz-checksum")).unwrap_or_default() != sum[..]
        {
            return wrong("the checksum of all blocks is another");
        }
        (snapshot.completed, snapshot.failed) = (Some(Instant::now()), fails);
        Ok((202, json!({ "Status": "pending" })))
    }

    /// Tells what this block meets, if anything.
    fn fault(&self) -> Option<Fault> {
        let mut state = self.state();
        state.blocks += 1;
        let every = state.trouble.every;
        let turn = (every > 0 && state.blocks.is_multiple_of(every)).then(|| state.blocks / every)?;
        Some(match turn % 6 {
            0 => Fault::Status(500, "InternalServerException"),
            1 => Fault::Status(400, "RequestThrottledException"),
            2 => Fault::Reset,
            3 => Fault::Status(503, "ServiceUnavailable"),
            4 => Fault::Lost,
            _ => Fault::Stall,
        })
    }
}

impl super::State {
    /// Counts a block of this second.
    fn allows_block(&mut self) -> bool {
        let Some(most) = self.trouble.most_per_second else { return true };
        let (began, count) = self
            .second
            .filter(|(began, _)| began.elapsed() < Duration::from_secs(1))
            .unwrap_or((Instant::now(), 0));
        self.second = Some((began, count + 1));
        count < most
    }
}

fn begun(id: &str, snapshot: &Snapshot) -> Value {
    let tags: Vec<Value> =
        snapshot.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    json!({
        "SnapshotId": id, "OwnerId": ACCOUNT, "Status": "pending", "BlockSize": BLOCK, "VolumeSize": snapshot.size,
        "Description": snapshot.description, "StartTime": 1_767_225_600.0, "Tags": tags,
    })
}
