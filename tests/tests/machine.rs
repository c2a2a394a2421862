//! `bootwright boot` with guests of one sector: what it prints, how it ends, and that nothing stays.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use integration_tests::program::bootwright;
use integration_tests::scratch::Scratch;

/// Writes the boot sector to the disk's second sector; stops when that fails. DL is the disk, as the BIOS left it.
const WRITE_A_SECTOR: [u8; 20] = [
    0x31, 0xc0, 0x8e, 0xc0, 0xbb, 0x00, 0x7c, 0xb8, 0x01, 0x03, 0xb9, 0x02, 0x00, 0xb6, 0x00, 0xcd, 0x13,
    0x73, 0x01, 0xf4,
];

/// Asks the chipset to power off.
const POWER_OFF: [u8; 7] = [0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef];

/// A disk whose boot sector runs `first`, prints `text` on the serial port, runs `last` and halts.
fn guest(folder: &Path, first: &[u8], text: &str, last: &[u8]) -> PathBuf {
    const PRINT_BYTES: usize = 31;
    const HALT: [u8; 3] = [0xf4, 0xeb, 0xfd];
    let data = 0x7c00 + first.len() + PRINT_BYTES + last.len() + HALT.len();
    let [low, high] = u16::try_from(data).expect("a small guest").to_le_bytes();
    let mut sector = first.to_vec();
    // ds = 0; si = text; for each byte until 0: wait for the transmitter, send.
    sector.extend([0x31, 0xc0, 0x8e, 0xd8, 0xbe, low, high, 0xfc, 0xac, 0x84, 0xc0, 0x74, 0x12, 0x88, 0xc4]);
    sector.extend([
        0xba, 0xfd, 0x03, 0xec, 0xa8, 0x20, 0x74, 0xfb, 0x88, 0xe0, 0xba, 0xf8, 0x03, 0xee, 0xeb, 0xe9,
    ]);
    sector.extend(last);
    sector.extend(HALT);
    sector.extend(text.as_bytes());
    assert!(sector.len() < 510, "the guest fits its sector");
    sector.resize(510, 0);
    sector.extend([0x55, 0xaa]);
    sector.resize(1 << 20, 0);
    let path = folder.join("guest.raw");
    fs::write(&path, sector).expect("writing the guest");
    path
}

fn boot(image: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(bootwright());
    command.arg("boot").arg(image).args(["--memory", "64"]).args(more);
    command.env("BOOTWRIGHT_ACCELERATOR", "tcg").env("BOOTWRIGHT_CACHE", image.with_file_name("cache"));
    command.stdin(Stdio::null());
    command
}

fn run(image: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = boot(image, more).output().expect("bootwright starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code(), text(&stdout), text(&stderr))
}

/// Processes whose command line names `image`.
fn processes_with(image: &Path) -> Vec<String> {
    let wanted = image.to_str().expect("a UTF-8 path");
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|entry| fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(wanted))
        .collect()
}

