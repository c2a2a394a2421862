//! Trees made natively are equal to mmdebstrap's for the same packages, as root and as an ordinary user.
//!
//! Needs the network (the Debian mirror of this machine's apt), mmdebstrap, and sub-ids for the ordinary user. A
//! program without libtest, because the worker forks and so must come before any thread. Names of lists, suites or
//! cases on the command line choose among them, else the environment does ([`cases`]); as root each also runs as the
//! first user of `/etc/subuid`. With `BOOTWRIGHT_TREES_KEEP=DIR` the references stay in that folder and serve again.
//!
//! Packages are chosen and ordered by our own solver, as in a real build, so what apt chose is compared as well.

mod cases;
mod reference;
mod small;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use bootwright::progress::{Event, Reporter, Stage};
use bootwright::rootfs::{DataArchives, bootstrap, unpack_tools};
use bootwright::sandbox::{Isolation, Sandbox};
use bootwright::verify::Verified;
use cases::Case;
use host::mount::Tmpfs;
use host::worker::{Request, run};
use integration_tests::program::ordinary_user;
use integration_tests::sample::is_root;
use integration_tests::scratch::Scratch;
use integration_tests::tree_compare::{BOOTSTRAP_RULES, differences, read_folder, read_tar};
use reference::{EPOCH, Reference};

/// First argument of the run as an ordinary user; case and folder follow.
const AS_USER: &str = "--as-user";

fn main() -> ExitCode {
    // Flags for libtest, which a whole run of the tests hands to every program, mean nothing here.
    let ours = |argument: &String| argument == AS_USER || !argument.starts_with('-');
    let arguments: Vec<String> = std::env::args().skip(1).filter(ours).collect();
    let outcome = match arguments.as_slice() {
        [flag, case, folder] if flag == AS_USER => {
            cases::find(case).and_then(|case| compare(case, Path::new(folder)))
        }
        names => test_all(names),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("FAILED: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn test_all(names: &[String]) -> Result<()> {
    let mut failed = Vec::new();
    for case in cases::choose(names)? {
        let scratch = Scratch::new(&case.to_string());
        let folder = kept(case).unwrap_or_else(|| scratch.path().to_owned());
        println!("test {case} ... making the reference");
        Reference::make(case, &folder)?;
        for (who, result) in
            [("this user", compare(case, &folder)), ("ordinary user", as_user(case, &folder, &scratch))]
        {
            println!("test {case} as {who} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
            if let Err(error) = result {
                failed.push(format!("{case} as {who}: {error:#}"));
            }
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// Returns where the reference of a case stays, if it is to stay.
fn kept(case: Case) -> Option<PathBuf> {
    Some(Path::new(&std::env::var_os("BOOTWRIGHT_TREES_KEEP")?).join(case.to_string()))
}

/// Runs this program again as a user who has sub-ids; nothing to do when this is one already.
fn as_user(case: Case, folder: &Path, scratch: &Scratch) -> Result<()> {
    if !is_root()? {
        return Ok(());
    }
    // The target folder may lie where only its owner goes, such as below /root.
    let program = scratch.path().join("program");
    std::fs::copy(std::env::current_exe()?, &program).context("copying this program")?;
    let status = Command::new("runuser")
        .args(["-u", &ordinary_user(), "--"])
        .arg(&program)
        .args([AS_USER, &case.to_string()])
        .arg(folder)
        .current_dir("/")
        .status()?;
    ensure!(status.success(), "the run of an ordinary user ended with {status}");
    Ok(())
}

/// Builds natively what the reference in `folder` holds, and compares.
fn compare(case: Case, folder: &Path) -> Result<()> {
    let reference = Reference::open(case, folder)?;
    let code = run(Request::Auto, |isolation| match build_and_compare(&reference, isolation) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error:#}");
            1
        }
    })?;
    ensure!(code == 0, "the worker ended with {code}");
    Ok(())
}

fn build_and_compare(reference: &Reference, isolation: Isolation) -> Result<()> {
    // Only this mount namespace sees it, so that any folder that is there for everyone will do.
    let mount = host::mount::tmpfs(Path::new("/mnt"), &Tmpfs { size: Some("75%".into()) })?;
    let root = mount.path().join("tree");
    std::fs::create_dir(&root)?;
    let sandbox = Sandbox::new(isolation).with_epoch(EPOCH);
    let verified = reference.verified()?;
    let seconds = build(&verified, &sandbox, &root)?;
    let left: Vec<_> = std::fs::read_dir(mount.path())?.filter_map(|e| Some(e.ok()?.file_name())).collect();
    ensure!(left == ["tree"], "left beside the tree: {left:?}");
    let found = differences(&read_folder(&root)?, &read_tar(&reference.archive)?, BOOTSTRAP_RULES);
    println!(
        "    {}: {} packages, ours {seconds:.1} s, mmdebstrap {:.1} s, {} differences",
        reference.case,
        verified.packages.len(),
        reference.seconds,
        found.len()
    );
    if !found.is_empty() {
        bail!("{} differences:\n{}", found.len(), found.join("\n"));
    }
    witness(&root)?;
    // The preseed is heard in a file that later releases do not have.
    if reference.case.list.name == small::LIST && reference.case.suite == cases::SUITES[0] {
        unpacks_tools(&verified, &sandbox, &mount.path().join("tools"))?;
        small::packages_that_only_dpkg_can_unpack(&sandbox, &verified, mount.path())?;
    }
    Ok(())
}

/// The same packages as a tree of tools: unpacked only, and its programs run.
fn unpacks_tools(verified: &Verified, sandbox: &Sandbox, tools: &Path) -> Result<()> {
    std::fs::create_dir(tools)?;
    let stage = Stage::start(&Teller, "tools");
    unpack_tools(&verified.packages, DataArchives::of_packages(), tools, &stage)?;
    ensure!(
        tools.join("etc/mtab").exists() && !tools.join("var/lib/dpkg/status").exists(),
        "not a tools tree"
    );
    sandbox
        .command(tools, "/bin/tar")
        .arg("--version")
        .run()
        .context("running a program of the tools tree")?;
    Ok(())
}

/// Builds `verified` in `root`; returns how many seconds it took.
pub(crate) fn build(verified: &Verified, sandbox: &Sandbox, root: &Path) -> Result<f64> {
    let stage = Stage::start(&Teller, "install packages");
    let started = std::time::Instant::now();
    bootstrap(verified, DataArchives::of_packages(), sandbox, root, &stage)?;
    Ok(started.elapsed().as_secs_f64())
}

/// Asks dpkg. That of this machine: in the sandbox a stub stands over one of the files that it would verify.
fn witness(root: &Path) -> Result<()> {
    for question in ["--audit", "--verify"] {
        let output = Command::new("dpkg").arg("--root").arg(root).arg(question).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success() && said.is_empty(), "dpkg {question}: {said}");
    }
    Ok(())
}

struct Teller;

impl Reporter for Teller {
    fn event(&self, event: Event) {
        if let Event::Note { message } | Event::Warning { message } = event {
            println!("    {message}");
        }
    }
}
