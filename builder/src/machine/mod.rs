//! Runs an image in QEMU: for `boot`, and for tests inside the guest.
//!
//! ```text
//! Machine (what is wanted) ── start ─▶ Running (what may be asked) ── drop ─▶ nothing left
//! ```
//!
//! The image is never changed unless [`Machine::writable`] says so; console, monitor and report are pairs of
//! sockets and extra disks are memory, so no path exists that could stay behind. QEMU dies with us by the kernel's
//! hand. Forwarded ports are bound to loopback.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

mod accelerator;
mod bundle;
mod console;
mod error;
mod find;
mod guest_tests;
mod launch;
mod memory_file;
mod qmp;
mod running;
mod seed_disk;
mod serial;
mod shared_mirror;
mod transcript;
mod watch;

pub use accelerator::{Accelerator, AcceleratorChoice};
pub use console::{BootEnd, BootOptions, boot};
pub use error::MachineError;
pub use guest_tests::{TestOutcome, TestReport, TestResult, run_tests};
pub use launch::DirectKernel;
pub use running::Running;
pub use serial::{SerialLog, Waited};
pub use transcript::Transcript;

use contract::test_bundle::{DISK_SERIAL, TestBundle};
use launch::{Disk, ExtraDisk, Launch, Sockets};
use running::Start;
use shared_mirror::SharedMirror;

/// First bytes of a qcow2 file.
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

/// Firmware of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF without Secure Boot.
    Uefi,
    /// OVMF with Microsoft's keys and Secure Boot on.
    Secure,
}

