//! recipes/web-server.yaml as somebody copies it: built with a vendor's repository of the test's own, and booted.
//!
//! Needs the network (the Debian mirror of this machine's apt), gpg, dpkg-dev, apt-utils and QEMU.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use integration_tests::archive::{Key, Package, make_suite};
use integration_tests::guest::{Firmware, Machine, probe_machine};
use integration_tests::mirror::Mirror;
use integration_tests::program::{bootwright, build, checkout};
use integration_tests::scratch::Scratch;
use serde_json::Value;

/// How long the guest's own questions may take; it may be translated, on a machine with other work.
const PROBE_LIMIT: Duration = Duration::from_secs(600);
/// How long an answer of its web server may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The vendor's: an older `postgresql` than Debian's, so that only the pin makes it the one that is taken.
const VENDORS: Package<'_> = Package {
    name: "postgresql",
    version: "15+1.vendor",
    fields: "Depends: postgresql-15\n",
    files: &[("usr/share/doc/postgresql/vendor", "from the vendor\n")],
};

struct Built {
    scratch: &'static Path,
    _vendor: Mirror,
    _key: Key,
}

impl Built {
    fn image(&self) -> PathBuf {
        self.scratch.join("out/web-server.qcow2")
    }
}

fn recipe() -> PathBuf {
    checkout().join("recipes/web-server.yaml")
}

fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let scratch = Scratch::for_the_run("web-server");
        let root = scratch.join("vendor");
        std::fs::create_dir_all(root.join("pool")).expect("a folder");
        let key = Key::make(scratch).expect("gpg makes a key");
        VENDORS.make(&root.join("pool")).expect("dpkg-deb");
        make_suite(&root, "stable", &[("Origin", "Vendor")], &key).expect("a suite");
        let vendor = Mirror::of_folder(root).expect("a loopback port");
        let set = [
            format!("vendor={}", vendor.uri()),
            "vendor_suite=stable".to_owned(),
            format!("vendor_key={}", text(&key.armoured)),
        ];
        let arguments: Vec<&str> = set.iter().flat_map(|one| ["--set", one.as_str()]).collect();
        build(&recipe(), &scratch.join("out"), &arguments).expect("web-server builds");
        Built { scratch, _vendor: vendor, _key: key }
    })
}

fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}

/// Asks for a page until the server answers, for it may still start.
fn get(port: u16) -> String {
    let deadline = Instant::now() + ANSWER_LIMIT;
    loop {
        let answer = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(ANSWER_LIMIT))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        match answer {
            Ok(answer) if !answer.is_empty() => return answer,
            other if Instant::now() > deadline => panic!("no answer: {other:?}"),
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
    }
}

#[test]
fn the_recipe_is_right_as_it_lies_there() {
    let output = std::process::Command::new(bootwright()).arg("check").arg(recipe()).output();
    let output = output.expect("bootwright starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_vendors_package_is_taken_by_its_pin() {
    let manifest = built().image().with_extension("manifest.json");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(manifest).expect("a manifest")).expect("it is JSON");
    let packages = manifest["packages"].as_array().expect("a list");
    let version =
        |name: &str| packages.iter().find(|one| one["name"] == name).map(|one| one["version"].clone());
    assert_eq!(version("postgresql").expect("installed"), VENDORS.version);
    assert!(version("postgresql-15").is_some(), "its dependency is Debian's");
}

#[test]
fn nginx_answers_from_outside_and_postgresql_inside() {
    let machine = Machine::new(built().image()).firmware(Firmware::Bios).forward(80).memory(1536);
    let script = r#"
runuser -u postgres -- psql --no-psqlrc -Atc "select 6 * 7"
runuser -u postgres -- psql --no-psqlrc -Atc "create table clones (name text); insert into clones values ('first'); select count(*) from clones" | tail -1
echo "clusters: $(pg_lsclusters --no-header | wc -l)"
echo "owner: $(stat -c %U:%G /srv/www/index.html)"
echo "key: $(stat -c '%a %U:%G' /etc/ssl/private/ssl-cert-snakeoil.key)"
echo "audit: $(dpkg --audit | wc -l)"
apt-cache policy postgresql | sed -n 's/^ *Installed: /installed: /p'
grep -h . /etc/apt/preferences.d/*.pref
"#;
    let (result, running) = probe_machine(machine, script, PROBE_LIMIT).expect("the guest answers");
    let said = result.output().expect("the questions are answered").to_owned();
    assert_eq!(result.system, "running", "failed units: {:?}\n{}", result.failed_units, result.serial_log);
    let answer = get(running.forwarded_port(80).expect("it is forwarded"));
    running.stop().expect("the machine ends");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("<h1>It works</h1>"), "{answer}");
    assert!(said.starts_with("42\n1\n"), "{said}");
    for line in [
        "clusters: 1",
        "owner: www-data:www-data",
        "key: 640 root:ssl-cert",
        "audit: 0",
        "installed: 15+1.vendor",
        "Pin: release o=Vendor,a=stable,n=stable",
        "Pin-Priority: 600",
    ] {
        assert!(said.lines().any(|one| one == line), "expected '{line}' in:\n{said}");
    }
}
