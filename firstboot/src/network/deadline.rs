//! Keeps the deadline of a change while this boot lasts; the early unit keeps it across a reboot.
//!
//! Where systemd runs, a transient timer of it waits: it outlives this program and the session that started it, and
//! a restore that fails is tried again. Elsewhere a process of our own waits, in a session of its own.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use host::beneath::Root;

use super::command::run;

const TIMER: &str = "firstboot-network-deadline";

/// Has `net restore` run in `seconds`, if the change `id` is still unconfirmed then.
pub fn start(root: &Root, id: &str, seconds: u64) -> Result<()> {
    let program = std::env::current_exe().context("looking for this program's own path")?;
    let program = program.to_str().context("this program's own path is not UTF-8")?;
    let wait = seconds.to_string();
    if root.exists("/run/systemd/system").context("looking for systemd")? {
        let unit = format!("--unit={TIMER}");
        let when = format!("--on-active={wait}s");
        let arguments = [
            "--quiet",
            &unit,
            &when,
            "--timer-property=AccuracySec=200ms",
            "--collect",
            "--property=Restart=on-failure",
            "--property=RestartSec=5",
            program,
            "net",
            "restore",
            "--of",
            id,
        ];
        run("systemd-run", &arguments).context("starting the keeper of the deadline")?;
        return Ok(());
    }
    let mut command = Command::new(program);
    command.args(["net", "restore", "--of", id, "--after", &wait]).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("starting the keeper of the deadline")?;
    Ok(())
}

/// Ends the timer. One that cannot be ended finds nothing to restore.
pub fn stop() {
    if std::path::Path::new("/run/systemd/system").exists() {
        // No timer, no harm: most changes have none.
        let _ = run("systemctl", &["stop", &format!("{TIMER}.timer")]);
    }
}

/// Waits as a keeper of our own does; what ends the terminal's session does not end it.
pub fn wait(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}
