//! Sources that mean harm, or are broken: the run ends soon, within bounds, and what is sound still counts.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::case::{Case, Section};
use crate::support::machine::GoldenMachine;

fn section(kind: &str, arguments: &str, text: impl Into<String>) -> Section {
    let arguments = arguments.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    Section { kind: kind.into(), arguments, text: text.into() }
}

fn machine(name: &str, user_data: String) -> GoldenMachine {
    let sections = vec![
        section("disk", "vdb CIDATA meta-data", "instance-id: i-1\nlocal-hostname: sound\n"),
        section("disk", "vdb CIDATA user-data", user_data),
    ];
    GoldenMachine::build(&Case { name: name.into(), sections }, "hostile")
}

fn read(machine: &GoldenMachine, path: &str) -> String {
    std::fs::read_to_string(machine.at(path)).unwrap_or_default()
}

#[test]
fn large_and_binary_user_data_end_soon_and_the_rest_counts() {
    let junk: String =
        (0..60_000_u32).map(|at| char::from((at.wrapping_mul(2_654_435_761) >> 24) as u8)).collect();
    for (name, text, told) in [
        ("ten-megabytes", format!("#cloud-config\nx: {}\n", "y".repeat(10 << 20)), "at most"),
        (
            "two-megabytes",
            format!("#cloud-config\nruncmd:\n{}", "- echo\n".repeat(300_000)),
            "bytes; at most",
        ),
        ("wide", format!("#cloud-config\nruncmd:\n{}", "- x\n".repeat(100_000)), "more than"),
        ("deep", format!("#cloud-config\nx: {}", "[".repeat(200_000)), "not YAML"),
        ("binary", junk, "begins with neither"),
        ("zeros", "\0".repeat(1 << 20), "begins with neither"),
        ("gzip", "\u{1f}\u{8b}\u{8}junk".into(), "begins with neither"),
    ] {
        let machine = machine(name, text);
        let started = Instant::now();
        let ran = machine.firstboot(&["run"]);
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
        let said = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success() && said.contains(told), "{name}: {said:.2000}");
        assert_eq!(read(&machine, "/etc/hostname"), "sound\n", "{name}");
    }
}

/// What a service does with each connection.
type Behaviour = fn(std::net::TcpStream);

/// Runs `firstboot` where the cloud's service behaves so; gives how long it took and what it said.
fn misbehave(name: &str, behaviour: Behaviour) -> (Duration, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    std::thread::spawn(move || listener.incoming().flatten().for_each(behaviour));
    let sections = vec![
        section("file", "/sys/class/dmi/id/product_name", "OpenStack Nova\n"),
        section("file", "/etc/firstboot/a.yaml", "hostname: image\n"),
    ];
    let machine = GoldenMachine::build(&Case { name: name.into(), sections }, "service");
    let started = Instant::now();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_firstboot"));
    command.arg("run").arg("--root").arg(&machine.root).arg("--metadata-server").arg(address.to_string());
    let ran = command.output().expect("firstboot starts");
    assert_eq!(read(&machine, "/etc/hostname"), "image\n", "{name}");
    (started.elapsed(), String::from_utf8_lossy(&ran.stdout).into_owned())
}

#[test]
fn services_that_misbehave_are_given_up() {
    let cases: [(&str, Behaviour, &str); 4] = [
        (
            "stalls",
            |stream| std::thread::sleep(Duration::from_secs(if stream.peer_addr().is_ok() { 60 } else { 0 })),
            "openstack",
        ),
        (
            "errors",
            |mut stream| drop((stream.read(&mut [0; 1024]), stream.write_all(b"HTTP/1.1 500 No\r\n\r\n"))),
            "status 500",
        ),
        (
            "gigabytes",
            |mut stream| {
                drop(stream.read(&mut [0; 1024]));
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
                while stream.write_all(&[b'x'; 65536]).is_ok() {}
            },
            "more than",
        ),
        (
            "redirects",
            |mut stream| {
                drop((
                    stream.read(&mut [0; 1024]),
                    stream.write_all(b"HTTP/1.1 302 Go\r\nLocation: /\r\n\r\n"),
                ))
            },
            "status 302",
        ),
    ];
    let threads = cases.map(|(name, behaviour, told)| {
        std::thread::spawn(move || {
            let (elapsed, said) = misbehave(name, behaviour);
            assert!(elapsed < Duration::from_secs(50), "{name} took {elapsed:?}");
            assert!(said.contains(told), "{name}: {said}");
        })
    });
    threads.into_iter().for_each(|thread| thread.join().expect("the case holds"));
}

