//! `firstboot defer` on small machines: the template, its clones, the next boot.

use std::path::Path;

use crate::support::case::Case;
use crate::support::machine::GoldenMachine;

const UUID: &str = "/sys/class/dmi/id/product_uuid";
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

fn machine(tag: &str) -> GoldenMachine {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/first_identity.case");
    let machine = GoldenMachine::build(&Case::load(&path), tag);
    set(&machine, UUID, "aaaa");
    set(&machine, BOOT, "boot-1");
    machine
}

fn set(machine: &GoldenMachine, path: &str, text: &str) {
    let path = machine.at(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
    std::fs::write(path, text).expect("a file");
}

/// Runs and returns what was said; commands run for real.
fn run(machine: &GoldenMachine) -> String {
    let output = machine.firstboot(&["run", "--with-commands"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn a_clone_runs_it_once_and_the_template_never() {
    let machine = machine("defer-clone");
    let trace = machine.at("/trace");
    run(&machine);
    let line = format!("echo ran >> '{}'", trace.display());
    let output = machine.firstboot(&["defer", &line]);
    assert!(
        String::from_utf8_lossy(&output.stdout)
            .contains("deferred 1: it runs on the first boot of each clone")
    );
    let shown = machine.firstboot(&["defer", "--list"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("deferred 1, on the first boot of each clone"));
    set(&machine, BOOT, "boot-2");
    assert!(!run(&machine).contains("deferred"), "the template itself waits");
    assert_eq!(lines(&trace), 0);
    set(&machine, UUID, "bbbb");
    assert!(run(&machine).contains("command 'deferred 1': changed"));
    assert!(run(&machine).contains("command 'deferred 1': unchanged"));
    assert_eq!(lines(&trace), 1);
    set(&machine, UUID, "cccc");
    run(&machine);
    assert_eq!(lines(&trace), 2, "a clone of the clone runs it as well");
}

#[test]
fn the_next_boot_runs_it_once() {
    let machine = machine("defer-boot");
    let trace = machine.at("/trace");
    run(&machine);
    let line = format!("echo ran >> '{}'", trace.display());
    for _ in 0..2 {
        assert!(machine.firstboot(&["defer", "--next-boot", &line]).status.success());
    }
    run(&machine);
    assert_eq!(lines(&trace), 0, "this is not the next boot");
    for boot in ["boot-2", "boot-3"] {
        set(&machine, BOOT, boot);
        run(&machine);
        assert_eq!(lines(&trace), 2, "both, once, in {boot}");
    }
    assert_eq!(machine.firstboot(&["defer", "--list"]).stdout, b"", "nothing waits");
    assert!(machine.firstboot(&["defer", "--next-boot", &line]).status.success());
    set(&machine, BOOT, "boot-4");
    run(&machine);
    assert_eq!(lines(&trace), 3, "the same command again is another one");
}

#[test]
fn what_is_no_command_is_refused() {
    let machine = machine("defer-refused");
    for arguments in [&["defer"][..], &["defer", " "], &["defer", "--list", "x"]] {
        assert!(!machine.firstboot(arguments).status.success(), "{arguments:?}");
    }
    assert!(!machine.at("/var/lib/firstboot/deferred.json").exists());
}
