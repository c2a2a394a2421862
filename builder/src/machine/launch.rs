//! QEMU's command line as data: pure, so that it can be read in a test and shown in an error.

use std::path::{Path, PathBuf};

use super::find::FirmwareFiles;
use super::{Accelerator, Firmware};

/// Everything that the command line is made of.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The emulator.
    pub qemu: PathBuf,
    /// How the processor is provided.
    pub accelerator: Accelerator,
    /// Firmware to boot with.
    pub firmware: Firmware,
    /// Its files, unless it is SeaBIOS.
    pub firmware_files: Option<FirmwareFiles>,
    /// Processors of the guest.
    pub processors: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// The image and its format.
    pub image: Disk,
    /// Whether what the guest writes reaches the image.
    pub writable: bool,
    /// Further disks, read-only, in this order.
    pub disks: Vec<ExtraDisk>,
    /// Host and guest ports; a host port of 0 lets the system choose.
    pub forwards: Vec<(u16, u16)>,
    /// A kernel that is started without a boot loader.
    pub kernel: Option<DirectKernel>,
    /// Descriptors of the sockets for console, monitor and report, as the child sees them.
    pub sockets: Sockets,
}

/// A disk image.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Path or descriptor path.
    pub path: PathBuf,
    /// QEMU's name of the format: `raw` or `qcow2`.
    pub format: &'static str,
}

/// A read-only disk.
#[derive(Debug, Clone)]
pub struct ExtraDisk {
    /// Path as the child opens it.
    pub path: String,
    /// Serial number, empty for none.
    pub serial: &'static str,
}

/// A kernel that QEMU loads itself, for trees that have no boot loader yet.
#[derive(Debug, Clone)]
pub struct DirectKernel {
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// Its arguments.
    pub command_line: String,
}

/// Descriptor numbers.
#[derive(Debug, Clone, Copy)]
pub struct Sockets {
    /// The serial console.
    pub serial: i32,
    /// The monitor.
    pub monitor: i32,
    /// The port that tests report to, when there are tests.
    pub report: Option<i32>,
}

impl Launch {
    /// Returns the arguments, the program not among them.
    pub fn arguments(&self) -> Vec<String> {
        let mut line = Line::default();
        line.words(&["-nodefaults", "-no-user-config", "-display", "none", "-vga", "std"]);
        let smm = if self.firmware == Firmware::Secure { "on" } else { "off" };
        line.pair("-machine", format!("q35,smm={smm}"));
        line.words(&self.accelerator.arguments());
        line.pair("-smp", self.processors.to_string());
        line.pair("-m", self.memory.to_string());
        line.words(&["-device", "virtio-rng-pci"]);
        self.add_firmware(&mut line);
        self.add_disks(&mut line);
        self.add_network(&mut line);
        self.add_sockets(&mut line);
        if let Some(kernel) = &self.kernel {
            line.pair("-kernel", kernel.kernel.display().to_string());
            line.pair("-initrd", kernel.initrd.display().to_string());
            line.pair("-append", kernel.command_line.clone());
        }
        line.0
    }

