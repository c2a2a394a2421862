//! KVM or TCG: tried once, with a deadline, on a machine so small that it takes a moment.
//!
//! That `/dev/kvm` opens says little: inside other virtual machines it may open and then run no ordinary guest. So
//! a boot sector is run that only writes to QEMU's exit port. What came of it holds until the host boots again or
//! QEMU changes, and is remembered in the cache folder.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{MachineError, memory_file};

/// A working KVM takes some 300 ms for the trial.
const TRIAL_DEADLINE: Duration = Duration::from_secs(3);

/// Name of the file in the cache folder.
const VERDICT_FILE: &str = "accelerator";

/// `isa-debug-exit` ends QEMU with twice the value written, plus one.
const TRIAL_EXIT_CODE: i32 = 0x10 * 2 + 1;

/// `mov dx,0xf4; mov al,0x10; out dx,al; hlt; jmp back to hlt`
const TRIAL_CODE: [u8; 9] = [0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd];

/// How a caller wants the processor to be provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcceleratorChoice {
    /// KVM where it works, TCG elsewhere.
    #[default]
    Auto,
    /// KVM or an error.
    Kvm,
    /// QEMU's own translator.
    Tcg,
}

/// How the processor is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The host's processor.
    Kvm,
    /// QEMU's own translator.
    Tcg,
}

impl Accelerator {
    /// Returns QEMU's arguments.
    pub fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

/// What was decided and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What to use.
    pub accelerator: Accelerator,
    /// Why KVM is not used, when it is not by the caller's own choice.
    pub reason: Option<String>,
}

/// Verdicts of this process, for callers without a cache folder.
static REMEMBERED: Mutex<Option<(String, Verdict)>> = Mutex::new(None);

/// Decides which accelerator to use.
///
/// # Errors
///
/// When KVM is demanded and cannot be used.
pub fn decide(choice: AcceleratorChoice, qemu: &Path, cache: Option<&Path>) -> Result<Verdict, MachineError> {
    match choice {
        AcceleratorChoice::Tcg => Ok(Verdict { accelerator: Accelerator::Tcg, reason: None }),
        AcceleratorChoice::Kvm => match open_kvm() {
            Ok(()) => Ok(Verdict { accelerator: Accelerator::Kvm, reason: None }),
            Err(reason) => Err(MachineError::NoKvm { reason }),
        },
        AcceleratorChoice::Auto => {
            if let Err(reason) = open_kvm().and_then(|()| nested_paging(Path::new("/sys/module"))) {
                return Ok(Verdict { accelerator: Accelerator::Tcg, reason: Some(reason) });
            }
            let key = key(qemu);
            if let Some(verdict) = recall(&key, cache) {
                return Ok(verdict);
            }
            let verdict = try_kvm(qemu)?;
            remember(&key, &verdict, cache);
            Ok(verdict)
        }
    }
}

/// Notes that KVM failed with a real guest, so that the next one does not try it.
pub fn remember_failure(reason: &str, qemu: &Path, cache: Option<&Path>) {
    let verdict = Verdict { accelerator: Accelerator::Tcg, reason: Some(reason.to_owned()) };
    remember(&key(qemu), &verdict, cache);
}

fn open_kvm() -> Result<(), String> {
    match File::options().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("/dev/kvm does not open: {error}")),
    }
}

/// Fails where the host's KVM has no hardware page tables for guests (Intel's EPT, AMD's NPT).
///
/// KVM then shadows the guest's page tables and emulates each instruction that writes to one; it knows only some of
/// them, so that a guest may fail at any moment (Linux: `x86_emulate_instruction`). Where modules are not shown, as in
/// some containers, nothing is known and KVM is tried.
fn nested_paging(modules: &Path) -> Result<(), String> {
    if !modules.join("kvm").exists() {
        return Ok(());
    }
    let hardware = [("kvm_intel", "ept"), ("kvm_amd", "npt")];
    let values = hardware.iter().filter_map(|(module, parameter)| {
        fs::read_to_string(modules.join(module).join("parameters").join(parameter)).ok()
    });
    if values.into_iter().any(|value| matches!(value.trim(), "Y" | "1")) {
        return Ok(());
    }
    Err("this machine's KVM has no hardware page tables for guests (ept, npt), and gives many guests up"
        .to_owned())
}

/// Runs the trial machine.
fn try_kvm(qemu: &Path) -> Result<Verdict, MachineError> {
    let ended = run_trial(qemu, Accelerator::Kvm)?;
    let reason = match ended {
        Some(TRIAL_EXIT_CODE) => return Ok(Verdict { accelerator: Accelerator::Kvm, reason: None }),
        Some(code) => format!("a trial guest ended with code {code}"),
        None => format!("a trial guest made no progress within {} s", TRIAL_DEADLINE.as_secs()),
    };
    Ok(Verdict { accelerator: Accelerator::Tcg, reason: Some(reason) })
}

