//! Machines in network namespaces: each has a root folder, an address and real processes.
//!
//! A case runs in namespaces of its own (network, mounts, processes), so whatever it started ends with it, however it
//! ends; its files are in a tmpfs that nobody else sees.

mod draw;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a core node runs, in the order in which it starts.
pub const CORE_UNITS: [&str; 3] =
    ["firstboot-etcd.service", "firstboot-cored.service", "firstboot-node.service"];

/// Says that a test process is inside its namespaces.
const INSIDE: &str = "FIRSTBOOT_CLUSTER_CASE";
/// Where machines are, in the tmpfs of a case.
const FOLDER: &str = "/run/machines";

/// Runs `case` in namespaces of its own, by starting this test again in them. `name` is the test's full name.
pub fn isolated(name: &str, case: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        prepare();
        if let Err(problem) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case)) {
            show_logs();
            std::panic::resume_unwind(problem);
        }
        return;
    }
    if !draw::is_drawn(name) {
        return;
    }
    let found = Command::new("sh")
        .args(["-c", "test \"$(id -u)\" = 0 && command -v etcd etcdctl ip unshare"])
        .output()
        .expect("sh runs");
    if !found.status.success() {
        eprintln!("skipped: needs root, etcd, etcdctl and ip");
        return;
    }
    let own = std::env::current_exe().expect("this test");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"])
        .arg(own)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, name)
        .status()
        .expect("unshare runs");
    assert!(status.success(), "{name} failed inside its namespaces");
}

