//! The host name: `/etc/hostname`, the running kernel, and a block of `/etc/hosts` that is ours.

use anyhow::Result;
use contract::state::{DesiredState, Phase};

use super::certificate::CERTIFICATE;
use super::change::Change;
use super::{Step, Target};
use crate::machine::Machine;

const HOSTNAME: &str = "/etc/hostname";
const HOSTS: &str = "/etc/hosts";
/// The files that hold the name; the certificate where there is one.
pub const FILES: [&str; 3] = [HOSTS, HOSTNAME, CERTIFICATE];
const BEGIN: &str = "# firstboot: the lines up to the next mark are managed";
const END: &str = "# firstboot: end";
/// What a machine without the file needs beside its own name.
const LOCALHOST: &str = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/// Gives the machine its name.
#[derive(Debug)]
pub struct HostnameStep;

/// A name in its two forms.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    short: String,
    full: Option<String>,
}

impl Step for HostnameStep {
    fn name(&self) -> String {
        "hostname".into()
    }

    fn phase(&self) -> Phase {
        Phase::Early
    }

    fn wish(&self, clone: &Target<'_>) -> Option<serde_json::Value> {
        let name = name_of(&clone.wanted.state)?;
        Some(serde_json::json!([name.short, name.full]))
    }

    fn plan(&self, clone: &Target<'_>) -> Result<Vec<Change>> {
        name_of(&clone.wanted.state).map_or(Ok(Vec::new()), |name| changes_to(clone.machine, name))
    }
}

/// What gives a machine a name, which may be a full one.
///
/// # Errors
///
/// When the machine cannot be read.
pub fn changes(machine: &Machine, name: &str) -> Result<Vec<Change>> {
    let state = DesiredState { hostname: Some(name.to_owned()), ..DesiredState::default() };
    name_of(&state).map_or(Ok(Vec::new()), |name| changes_to(machine, name))
}

/// Returns the machine's names, the full one first; none where nothing is asked for.
pub fn names(state: &DesiredState) -> Vec<String> {
    let name = name_of(state);
    name.map(|name| name.full.into_iter().chain([name.short]).collect()).unwrap_or_default()
}

/// Returns the names that the machine has, the full one first: those of our block of `/etc/hosts`, else `/etc/hostname`.
///
/// # Errors
///
/// When the machine cannot be read.
pub fn present(machine: &Machine) -> Result<Vec<String>> {
    let hosts = machine.read_text(HOSTS)?.unwrap_or_default();
    let block = hosts.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let line = block.and_then(|(block, _)| block.lines().find_map(|line| line.strip_prefix("127.0.1.1 ")));
    let hostname = machine.read_text(HOSTNAME)?.unwrap_or_default();
    let words = line.unwrap_or(&hostname).split_whitespace();
    Ok(words.map(str::to_owned).collect())
}

fn changes_to(machine: &Machine, name: Name) -> Result<Vec<Change>> {
    let hosts = machine.read_text(HOSTS)?;
    Ok(vec![
        Change::file(HOSTS, manage(hosts.as_deref().unwrap_or(LOCALHOST), &name), 0o644),
        Change::file(HOSTNAME, format!("{}\n", name.short), 0o644),
        Change::KernelHostname(name.short),
    ])
}

/// The host name is the first label; the full name is what is given as such, or a host name with dots.
fn name_of(state: &DesiredState) -> Option<Name> {
    let said = state.hostname.as_ref().or(state.fqdn.as_ref())?;
    let short = said.split('.').next().unwrap_or(said).to_owned();
    let full = state.fqdn.as_ref().or(Some(said)).filter(|full| full.contains('.')).cloned();
    Some(Name { short, full })
}

/// Puts our block at the place of an older one, else at the beginning, where it is found first; every other line stays.
fn manage(text: &str, name: &Name) -> String {
    let names =
        [name.full.as_deref(), Some(name.short.as_str())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let block = format!("{BEGIN}\n127.0.1.1 {names}\n::1 {names}\n{END}\n");
    let start = text.find(BEGIN);
    let end = start.and_then(|start| Some(start + text[start..].find(END)? + END.len()));
    match (start, end) {
        (Some(start), Some(end)) => {
            let after = text[end..].strip_prefix('\n').unwrap_or(&text[end..]);
            format!("{}{block}{after}", &text[..start])
        }
        _ => block + text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(short: &str, full: Option<&str>) -> Name {
        Name { short: short.into(), full: full.map(str::to_owned) }
    }

    #[test]
    fn names_have_two_forms() {
        for (hostname, fqdn, wanted) in [
            (Some("web"), None, Some(name("web", None))),
            (Some("web.example.org"), None, Some(name("web", Some("web.example.org")))),
            (Some("web"), Some("a.example.org"), Some(name("web", Some("a.example.org")))),
            (None, Some("a.example.org"), Some(name("a", Some("a.example.org")))),
            (None, None, None),
        ] {
            let state = DesiredState {
                hostname: hostname.map(str::to_owned),
                fqdn: fqdn.map(str::to_owned),
                ..DesiredState::default()
            };
            assert_eq!(name_of(&state), wanted);
        }
    }

    #[test]
    fn only_our_block_of_the_hosts_file_changes() {
        let theirs = "127.0.0.1 localhost\n10.0.0.9 db # mine\n";
        let first = manage(theirs, &name("a", None));
        assert_eq!(first, format!("{BEGIN}\n127.0.1.1 a\n::1 a\n{END}\n{theirs}"));
        assert_eq!(manage(&first, &name("a", None)), first);
        let moved = format!("10.0.0.1 x\n{first}");
        assert_eq!(manage(&moved, &name("b", Some("b.c"))), moved.replace(" a\n", " b.c b\n"));
        let cut = format!("{BEGIN}\n{theirs}");
        assert!(manage(&cut, &name("a", None)).ends_with(&cut), "a block without an end is left alone");
    }
}
