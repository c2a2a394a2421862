//! Makes the machine of a case, runs `firstboot` on it, and looks at what came of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::case::{Case, Section};
use super::server::Server;

/// What `tests/golden/README.md` says is there unless a case says otherwise.
const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
const SHADOW: &str = "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nsudo:x:27:\nshadow:x:42:\nnogroup:x:65534:\n";
const GSHADOW: &str = "root:*::\nadm:*::\nsudo:*::\nshadow:*::\nnogroup:*::\n";
const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef\n";

/// A machine on disk, removed when it goes out of scope.
#[derive(Debug)]
pub struct GoldenMachine {
    pub root: PathBuf,
    pub server: Server,
}

impl GoldenMachine {
    /// Makes the machine of `case`.
    pub fn build(case: &Case, tag: &str) -> Self {
        let root =
            std::env::temp_dir().join(format!("firstboot-golden-{}-{tag}-{}", case.name, std::process::id()));
        fs::create_dir_all(&root).expect("a temporary folder");
        let pages = case.of("server").map(|page| (page.path().to_owned(), page.text.clone())).collect();
        let machine = Self { root, server: Server::start(pages) };
        for (path, text) in [
            ("/etc/passwd", PASSWD),
            ("/etc/shadow", SHADOW),
            ("/etc/group", GROUP),
            ("/etc/gshadow", GSHADOW),
            ("/etc/machine-id", MACHINE_ID),
            ("/usr/share/zoneinfo/Europe/Berlin", "TZif"),
            ("/bin/bash", ""),
        ] {
            machine.write(path, text.as_bytes());
        }
        case.of("folder")
            .for_each(|section| fs::create_dir_all(machine.at(section.path())).expect("a folder"));
        for file in case.of("file") {
            machine.write(file.path(), machine.expand(&file.text).as_bytes());
        }
        for link in case.of("link") {
            machine.write(&format!("{}/..", link.path()), b"");
            symlink(link.text.trim(), machine.at(link.path())).expect("a link");
        }
        for mode in case.of("mode") {
            let bits = u32::from_str_radix(mode.text.trim(), 8).expect("octal");
            fs::set_permissions(machine.at(mode.path()), fs::Permissions::from_mode(bits)).expect("a mode");
        }
        machine.attach_disks(case);
        machine
    }

    /// Returns where a path of the machine is.
    pub fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn expand(&self, text: &str) -> String {
        text.replace("@SERVER@", &self.server.address.to_string())
    }

    /// Writes a file; a path that ends in `/..` only makes the folder above.
    fn write(&self, path: &str, bytes: &[u8]) {
        let target = self.at(path.trim_end_matches("/.."));
        fs::create_dir_all(target.parent().expect("a parent")).expect("folders");
        if !path.ends_with("/..") {
            fs::write(target, bytes).expect("a file");
        }
    }

    fn attach_disks(&self, case: &Case) {
        let mut disks: BTreeMap<(String, String), Vec<&Section>> = BTreeMap::new();
        for section in case.of("disk") {
            let [name, label, _] = section.arguments.as_slice() else { panic!("[disk NAME LABEL PATH]") };
            disks.entry((name.clone(), label.clone())).or_default().push(section);
        }
        for ((name, label), files) in disks {
            self.attach(&name, &self.fat_volume(&label, &files));
        }
        for section in case.of("image") {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/volumes").join(section.text.trim());
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(fs::File::open(path).expect("an image"))
                .read_to_end(&mut bytes)
                .expect("gzip");
            self.attach(section.path(), &bytes);
        }
    }

    /// Attaches a disk.
    pub fn attach(&self, name: &str, bytes: &[u8]) {
        self.write(&format!("/dev/{name}"), bytes);
        fs::create_dir_all(self.at(&format!("/sys/class/block/{name}"))).expect("a folder");
    }

    fn fat_volume(&self, label: &str, files: &[&Section]) -> Vec<u8> {
        let length = files.iter().map(|file| file.text.len()).sum::<usize>() * 2 + (2 << 20);
        let mut disk = Cursor::new(vec![0; length.next_multiple_of(512)]);
        let mut name = [b' '; 11];
        name[..label.len()].copy_from_slice(label.as_bytes());
        let options = fatfs::FormatVolumeOptions::new().volume_label(name);
        fatfs::format_volume(&mut disk, options).expect("formatting");
        {
            let volume = fatfs::FileSystem::new(&mut disk, fatfs::FsOptions::new()).expect("a volume");
            for file in files {
                let path = &file.arguments[2];
                for (at, _) in path.match_indices('/') {
                    volume.root_dir().create_dir(&path[..at]).expect("a folder");
                }
                let mut target = volume.root_dir().create_file(path).expect("a file");
                target.write_all(self.expand(&file.text).as_bytes()).expect("writing");
            }
        }
        disk.into_inner()
    }

    /// Runs `firstboot` with a verb on the machine.
    pub fn firstboot(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("firstboot starts")
    }

    /// Returns the command that [`Self::firstboot`] runs.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firstboot"));
        command.args(arguments).arg("--root").arg(&self.root);
        if arguments[0] != "status" {
            command.arg("--metadata-server").arg(self.server.address.to_string());
        }
        command
    }

    /// Returns every file, link and folder with its mode, owner and content.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        collect(&self.root, &self.root, &mut found);
        found
    }
}

fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let metadata = path.symlink_metadata().expect("metadata");
        let content = if metadata.is_symlink() {
            format!("-> {}", fs::read_link(&path).expect("a link").display())
        } else if metadata.is_dir() {
            collect(root, &path, found);
            "folder".into()
        } else {
            format!("{:?}", String::from_utf8_lossy(&fs::read(&path).expect("a file")))
        };
        let name = path.strip_prefix(root).expect("below").display().to_string();
        let (mode, uid) = (metadata.mode() & 0o7777, metadata.uid());
        found.insert(name, format!("{mode:o} {uid} {content}"));
    }
}

impl Drop for GoldenMachine {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(fs::remove_dir_all(&self.root));
        }
    }
}
