//! A [`NetworkDocument`] of any source → the network that it describes.

use super::fields::Report;
use super::{
    Interface, InterfaceMatch, Kind, Network, Problem, Problems, Reading, Severity, network_data, node,
    opennebula, parse_network_config, read_network_config,
};
use crate::cloud_config;
use crate::finding::Findings;
use crate::state::{NetworkDocument, NetworkFormat};
use crate::yaml::Node;

/// The name of the one interface of `network: dhcp`, and the pattern that finds it: cards of wired networks, whatever
/// their slot.
const EVERY_CARD: (&str, &str) = ("every-card", "e*");

impl NetworkDocument {
    /// Reads the document.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, and with the network that it describes.
    pub fn read(&self) -> Result<Reading, Problems> {
        match self.format {
            NetworkFormat::Native => read_native(&node::parse(&self.text)?),
            NetworkFormat::NetworkConfig => parse_network_config(&self.text),
            NetworkFormat::NetworkData => network_data::parse(&self.text),
            NetworkFormat::Context => opennebula::parse_text(&self.text),
        }
    }
}

/// Reads the `network:` of a native document: `dhcp`, or a map as network-config has it.
///
/// # Errors
///
/// Everything that is wrong with it.
pub fn read_native(node: &Node) -> Result<Reading, Problems> {
    match node.text() {
        Some("dhcp") => Ok(Reading { network: every_card_by_dhcp(), disabled: false, warnings: Vec::new() }),
        Some(other) => {
            let other = other.escape_debug();
            let message =
                format!("'{other}' is no network; `dhcp`, or a map as network-config has it, is one");
            Err(Problems(vec![Problem::error(node.place(), message)]))
        }
        None => read_network_config(node),
    }
}

/// Every wired card of the machine, those that come later too, asks for its addresses. IPv6 comes with what routers
/// announce.
pub fn every_card_by_dhcp() -> Network {
    let (name, pattern) = EVERY_CARD;
    let matching = InterfaceMatch { name: Some(pattern.to_owned()), ..InterfaceMatch::default() };
    let mut interface = Interface::new(name, Kind::Physical(matching));
    interface.dhcp4 = true;
    Network { interfaces: vec![interface], ..Network::default() }
}

/// Takes a network that cannot be out of what a source says, so that a weaker source's counts, and tells its author
/// why. A native document was judged when it was read.
pub fn judge(reading: &mut cloud_config::Reading) {
    let document = reading.state.network.as_ref().filter(|document| document.format != NetworkFormat::Native);
    let Some(result) = document.map(NetworkDocument::read) else { return };
    let mut findings = Findings::default();
    if !tell(result, &mut findings) {
        reading.state.network = None;
    }
    reading.findings.extend(findings.0);
}

/// Adds what is wrong to `findings`; tells whether the network can be.
pub(crate) fn tell(result: Result<Reading, Problems>, findings: &mut Findings) -> bool {
    let (problems, can_be): (Report, bool) = match result {
        Ok(reading) => (reading.warnings, true),
        Err(Problems(problems)) => (problems, false),
    };
    for problem in problems {
        let line = usize::try_from(problem.place.line).ok().filter(|line| *line > 0);
        let message = format!("the network: {}", problem.to_line());
        match problem.severity {
            Severity::Error => findings.invalid(line, message),
            Severity::Warning => findings.ignored(line, message),
        }
    }
    can_be
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(format: NetworkFormat, text: &str) -> NetworkDocument {
        NetworkDocument { format, text: text.into() }
    }

    #[test]
    fn each_format_has_its_reader() {
        for (format, text) in [
            (NetworkFormat::Native, r#""dhcp""#),
            (NetworkFormat::Native, r#"{"version": 2, "ethernets": {"eth0": {"dhcp4": true}}}"#),
            (
                NetworkFormat::NetworkConfig,
                "version: 1\nconfig: [{type: physical, name: a, subnets: [{type: dhcp}]}]",
            ),
            (
                NetworkFormat::NetworkData,
                r#"{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "02:00:00:00:00:01"}],
                    "networks": [{"id": "n", "link": "a", "type": "ipv4_dhcp"}]}"#,
            ),
            (NetworkFormat::Context, "ETH0_MAC='02:00:00:00:00:01'\nETH0_METHOD='dhcp'\n"),
        ] {
            let network = document(format, text).read().expect(text).network;
            assert!(network.interfaces.len() == 1 && network.interfaces[0].dhcp4, "{text}");
        }
        for text in [r#""static""#, "[]", "{}", "1"] {
            document(NetworkFormat::Native, text).read().expect_err(text);
        }
    }

    #[test]
    fn a_network_that_cannot_be_does_not_count_and_is_told() {
        let text = "version: 2\nethernets:\n  eth0:\n    addresses: [10.0.0.256/24]\n";
        let mut reading = cloud_config::Reading::default();
        reading.state.network = Some(document(NetworkFormat::NetworkConfig, text));
        judge(&mut reading);
        assert_eq!(reading.state.network, None);
        assert!(
            reading.findings[0].to_string().starts_with("line 4: the network: "),
            "{:?}",
            reading.findings
        );
        let text = "version: 2\nethernets: {eth0: {dhcp4: true, wakeonlan: true}}\n";
        reading = cloud_config::Reading::default();
        reading.state.network = Some(document(NetworkFormat::NetworkConfig, text));
        judge(&mut reading);
        assert!(reading.state.network.is_some() && reading.findings.len() == 1);
    }
}
