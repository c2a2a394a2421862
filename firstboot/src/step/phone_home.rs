//! Tells somebody that the machine is ready, with a form over HTTP.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use contract::state::{Phase, PhoneHome};

use super::change::Change;
use super::{Step, Target, host_key};
use crate::machine::Machine;
use crate::source::{post_form, resolve};

const PAUSE: Duration = Duration::from_secs(1);

/// Sends the form.
#[derive(Debug)]
pub struct PhoneHomeStep;

impl Step for PhoneHomeStep {
    fn name(&self) -> String {
        "phone home".into()
    }

    fn phase(&self) -> Phase {
        Phase::Final
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        serde_json::to_value(clone.wanted.state.phone_home.as_ref()?).ok()
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        let Some(phone_home) = clone.wanted.state.phone_home.clone() else { return Ok(Vec::new()) };
        let state = &clone.wanted.state;
        let fields = phone_home.post.iter().filter_map(|field| {
            let value = match field.as_str() {
                "instance_id" => state.instance_id.clone(),
                "hostname" => state.hostname.clone(),
                "fqdn" => state.fqdn.clone(),
                _ => host_key::public_key(clone.machine),
            };
            Some(format!("{field}={}", encode(&value?)))
        });
        let form = fields.collect::<Vec<_>>().join("&");
        Ok(vec![Change::Told { phone_home, form }])
    }
}

/// Sends a form, as often as the document says.
pub(super) fn tell(machine: &Machine, phone_home: &PhoneHome, form: &str) -> Result<()> {
    let server = resolve(machine, &phone_home.url).map_err(|reason| anyhow!(reason))?;
    let mut tries = 0;
    loop {
        tries += 1;
        match post_form(&server, &phone_home.url, form) {
            Ok(()) => return Ok(()),
            Err(error) if tries >= phone_home.tries => {
                return Err(error).with_context(|| format!("after {tries} tries"));
            }
            Err(_) => sleep(PAUSE),
        }
    }
}

/// Percent-encodes what is not a letter, digit or one of `-._~` (RFC 3986).
fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn forms_are_encoded() {
        assert_eq!(super::encode("ssh-ed25519 A+/="), "ssh-ed25519%20A%2B%2F%3D");
    }
}
