//! A guest: a layer over the image, a seed, a tap, and a line to a shell inside, which its user data installs.

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use contract::encoding::{decode_base64, encode_base64};
use integration_tests::cut::text;
use integration_tests::witness::witness;

use crate::private;

/// How long a guest may be silent: booting, or working on one question.
const LIMIT: Duration = Duration::from_secs(1800);

/// Answers each line, a script in base64, with its exit code and what it said, in base64 as well.
const SHELL: &str = r#"#!/bin/bash
exec 3<>/dev/virtio-ports/shell
while read -r line <&3; do
    said=$(base64 -d <<<"$line" | bash 2>&1)
    code=$?
    echo "$code $(base64 -w 0 <<<"$said")" >&3
done
"#;

/// A guest.
pub struct Guest {
    name: String,
    number: u8,
    memory: u32,
    folder: PathBuf,
    tap: String,
    machine: Option<(Child, RefCell<BufReader<UnixStream>>)>,
}

impl Guest {
    /// Makes the machine, switched off.
    pub fn new(name: &str, number: u8, memory: u32, image: &Path) -> Self {
        let folder = private::make_folder(name);
        let disk = folder.join("disk.qcow2");
        let create = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", text(image), text(&disk), "8G"];
        witness("qemu-img", &create);
        Self { name: name.into(), number, memory, folder, tap: private::make_tap(number), machine: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn address_of_card(&self) -> String {
        format!("52:54:00:00:99:{:02x}", self.number)
    }

    /// Switches it on for the first time, with user data that begins as given.
    pub fn start(&mut self, user_data: &str) {
        let seed = self.path("seed");
        fs::create_dir(&seed).expect("a folder");
        let indented: String = SHELL.lines().map(|line| format!("      {line}\n")).collect();
        let user_data = format!(
            "#cloud-config\n{user_data}hostname: {}\nwrite_files:\n  - path: /usr/local/sbin/host-shell\n    permissions: '0755'\n    \
            content: |\n{indented}  - path: /etc/systemd/system/host-shell.service\n    content: |\n      [Service]\n      \
            ExecStart=/usr/local/sbin/host-shell\n      Restart=always\n      StartLimitIntervalSec=0\n      [Install]\n      \
            WantedBy=multi-user.target\nruncmd: [systemctl daemon-reload, systemctl enable --now host-shell]\n",
            self.name
        );
        let network = format!(
            "version: 2\nethernets:\n  private:\n    match: {{ macaddress: '{}' }}\n    addresses: [10.99.0.{}/24]\n",
            self.address_of_card(),
            self.number
        );
        let meta_data = format!("instance-id: {}-1\n", self.name);
        for (name, content) in
            [("meta-data", &meta_data), ("user-data", &user_data), ("network-config", &network)]
        {
            fs::write(seed.join(name), content).expect("written");
        }
        let iso = self.path("seed.iso");
        witness(
            "xorriso",
            &["-as", "mkisofs", "-quiet", "-V", "cidata", "-J", "-r", "-o", text(&iso), text(&seed)],
        );
        self.start_again();
    }

    /// Switches it on.
    pub fn start_again(&mut self) {
        let file = |name: &str| text(&self.path(name)).to_owned();
        let socket = file("shell");
        let _ = fs::remove_file(&socket);
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"])
            .args([
                "-accel",
                "tcg,thread=multi",
                "-cpu",
                "qemu64",
                "-smp",
                "1",
                "-m",
                &self.memory.to_string(),
            ])
            .args(["-device", "virtio-rng-pci"])
            .arg("-drive")
            // What the guest flushed is on the disk when its power goes.
            .arg(format!("if=none,id=image,format=qcow2,cache=writeback,file={}", file("disk.qcow2")))
            .args(["-device", "virtio-blk-pci,drive=image,bootindex=0", "-drive"])
            .arg(format!("if=none,id=seed,format=raw,readonly=on,file={}", file("seed.iso")))
            .args(["-device", "virtio-blk-pci,drive=seed", "-netdev"])
            .arg(format!("tap,id=private,ifname={},script=no,downscript=no", self.tap))
            .arg("-device")
            .arg(format!("virtio-net-pci,netdev=private,romfile=,mac={}", self.address_of_card()))
            .args(["-serial", &format!("file:{}", file("console"))])
            .args(["-device", "virtio-serial-pci", "-chardev"])
            .arg(format!("socket,id=shell,path={socket},server=on,wait=off"))
            .args(["-device", "virtserialport,chardev=shell,name=shell"])
            .stdin(Stdio::null());
        let child = host::child::die_with_parent(&mut command).spawn().expect("QEMU starts");
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("QEMU does not listen: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        self.machine = Some((child, RefCell::new(BufReader::new(stream))));
    }

    /// Takes its power away.
    pub fn kill(&mut self) {
        let (mut child, _) = self.machine.take().expect("it runs");
        child.kill().and_then(|()| child.wait()).expect("QEMU ends");
    }

    /// Runs a script inside, as root; its exit code and what it said. Waits for the guest to boot.
    pub fn ask(&self, script: &str) -> (i32, String) {
        let (_, stream) = self.machine.as_ref().expect("it runs");
        let mut stream = stream.borrow_mut();
        let question = encode_base64(script.as_bytes()) + "\n";
        stream.get_mut().write_all(question.as_bytes()).expect("the guest is asked");
        let mut line = String::new();
        if let Err(error) = stream.read_line(&mut line) {
            panic!("'{}' does not answer '{script}': {error}\n{}", self.name, self.console());
        }
        let (code, said) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let said = decode_base64(said).expect("base64");
        (code.parse().expect("a code"), String::from_utf8_lossy(&said).into_owned())
    }

    /// Runs a script that must succeed; what it said.
    pub fn done(&self, script: &str) -> String {
        let (code, said) = self.ask(script);
        assert_eq!(code, 0, "'{script}' on '{}': {said}", self.name);
        said.trim_end().to_owned()
    }

    /// What went on inside, for whoever looks for the cause of a failure.
    pub fn story(&self) -> String {
        let script = "firstboot status --all; systemctl --failed --no-pager; journalctl -b --no-pager -u firstboot \
            -u firstboot-node -u firstboot-cored -u nginx -u 'postgresql@*' -u mariadb -u redis-server -u rabbitmq-server \
            -u memcached -u nfs-server | tail -n 120";
        format!("'{}':\n{}\n", self.name, self.ask(script).1)
    }

    fn console(&self) -> String {
        let bytes = fs::read(self.path("console")).unwrap_or_default();
        let said = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}
