//! Small machines made of files: what is written on them, and what is there again after every way back.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Result, bail};
use contract::network::{Network, parse_network_config};
use host::beneath::Root;

use super::live::Live;
use super::machine::Machine;
use super::manager::Manager;
use super::rendered::Rendered;

mod arguments;
mod change;
mod hostile;
mod ifupdown;
mod machine;
mod networkd;
mod witness;

/// A root folder; removed when dropped.
struct SmallMachine(PathBuf);

impl SmallMachine {
    /// One with a physical interface per `(name, MAC, has it a permanent address)`.
    fn new(interfaces: &[(&str, &str, bool)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("firstboot-net-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let machine = Self(std::env::temp_dir().join(name));
        for (name, mac, permanent) in interfaces {
            let folder = format!("sys/class/net/{name}");
            machine.write(&format!("{folder}/type"), "1\n");
            machine.write(&format!("{folder}/address"), &format!("{mac}\n"));
            machine.write(&format!("{folder}/addr_assign_type"), if *permanent { "0\n" } else { "3\n" });
            machine.write(&format!("{folder}/uevent"), &format!("INTERFACE={name}\n"));
            machine.write(&format!("{folder}/carrier"), "1\n");
        }
        machine.write("etc/hostname", "small\n");
        machine
    }

    /// One where systemd-networkd is enabled.
    fn with_networkd(interfaces: &[(&str, &str, bool)]) -> Self {
        let machine = Self::new(interfaces);
        machine.enable("systemd-networkd.service");
        machine
    }

    fn enable(&self, unit: &str) {
        let folder = self.0.join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&folder).expect("a folder");
        std::os::unix::fs::symlink(format!("/lib/systemd/system/{unit}"), folder.join(unit)).expect("a link");
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn root(&self) -> Root {
        Root::open(&self.0).expect("a root")
    }

    fn load(&self) -> Machine {
        Machine::load(&self.0)
    }

    /// Every file and link below `etc` and the record, with its content.
    fn content(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for folder in ["etc", "var"] {
            gather(&self.0.join(folder), &mut found);
        }
        found.retain(|path, _| !path.ends_with("network/lock"));
        found
    }
}

impl Drop for SmallMachine {
    fn drop(&mut self) {
        // A test that failed has more to say than what is left of it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn gather(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            gather(&path, found);
        } else if kind.is_symlink() {
            found.insert(path.clone(), format!("-> {}", fs::read_link(&path).expect("a link").display()));
        } else {
            found.insert(path.clone(), fs::read_to_string(&path).expect("text"));
        }
    }
}

/// A running machine that remembers what it was told, and can refuse.
#[derive(Default)]
struct Remembering {
    told: RefCell<Vec<String>>,
    refuses: BTreeSet<&'static str>,
    addresses: Vec<(String, String)>,
}

impl Remembering {
    fn tell(&self, what: &str, more: String) -> Result<()> {
        self.told.borrow_mut().push(format!("{what} {more}"));
        if self.refuses.contains(what)
            && self.told.borrow().iter().filter(|told| told.starts_with(what)).count() == 1
        {
            bail!("{what} is refused");
        }
        Ok(())
    }
}

impl Live for Remembering {
    fn interfaces(&self) -> Result<BTreeSet<String>> {
        Ok(BTreeSet::from(["eth0".to_owned()]))
    }

    fn addresses(&self) -> Result<Vec<(String, String)>> {
        let mut addresses = self.addresses.clone();
        // What the descriptions of these tests ask for is there at once.
        addresses.push(("eth0".to_owned(), "192.0.2.10/24".to_owned()));
        Ok(addresses)
    }

    fn before_files(&self, _: Manager, interfaces: &[String]) -> Result<()> {
        self.tell("before", interfaces.join(","))
    }

    fn take(&self, _: Manager, interfaces: &[String]) -> Result<()> {
        self.tell("take", interfaces.join(","))
    }

    fn remove(&self, _: Manager, interfaces: &[String]) {
        self.told.borrow_mut().push(format!("remove {}", interfaces.join(",")));
    }
}

fn network(text: &str) -> Network {
    parse_network_config(text).unwrap_or_else(|problems| panic!("{problems}\n{text}")).network
}

/// All files as one text, each under its name.
fn joined(files: &[Rendered]) -> String {
    let shown =
        |file: &Rendered| format!("== {}\n{}", file.path.rsplit('/').next().unwrap_or(""), file.content);
    files.iter().map(shown).collect::<String>().replace(super::rendered::BANNER, "")
}

/// Every kind of interface.
const EVERYTHING: &str = r#"
version: 2
ethernets:
  a: { match: { macaddress: "52:54:00:12:34:56" } }
  b: { match: { macaddress: "52:54:00:12:34:58" } }
  wan:
    match: { macaddress: "52:54:00:12:34:60" }
    set-name: wan0
    addresses: [192.0.2.10/24, "2001:db8::10/64"]
    accept-ra: false
    mtu: 1400
    routes:
      - { to: default, via: 192.0.2.1, metric: 50 }
      - { to: "::/0", via: "fe80::1" }
      - { to: 203.0.113.0/24, via: 10.99.0.1, on-link: true, table: 100 }
      - { to: 203.0.112.0/24, from: 192.0.2.10 }
    nameservers: { addresses: [192.0.2.53], search: [example.com] }
  dyn: { match: { name: "enp*", driver: e1000 }, dhcp4: true, dhcp6: true, dhcp-identifier: mac, optional: true, dhcp4-overrides: { route-metric: 200, use-dns: false, use-routes: true } }
bonds:
  bond0: { interfaces: [a, b], macaddress: "52:54:00:12:34:99", parameters: { mode: active-backup, mii-monitor-interval: 100, min-links: 1, up-delay: 200, down-delay: 200, primary: a } }
vlans:
  bond0.100: { id: 100, link: bond0, addresses: [10.100.0.2/24] }
  bond0.200: { id: 200, link: bond0 }
bridges:
  br0: { interfaces: [bond0.200], parameters: { stp: false, forward-delay: 4, priority: 100 }, addresses: [10.200.0.2/24] }
"#;
