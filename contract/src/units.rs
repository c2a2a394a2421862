//! The systemd units that run `firstboot` in a clone.
//!
//! The early unit comes before the network and before everything that begins with the system's basic set-up, so that
//! services find the machine's name, users and files. The final unit comes after the network where something brings it
//! up, and is waited for by nothing but `multi-user.target` itself. Neither pulls the network in.

/// A unit of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: &'static str,
    /// Where its file is.
    pub path: &'static str,
    /// Where the link is that enables it, for preset and image alike.
    pub link: &'static str,
    /// The file.
    pub text: &'static str,
}

/// What needs no network.
pub const EARLY: Unit = Unit {
    name: "firstboot-early.service",
    path: "/usr/lib/systemd/system/firstboot-early.service",
    link: "/etc/systemd/system/sysinit.target.wants/firstboot-early.service",
    text: "[Unit]
Description=Configure this clone as its sources say, before the network
DefaultDependencies=no
After=local-fs.target systemd-remount-fs.service systemd-udev-trigger.service firstboot-network-restore.service
Before=sysinit.target network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
RequiresMountsFor=/etc /home /root /usr /var/lib/firstboot

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/firstboot run --stage early
TimeoutStartSec=10min
StandardOutput=journal+console

[Install]
WantedBy=sysinit.target
",
};

/// The rest.
pub const FINAL: Unit = Unit {
    name: "firstboot.service",
    path: "/usr/lib/systemd/system/firstboot.service",
    link: "/etc/systemd/system/multi-user.target.wants/firstboot.service",
    text: "[Unit]
Description=Configure this clone as its sources say
After=firstboot-early.service network.target network-online.target ssh-host-keys.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/firstboot run --stage final
# What a command of a document starts stays when the command has ended.
KillMode=process
TimeoutStartSec=infinity
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
",
};

/// Both, in the order in which they run.
pub const ALL: [Unit; 2] = [EARLY, FINAL];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_bundle::PROGRAM_PATH;

    #[test]
    fn units_name_themselves_and_the_program() {
        for unit in ALL {
            assert!(unit.path.ends_with(unit.name) && unit.link.ends_with(unit.name));
            assert!(unit.text.contains(&format!("ExecStart={PROGRAM_PATH} run --stage ")));
            let wanted_by = unit
                .text
                .lines()
                .find_map(|line| line.strip_prefix("WantedBy="))
                .expect("an install section");
            assert!(unit.link.contains(&format!("/{wanted_by}.wants/")));
            assert!(
                !unit.text.contains("Wants=network-online.target"),
                "nothing waits for a network that nobody asked for"
            );
        }
    }
}
