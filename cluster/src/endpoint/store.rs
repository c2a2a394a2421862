//! Where the endpoint's certificate is: one file with the chain and its key, so that they change together.

use anyhow::{Context, Result};
use contract::roles::{Catalogue, Role};
use rcgen::KeyPair;

use super::chain;
use crate::authority::{self, Subject};
use crate::command;
use crate::paths::{ENDPOINT_CERTIFICATE, ENDPOINT_CERTIFICATE_BEFORE};
use crate::place::Place;
use crate::record::Member;
use crate::{certificate, paths};

/// How long a certificate of our own making holds: browsers take none that hold for longer than 398 days.
const MADE_SECONDS: u64 = 397 * 24 * 60 * 60;
/// Begins the file of a certificate that was made here; whoever reads PEM passes over it.
const MADE: &str = "# Made by firstboot, as nobody imported one.\n";
/// From then on it is said that a certificate ends soon.
pub const SOON_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Tells whether the certificate was made here.
pub fn is_made(text: &str) -> bool {
    text.starts_with(MADE)
}

/// The certificate in use (PEM, with its key); none if there is none.
///
/// # Errors
///
/// When it cannot be read.
pub fn load(place: &Place) -> Result<Option<String>> {
    place.read(ENDPOINT_CERTIFICATE)
}

/// The names that a certificate of our own making is for.
///
/// # Errors
///
/// When the list of core nodes cannot be read.
pub fn own_names(place: &Place, member: &Member) -> Result<Vec<String>> {
    let endpoint = member.endpoints.open(&place.require(paths::AUTHORITY)?)?.endpoint;
    Ok(names(&endpoint, &member.name, &member.address))
}

/// The endpoint, all below it, and the node itself.
pub fn names(endpoint: &str, node: &str, address: &str) -> Vec<String> {
    [endpoint, &format!("*.{endpoint}"), node, address].map(str::to_owned).to_vec()
}

/// Makes a certificate where there is none, and another one where one of our own does not fit any more or ends soon. What
/// somebody imported stays. Tells whether there is another one now.
///
/// # Errors
///
/// When the disk refuses.
pub fn tend(place: &Place, names: &[String]) -> Result<bool> {
    recover(place)?;
    if !is_due(place, names)? {
        return Ok(false);
    }
    let key_text = authority::make_key()?;
    let key = KeyPair::from_pem(&key_text).context("reading a key that was just made")?;
    let subject =
        Subject { common_name: &names[0], names: names.to_vec(), is_server: true, seconds: MADE_SECONDS };
    let text = authority::self_signed(&subject, &key, place.clock.now())?;
    place.write(ENDPOINT_CERTIFICATE, &format!("{MADE}{text}{key_text}"), 0o600)?;
    Ok(true)
}

/// Tells whether [`tend`] would make one.
///
/// # Errors
///
/// When the one that is there cannot be read.
pub fn is_due(place: &Place, names: &[String]) -> Result<bool> {
    let Some(text) = load(place)? else { return Ok(true) };
    if !is_made(&text) {
        return Ok(false);
    }
    let ends_soon = certificate::facts_of_pem(&text)?.renew_at() <= place.clock.now();
    Ok(ends_soon || chain::summary(&text)?.names != names)
}

/// Takes a certificate into use: what roles of this node refuse, is not; the one before is back then.
///
/// Whoever calls has the lock of roles, and tells the units.
///
/// # Errors
///
/// When a role refuses it, with the role's words.
pub fn replace(place: &Place, catalogue: &Catalogue, has: &[String], text: &str) -> Result<()> {
    recover(place)?;
    place.write(ENDPOINT_CERTIFICATE_BEFORE, &load(place)?.unwrap_or_default(), 0o600)?;
    let checked = place.write(ENDPOINT_CERTIFICATE, text, 0o600).and_then(|()| {
        let roles = showing(catalogue, has);
        let mut lines = roles.iter().flat_map(|role| &role.files).filter_map(|file| file.validate.as_ref());
        lines.try_for_each(|line| command::run(place, line, crate::node::roles::LOOK))
    });
    if let Err(error) = checked {
        recover(place)?;
        return Err(error
            .context("a role of this node cannot use this certificate, so the one before is in its place"));
    }
    place.remove(ENDPOINT_CERTIFICATE_BEFORE)
}

