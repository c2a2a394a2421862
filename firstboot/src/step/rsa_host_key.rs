//! The RSA host key, for old clients: made by OpenSSH's own program, after the machine is up, where no unit of the image
//! has made one. sshd runs meanwhile by the other keys; what is told at the end of the run (phone home) names it as well.

use anyhow::{Context, Result};
use contract::state::Phase;

use super::change::{Change, Deed, run_tool};
use super::{Step, Target, host_key};
use crate::machine::Machine;

const KEYGEN: &str = "/usr/bin/ssh-keygen";
const KEY: &str = "/etc/ssh/ssh_host_rsa_key";
/// Where it is made; a key is complete before it has its name.
const MADE: &str = "/etc/ssh/.firstboot_rsa_key";

/// Makes the key.
#[derive(Debug)]
pub struct RsaHostKeyStep;

impl Step for RsaHostKeyStep {
    fn name(&self) -> String {
        "rsa host key".into()
    }

    fn phase(&self) -> Phase {
        Phase::Final
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let machine = clone.machine;
        let can = machine.is_live && machine.exists(host_key::PROGRAM) && machine.exists(KEYGEN);
        can.then(|| serde_json::json!(clone.identity.key))
    }

    fn plan(&self, _clone: &Target<'_>) -> Result<Vec<Change>> {
        let words = ["systemctl", "try-reload-or-restart", "ssh.service"].map(str::to_owned);
        Ok(vec![Change::deed(RsaKey), Change::Tool(words.into())])
    }
}

#[derive(Debug)]
struct RsaKey;

impl Deed for RsaKey {
    fn describe(&self) -> String {
        format!("make {KEY}")
    }

    fn holds(&self, machine: &Machine) -> Result<bool> {
        Ok(machine.exists(KEY))
    }

    fn apply(&self, machine: &Machine) -> Result<()> {
        let public = format!("{MADE}.pub");
        machine.remove(MADE)?;
        machine.remove(&public)?;
        let words = [KEYGEN, "-q", "-t", "rsa", "-b", "3072", "-N", "", "-C", "", "-f", MADE];
        run_tool(machine, &words.map(str::to_owned))?;
        for (from, to, mode) in
            [(public.as_str(), format!("{KEY}.pub"), 0o644), (MADE, KEY.to_owned(), 0o600)]
        {
            let bytes = machine.read(from)?.with_context(|| format!("'{from}' was not made"))?;
            machine.write(&to, &bytes, mode, (0, 0))?;
            machine.remove(from)?;
        }
        Ok(())
    }
}
