use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use contract::report::{Ending, MAXIMUM_OUTPUT};
use contract::test_bundle::BundledTest;

use super::*;

/// A small machine made of files; removed when dropped.
struct Machine(PathBuf);

impl Machine {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("firstboot-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        for folder in [
            "etc/firstboot",
            "run",
            "dev",
            "sys/block/vda",
            "sys/block/vdb",
            "sys/class/virtio-ports/vport1p1",
        ] {
            fs::create_dir_all(root.join(folder)).expect("folders of a small machine");
        }
        fs::write(root.join("etc/firstboot/test-enabled"), "").expect("the marker");
        fs::write(root.join("sys/block/vdb/serial"), "BOOTWRIGHT-TEST").expect("a serial number");
        fs::write(root.join("sys/class/virtio-ports/vport1p1/name"), "org.bootwright.test.0\n")
            .expect("a name");
        fs::write(root.join("dev/vport1p1"), "").expect("a port");
        Self(root)
    }

    fn with_tests(scripts: &[(&str, u64)]) -> Self {
        let machine = Self::new();
        let tests = scripts
            .iter()
            .map(|(script, limit)| BundledTest {
                name: script.chars().take(8).collect(),
                script: (*script).to_owned(),
                timeout_seconds: *limit,
            })
            .collect();
        let disk = TestBundle { settle_seconds: 0, tests }.to_disk().expect("a bundle");
        fs::write(machine.0.join("dev/vdb"), disk).expect("a disk");
        machine
    }

    fn events(&self) -> Vec<TestEvent> {
        let text = fs::read_to_string(self.0.join("dev/vport1p1")).expect("the report");
        text.lines().map(|line| report::parse_line(line).expect(line)).collect()
    }

    fn results(&self) -> Vec<contract::report::ScriptResult> {
        let result = |event| match event {
            TestEvent::TestFinished { result, .. } => Some(result),
            _ => None,
        };
        self.events().into_iter().filter_map(result).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("removing the small machine");
    }
}

#[test]
fn a_bundle_is_run_and_reported_line_by_line() {
    let machine = Machine::with_tests(&[
        ("echo out; echo err >&2", 10),
        ("false; echo not reached", 10),
        ("kill -9 $$", 10),
    ]);
    run(&machine.0).expect("the bundle runs");
    let events = machine.events();
    assert!(matches!(&events[0], TestEvent::Started { tests: 3, .. }), "{events:?}");
    assert!(matches!(&events[1], TestEvent::Settled(_)), "{events:?}");
    assert_eq!(events[2], TestEvent::TestStarted { index: 0 });
    assert_eq!(events.last(), Some(&TestEvent::Finished));
    let results = machine.results();
    assert_eq!((results[0].stdout.text.as_str(), results[0].stderr.text.as_str()), ("out\n", "err\n"));
    assert_eq!(results[0].ending, Ending::Exited(0));
    assert_eq!((&results[1].ending, results[1].stdout.text.as_str()), (&Ending::Exited(1), ""));
    assert_eq!(results[2].ending, Ending::Killed(9));
    assert!(!machine.0.join("run/firstboot-test").exists(), "the scripts are gone");
}

#[test]
fn the_environment_is_clean_and_there_is_no_input() {
    let machine = Machine::with_tests(&[("env | cut -d= -f1 | sort | tr '\\n' ' '; cat; pwd", 10)]);
    run(&machine.0).expect("the bundle runs");
    let text = machine.results()[0].stdout.text.clone();
    assert!(text.ends_with("/\n") && text.contains("LC_ALL") && !text.contains("CARGO"), "{text}");
}

