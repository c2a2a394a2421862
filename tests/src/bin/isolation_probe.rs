//! Runs a shell script inside a small tree, in a worker of its own, for the tests in `tests/isolation.rs`.
//!
//! ```text
//! isolation_probe LEVEL FOLDER WHAT SCRIPT
//! ```
//!
//! LEVEL is `auto`, `root`, `user` or `chroot`. FOLDER becomes the workspace. WHAT is `inside` (in the sandbox), `network` (there,
//! with the network), `fed` (there, a word on its standard input), `bound` (there, FOLDER/shown visible at /made/here),
//! `sysfs` (there, with `/sys`), `interactive` (there, on the terminal), `dropped` (there, until it is dropped after a word
//! on standard output), `parallel` (there, fed, many times at once), `worker` (in the worker itself), `panic`, or `many` (SCRIPT a hundred times, the mean time of one run printed).
//! What a run leaves in the tree is printed to standard error as lines `left: PATH`. A run that fails exits with 7.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bootwright::sandbox::{Isolation, Output, Sandbox};
use bootwright::workspace::Workspace;
use host::worker::{Request, run};

/// Folders of the host that give the tree its programs.
const FROM_HOST: [&str; 3] = ["usr/bin", "usr/lib", "usr/lib64"];
const RUNS: u32 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [level, folder, what, script] = arguments.as_slice() else {
        eprintln!("usage: isolation_probe LEVEL FOLDER WHAT SCRIPT");
        return ExitCode::from(2);
    };
    let request = match level.as_str() {
        "root" => Request::Root,
        "user" => Request::User,
        "chroot" => Request::Chroot,
        _ => Request::Auto,
    };
    let body = |isolation| match probe(isolation, Path::new(folder), what, script) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error:#}");
            7
        }
    };
    match run(request, body) {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(255)),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(8)
        }
    }
}

fn probe(isolation: Isolation, folder: &Path, what: &str, script: &str) -> Result<()> {
    let workspace = Workspace::create(folder, isolation)?;
    let tree = workspace.tree();
    populate(&tree).context("making a tree")?;
    let sandbox = Sandbox::new(isolation).with_epoch(1_700_000_000);
    let shell = || sandbox.command(&tree, "/bin/sh").args(["-c", script]);
    let before = listing(&tree)?;
    let output = match what {
        "inside" => shell().run(),
        "network" => shell().network(true).run(),
        "fed" => shell().spawn_with_stdin().and_then(|mut running| {
            // A program that ends first says so itself.
            let _ = running.write_all(b"word\n");
            running.finish()
        }),
        "bound" => shell().bind(&folder.join("shown"), "/made/here").run(),
        "sysfs" => shell().sysfs().run(),
        "parallel" => {
            parallel(&|word| {
                let mut running = shell().spawn_with_stdin()?;
                running.write_all(word)?;
                Ok(running.finish()?.stdout)
            })?;
            shell().run()
        }
        "dropped" => {
            let running = shell().spawn_with_stdin()?;
            let mut word = String::new();
            std::io::stdin().read_line(&mut word)?;
            drop(running);
            println!("dropped");
            std::io::stdin().read_line(&mut word)?;
            return Ok(());
        }
        "interactive" => {
            let status = shell().interactive()?;
            // The terminal's foreground is ours again, or this would stop.
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            println!("{status}; then came {line}");
            return Ok(());
        }
        "worker" => {
            let status = std::process::Command::new("/bin/sh").args(["-c", script]).status()?;
            return if status.success() { Ok(()) } else { bail!("{status}") };
        }
        "panic" => panic!("as asked"),
        "many" => return measure(&|| shell().run().map(drop).map_err(Into::into)),
        other => bail!("unknown: {other}"),
    };
    let after = listing(&tree)?;
    for path in before.keys().chain(after.keys()).filter(|path| before.get(*path) != after.get(*path)) {
        eprintln!("left: {}", path.display());
    }
    let Output { stdout, stderr_tail } = output?;
    std::io::stdout().write_all(&stdout)?;
    eprintln!("{stderr_tail}");
    Ok(())
}

/// Runs from several threads at once: each run must get its own word back, and see the end of its input.
fn parallel(once: &(dyn Fn(&[u8]) -> Result<Vec<u8>> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                scope.spawn(move || {
                    for run in 0..20 {
                        let word = format!("{thread}.{run}\n");
                        ensure!(once(word.as_bytes())? == word.as_bytes(), "another run's word");
                    }
                    Ok(())
                })
            })
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")))
    })
}

/// Prints the mean time of a run in microseconds.
fn measure(once: &dyn Fn() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    for _ in 0..RUNS {
        once()?;
    }
    println!("{}", started.elapsed().as_micros() / u128::from(RUNS));
    Ok(())
}

/// A tree with the host's programs, a start-stop-daemon of its own, and a dangling resolv.conf as systemd makes it.
fn populate(tree: &Path) -> Result<()> {
    for folder in ["dev", "proc", "etc", "tmp", "root", "usr/sbin"].into_iter().chain(FROM_HOST) {
        fs::create_dir_all(tree.join(folder))?;
    }
    for folder in FROM_HOST.map(Path::new).into_iter().filter(|folder| Path::new("/").join(folder).exists()) {
        host::mount::bind(&Path::new("/").join(folder), &tree.join(folder))?.keep();
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{folder}"), tree.join(folder))?;
    }
    symlink("../run/systemd/resolve/stub-resolv.conf", tree.join("etc/resolv.conf"))?;
    let daemon = tree.join("usr/sbin/start-stop-daemon");
    fs::write(&daemon, "#!/bin/sh\necho real\n")?;
    fs::set_permissions(&daemon, fs::Permissions::from_mode(0o755))?;
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    Ok(())
}

/// Kind, mode, size, owner and time of modification of everything in the tree that is not the host's.
fn listing(tree: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![tree.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path)?;
        let inside = path.strip_prefix(tree)?;
        if FROM_HOST.iter().any(|folder| Path::new(folder) == inside) {
            continue;
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                pending.push(entry?.path());
            }
        }
        let stamp = (metadata.mtime(), metadata.mtime_nsec());
        let facts = (metadata.mode(), metadata.size(), metadata.uid(), metadata.gid(), metadata.ino(), stamp);
        found.insert(inside.to_owned(), format!("{facts:?}"));
    }
    Ok(found)
}
