//! The documents that clouds send, and those that somebody sends who means no good.

use super::*;

mod hostile;
mod network_data;
mod opennebula;
mod v1;
mod v2;

/// The network of a document without anything wrong.
fn clean(text: &str) -> Network {
    let reading = parse_network_config(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    assert_eq!(reading.warnings, Vec::new(), "{text}");
    reading.network
}

/// All messages about a document, errors or warnings.
fn messages(text: &str) -> String {
    match parse_network_config(text) {
        Ok(reading) => Problems(reading.warnings).to_string(),
        Err(problems) => problems.to_string(),
    }
}

fn cidrs(interface: &Interface) -> Vec<String> {
    interface.addresses.iter().map(ToString::to_string).collect()
}

/// `DESTINATION GATEWAY`, and `onlink`, `metric N` where they are said.
fn routes(interface: &Interface) -> Vec<String> {
    let shown = |route: &Route| {
        let gateway = route.gateway.map_or(String::new(), |gateway| format!(" {gateway}"));
        let on_link = if route.on_link { " onlink" } else { "" };
        let metric = route.metric.map_or(String::new(), |metric| format!(" metric {metric}"));
        format!("{}{gateway}{on_link}{metric}", route.destination)
    };
    interface.routes.iter().map(shown).collect()
}

fn mac_of(interface: &Interface) -> String {
    match &interface.kind {
        Kind::Physical(InterfaceMatch { mac: Some(mac), .. }) => mac.to_string(),
        other => panic!("{other:?} has no MAC"),
    }
}

#[test]
fn the_model_survives_its_own_record() {
    let network = clean(v2::EVERYTHING);
    let text = serde_json::to_string(&network).expect("plain data");
    assert_eq!(serde_json::from_str::<Network>(&text).expect("our own text"), network);
}
