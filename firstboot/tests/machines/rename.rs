//! `firstboot rename` on small machines: done, refused, cut.

use std::path::Path;

use crate::support::case::Case;
use crate::support::machine::GoldenMachine;

fn machine(tag: &str) -> GoldenMachine {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/hosts_block_moved.case");
    GoldenMachine::build(&Case::load(&path), tag)
}

fn rename(machine: &GoldenMachine, name: &str, more: &[&str]) -> (Option<i32>, String) {
    let output = machine.firstboot(&[&["rename", name][..], more].concat());
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

fn read(machine: &GoldenMachine, path: &str) -> String {
    std::fs::read_to_string(machine.at(path)).unwrap_or_default()
}

#[test]
fn a_name_is_given_once_and_a_later_run_keeps_it() {
    let machine = machine("rename");
    assert!(machine.firstboot(&["run"]).status.success());
    std::fs::create_dir_all(machine.at("/etc/firstboot/rename.d")).expect("a folder");
    std::fs::write(machine.at("/etc/firstboot/rename.d/nginx.service"), "").expect("a file");
    let (code, said) = rename(&machine, "node7.example.org", &["--no-restart"]);
    assert!(
        code == Some(0) && said.contains("still has the old name until it is restarted: nginx.service"),
        "{said}"
    );
    assert_eq!(read(&machine, "/etc/hostname"), "node7\n");
    assert!(read(&machine, "/etc/hosts").contains("127.0.1.1 node7.example.org node7\n"));
    assert!(!machine.at("/var/lib/firstboot/rename.json").exists());
    assert!(rename(&machine, "node7.example.org", &[]).1.contains("called node7.example.org already"));
    assert!(machine.firstboot(&["run"]).status.success());
    assert_eq!(read(&machine, "/etc/hostname"), "node7\n");
}

/// What openssl says of the machine's certificate.
fn certificate(machine: &GoldenMachine) -> String {
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["x509", "-noout", "-subject", "-pubkey", "-ext", "subjectAltName", "-in"]);
    let output =
        openssl.arg(machine.at("/etc/firstboot/tls/node.crt")).output().expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_certificate_takes_the_name_and_keeps_its_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificate.case");
    let machine = GoldenMachine::build(&Case::load(&path), "rename-certificate");
    assert!(machine.firstboot(&["run"]).status.success());
    let before = certificate(&machine);
    for wanted in ["CN = web.example.org", "DNS:web.example.org, DNS:web, IP Address:10.0.0.7"] {
        assert!(before.contains(wanted), "{before}");
    }
    let (code, said) = rename(&machine, "node7.example.org", &[]);
    assert_eq!(code, Some(0), "{said}");
    let after = certificate(&machine);
    for wanted in ["CN = node7.example.org", "DNS:node7.example.org, DNS:node7, IP Address:10.0.0.7"] {
        assert!(after.contains(wanted), "{after}");
    }
    let key = |text: &str| text.split("-----").nth(2).map(str::to_owned);
    assert!(key(&before).is_some() && key(&before) == key(&after), "the key stays");
    assert!(rename(&machine, "node7.example.org", &[]).1.contains("called node7.example.org already"));
    let text = read(&machine, "/etc/firstboot/tls/node.crt");
    std::fs::create_dir_all(machine.at("/etc/firstboot/tls/.node.crt.bootwright-new/x")).expect("a folder");
    assert_eq!(rename(&machine, "other.example.org", &[]).0, Some(1));
    assert_eq!(read(&machine, "/etc/firstboot/tls/node.crt"), text, "all or nothing");
    assert_eq!(read(&machine, "/etc/hostname"), "node7\n");
}

#[test]
fn other_names_of_the_certificate_do_not_bring_an_old_name_back() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificate.case");
    let machine = GoldenMachine::build(&Case::load(&path), "rename-names");
    assert!(machine.firstboot(&["run"]).status.success());
    assert_eq!(rename(&machine, "node7.example.org", &[]).0, Some(0));
    let text = read(&machine, "/etc/firstboot/tls/node.crt");
    assert!(machine.firstboot(&["run"]).status.success());
    assert_eq!(read(&machine, "/etc/firstboot/tls/node.crt"), text, "a run after it changes nothing");
    let recipe = "version: 1\nfqdn: web.example.org\ncertificate: { names: [10.0.0.8, '2001:DB8::1'] }\n";
    std::fs::write(machine.at("/etc/firstboot/10-recipe.yaml"), recipe).expect("written");
    assert!(machine.firstboot(&["run"]).status.success());
    let after = certificate(&machine);
    for wanted in
        ["CN = node7.example.org", "DNS:node7, IP Address:10.0.0.8, IP Address:2001:DB8:0:0:0:0:0:1"]
    {
        assert!(after.contains(wanted), "{after}");
    }
    assert!(!after.contains("web") && !after.contains("10.0.0.7"), "{after}");
    let text = read(&machine, "/etc/firstboot/tls/node.crt");
    // Another name that the documents ask for is taken, as they have not asked for it before.
    std::fs::write(machine.at("/etc/firstboot/10-recipe.yaml"), recipe.replace("web", "db"))
        .expect("written");
    assert!(machine.firstboot(&["run"]).status.success());
    assert!(certificate(&machine).contains("CN = db.example.org"));
    assert_ne!(read(&machine, "/etc/firstboot/tls/node.crt"), text);
}