/// Brings the certificate of before back, where taking another one was cut.
///
/// # Errors
///
/// When the disk refuses.
pub fn recover(place: &Place) -> Result<()> {
    match place.read(ENDPOINT_CERTIFICATE_BEFORE)? {
        None => return Ok(()),
        Some(before) if before.is_empty() => place.remove(ENDPOINT_CERTIFICATE)?,
        Some(before) => place.write(ENDPOINT_CERTIFICATE, &before, 0o600)?,
    }
    place.remove(ENDPOINT_CERTIFICATE_BEFORE)
}

/// Roles of a node that show the certificate.
pub fn showing<'c>(catalogue: &'c Catalogue, has: &[String]) -> Vec<&'c Role> {
    has.iter().filter_map(|name| catalogue.get(name)).filter(|role| role.certificate).collect()
}

/// When the certificate ends; none if there is none.
pub fn ends(place: &Place) -> Option<u64> {
    let text = load(place).ok().flatten()?;
    chain::summary(&text).ok().map(|summary| summary.ends)
}

/// What is wrong with the certificate by now; none if it can be shown.
pub fn problem(place: &Place) -> Option<String> {
    let now = place.clock.now();
    match ends(place) {
        None => Some("it has no certificate of the cluster's endpoint".into()),
        Some(ends) if ends <= now => Some(
            "the certificate of the cluster's endpoint has ended: `firstboot certificate import` takes another one".into(),
        ),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use contract::roles::RoleFile;

    use super::*;
    use crate::clock::ShiftedClock;

    fn place(name: &str) -> (std::path::PathBuf, Place) {
        let folder = std::env::temp_dir().join(format!("firstboot-endpoint-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("run")).expect("a folder");
        let place = Place::at(&folder).expect("a machine");
        (folder, place)
    }

    #[test]
    fn one_is_made_and_made_anew_when_it_does_not_fit() {
        let (folder, mut place) = place("made");
        let names = |name: &str| names("api.example.org", name, "192.0.2.7");
        assert!(problem(&place).is_some_and(|problem| problem.contains("no certificate")));
        assert!(tend(&place, &names("one")).expect("made"));
        assert!(!tend(&place, &names("one")).expect("kept"));
        let text = load(&place).expect("readable").expect("there");
        assert!(is_made(&text) && text.contains("PRIVATE KEY"), "{text}");
        let summary = chain::summary(&text).expect("a certificate");
        assert_eq!(summary.names, ["api.example.org", "*.api.example.org", "one", "192.0.2.7"]);
        assert_eq!(problem(&place), None);
        assert!(tend(&place, &names("two")).expect("another name"));
        place.clock = std::sync::Arc::new(ShiftedClock { offset: 300 * 24 * 60 * 60 });
        assert!(tend(&place, &names("two")).expect("a third of its life is left"));
        place.clock = std::sync::Arc::new(ShiftedClock { offset: 800 * 24 * 60 * 60 });
        assert!(problem(&place).is_some_and(|problem| problem.contains("has ended")));
        // What was imported is its owner's to replace.
        place.write(ENDPOINT_CERTIFICATE, text.trim_start_matches(MADE), 0o600).expect("written");
        assert!(!tend(&place, &names("three")).expect("kept"));
        std::fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn what_a_role_refuses_is_not_used_also_after_a_power_cut() {
        let (folder, place) = place("refused");
        let file = RoleFile {
            path: "/etc/pool".into(),
            content: String::new(),
            mode: 0o644,
            validate: Some("! grep -q bad var/lib/firstboot/cluster/endpoint.pem".into()),
        };
        let role = Role { name: "web".into(), certificate: true, files: vec![file], ..Role::default() };
        let catalogue = Catalogue::new([role]);
        let has = ["web".to_owned()];
        let use_it = |text: &str| replace(&place, &catalogue, &has, text);
        let told = use_it("bad").expect_err("refused");
        assert!(format!("{told:#}").contains("the one before is in its place"), "{told:#}");
        assert_eq!(load(&place).expect("readable"), None, "there was none");
        use_it("good").expect("taken");
        use_it("bad").expect_err("refused");
        assert_eq!(load(&place).expect("readable").as_deref(), Some("good"));
        // A cut between the new one and its check.
        place.write(ENDPOINT_CERTIFICATE_BEFORE, "good", 0o600).expect("written");
        place.write(ENDPOINT_CERTIFICATE, "half", 0o600).expect("written");
        recover(&place).expect("back");
        assert_eq!(load(&place).expect("readable").as_deref(), Some("good"));
        assert!(!place.exists(ENDPOINT_CERTIFICATE_BEFORE));
        // Roles that the node has not are not asked.
        replace(&place, &catalogue, &[], "bad").expect("taken");
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