fn wait_until_gone(image: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !processes_with(image).is_empty() {
        assert!(Instant::now() < deadline, "still there: {:?}", processes_with(image));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a boot and returns once the guest has printed.
fn start(image: &Path) -> Child {
    let mut child = boot(image, &["--timeout", "120"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.as_mut().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("the guest's first line");
    assert_eq!(line, "here\n");
    assert_eq!(processes_with(image).len(), 2, "bootwright and QEMU");
    child
}

#[test]
fn expected_text_ends_the_boot_well() {
    let scratch = Scratch::new("expect");
    let image = guest(scratch.path(), &[], "\x1b[1mWelcome to de\x1b[0mbian login: ", &[]);
    let (code, stdout, stderr) = run(&image, &["--expect", "debian login:", "--timeout", "60"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("Welcome to debian login:") && !stdout.contains('\x1b'), "{stdout:?}");
    wait_until_gone(&image);
}

#[test]
fn missing_text_is_an_error_with_the_last_lines() {
    let scratch = Scratch::new("missing");
    let image = guest(scratch.path(), &[], "kernel panic\r\nno init found\r\n", &[]);
    let (code, _, stderr) = run(&image, &["--expect", "login:", "--timeout", "15"]);
    assert_eq!(code, Some(9), "{stderr}");
    assert!(
        stderr.contains("did not print 'login:' within 15 s") && stderr.contains("| no init found"),
        "{stderr}"
    );
    wait_until_gone(&image);
}

#[test]
fn a_guest_that_powers_off_is_well_unless_more_was_expected() {
    let scratch = Scratch::new("power-off");
    let image = guest(scratch.path(), &[], "bye\r\n", &POWER_OFF);
    let (code, stdout, stderr) = run(&image, &["--timeout", "60"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "bye\n"), "{stderr}");
    let (code, _, stderr) = run(&image, &["--expect", "login:", "--timeout", "60"]);
    assert_eq!(code, Some(9), "{stderr}");
    assert!(stderr.contains("the machine ended before"), "{stderr}");
}

#[test]
fn the_image_changes_only_when_asked_for() {
    let scratch = Scratch::new("unchanged");
    let image = guest(scratch.path(), &WRITE_A_SECTOR, "written\r\n", &POWER_OFF);
    let before = fs::read(&image).expect("the image");
    for firmware_and_mode in [&["--timeout", "60"][..], &["--timeout", "60", "--expect", "written"]] {
        let (code, stdout, stderr) = run(&image, firmware_and_mode);
        assert_eq!((code, stdout.as_str()), (Some(0), "written\n"), "{stderr}");
        assert!(fs::read(&image).expect("the image") == before, "the image changed");
    }
    let (code, _, stderr) = run(&image, &["--timeout", "60", "--write"]);
    assert_eq!(code, Some(0), "{stderr}");
    let after = fs::read(&image).expect("the image");
    assert!(after[512..1024] == before[..512], "the guest wrote its second sector");
}

#[test]
fn nothing_stays_after_a_kill_and_after_a_signal() {
    let scratch = Scratch::new("kill");
    let image = guest(scratch.path(), &[], "here\r\n", &[]);
    let files = || -> BTreeSet<PathBuf> {
        let entries = ["/var/tmp", "/tmp"].map(|folder| fs::read_dir(folder).expect("a folder").flatten());
        let paths = entries.into_iter().flatten().map(|entry| entry.path());
        paths.filter(|path| path.to_string_lossy().contains("/vl.")).collect()
    };
    // Machines of other tests have one for a moment, until QEMU has opened it.
    let stay = || {
        let seen = files();
        std::thread::sleep(Duration::from_secs(2));
        files().intersection(&seen).cloned().collect::<BTreeSet<_>>()
    };
    let before = stay();
    let mut child = start(&image);
    child.kill().expect("killing bootwright");
    child.wait().expect("waiting for bootwright");
    wait_until_gone(&image);
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut child = start(&image);
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        assert_eq!(child.wait().expect("waiting for bootwright").code(), Some(code));
        wait_until_gone(&image);
    }
    assert!(stay().is_subset(&before), "temporary disks of QEMU");
}

#[test]
fn a_forwarded_port_is_announced_and_on_loopback() {
    let scratch = Scratch::new("forward");
    let image = guest(scratch.path(), &[], "here\r\n", &[]);
    let (code, _, stderr) = run(&image, &["--expect", "here", "--timeout", "60", "--forward", "22"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("port 22 of the guest is 127.0.0.1:"), "{stderr}");
}

#[test]
fn whether_kvm_works_is_found_out_once() {
    let scratch = Scratch::new("accelerator");
    let image = guest(scratch.path(), &[], "here\r\n", &[]);
    let automatic = || {
        let started = Instant::now();
        let mut command = boot(&image, &["--expect", "here", "--timeout", "60"]);
        let output = command.env("BOOTWRIGHT_ACCELERATOR", "auto").output().expect("bootwright starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (started.elapsed(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (first, told) = automatic();
    let (second, again) = automatic();
    let verdict = image.with_file_name("cache").join("accelerator");
    // Where /dev/kvm does not open, or the processor's help is missing, nothing has to be tried or remembered.
    let tried = !told.contains("hardware page tables");
    if tried && fs::File::options().read(true).write(true).open("/dev/kvm").is_ok() {
        assert!(fs::read_to_string(verdict).expect("the verdict").lines().count() >= 2);
    }
    println!("first boot {first:?}, second {second:?}\n{told}{again}");
    assert_eq!(told.contains("without KVM"), again.contains("without KVM"));
}

#[test]
fn what_is_missing_is_named() {
    let scratch = Scratch::new("absent");
    let (code, _, stderr) = run(&scratch.path().join("absent.qcow2"), &[]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("absent.qcow2") && stderr.contains("No such file"), "{stderr}");
    let image = guest(scratch.path(), &[], "here\r\n", &[]);
    let (code, _, stderr) = run(&image, &["--seed", "/nonexistent/seed", "--timeout", "10"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nonexistent/seed"), "{stderr}");
}
