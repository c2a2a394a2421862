//! The running machine: making it take files, and what addresses it has.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result};

use super::command::run;
use super::manager::Manager;

/// What a change does to the running machine; a test has one that only remembers.
pub trait Live {
    /// Names of the interfaces that are there.
    fn interfaces(&self) -> Result<BTreeSet<String>>;
    /// Addresses with the names of their interfaces, link-local IPv6 ones left out.
    fn addresses(&self) -> Result<Vec<(String, String)>>;
    /// Does what the files that are still there are needed for.
    fn before_files(&self, manager: Manager, interfaces: &[String]) -> Result<()>;
    /// Makes the manager take the files.
    fn take(&self, manager: Manager, interfaces: &[String]) -> Result<()>;
    /// Removes interfaces that were made and are no more described.
    fn remove(&self, manager: Manager, interfaces: &[String]);
}

/// Those of `all` that are on one of `interfaces`, sorted.
pub fn addresses_of(all: &[(String, String)], interfaces: &[String]) -> Vec<(String, String)> {
    let mut found: Vec<_> = all.iter().filter(|(name, _)| interfaces.contains(name)).cloned().collect();
    found.sort();
    found.dedup();
    found
}

/// This machine.
#[derive(Debug)]
pub struct ThisMachine;

impl Live for ThisMachine {
    fn interfaces(&self) -> Result<BTreeSet<String>> {
        let listed = std::fs::read_dir("/sys/class/net").context("listing '/sys/class/net'")?;
        Ok(listed.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn addresses(&self) -> Result<Vec<(String, String)>> {
        let all = host::addresses::load().context("reading this machine's addresses")?;
        let shown = all.into_iter().filter(|one| !is_link_local(one.address));
        Ok(shown.map(|one| (one.interface, format!("{}/{}", one.address, one.prefix))).collect())
    }

    fn before_files(&self, manager: Manager, interfaces: &[String]) -> Result<()> {
        if manager == Manager::Ifupdown {
            // ifdown reads the files that brought the interface up; one that they do not speak of is not its own.
            for name in interfaces.iter().filter(|name| run("ifquery", &[name]).is_ok()) {
                run("ifdown", &["--force", name])?;
            }
        }
        Ok(())
    }

    fn take(&self, manager: Manager, interfaces: &[String]) -> Result<()> {
        match manager {
            Manager::Networkd => {
                run("networkctl", &["reload"])?;
                let there = self.interfaces()?;
                for name in interfaces.iter().filter(|name| there.contains(*name)) {
                    run("networkctl", &["reconfigure", name])?;
                }
            }
            Manager::Ifupdown => {
                for name in interfaces {
                    run("ifup", &["--force", name])?;
                }
            }
        }
        Ok(())
    }

    fn remove(&self, manager: Manager, interfaces: &[String]) {
        for name in interfaces {
            // One may have gone with the one below it.
            if !self.interfaces().is_ok_and(|there| there.contains(name)) {
                continue;
            }
            let result = match manager {
                Manager::Networkd => run("networkctl", &["delete", name]),
                Manager::Ifupdown => run("ip", &["link", "delete", "dev", name]),
            };
            if let Err(error) = result {
                eprintln!("firstboot: {error:#}");
            }
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}
