//! A guest with a disk of its own: a layer on the one image, larger than it, so that there is something to grow into.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use integration_tests::cut::text;
use integration_tests::program::{build, checkout, shared_cache};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;

/// Size of a guest's disk.
pub const DISK_BYTES: u64 = 4 << 30;

/// How long a boot may take; it is translated, on a machine with other work.
const LIMIT: Duration = Duration::from_secs(900);
/// What systemd's console has when our first unit begins; the rest of the line may be shortened.
const BEGIN: &str = "firstboot-early";
/// The disk, where something else is first and where it is.
const DISK: (&str, &str) = ("virtio-blk-pci,drive=image", "virtio-blk-pci,drive=image,bootindex=0");
const PAUSE: Duration = Duration::from_millis(20);

/// Builds the image that all guests have, once for all tests of this program.
///
/// # Panics
///
/// When it cannot be built.
pub fn image() -> &'static Path {
    static IMAGE: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    IMAGE.get_or_init(|| {
        let output = shared_cache().with_file_name("test-images");
        build(&checkout().join("tests/tests/guests/recipe.yaml"), &output, &[]).expect("the image builds");
        output.join("guests.qcow2")
    })
}

/// What time it is for a machine that is switched on. Days are written into its files, in UTC, and machines that are
/// compared must not see two of them: where the evening is near, it is some hours earlier for all.
fn now() -> String {
    static HOURS: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    let hours = HOURS.get_or_init(|| {
        let hour: u32 = witness("date", &["--utc", "+%H"]).trim().parse().expect("an hour");
        if hour < 14 { 0 } else { 10 }
    });
    witness("date", &["--utc", "--date", &format!("{hours} hours ago"), "+%FT%T"]).trim().to_owned()
}

/// A machine that is not switched on.
#[derive(Debug)]
pub struct Guest {
    scratch: Scratch,
    /// QEMU's arguments for what only this machine has.
    hardware: Vec<String>,
    /// QEMU's cache mode of the disk.
    cache: &'static str,
}

/// What the probe said: by boot (1 or 2) and question.
#[derive(Debug)]
pub struct Answers {
    all: BTreeMap<(u32, String), Answer>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was said.
    pub text: String,
    /// The exit code.
    pub code: i32,
}

impl Guest {
    /// Makes a machine of the image with more hardware.
    ///
    /// # Errors
    ///
    /// When its disk cannot be made.
    pub fn new(name: &str, hardware: &[&str]) -> Result<Self> {
        let scratch = Scratch::new(&format!("guest-{name}"));
        let hardware = hardware.iter().map(|word| (*word).to_owned()).collect();
        let guest = Self { scratch, hardware, cache: "unsafe" };
        let size = DISK_BYTES.to_string();
        witness(
            "qemu-img",
            &[
                "create",
                "-q",
                "-f",
                "qcow2",
                "-F",
                "qcow2",
                "-b",
                text(image()),
                text(&guest.path("disk.qcow2")),
                &size,
            ],
        );
        Ok(guest)
    }

    /// Returns a path of this machine's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Has the disk keep what the guest flushes, as a power cut needs it; what it did not flush may be lost with QEMU.
    pub fn keep_flushes(&mut self) {
        self.cache = "writeback";
    }

    /// Tells whether QEMU brings the kernel, which then is first.
    fn has_kernel(&self) -> bool {
        self.hardware.iter().any(|word| word == "-kernel")
    }

    /// Adds arguments of QEMU.
    pub fn add(&mut self, hardware: &[&str]) {
        self.hardware.extend(hardware.iter().map(|word| (*word).to_owned()));
    }

    /// Adds a disk whose content is in `folder`, as ISO 9660 with this label: to virtio, or as a CD.
    pub fn add_iso(&mut self, label: &str, folder: &Path, is_cd: bool) {
        let iso = self.path(&format!("{label}.iso"));
        witness(
            "xorriso",
            &["-as", "mkisofs", "-quiet", "-V", label, "-J", "-r", "-o", text(&iso), text(folder)],
        );
        let drive = format!("if=none,id=seed,format=raw,readonly=on,file={}", text(&iso));
        let device: &[&str] = if is_cd {
            &["-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=seed"]
        } else {
            &["-device", "virtio-blk-pci,drive=seed"]
        };
        self.add(&["-drive", &drive]);
        self.add(device);
    }

    /// Adds a card of QEMU's user network.
    pub fn add_card(&mut self, id: &str, address: &str, network: &str) {
        let device = format!("virtio-net-pci,netdev={id},romfile=,mac={address}");
        self.add(&["-netdev", &format!("user,id={id}{network}"), "-device", &device]);
    }