/// Returns the exit code of the trial machine, or none when the deadline passed.
fn run_trial(qemu: &Path, accelerator: Accelerator) -> Result<Option<i32>, MachineError> {
    let mut sector = TRIAL_CODE.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    let disk = memory_file::create("trial", &sector)?;
    let mut command = Command::new(qemu);
    command
        .args([
            "-nodefaults",
            "-no-user-config",
            "-machine",
            "pc",
            "-m",
            "32",
            "-display",
            "none",
            "-nic",
            "none",
        ])
        .args(accelerator.arguments())
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive"])
        .arg(format!("file={},format=raw,if=ide,readonly=off", memory_file::path_in_child(&disk)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    host::child::inherit(&mut command, vec![disk.into()]);
    let mut child =
        host::child::die_with_parent(&mut command).spawn().map_err(MachineError::host("starting QEMU"))?;
    let waiting = MachineError::host("waiting for QEMU");
    let deadline = Instant::now() + TRIAL_DEADLINE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().map_err(&waiting)? {
            return Ok(Some(status.code().unwrap_or(-1)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().map_err(&waiting)?;
    child.wait().map_err(&waiting)?;
    Ok(None)
}

/// Names this boot of the host and this QEMU.
fn key(qemu: &Path) -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let version =
        fs::metadata(qemu).map(|file| format!("{} {}", file.mtime(), file.size())).unwrap_or_default();
    format!("{} {} {version}", boot.trim(), qemu.display())
}

fn recall(key: &str, cache: Option<&Path>) -> Option<Verdict> {
    let remembered = REMEMBERED.lock().ok()?.clone();
    if let Some((_, verdict)) = remembered.filter(|(of, _)| of == key) {
        return Some(verdict);
    }
    parse(&fs::read_to_string(verdict_file(cache?)).ok()?, key)
}

/// Best effort: a verdict that is not remembered costs seconds only.
fn remember(key: &str, verdict: &Verdict, cache: Option<&Path>) {
    if let Ok(mut remembered) = REMEMBERED.lock() {
        *remembered = Some((key.to_owned(), verdict.clone()));
    }
    let Some(cache) = cache else { return };
    let temporary = cache.join(format!("{VERDICT_FILE}.{}", std::process::id()));
    let written = fs::create_dir_all(cache)
        .and_then(|()| fs::write(&temporary, render(key, verdict)))
        .and_then(|()| fs::rename(&temporary, verdict_file(cache)));
    if let Err(error) = written {
        tracing::debug!("the verdict on KVM is not remembered in '{}': {error}", cache.display());
    }
}

fn verdict_file(cache: &Path) -> PathBuf {
    cache.join(VERDICT_FILE)
}

fn render(key: &str, verdict: &Verdict) -> String {
    let word = match verdict.accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => "tcg",
    };
    format!("{key}\n{word}\n{}\n", verdict.reason.as_deref().unwrap_or_default())
}

fn parse(text: &str, key: &str) -> Option<Verdict> {
    let mut lines = text.lines();
    if lines.next() != Some(key) {
        return None;
    }
    let accelerator = match lines.next()? {
        "kvm" => Accelerator::Kvm,
        "tcg" => Accelerator::Tcg,
        _ => return None,
    };
    let reason = lines.next().filter(|reason| !reason.is_empty()).map(str::to_owned);
    Some(Verdict { accelerator, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_holds_for_one_boot_and_one_qemu() {
        let verdict = Verdict { accelerator: Accelerator::Tcg, reason: Some("no progress".into()) };
        let text = render("boot-1 qemu 1", &verdict);
        assert_eq!(parse(&text, "boot-1 qemu 1"), Some(verdict));
        assert_eq!(parse(&text, "boot-2 qemu 1"), None);
        let good = Verdict { accelerator: Accelerator::Kvm, reason: None };
        assert_eq!(parse(&render("k", &good), "k"), Some(good));
        for broken in ["", "k", "k\nxen\n\n"] {
            assert_eq!(parse(broken, "k"), None);
        }
    }

    #[test]
    fn kvm_needs_hardware_page_tables_where_that_can_be_seen() {
        let modules = std::env::temp_dir().join(format!("bootwright-modules-{}", std::process::id()));
        assert_eq!(nested_paging(&modules), Ok(()), "nothing is known");
        fs::create_dir_all(modules.join("kvm")).expect("a folder");
        assert!(nested_paging(&modules).is_err(), "a KVM that is no hardware's");
        let parameters = modules.join("kvm_intel/parameters");
        fs::create_dir_all(&parameters).expect("a folder");
        for (value, good) in [("Y\n", true), ("1\n", true), ("N\n", false)] {
            fs::write(parameters.join("ept"), value).expect("a parameter");
            assert_eq!(nested_paging(&modules).is_ok(), good, "{value}");
        }
        fs::remove_dir_all(&modules).expect("cleaning up");
    }

    #[test]
    fn the_trial_guest_runs_where_the_processor_works() {
        let qemu = super::super::find::qemu().expect("QEMU is needed by this test");
        // A first start, from a disk that others read as well, may take longer than a trial is given.
        let ended = (0..5).find_map(|_| run_trial(&qemu, Accelerator::Tcg).expect("QEMU starts"));
        assert_eq!(ended, Some(TRIAL_EXIT_CODE));
    }
}
