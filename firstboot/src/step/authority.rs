//! Certificates of authorities that the machine trusts.

use anyhow::Result;
use contract::state::Phase;
use ring::digest::{SHA256, digest};

use super::change::Change;
use super::{Step, Target};

const FOLDER: &str = "/usr/local/share/ca-certificates";
const TOOL: &str = "/usr/sbin/update-ca-certificates";

/// Adds certificates to the machine's store.
#[derive(Debug)]
pub struct AuthorityStep;

impl Step for AuthorityStep {
    fn name(&self) -> String {
        "ca-certificates".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let certificates = &clone.wanted.state.ca_certificates;
        (!certificates.is_empty()).then(|| certificates.clone().into())
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let certificates = clone.wanted.state.ca_certificates.iter().map(|text| {
            // Named by content, so that the order in a document makes no difference.
            let name: String = digest(&SHA256, text.as_bytes()).as_ref()[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Change::file(format!("{FOLDER}/firstboot-{name}.crt"), format!("{}\n", text.trim()), 0o644)
        });
        Ok(certificates.chain([Change::Tool(vec![TOOL.into()])]).collect())
    }
}
