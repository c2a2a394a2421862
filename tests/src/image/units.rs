//! What is enabled stays enabled.

use std::fs;
use std::process::Command;

use super::{Image, PROBE_LIMIT, text};
use crate::guest::{DirectKernel, Machine, probe_machine};
use crate::scratch::Scratch;
use crate::witness::witness;

impl Image {
    /// Compares the unit files' states before the first boot with those after it, with the root filesystem mounted both ways.
    ///
    /// # Panics
    ///
    /// When a unit file is lost, gained or enabled otherwise.
    pub fn keeps_units_over_the_first_boot(&self) {
        let parts = self.parts();
        let list = "systemctl --root=/ list-unit-files --no-legend --no-pager | awk '{print $1, $2}' | sort";
        // What generators make in /run at each boot is no state of the image.
        let in_guest =
            format!("unshare --mount sh -ec 'mount -t tmpfs none /run; sh' <<'EOF'\n{list}\nEOF\n");
        // Before: asked of the tree as built, by its own systemctl in an extracted copy.
        let scratch = Scratch::new("units");
        let tree = scratch.path().join("tree");
        fs::create_dir(&tree).expect("a folder");
        for folder in ["etc", "usr"] {
            witness("debugfs", &["-R", &format!("rdump /{folder} {}", text(&tree)), text(&parts.root)]);
        }
        for link in ["lib", "bin", "sbin", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{link}"), tree.join(link)).expect("a link");
        }
        let output =
            Command::new("chroot").arg(&tree).args(["/bin/sh", "-c", list]).output().expect("chroot runs");
        let before = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(before.lines().count() > 100, "{before}{}", String::from_utf8_lossy(&output.stderr));
        let boot = scratch.path();
        for name in ["vmlinuz", "initrd.img"] {
            let listing = witness("debugfs", &["-R", "ls -p /boot", text(&parts.root)]);
            let found = listing
                .split('/')
                .find(|field| field.starts_with(&format!("{name}-")))
                .expect("a kernel and its initramfs");
            witness(
                "debugfs",
                &["-R", &format!("dump /boot/{found} {}", text(&boot.join(name))), text(&parts.root)],
            );
        }
        let root = self.manifest()["disk"]["partitions"][2]["filesystem"]["uuid"]
            .as_str()
            .expect("a UUID")
            .to_owned();
        for rw in ["ro", "rw"] {
            let kernel = DirectKernel {
                kernel: boot.join("vmlinuz"),
                initrd: boot.join("initrd.img"),
                command_line: format!("root=UUID={root} {rw} console=ttyS0"),
            };
            let machine = Machine::new(&self.path).kernel(kernel);
            let (result, running) =
                probe_machine(machine, &in_guest, PROBE_LIMIT).expect("the guest answers");
            running.stop().expect("the machine ends");
            let after = result.output().expect("the probe succeeds").to_owned();
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            let (before, after) = (lines(&before), lines(&after));
            let only = |one: &[String], other: &[String]| {
                one.iter().filter(|line| !other.contains(line)).cloned().collect::<Vec<_>>()
            };
            assert_eq!(
                (only(&before, &after), only(&after, &before)),
                (Vec::new(), Vec::new()),
                "lost and gained ({rw})"
            );
        }
    }
}
