//! What is set and what is, for people and for programs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use contract::network::Network;
use host::beneath::Root;
use serde::Serialize;

use super::live::{Live, ThisMachine};
use super::machine::Machine;
use super::trial::Trial;
use super::{record, routes};

/// Everything that `net show` tells.
#[derive(Debug, Serialize)]
struct Shown {
    interfaces: Vec<ShownInterface>,
    /// What firstboot has set; null before the first time.
    configured: Option<Network>,
    /// A change that waits for its confirmation.
    unconfirmed: Option<Waiting>,
}

#[derive(Debug, Serialize)]
struct ShownInterface {
    name: String,
    mac: Option<String>,
    carrier: Option<bool>,
    mtu: Option<u32>,
    addresses: Vec<String>,
    gateways: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Waiting {
    seconds: Option<u64>,
    /// Seconds since 1970.
    until: Option<u64>,
    interfaces: Vec<String>,
}

/// Prints it; below another root than `/` there are files only.
pub fn run(folder: &Path, json: bool) -> Result<()> {
    let root = Root::open(folder).with_context(|| format!("opening '{}'", folder.display()))?;
    let shown = gather(&root, folder)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&shown).context("writing JSON")?);
    } else {
        print!("{}", text(&shown));
    }
    Ok(())
}

fn gather(root: &Root, folder: &Path) -> Result<Shown> {
    let live = folder == Path::new("/");
    let addresses = if live { ThisMachine.addresses()? } else { Vec::new() };
    let read = |path: &str| fs::read_to_string(folder.join(path)).unwrap_or_default();
    let gateways = if live {
        routes::gateways(&read("proc/net/route"), &read("proc/net/ipv6_route"))
    } else {
        Vec::new()
    };
    let of = |all: &[(String, String)], name: &str| {
        all.iter().filter(|(interface, _)| interface == name).map(|(_, value)| value.clone()).collect()
    };
    let interfaces = Machine::load(folder).interfaces.into_iter().map(|found| ShownInterface {
        addresses: of(&addresses, &found.name),
        gateways: of(&gateways, &found.name),
        mac: found.mac.map(|mac| mac.to_string()),
        carrier: found.carrier,
        mtu: found.mtu,
        name: found.name,
    });
    let unconfirmed = Trial::load(root)?.map(|trial| Waiting {
        seconds: trial.seconds,
        until: trial.until,
        interfaces: trial.interfaces,
    });
    Ok(Shown { interfaces: interfaces.collect(), configured: record::load(root)?, unconfirmed })
}

fn text(shown: &Shown) -> String {
    let mut text = String::new();
    for one in &shown.interfaces {
        let carrier = match one.carrier {
            Some(true) => "connected",
            Some(false) => "no carrier",
            None => "down",
        };
        let mac = one.mac.as_deref().unwrap_or("no address");
        let mtu = one.mtu.map_or(String::new(), |mtu| format!(", MTU {mtu}"));
        text.push_str(&format!("{}: {mac}, {carrier}{mtu}\n", one.name));
        one.addresses.iter().for_each(|address| text.push_str(&format!("  address {address}\n")));
        one.gateways.iter().for_each(|gateway| text.push_str(&format!("  gateway {gateway}\n")));
    }
    match &shown.configured {
        None => text.push_str("firstboot has not set this network\n"),
        Some(network) => {
            let names: Vec<_> = network.interfaces.iter().map(|interface| interface.name.as_str()).collect();
            text.push_str(&format!("set by firstboot: {}\n", names.join(", ")));
        }
    }
    if shown.unconfirmed.is_some() {
        text.push_str(
            "a change waits: `firstboot net confirm` keeps it, `firstboot net restore` undoes it\n",
        );
    }
    text
}