fn prepare() {
    must("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    must("ip", &["link", "set", "lo", "up"]);
    must("ip", &["link", "add", "bridge0", "type", "bridge"]);
    must("ip", &["link", "set", "bridge0", "up"]);
}

/// What the machines' services said: all of it goes with the case.
fn show_logs() {
    let shown = Command::new("sh")
        .args(["-c", &format!("tail -n 30 {FOLDER}/*/log/* {FOLDER}/*/run/calls")])
        .output()
        .expect("sh runs");
    eprintln!("{}", String::from_utf8_lossy(&shown.stdout));
}

fn must(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A machine.
#[derive(Debug)]
pub struct Node {
    /// Its namespace, host name and folder.
    pub name: String,
    pub root: PathBuf,
    /// Seconds by which its clock is wrong.
    pub clock_offset: i64,
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self.out
    }

    /// The errors of what failed.
    #[track_caller]
    pub fn failed(self, wanted: &str) -> String {
        assert!(self.code != 0, "it was done: {}", self.out);
        assert!(self.err.contains(wanted), "not '{wanted}': {}", self.err);
        self.err
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Node {
    /// Machine number `number`, which knows who it is.
    pub fn new(number: u8) -> Self {
        let name = format!("n{number}");
        let address = format!("10.77.0.{number}");
        let root = Path::new(FOLDER).join(&name);
        fs::create_dir_all(root.join("etc")).expect("a folder");
        fs::create_dir_all(root.join("run")).expect("a folder");
        fs::create_dir_all(root.join("sys/class/dmi/id")).expect("a folder");
        fs::write(root.join("etc/hostname"), format!("{name}\n")).expect("written");
        fs::write(
            root.join("sys/class/dmi/id/product_uuid"),
            format!("00000000-0000-4000-8000-0000000000{number:02x}\n"),
        )
        .expect("written");
        must("ip", &["netns", "add", &name]);
        let link = format!("v{number}");
        must("ip", &["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        must("ip", &["link", "set", &link, "master", "bridge0", "up"]);
        let inside = |arguments: &[&str]| must("ip", &[&["-n", &name], arguments].concat());
        inside(&["link", "set", "lo", "up"]);
        inside(&["link", "set", "eth0", "up"]);
        inside(&["address", "add", &format!("{address}/24"), "dev", "eth0"]);
        let node = Self { name, root, clock_offset: 0 };
        node.configure();
        node
    }

    /// `firstboot run`, by which the machine gets to know which one it is.
    pub fn configure(&self) {
        self.program(&["run"]).done();
    }

    /// `firstboot run` with all that a running machine does.
    pub fn configure_whole(&self) -> Said {
        self.program(&["run", "--with-commands"])
    }

    /// A program in the machine's namespace.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command.stdin(Stdio::null());
        command.env("FIRSTBOOT_ROOT", &self.root);
        command.env("FIRSTBOOT_CLOCK_OFFSET", self.clock_offset.to_string());
        let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/support/systemctl.sh");
        command.env("FIRSTBOOT_SYSTEMCTL", stand_in);
        command
    }

    fn program(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_firstboot"));
        command.args(arguments).arg("--root").arg(&self.root);
        command.output().expect("firstboot runs").into()
    }

    /// `firstboot ARGUMENTS` on the machine: a verb of clusters, since others would take `/` for the machine.
    pub fn run(&self, arguments: &[&str]) -> Said {
        assert!(matches!(arguments[0], "node" | "token" | "role" | "certificate"), "{arguments:?}");
        let mut command = self.command(env!("CARGO_BIN_EXE_firstboot"));
        command.args(arguments).output().expect("firstboot runs").into()
    }

    /// `firstboot status --all ARGUMENTS` on the machine.
    pub fn status(&self, arguments: &[&str]) -> Said {
        self.program(&[&["status", "--all"], arguments].concat())
    }

    /// `firstboot ARGUMENTS` under strace, which kills it at the call that `injection` says. What it starts is left alone.
    pub fn run_cut(&self, injection: &str, arguments: &[&str]) -> Said {
        let mut command = self.command("strace");
        command.args(["-qq", "-o", "/dev/null", "-e", &format!("inject={injection}")]);
        command.arg(env!("CARGO_BIN_EXE_firstboot")).args(arguments).output().expect("strace runs").into()
    }

    /// Starts `firstboot ARGUMENTS` and does not wait.
    pub fn begin(&self, arguments: &[&str]) -> std::process::Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_firstboot"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("firstboot runs")
    }

    /// `systemctl ARGUMENTS` of the machine.
    pub fn systemctl(&self, arguments: &[&str]) -> Said {
        let stand_in = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/support/systemctl.sh");
        self.command(stand_in).args(arguments).output().expect("sh runs").into()
    }

    /// etcd's own client, as `cored` is let in.
    pub fn etcdctl(&self, arguments: &[&str]) -> Said {
        let below = |name: &str| self.root.join("var/lib/firstboot/cluster").join(name);
        self.command("etcdctl")
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", "https://127.0.0.1:2379"])
            .arg("--cacert")
            .arg(below("etcd/authority.crt"))
            .arg("--cert")
            .arg(below("etcd-client.crt"))
            .arg("--key")
            .arg(below("etcd-client.key"))
            .args(arguments)
            .output()
            .expect("etcdctl runs")
            .into()
    }

    /// Keys in etcd that begin with `prefix`, by etcd's own client.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let said = self.etcdctl(&["get", "--prefix", "--keys-only", prefix]).done();
        said.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// etcd's members by its own client: name, whether it votes, and where it is reached.
    pub fn members(&self) -> Vec<(String, bool, String)> {
        let said = self.etcdctl(&["member", "list"]).out;
        let read = |line: &str| {
            let words: Vec<&str> = line.split(", ").collect();
            (words[2].to_owned(), words[5] == "false", words[3].to_owned())
        };
        said.lines().map(read).collect()
    }

    /// How many members vote, and how many do not.
    pub fn votes(&self) -> (usize, usize) {
        let members = self.members();
        let voters = members.iter().filter(|(_, votes, _)| *votes).count();
        (voters, members.len() - voters)
    }

    /// Where core nodes are, by the cluster's list in etcd, and its epoch.
    pub fn endpoints(&self) -> (Vec<String>, u64) {
        let signed = self.value("/fb/endpoints");
        let list: Value = serde_json::from_str(signed["text"].as_str().unwrap_or("{}")).expect("JSON");
        let cores = list["cores"].as_array().cloned().unwrap_or_default();
        let cores = cores.iter().filter_map(|core| core.as_str().map(str::to_owned)).collect();
        (cores, list["epoch"].as_u64().unwrap_or_default())
    }

    /// Pulls the machine's cable, or puts it back.
    pub fn cable(&self, is_in: bool) {
        let link = format!("v{}", &self.name[1..]);
        must("ip", &["link", "set", &link, if is_in { "up" } else { "down" }]);
    }

    /// `ip ARGUMENTS` on the machine.
    pub fn ip(&self, arguments: &[&str]) {
        must("ip", &[&["-n", &self.name], arguments].concat());
    }

    /// `nft` with `rules` on the machine.
    pub fn nft(&self, rules: &str) {
        let output = self.command("nft").arg(rules).output().expect("nft runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The machine loses its power: all that runs on it ends, and nothing is heard of it.
    pub fn lose(&self) {
        for unit in CORE_UNITS {
            self.crash(unit);
        }
        self.cable(false);
    }

    /// It comes back.
    pub fn come_back(&self) {
        self.cable(true);
        self.systemctl(&[&["start", "firstboot-fence.service"], &CORE_UNITS[..]].concat()).done();
    }

    /// What is at `key` in etcd.
    pub fn value(&self, key: &str) -> Value {
        // While the core moves, etcd does not answer for some seconds; who waits for a value asks again.
        let said = self.etcdctl(&["get", "--print-value-only", key]).out;
        serde_json::from_str(said.trim()).unwrap_or(Value::Null)
    }

    /// What a file of the machine says.
    pub fn file(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path.trim_start_matches('/'))).unwrap_or_default()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("a folder above")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// The process of a unit.
    pub fn pid(&self, unit: &str) -> u32 {
        self.file(&format!("run/pids/{unit}"))
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{unit} of {} runs", self.name))
    }

    /// Kills a unit as a crash does.
    pub fn crash(&self, unit: &str) {
        let pid = self.pid(unit);
        must("kill", &["-9", &pid.to_string()]);
        eventually("what was killed ends", 20, || has_ended(pid));
        fs::remove_file(self.root.join("run/pids").join(unit)).expect("its record");
    }

    /// The machine's part of the record that all nodes have.
    pub fn member(&self) -> Value {
        serde_json::from_str(&self.file("var/lib/firstboot/cluster/member.json")).unwrap_or(Value::Null)
    }

    pub fn uuid(&self) -> String {
        self.member()["node"].as_str().expect("a node").to_owned()
    }

    /// Every file of the machine outside of logs and records of calls, with its content.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let (mut found, mut open) = (Vec::new(), vec![self.root.clone()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path)
                } else if path.extension().is_none_or(|end| end != "lock") {
                    found.push((path.clone(), fs::read(&path).expect("a file")))
                }
            }
        }
        found.sort();
        found
    }

    /// Makes the machine the core of a cluster.
    pub fn setup_core(&self) -> String {
        self.run(&["node", "setup", "core", "api.example.org"]).done()
    }

    /// Makes the machine one more core node of `core`'s cluster.
    pub fn join_as_core(&self, core: &Node) {
        let token = core.token("controller");
        self.run(&["node", "attach", "--token", &token, "-e", "controller", "--wait", "60s"]).done();
    }

    /// Makes the machine a worker of `core`'s cluster.
    pub fn join_as_worker(&self, core: &Node) {
        let token = core.token("worker");
        self.run(&["node", "attach", "--token", &token, "-e", "worker", "--wait", "60s"]).done();
    }

    /// A token for one machine.
    pub fn token(&self, roles: &str) -> String {
        self.run(&["token", "create", "--role", roles]).done().trim().to_owned()
    }
}

/// A role of an image as JSON, below `/etc/firstboot/roles.d`.
pub fn role(node: &Node, name: &str, rest: &str) {
    let comma = if rest.is_empty() { "" } else { ", " };
    node.write(
        &format!("etc/firstboot/roles.d/{name}.json"),
        &format!("{{\"name\": \"{name}\"{comma}{rest}}}"),
    );
}

/// A limit in seconds, which is for a machine that has nothing else to do; the variable makes it wider.
pub fn limit(seconds: f64) -> f64 {
    seconds * std::env::var("FIRSTBOOT_SLOW").ok().and_then(|text| text.parse::<f64>().ok()).unwrap_or(1.0)
}

/// Tells whether a process has ended: until its last thread has gone, it holds its ports.
pub fn has_ended(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    let states = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
    states.into_iter().all(|text| text.contains("\nState:\tZ") || text.contains("\nState:\tX"))
}

/// Waits until something holds, for as long as [`limit`] makes of so many seconds.
#[track_caller]
pub fn eventually(what: &str, seconds: u32, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs_f64(limit(f64::from(seconds)));
    while !holds() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