#[test]
fn a_certificate_of_another_authority_stays() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/certificate.case");
    let machine = GoldenMachine::build(&Case::load(&path), "rename-foreign");
    assert!(machine.firstboot(&["run"]).status.success());
    let script = "cd \"$1\" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \
        -out ca.crt -subj '/CN=The authority' && openssl req -new -key node.key -subj /CN=web.example.org -out node.csr \
        && openssl x509 -req -in node.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out node.crt";
    let folder = machine.at("/etc/firstboot/tls");
    let made = std::process::Command::new("sh").args(["-ec", script, "sh"]).arg(&folder).output();
    let made = made.expect("sh starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = read(&machine, "/etc/firstboot/tls/node.crt");
    let (code, said) = rename(&machine, "node7.example.org", &[]);
    assert!(code == Some(0) && said.contains("is from 'CN=The authority' and stays"), "{said}");
    assert_eq!(read(&machine, "/etc/hostname"), "node7\n");
    let recipe = "version: 1\nfqdn: web.example.org\ncertificate: { names: [10.0.0.8] }\n";
    std::fs::write(machine.at("/etc/firstboot/10-recipe.yaml"), recipe).expect("written");
    assert!(machine.firstboot(&["run"]).status.success());
    assert_eq!(read(&machine, "/etc/firstboot/tls/node.crt"), text);
    std::fs::write(machine.at("/etc/firstboot/tls/node.crt"), "junk\n").expect("written");
    let (code, said) = rename(&machine, "node8.example.org", &[]);
    assert!(code == Some(1) && said.contains("when it is removed, a new one is made"), "{said}");
    assert_eq!(read(&machine, "/etc/hostname"), "node7\n");
}

#[test]
fn what_is_no_name_and_what_fails_leaves_the_old_one() {
    let machine = machine("rename-refused");
    assert!(machine.firstboot(&["run"]).status.success());
    let before = machine.snapshot();
    for name in ["", "a b", "-x", "a..b", "$(reboot)", &"a".repeat(300)] {
        let (code, said) = rename(&machine, name, &[]);
        assert!(matches!(code, Some(1 | 2)), "{name}: {said}");
    }
    assert_eq!(machine.snapshot(), before);
    // A folder is where the new /etc/hostname is written first, so that fails after /etc/hosts was replaced.
    std::fs::create_dir_all(machine.at("/etc/.hostname.bootwright-new/x")).expect("a folder");
    let before = machine.snapshot();
    let (code, said) = rename(&machine, "other.example.org", &[]);
    assert!(code == Some(1) && said.contains("the machine has its old name"), "{said}");
    assert_eq!(machine.snapshot(), before);
    std::fs::create_dir_all(machine.at("/etc/firstboot/rename.d/not a unit")).expect("a folder");
    assert!(rename(&machine, "other", &[]).1.contains("not the name of a unit"));
}

#[test]
fn a_rename_that_was_cut_is_taken_back_by_the_next_run() {
    let machine = machine("rename-cut");
    assert!(machine.firstboot(&["run"]).status.success());
    let (hosts, hostname) = (read(&machine, "/etc/hosts"), read(&machine, "/etc/hostname"));
    let record = serde_json::json!({"kernel": "x", "files": [
        {"path": "/etc/hosts", "text": hosts, "mode": 0o644},
        {"path": "/etc/hostname", "text": hostname, "mode": 0o644}]});
    std::fs::write(machine.at("/var/lib/firstboot/rename.json"), record.to_string()).expect("written");
    std::fs::write(machine.at("/etc/hosts"), "half\n").expect("written");
    assert!(machine.firstboot(&["run"]).status.success());
    assert_eq!((read(&machine, "/etc/hosts"), read(&machine, "/etc/hostname")), (hosts, hostname));
    assert!(!machine.at("/var/lib/firstboot/rename.json").exists());
}
