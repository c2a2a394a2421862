//! A seed over HTTPS: the server is openssl's, its certificate is one of an authority that the machine trusts, or not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::support::case::Case;
use crate::support::machine::GoldenMachine;

/// `openssl s_server`, which gives the files of its folder; ended with the value.
struct SecureServer {
    child: Child,
    port: u16,
}

impl SecureServer {
    fn start(folder: &Path) -> Self {
        let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=CA
            openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out csr -subj /CN=seed.example
            printf 'subjectAltName=DNS:seed.example\\n' > extensions
            openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out crt";
        let made = Command::new("sh").args(["-ec", script]).current_dir(folder).output().expect("sh starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-cert", "crt", "-key", "key", "-WWW"]);
        let mut child = command
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        let mut ports = lines.filter_map(|line| line.strip_prefix("ACCEPT 127.0.0.1:")?.parse().ok());
        let port = ports.next().expect("openssl says its port");
        // It goes on saying things, which nobody has to read, but somebody has to take.
        std::thread::spawn(move || ports.count());
        Self { child, port }
    }
}

impl Drop for SecureServer {
    fn drop(&mut self) {
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}

fn write(machine: &GoldenMachine, path: &str, text: &[u8]) {
    fs::create_dir_all(machine.at(path).parent().expect("a folder above")).expect("folders");
    fs::write(machine.at(path), text).expect("a file");
}

fn run(machine: &GoldenMachine) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstboot"));
    command.arg("run").arg("--root").arg(&machine.root).output().expect("firstboot starts")
}

#[test]
fn a_seed_comes_from_a_server_that_proves_itself_and_from_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/nocloud_command_line.case");
    let machine = GoldenMachine::build(&Case::load(&path), "https");
    let folder = machine.at("/served");
    fs::create_dir_all(&folder).expect("a folder");
    for (name, text) in [
        ("meta-data", "local-hostname: secure\n"),
        ("user-data", "#cloud-config\n{}\n"),
        ("vendor-data", "#cloud-config\n{}\n"),
        ("network-config", "network: {config: disabled}\n"),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
    let server = SecureServer::start(&folder);
    write(&machine, "/etc/hosts", b"127.0.0.1 localhost seed.example other.example\n");
    let with = |host: &str| {
        let line = format!("root=/dev/vda1 ds=nocloud;s=https://{host}:{}/\n", server.port);
        write(&machine, "/proc/cmdline", line.as_bytes());
    };
    let fails = |wanted: &str| {
        let said = String::from_utf8_lossy(&run(&machine).stdout).into_owned();
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
        assert!(!machine.at("/etc/hostname").exists(), "{said}");
    };
    with("seed.example");
    fails("'/etc/ssl/certs/ca-certificates.crt' has no certificate");
    // The machine trusts somebody, and not this one.
    let other = rcgen::generate_simple_self_signed(["other".to_owned()]).expect("a certificate").cert.pem();
    write(&machine, "/etc/ssl/certs/ca-certificates.crt", other.as_bytes());
    fails("invalid peer certificate: UnknownIssuer");
    let authority = fs::read(folder.join("ca.crt")).expect("the authority");
    write(&machine, "/etc/ssl/certs/ca-certificates.crt", &authority);
    with("other.example");
    fails("invalid peer certificate: certificate not valid for name \"other.example\"");
    with("seed.example");
    let ran = run(&machine);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    assert_eq!(fs::read_to_string(machine.at("/etc/hostname")).expect("a name"), "secure\n");
}