/// What a machine shall be.
pub struct Machine {
    image: PathBuf,
    firmware: Firmware,
    accelerator: AcceleratorChoice,
    processors: u32,
    memory: u32,
    writable: bool,
    seed: Option<PathBuf>,
    forwards: Vec<u16>,
    kernel: Option<DirectKernel>,
    bundle: Option<TestBundle>,
    cache: Option<PathBuf>,
    mirror: SharedMirror,
    /// Why KVM was given up by an earlier attempt.
    given_up: Option<String>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("image", &self.image)
            .field("firmware", &self.firmware)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Describes a machine with 2 processors and 1 GiB that boots `image`, raw or qcow2, by BIOS.
    pub fn new(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            firmware: Firmware::Bios,
            accelerator: AcceleratorChoice::Auto,
            processors: 2,
            memory: 1024,
            writable: false,
            seed: None,
            forwards: Vec::new(),
            kernel: None,
            bundle: None,
            cache: None,
            mirror: SharedMirror::default(),
            given_up: None,
        }
    }

    /// Boots by this firmware.
    pub fn firmware(self, firmware: Firmware) -> Self {
        Self { firmware, ..self }
    }

    /// Chooses how the processor is provided.
    pub fn accelerator(self, accelerator: AcceleratorChoice) -> Self {
        Self { accelerator, ..self }
    }

    /// Gives the guest this many processors.
    pub fn processors(self, processors: u32) -> Self {
        Self { processors, ..self }
    }

    /// Gives the guest this much memory in MiB.
    pub fn memory(self, memory: u32) -> Self {
        Self { memory, ..self }
    }

    /// Lets what the guest writes reach the image.
    pub fn writable(self, writable: bool) -> Self {
        Self { writable, ..self }
    }

    /// Attaches what is in `folder` as a disk labelled `CIDATA`.
    pub fn seed(self, folder: Option<PathBuf>) -> Self {
        Self { seed: folder, ..self }
    }

    /// Forwards a port of this machine's loopback to `guest`: the same number if it is free, else another.
    pub fn forward(mut self, guest: u16) -> Self {
        if !self.forwards.contains(&guest) {
            self.forwards.push(guest);
        }
        self
    }

    /// Starts this kernel instead of what the image boots.
    pub fn kernel(self, kernel: DirectKernel) -> Self {
        Self { kernel: Some(kernel), ..self }
    }

    /// Remembers in this folder whether KVM works.
    pub fn cache(self, folder: Option<PathBuf>) -> Self {
        Self { cache: folder, ..self }
    }

    /// Copies what comes on the serial console to `mirror`, as it comes.
    pub fn mirror(self, mirror: Box<dyn Write + Send>) -> Self {
        Self { mirror: SharedMirror::new(mirror), ..self }
    }

    /// Attaches a bundle of tests.
    pub(crate) fn bundle(self, bundle: TestBundle) -> Self {
        Self { bundle: Some(bundle), ..self }
    }

    /// Starts the machine. What runs it may fail with [`MachineError::KvmFailed`] at any time later; a caller that
    /// can begin again asks [`Machine::falls_back`].
    ///
    /// # Errors
    ///
    /// When QEMU or its firmware is missing, an input cannot be read, or QEMU does not start.
    pub fn start(&self) -> Result<Running, MachineError> {
        let qemu = find::qemu()?;
        let format = detect_format(&self.image)?;
        let verdict = accelerator::decide(self.accelerator, &qemu, self.cache.as_deref())?;
        let mut running = self.start_once(self.describe(qemu, verdict.accelerator, format)?)?;
        running.set_note(self.given_up.clone().or(verdict.reason));
        Ok(running)
    }

    /// Tells whether beginning again may help after `error`: KVM was chosen by us and gave the guest up. The next
    /// start is without KVM, and so are those of later processes until the host boots again.
    pub fn falls_back(&mut self, error: &MachineError) -> bool {
        if self.accelerator != AcceleratorChoice::Auto || !matches!(error, MachineError::KvmFailed { .. }) {
            return false;
        }
        let reason = "KVM gave a guest up with an internal error";
        if let Ok(qemu) = find::qemu() {
            accelerator::remember_failure(reason, &qemu, self.cache.as_deref());
        }
        self.accelerator = AcceleratorChoice::Tcg;
        self.given_up = Some(reason.to_owned());
        true
    }

    fn describe(
        &self,
        qemu: PathBuf,
        accelerator: Accelerator,
        format: &'static str,
    ) -> Result<Launch, MachineError> {
        Ok(Launch {
            qemu,
            accelerator,
            firmware: self.firmware,
            firmware_files: find::firmware(self.firmware)?,
            processors: self.processors,
            memory: self.memory,
            image: Disk { path: self.image.clone(), format },
            writable: self.writable,
            disks: Vec::new(),
            forwards: Vec::new(),
            kernel: self.kernel.clone(),
            sockets: Sockets { serial: -1, monitor: -1, report: None },
        })
    }

    fn start_once(&self, mut launch: Launch) -> Result<Running, MachineError> {
        let mut inherited = Vec::new();
        let mut attach = |name: &str, bytes: &[u8], serial| {
            let disk = memory_file::create(name, bytes)?;
            launch.disks.push(ExtraDisk { path: memory_file::path_in_child(&disk), serial });
            inherited.push(disk.into());
            Ok::<(), MachineError>(())
        };
        if let Some(folder) = &self.seed {
            attach("seed", &seed_disk::build(folder)?, "")?;
        }
        if let Some(bundle) = &self.bundle {
            attach("tests", &bundle::to_disk(bundle)?, DISK_SERIAL)?;
        }
        launch.forwards = self.forwards.iter().map(|port| (running::preferred_port(*port), *port)).collect();
        let mirror: Box<dyn Write + Send> = Box::new(self.mirror.clone());
        running::start(Start { launch, inherited, mirror: Some(mirror), with_report: self.bundle.is_some() })
    }
}

/// Tells qcow2 from raw by the file's first bytes, so that QEMU need not guess (which makes raw images read-only at
/// their start).
fn detect_format(image: &Path) -> Result<&'static str, MachineError> {
    let failed = |source| MachineError::Image { path: image.to_owned(), source };
    let mut magic = Vec::new();
    File::open(image).map_err(failed)?.take(4).read_to_end(&mut magic).map_err(failed)?;
    if magic.is_empty() {
        return Err(failed(std::io::Error::other("it is empty")));
    }
    Ok(if magic == QCOW2_MAGIC { "qcow2" } else { "raw" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_told_by_the_first_bytes() {
        let path = std::env::temp_dir().join(format!("bootwright-format-{}", std::process::id()));
        for (bytes, wanted) in
            [(&b"QFI\xfb\0\0\0\x03"[..], "qcow2"), (b"\xeb\x63\x90\0", "raw"), (b"QF", "raw")]
        {
            std::fs::write(&path, bytes).expect("an image");
            assert_eq!(detect_format(&path).expect("readable"), wanted);
        }
        std::fs::write(&path, "").expect("an empty file");
        assert!(matches!(detect_format(&path), Err(MachineError::Image { .. })));
        std::fs::remove_file(&path).expect("cleaning up");
        let error = Machine::new("/nonexistent.qcow2").start().expect_err("no image");
        assert!(error.to_string().contains("/nonexistent.qcow2"), "{error}");
    }
}