#[test]
fn a_script_is_killed_at_its_limit_with_all_it_started() {
    let script = "echo before; sleep 61 & echo $!; sleep 62";
    let machine = Machine::with_tests(&[(script, 3)]);
    run(&machine.0).expect("the bundle runs");
    let result = &machine.results()[0];
    assert_eq!(result.ending, Ending::TimedOut(3));
    assert!(result.seconds < 30.0, "{}", result.seconds);
    let child = result.stdout.text.strip_prefix("before\n").expect("what it wrote before").trim().to_owned();
    // What is killed closes its files first, and is a process for a moment more.
    let state = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    let lives = || !state().is_empty() && !state().contains(") Z ");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while lives() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!lives(), "the background sleep lives: {}", state());
}

#[test]
fn a_service_that_holds_the_output_does_not_hold_the_report() {
    let machine = Machine::with_tests(&[("setsid sleep 30 & echo done", 60)]);
    let started = std::time::Instant::now();
    run(&machine.0).expect("the bundle runs");
    assert_eq!(machine.results()[0].stdout.text, "done\n");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn of_much_output_the_end_is_kept() {
    let mut command = Command::new("sh");
    command.args(["-c", "head -c 5000000 /dev/zero | tr '\\0' a; echo end"]);
    let result = script::run_command(command, Duration::from_secs(60));
    assert_eq!(result.stdout.text.len(), MAXIMUM_OUTPUT);
    assert_eq!(result.stdout.dropped, 5_000_004 - MAXIMUM_OUTPUT as u64);
    assert!(result.stdout.text.ends_with("aend\n"));
}

#[test]
fn without_a_sound_marker_nothing_runs() {
    let machine = Machine::with_tests(&[("echo ran", 5)]);
    let marker = machine.0.join("etc/firstboot/test-enabled");
    fs::set_permissions(&marker, fs::Permissions::from_mode(0o666)).expect("chmod");
    assert!(format!("{:#}", run(&machine.0).expect_err("writable")).contains("mode 0666"));
    fs::rename(&marker, machine.0.join("etc/firstboot/other")).expect("renaming");
    std::os::unix::fs::symlink("other", &marker).expect("a link");
    assert!(format!("{:#}", run(&machine.0).expect_err("a link")).contains("not a regular file"));
    fs::remove_file(&marker).expect("removing");
    assert!(format!("{:#}", run(&machine.0).expect_err("none")).contains("an image with tests has"));
    assert!(machine.events().is_empty());
}

#[test]
fn a_broken_bundle_is_refused_and_the_host_is_told() {
    let machine = Machine::with_tests(&[("echo ran", 5)]);
    let disk = machine.0.join("dev/vdb");
    let whole = fs::read(&disk).expect("the disk");
    for (bytes, wanted) in [
        (vec![0; 1024], "no test bundle"),
        (whole[..600].to_vec(), "ends after 88 of"),
        ([&whole[..512], b"{".as_slice(), &whole[512..]].concat(), "not valid"),
        (vec![0; 10], "header"),
    ] {
        fs::write(&disk, bytes).expect("another disk");
        fs::write(machine.0.join("dev/vport1p1"), "").expect("an empty report");
        let error = format!("{:#}", run(&machine.0).expect_err("a broken disk"));
        assert!(error.contains(wanted), "{error}");
        assert_eq!(machine.events(), [TestEvent::Refused { reason: error }]);
    }
}

#[test]
fn devices_are_found_by_what_they_say_of_themselves() {
    let machine = Machine::new();
    assert_eq!(device::find_disk(&machine.0).expect("the disk"), machine.0.join("dev/vdb"));
    fs::write(machine.0.join("sys/block/vdb/serial"), "BOOTWRIGHT-TEST-2").expect("another serial number");
    let error = format!("{:#}", device::find_disk(&machine.0).expect_err("no disk"));
    assert!(error.contains("BOOTWRIGHT-TEST"), "{error}");
    assert_eq!(device::find_port(&machine.0).expect("the port"), machine.0.join("dev/vport1p1"));
}

#[test]
fn failed_units_are_listed_by_name() {
    let listing = "a.service loaded failed failed A thing\nb.mount   loaded failed failed Another\n";
    assert_eq!(system::parse_units(listing), ["a.service", "b.mount"]);
    assert!(system::parse_units("").is_empty());
}
