//! The unit that restores the network at the next boot if a change was neither finished nor confirmed.
//!
//! It is written with the change and removed with it, so a machine without a change has nothing of it.

use anyhow::{Context, Result};
use host::beneath::Root;

use super::record::{create_folders, owner};
use super::trial;

const NAME: &str = "firstboot-network-restore.service";
const PATH: &str = "/etc/systemd/system/firstboot-network-restore.service";
const WANTS: &str = "/etc/systemd/system/sysinit.target.wants";

/// Returns the unit for a program at `program`.
fn render(program: &str) -> String {
    format!(
        "# Written by firstboot while a change of the network is under way.
[Unit]
Description=Restore the network that was before an unconfirmed change
DefaultDependencies=no
ConditionPathExists={marker}
RequiresMountsFor={marker} {program}
After=local-fs.target systemd-remount-fs.service
Before=network-pre.target systemd-networkd.service networking.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart={program} net restore --at-boot
TimeoutStartSec=60
",
        marker = trial::PATH,
    )
}

/// Puts the unit in place, wanted by every boot.
pub fn install(root: &Root) -> Result<()> {
    let program = std::env::current_exe().context("looking for this program's own path")?;
    let program = program.to_str().context("this program's own path is not UTF-8")?;
    create_folders(root, WANTS)?;
    let (uid, gid) = owner();
    root.write_durable(PATH, render(program).as_bytes(), 0o644, Some((uid, gid)))
        .with_context(|| format!("writing '{PATH}'"))?;
    let link = format!("{WANTS}/{NAME}");
    root.replace_with_symlink(&link, PATH, uid, gid).with_context(|| format!("linking '{link}'"))?;
    root.sync_folder_of(&link).with_context(|| format!("syncing '{WANTS}'"))
}

/// Tells whether a change was begun and not brought to its end.
pub fn is_there(root: &Root) -> Result<bool> {
    root.exists(PATH).with_context(|| format!("looking at '{PATH}'"))
}

/// Takes the unit away.
pub fn remove(root: &Root) -> Result<()> {
    for path in [format!("{WANTS}/{NAME}"), PATH.to_owned()] {
        root.remove_durable(&path).with_context(|| format!("removing '{path}'"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_before_every_manager_and_only_when_there_is_a_change() {
        let text = render("/usr/bin/firstboot");
        for wanted in [
            "Before=network-pre.target systemd-networkd.service",
            "networking.service",
            "DefaultDependencies=no",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
        assert!(text.contains("ConditionPathExists=/var/lib/firstboot/network/trial.json"));
        assert!(text.contains("ExecStart=/usr/bin/firstboot net restore --at-boot"));
    }
}