/// An ordinary user configures a small machine: everything belongs to that user.
#[test]
fn an_ordinary_user_configures_a_small_machine() {
    let case = Case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/nocloud_disk_full.case"));
    let machine = GoldenMachine::build(&case, "ordinary");
    let mut command = machine.command(&["run"]);
    // Only root can become somebody else; anybody else is ordinary already.
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        let program = machine.at("/firstboot");
        // By another process: a descriptor that this one writes to may be open in a child of another test's just now, and
        // then the copy could not be executed.
        let copied =
            std::process::Command::new("cp").arg(env!("CARGO_BIN_EXE_firstboot")).arg(&program).status();
        assert!(copied.expect("cp starts").success(), "a copy that everyone can run");
        let own =
            std::process::Command::new("chown").arg("-R").arg("65534:65534").arg(&machine.root).status();
        assert!(own.expect("chown starts").success());
        command = std::process::Command::new(program);
        command.arg("run").arg("--root").arg(&machine.root).uid(65534).gid(65534);
    }
    let ran = command.output().expect("firstboot starts");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert_eq!(read(&machine, "/etc/hostname"), "web1\n");
    assert!(read(&machine, "/etc/passwd").contains("ops:x:1000:1000"));
}

#[test]
fn verbs_and_exit_codes() {
    let machine = machine("verbs", "#cloud-config\nmounts: [[LABEL=data, /srv]]\n".into());
    let code = |arguments: &[&str]| machine.firstboot(arguments).status.code();
    assert_eq!(code(&["status"]), Some(4), "never ran");
    assert_eq!(code(&["plan"]), Some(0));
    assert_eq!(code(&["run", "--stage", "early"]), Some(0));
    let started = Instant::now();
    assert_eq!(code(&["status", "--wait", "1"]), Some(3), "not finished");
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(code(&["run", "--stage", "final"]), Some(0));
    let status = machine.firstboot(&["status", "--json", "--wait", "60"]);
    assert_eq!(status.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&status.stdout).expect("JSON");
    let said = report.to_string();
    assert_eq!(report["state"], "done");
    assert!(
        said.contains(
            "\"key\":\"hostname\",\"value\":\"sound\",\"origin\":\"NoCloud '/dev/vdb': meta-data\""
        ),
        "{said}"
    );
    assert!(said.contains("mount "), "the mount is reported: {said}");
    assert_eq!(code(&["nonsense"]), Some(2));
}

#[test]
fn nobody_is_asked_without_proof_and_nothing_without_a_token() {
    let asked = |name: &str| {
        let machine = GoldenMachine::build(
            &Case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.case"))),
            "asked",
        );
        machine.firstboot(&["run"]);
        machine.server.asked.lock().expect("no panic").clone()
    };
    assert!(
        asked("ec2_not_proved").is_empty()
            && asked("config_drive").is_empty()
            && asked("no_source").is_empty()
    );
    assert_eq!(asked("ec2_refused"), ["PUT /latest/api/token"]);
    assert_eq!(asked("ec2")[0], "PUT /latest/api/token");
}

/// `plan` knows the users that `run` would have made before it writes their files.
#[test]
fn a_plan_sees_users_that_are_not_there_yet() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files_owned_by_new_user.case");
    let planned = GoldenMachine::build(&Case::load(&path), "plan").firstboot(&["plan"]);
    let said = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(
        planned.status.success() && said.contains("write /srv/svc.conf (2 bytes, mode 0644, owner 999:999)"),
        "{said}"
    );
}

/// The final stage's report tells what the early one did, and a plan leaves a cut journal as it is.
#[test]
fn stages_make_one_report_and_a_cut_journal_is_continued() {
    let user_data = "#cloud-config\nbootcmd: [exit 4]\nruncmd: [echo late]\ntimezone: Europe/Berlin\n";
    let machine = machine("stages", user_data.into());
    assert_eq!(machine.firstboot(&["run", "--stage", "early", "--with-commands"]).status.code(), Some(1));
    let journal = machine.at("/var/lib/firstboot/journal");
    let mut text = read(&machine, "/var/lib/firstboot/journal");
    text += "{\"step\":\"cut by a pow";
    std::fs::write(&journal, &text).expect("the journal");
    machine.firstboot(&["plan"]);
    assert_eq!(read(&machine, "/var/lib/firstboot/journal"), text);
    let ran = machine.firstboot(&["run", "--stage", "final", "--with-commands"]);
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    for line in ["timezone: changed (link", "command 'bootcmd 1': FAILED", "command 'runcmd 1': changed"] {
        assert_eq!(said.matches(line).count(), 1, "{line}: {said}");
    }
    let journal = read(&machine, "/var/lib/firstboot/journal");
    assert!(journal.starts_with(&format!("{text}\n{{")), "{journal}");
}
