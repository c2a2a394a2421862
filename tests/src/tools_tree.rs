//! A tools tree for tests of single stages, made by apt and dpkg-deb of this machine, and a way to run its programs
//! without any privilege: by its own dynamic loader.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use bootwright::disk::Toolbox;
use bootwright::disk::toolbox::{Call, Feed, ToolError};

/// Returns a tools tree: `BOOTWRIGHT_TEST_TOOLS` if set, else one made of trixie's packages once, in the target folder.
pub fn tools_tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| match std::env::var_os("BOOTWRIGHT_TEST_TOOLS") {
        Some(path) => path.into(),
        None => make(&target_folder().join("test-tools-trixie-2")).expect("a tools tree"),
    })
}

/// The folder that this test program was built in; what is kept there goes with it.
fn target_folder() -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    program.ancestors().nth(2).expect("test programs lie in target/PROFILE/deps").to_owned()
}

fn make(folder: &Path) -> Result<PathBuf> {
    let tree = folder.join("tree");
    if folder.join("complete").exists() {
        return Ok(tree);
    }
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    if folder.join("complete").exists() {
        return Ok(tree);
    }
    let archives = download(folder, &["e2fsprogs", "libarchive13t64", "squashfs-tools", "erofs-utils"])?;
    fs::create_dir_all(tree.join("usr"))?;
    for link in ["bin", "lib", "lib64", "sbin"] {
        let path = tree.join(link);
        if path.symlink_metadata().is_err() {
            std::os::unix::fs::symlink(format!("usr/{link}"), path)?;
        }
    }
    for archive in archives {
        let script =
            "dpkg-deb --fsys-tarfile \"$1\" | tar -x -C \"$2\" --keep-directory-symlink --no-same-owner";
        let status = Command::new("sh").args(["-ec", script, "sh"]).arg(&archive).arg(&tree).status()?;
        ensure!(status.success(), "unpacking '{}'", archive.display());
    }
    File::create(folder.join("complete"))?;
    Ok(tree)
}

/// Downloads packages of trixie and what they need, by an apt that sees nothing of this machine but its mirror.
fn download(folder: &Path, packages: &[&str]) -> Result<Vec<PathBuf>> {
    for below in ["etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(folder.join(below))?;
    }
    let mirror = debian_mirror()?;
    fs::write(folder.join("status"), "")?;
    fs::write(
        folder.join("etc/sources.list"),
        format!("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {mirror} trixie main\n"),
    )?;
    let shown = folder.display();
    let configuration = format!(
        "Dir::Etc \"{shown}/etc\";\nDir::State \"{shown}/state\";\nDir::State::status \"{shown}/status\";\n\
         Dir::Cache \"{shown}/cache\";\nAPT::Install-Recommends \"0\";\nAPT::Architecture \"amd64\";\n"
    );
    fs::write(folder.join("apt.conf"), configuration)?;
    for args in [vec!["update"], [vec!["install", "-y", "--download-only"], packages.to_vec()].concat()] {
        let output =
            Command::new("apt-get").args(&args).env("APT_CONFIG", folder.join("apt.conf")).output()?;
        ensure!(output.status.success(), "apt-get {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let archives = fs::read_dir(folder.join("cache/archives"))?;
    let archives = archives.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(archives
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect())
}

/// Returns the base address of the Debian archive that this machine's apt uses.
pub fn debian_mirror() -> Result<String> {
    let sources = fs::read_to_string("/etc/apt/sources.list.d/debian.sources")
        .or_else(|_| fs::read_to_string("/etc/apt/sources.list"))
        .context("reading apt's sources")?;
    let words = sources.split_whitespace();
    let Some(address) = words
        .into_iter()
        .find(|word| word.contains("://") && word.trim_end_matches('/').ends_with("/debian"))
    else {
        bail!("apt's sources name no Debian archive");
    };
    Ok(address.to_owned())
}

/// Runs programs of a tree by the tree's own loader, as whoever runs the test.
#[derive(Debug)]
pub struct LoaderToolbox {
    tree: PathBuf,
}

impl LoaderToolbox {
    /// Runs programs of `tree`.
    pub fn new(tree: &Path) -> Self {
        Self { tree: tree.to_owned() }
    }

    fn command(&self, call: &Call<'_>) -> Command {
        // The child finds inherited files through this process, since passing descriptors on needs unsafe code.
        let translated = |text: &str| {
            let mut text = text.to_owned();
            for (file, number) in &call.inherit {
                let here = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
                text = text.replace(&format!("/proc/self/fd/{number}"), &here);
            }
            text
        };
        let mut command = Command::new(self.tree.join("usr/lib64/ld-linux-x86-64.so.2"));
        command
            .arg("--library-path")
            .arg(self.tree.join("usr/lib/x86_64-linux-gnu"))
            .arg(self.tree.join(call.program.trim_start_matches('/')))
            .args(call.args.iter().map(|arg| translated(arg)))
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .envs(call.env.iter().map(|(key, value)| (key, translated(value))));
        command
    }
}

impl Toolbox for LoaderToolbox {
    fn run(&self, call: Call<'_>, feed: Feed<'_>) -> Result<String, ToolError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| ToolError::Failed {
            program: call.program.to_owned(),
            source,
        };
        let mut command = self.command(&call);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.into()))?;
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let said = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let fed = feed(&mut stdin).map_err(ToolError::Feed);
        let _ = stdin.flush();
        drop(stdin);
        let status = child.wait().map_err(|error| failed(error.into()))?;
        let said = said.join().expect("the reader ended");
        if !status.success() {
            return Err(failed(format!("{status}: {said}").into()));
        }
        fed.map(|()| said)
    }
}