    fn start(&self) -> Result<Child> {
        let (cache, file) = (self.cache, self.path("disk.qcow2"));
        let disk = format!("if=none,id=image,format=qcow2,cache={cache},file={}", text(&file));
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"])
            .args(["-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "1", "-m", "768"])
            .args(["-device", "virtio-rng-pci", "-drive", &disk])
            .args(["-device", if self.has_kernel() { DISK.0 } else { DISK.1 }])
            .args(["-rtc", &format!("base={}", now())])
            .args(["-serial", &format!("file:{}", text(&self.path("console")))])
            .args(["-device", "virtio-serial-pci", "-chardev"])
            .arg(format!("file,id=probe,path={}", text(&self.path("probe"))))
            .args(["-device", "virtserialport,chardev=probe,name=probe"])
            .args(&self.hardware)
            .stdin(Stdio::null());
        host::child::die_with_parent(&mut command).spawn().context("starting QEMU")
    }

    /// Switches the machine on twice, and waits each time until it switches itself off.
    ///
    /// A machine that only boots again would take a minute longer: QEMU watches memory that held translated code, and
    /// the boot loader writes all of it.
    ///
    /// # Errors
    ///
    /// When it does not in time, or QEMU fails.
    pub fn run(&self) -> Result<Answers> {
        let mut answers = self.boot()?;
        answers.all.extend(self.boot()?.all);
        Ok(answers)
    }

    /// Switches the machine on once.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn boot(&self) -> Result<Answers> {
        self.finish(self.start()?)
    }

    fn finish(&self, mut child: Child) -> Result<Answers> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = child.try_wait().context("waiting for QEMU")? {
                ensure!(status.success(), "QEMU ended with {status}");
                return self.answers();
            }
            if Instant::now() >= deadline {
                child.kill().and_then(|()| child.wait()).context("ending QEMU")?;
                let (console, probe) = (self.said("console"), self.said("probe"));
                bail!(
                    "the guest did not end within {LIMIT:?}; it said:\n{console}\nand to the probe:\n{probe}"
                );
            }
            sleep(PAUSE);
        }
    }

    /// Switches the machine on and takes its power away `after` our first unit began. Tells whether the machine had not
    /// come to its probe, which waits for our last unit.
    ///
    /// # Errors
    ///
    /// When our first unit does not begin, or QEMU fails.
    pub fn cut(&self, after: Duration) -> Result<bool> {
        self.off_after("console", BEGIN, after)?;
        Ok(self.said("probe").is_empty())
    }

    /// Switches the machine on and takes its power away so long `after` it said `mark`. Returns the last question that it
    /// answered.
    ///
    /// # Errors
    ///
    /// When the mark does not come, or QEMU fails.
    pub fn cut_after(&self, mark: &str, after: Duration) -> Result<String> {
        self.off_after("probe", mark, after)?;
        let said = self.said("probe");
        let answered = said.rmatch_indices("\nexit ").next().map_or("", |(at, _)| &said[..at]);
        Ok(answered.lines().rfind(|line| line.starts_with("== ")).unwrap_or_default().to_owned())
    }

    fn off_after(&self, place: &str, mark: &str, after: Duration) -> Result<()> {
        let mut child = self.start()?;
        let begun = self.wait_for(&mut child, place, mark);
        sleep(after);
        child.kill().and_then(|()| child.wait()).context("ending QEMU")?;
        begun
    }

    /// Switches the machine on once; returns also how long its boot took from the beginning of our first unit to the end
    /// of our last one.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn measure(&self) -> Result<(Duration, Answers)> {
        self.measured(("console", BEGIN), "== 1 status")
    }

    /// Switches the machine on once; returns also how long it was from one of the probe's marks to another.
    ///
    /// # Errors
    ///
    /// As [`Self::run`].
    pub fn measure_between(&self, begin: &str, end: &str) -> Result<(Duration, Answers)> {
        self.measured(("probe", begin), end)
    }

    fn measured(&self, (place, begin): (&str, &str), end: &str) -> Result<(Duration, Answers)> {
        let mut child = self.start()?;
        self.wait_for(&mut child, place, begin)?;
        let begun = Instant::now();
        self.wait_for(&mut child, "probe", end)?;
        let took = begun.elapsed();
        Ok((took, self.finish(child)?))
    }

    fn wait_for(&self, child: &mut Child, place: &str, mark: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.said(place).contains(mark) {
            let ended = child.try_wait().context("waiting for QEMU")?;
            // It may have said it last of all.
            let is_silent = ended.is_some() && !self.said(place).contains(mark);
            if is_silent || Instant::now() >= deadline {
                child.kill().and_then(|()| child.wait()).context("ending QEMU")?;
                bail!("'{mark}' did not come; the console:\n{}", self.said("console"));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    fn said(&self, name: &str) -> String {
        let bytes = fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn answers(&self) -> Result<Answers> {
        let mut all = BTreeMap::new();
        // Only at the beginning of a line: keys may have it in the middle.
        for section in format!("\n{}", self.said("probe")).split("\n== ").skip(1) {
            let (head, body) = section.split_once('\n').context("an answer has no lines")?;
            let (boot, name) = head.split_once(' ').context("an answer has no name")?;
            let (text, code) = body.rsplit_once("exit ").with_context(|| format!("'{head}' did not end"))?;
            let answer =
                Answer { text: text.trim_end().to_owned(), code: code.trim().parse().context("a code")? };
            all.insert((boot.parse().context("a boot")?, name.to_owned()), answer);
        }
        Ok(Answers { all })
    }
}

impl Answers {
    /// Returns an answer.
    ///
    /// # Panics
    ///
    /// When the question was not asked.
    pub fn answer(&self, boot: u32, name: &str) -> &Answer {
        self.all
            .get(&(boot, name.to_owned()))
            .unwrap_or_else(|| panic!("no answer to '{name}' in boot {boot}"))
    }

    /// Returns what a question was answered with, which must have succeeded.
    ///
    /// # Panics
    ///
    /// When it did not.
    pub fn text(&self, boot: u32, name: &str) -> &str {
        let answer = self.answer(boot, name);
        assert_eq!(answer.code, 0, "'{name}' in boot {boot} failed: {}", answer.text);
        &answer.text
    }
}
