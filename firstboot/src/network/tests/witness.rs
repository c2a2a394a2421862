//! systemd-networkd itself reads what is written for it, in a network namespace with virtual cables.

use std::process::Command;

use super::super::networkd::render;
use super::*;

const NETWORKD: &str = "/lib/systemd/systemd-networkd";

/// Its own `/sys` (read-only, so that networkd waits for no udev), `/run` and configuration.
const SCRIPT: &str = r#"
set -e
mount --make-rprivate /
for end in 56 58 60; do ip link add v$end address 52:54:00:12:34:$end type veth peer name p$end; ip link set p$end up; done
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
install -d -o systemd-network -g systemd-network /run/systemd/netif /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
mount --bind "$1" /etc/systemd/network
SYSTEMD_LOG_TARGET=console timeout -k 2 120 /lib/systemd/systemd-networkd > "$2" 2>&1 &
networkd=$!
show() { ip addr show dev v60; ip route show dev v60; ip -6 route show dev v60; ip link show dev br0; ip route show table 100; }
# Interfaces and routes come one after another, on a machine with other work seconds apart.
for attempt in $(seq 150); do
    shown=$(show 2>/dev/null || true)
    missing=""
    for wanted in 2001:db8::10/64 192.0.2.10/24 'default via 192.0.2.1 ' 203.0.112.0/24 'default via fe80::1' br0: 203.0.113.0/24; do
        case $shown in *"$wanted"*) ;; *) missing=$wanted ;; esac
    done
    if [ -z "$missing" ]; then break; fi
    sleep 0.2
done
show || true
kill $networkd
wait $networkd || true
"#;

#[test]
fn networkd_takes_every_line() {
    // Only root may mount sysfs and give the interfaces' files to networkd's own user.
    if super::super::record::owner().0 != 0 || !Path::new(NETWORKD).exists() {
        eprintln!("skipped: needs root and {NETWORKD}");
        return;
    }
    let small = SmallMachine::new(&[]);
    let macs = ["56", "58", "60"]
        .iter()
        .map(|end| format!("52:54:00:12:34:{end}").parse().expect("a MAC"))
        .collect();
    for file in render(&network(EVERYTHING), &macs) {
        small.write(file.path.trim_start_matches('/'), &file.content);
    }
    let (files, log) = (small.0.join("etc/systemd/network"), small.0.join("log"));
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-c", SCRIPT, "sh"]).arg(&files).arg(&log);
    let output = command.output().expect("unshare runs");
    let (shown, log) =
        (String::from_utf8_lossy(&output.stdout), fs::read_to_string(&log).unwrap_or_default());
    if !output.status.success() && log.is_empty() {
        eprintln!("skipped: no network namespace here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    for word in ["Unknown", "Failed to parse", "Invalid", "ignoring", "Ignoring", "No [Match]"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
    for wanted in [
        "192.0.2.10/24",
        "2001:db8::10/64",
        "mtu 1400",
        "default via 192.0.2.1 proto static metric 50",
        "203.0.112.0/24 proto static scope link src 192.0.2.10",
        "default via fe80::1",
        "br0:",
        "203.0.113.0/24 via 10.99.0.1",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}\n{log}");
    }
}