    /// The variables are opened as a snapshot: the guest writes to a copy that nobody else sees.
    fn add_firmware(&self, line: &mut Line) {
        let Some(files) = &self.firmware_files else { return };
        if self.firmware == Firmware::Secure {
            line.words(&["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        }
        let code = escape(&files.code);
        line.pair("-drive", format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"));
        let variables = escape(&files.variables);
        line.pair("-drive", format!("if=pflash,unit=1,format=raw,snapshot=on,file={variables}"));
    }

    fn add_disks(&self, line: &mut Line) {
        let snapshot = if self.writable { "off" } else { "on" };
        let Disk { path, format } = &self.image;
        line.pair(
            "-drive",
            format!(
                "if=none,id=image,format={format},snapshot={snapshot},discard=unmap,file={}",
                escape(path)
            ),
        );
        // A kernel that QEMU loads itself takes the first place.
        let place = u8::from(self.kernel.is_some());
        line.pair("-device", format!("virtio-blk-pci,drive=image,bootindex={place}"));
        for (index, disk) in self.disks.iter().enumerate() {
            line.pair("-drive", format!("if=none,id=extra{index},format=raw,readonly=on,file={}", disk.path));
            let serial =
                if disk.serial.is_empty() { String::new() } else { format!(",serial={}", disk.serial) };
            line.pair("-device", format!("virtio-blk-pci,drive=extra{index}{serial}"));
        }
    }

    fn add_network(&self, line: &mut Line) {
        let mut network = "user,id=net0".to_owned();
        for (host, guest) in &self.forwards {
            network.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
        }
        line.pair("-netdev", network);
        line.words(&["-device", "virtio-net-pci,netdev=net0,romfile="]);
    }

    fn add_sockets(&self, line: &mut Line) {
        line.pair("-chardev", format!("socket,id=serial0,fd={}", self.sockets.serial));
        line.words(&["-serial", "chardev:serial0"]);
        line.pair("-chardev", format!("socket,id=monitor0,fd={}", self.sockets.monitor));
        line.words(&["-mon", "chardev=monitor0,mode=control"]);
        if let Some(report) = self.sockets.report {
            line.pair("-chardev", format!("socket,id=report0,fd={report}"));
            line.words(&["-device", "virtio-serial-pci", "-device"]);
            line.0
                .push(format!("virtserialport,chardev=report0,name={}", contract::test_bundle::REPORT_PORT));
        }
    }

    /// Returns the command in a form to copy.
    pub fn shown(&self) -> String {
        let plain = |word: &String| {
            let safe = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@".contains(c);
            if !word.is_empty() && word.chars().all(safe) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        };
        let words: Vec<String> =
            [self.qemu.display().to_string()].iter().chain(&self.arguments()).map(plain).collect();
        words.join(" ")
    }
}

/// Arguments in the making.
#[derive(Debug, Default)]
struct Line(Vec<String>);

impl Line {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| (*word).to_owned()));
    }

    fn pair(&mut self, option: &str, value: String) {
        self.0.push(option.to_owned());
        self.0.push(value);
    }
}

/// A comma in a file name would end the option; two are one.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch() -> Launch {
        Launch {
            qemu: "qemu".into(),
            accelerator: Accelerator::Tcg,
            firmware: Firmware::Bios,
            firmware_files: None,
            processors: 2,
            memory: 1024,
            image: Disk { path: "/a,b.qcow2".into(), format: "qcow2" },
            writable: false,
            disks: Vec::new(),
            forwards: Vec::new(),
            kernel: None,
            sockets: Sockets { serial: 5, monitor: 6, report: None },
        }
    }

    #[test]
    fn the_image_is_opened_as_a_snapshot_unless_asked_otherwise() {
        let text = launch().shown();
        assert!(text.contains("format=qcow2,snapshot=on,discard=unmap,file=/a,,b.qcow2"), "{text}");
        assert!(!text.contains("pflash") && !text.contains("virtserialport"), "{text}");
        assert!(Launch { writable: true, ..launch() }.shown().contains("snapshot=off"));
    }

    #[test]
    fn secure_boot_has_smm_and_protected_variables() {
        let files = FirmwareFiles { code: "/c.fd".into(), variables: "/v.fd".into() };
        let text = Launch { firmware: Firmware::Secure, firmware_files: Some(files), ..launch() }.shown();
        for part in
            ["q35,smm=on", "property=secure,value=on", "readonly=on,file=/c.fd", "snapshot=on,file=/v.fd"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn ports_are_forwarded_from_loopback_only() {
        let sockets = Sockets { report: Some(7), ..launch().sockets };
        let disks = vec![ExtraDisk { path: "/proc/self/fd/8".into(), serial: "BOOTWRIGHT-TEST" }];
        let text = Launch { forwards: vec![(0, 22), (8080, 80)], disks, sockets, ..launch() }.shown();
        assert!(text.contains("hostfwd=tcp:127.0.0.1:0-:22,hostfwd=tcp:127.0.0.1:8080-:80"), "{text}");
        assert!(text.contains("drive=extra0,serial=BOOTWRIGHT-TEST"), "{text}");
        assert!(text.contains("name=org.bootwright.test.0"), "{text}");
    }
}
