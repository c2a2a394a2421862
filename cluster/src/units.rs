//! The units of systemd that a node of a cluster has. They are written when it becomes one.

use anyhow::Result;
use contract::test_bundle::PROGRAM_PATH;

use crate::paths::{ENGINE_CONFIGURATION, ENGINE_DATA, FENCE_OPEN, UNITS};
use crate::place::Place;

/// Decides at each boot whether this machine is the one that joined.
pub const FENCE: &str = "firstboot-fence.service";
/// etcd.
pub const ENGINE: &str = "firstboot-etcd.service";
/// `cored`.
pub const CORED: &str = "firstboot-cored.service";
/// Keeps a node alive in the cluster.
pub const AGENT: &str = "firstboot-node.service";

/// Writes the units of a node.
///
/// # Errors
///
/// When the disk refuses.
pub fn write(place: &Place, is_core: bool) -> Result<()> {
    let call = call(place);
    let open = place.outside(FENCE_OPEN).display().to_string();
    let gate = format!("Requires={FENCE}\nConditionPathExists={open}\n");
    let restart = "Restart=always\nRestartSec=2\n";
    let mut units = vec![
        (
            FENCE,
            format!(
                "[Unit]\nDescription=Keep what belongs to a cluster from starting on another machine\n\
                After=firstboot-early.service\nRequiresMountsFor=/var/lib/firstboot\n\n\
                [Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart={call} node fence\n\n\
                [Install]\nWantedBy=multi-user.target\n"
            ),
        ),
        (
            AGENT,
            format!(
                "[Unit]\nDescription=Node of a firstboot cluster\nAfter=network.target {FENCE} {CORED}\n{gate}\n\
                [Service]\nExecStart={call} node agent\n{restart}\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ),
    ];
    if is_core {
        let configuration = place.outside(ENGINE_CONFIGURATION).display().to_string();
        units.push((
            ENGINE,
            format!(
                "[Unit]\nDescription=Store of a firstboot cluster\nAfter=network.target {FENCE}\n{gate}\n\
                [Service]\nType=notify\nUser=etcd\nExecStart=/usr/bin/etcd --config-file={configuration}\n\
                {restart}LimitNOFILE=65536\nReadWritePaths={ENGINE_DATA}\n\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ));
        units.push((
            CORED,
            format!(
                "[Unit]\nDescription=Core of a firstboot cluster\nAfter=network.target {FENCE} {ENGINE}\nWants={ENGINE}\n{gate}\n\
                [Service]\nExecStart={call} cored\n{restart}\n[Install]\nWantedBy=multi-user.target\n"
            ),
        ));
    }
    for (name, text) in units {
        place.write(&format!("{UNITS}/{name}"), &text, 0o644)?;
    }
    Ok(())
}

/// Lets a role's unit start behind the fence only, as it is enabled and would start by itself on a copy of this disk. Tells
/// whether systemd has to read it.
///
/// # Errors
///
/// When the disk refuses.
pub fn gate(place: &Place, unit: &str) -> Result<bool> {
    let open = place.outside(FENCE_OPEN).display().to_string();
    let text = format!("# Written by firstboot.\n[Unit]\nAfter={FENCE}\nConditionPathExists={open}\n");
    let path = gate_path(unit);
    if place.read(&path)?.as_deref() == Some(text.as_str()) {
        return Ok(false);
    }
    place.write(&path, &text, 0o644)?;
    Ok(true)
}

/// Takes away what [`gate`] wrote: the unit is the administrator's again.
///
/// # Errors
///
/// When the disk refuses.
pub fn ungate(place: &Place, unit: &str) -> Result<()> {
    place.remove(&gate_path(unit))
}

fn gate_path(unit: &str) -> String {
    format!("{UNITS}/{unit}.d/50-firstboot-fence.conf")
}

/// How units call this program: in a machine by its path there, in one made of files as it runs now.
fn call(place: &Place) -> String {
    if place.is_live() {
        return PROGRAM_PATH.into();
    }
    let program = std::env::current_exe().unwrap_or_else(|_| PROGRAM_PATH.into());
    format!("/usr/bin/env FIRSTBOOT_ROOT={} {}", place.folder.display(), program.display())
}
