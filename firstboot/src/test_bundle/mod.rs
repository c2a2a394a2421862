//! Runs the tests that a host attached as a disk, and reports over virtio-serial.
//!
//! The marker is looked at first: an image whose recipe has no tests runs nothing, whatever is attached to it.
//! Every function takes the root folder, so that tests give it a small machine made of files.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contract::report::{self, TestEvent};
use contract::test_bundle::{HEADER_BYTES, MARKER_PATH, TestBundle, WORK_FOLDER, parse_header};

mod device;
pub mod script;
mod system;
#[cfg(test)]
mod tests;

/// How long drivers may take to show the disk and the port.
const DEVICE_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the bundle that is attached to this machine.
///
/// # Errors
///
/// When the image does not allow it, there is no bundle, or the report cannot be delivered.
pub fn run(root: &Path) -> Result<()> {
    check_marker(root)?;
    let disk = device::wait_for(DEVICE_PATIENCE, || device::find_disk(root))?;
    let port = device::wait_for(DEVICE_PATIENCE, || device::find_port(root))?;
    let port =
        File::options().write(true).open(&port).with_context(|| format!("opening '{}'", port.display()))?;
    report_bundle(root, read_bundle(&disk), port)
}

/// Runs the bundle, or tells the host why it cannot be run.
fn report_bundle(root: &Path, bundle: Result<TestBundle>, port: impl Write) -> Result<()> {
    let mut reporter = Reporter { port };
    let outcome = bundle.and_then(|bundle| run_all(root, &bundle, &mut reporter));
    match &outcome {
        Ok(()) => reporter.send(&TestEvent::Finished)?,
        Err(error) => reporter.send(&TestEvent::Refused { reason: format!("{error:#}") })?,
    }
    outcome
}

fn run_all(root: &Path, bundle: &TestBundle, reporter: &mut Reporter<impl Write>) -> Result<()> {
    let firstboot = env!("CARGO_PKG_VERSION").to_owned();
    reporter.send(&TestEvent::Started { version: report::VERSION, firstboot, tests: bundle.tests.len() })?;
    reporter.send(&TestEvent::Settled(system::settle(Duration::from_secs(bundle.settle_seconds))))?;
    let folder = WorkFolder::create(root)?;
    for (index, test) in bundle.tests.iter().enumerate() {
        reporter.send(&TestEvent::TestStarted { index })?;
        let path = folder.path.join(format!("{index:03}"));
        fs::write(&path, &test.script).with_context(|| format!("writing '{}'", path.display()))?;
        let result = script::run(&path, Duration::from_secs(test.timeout_seconds));
        println!("{}: {}", test.name, result.ending);
        reporter.send(&TestEvent::TestFinished { index, result })?;
    }
    Ok(())
}

/// The marker is what the builder wrote, or nothing is run.
fn check_marker(root: &Path) -> Result<()> {
    let path = beneath(root, MARKER_PATH);
    let shown = path.display();
    let metadata = fs::symlink_metadata(&path)
        .with_context(|| format!("looking at '{shown}', which an image with tests has"))?;
    ensure!(metadata.is_file(), "'{shown}' is not a regular file; no test is run");
    let owner = fs::symlink_metadata("/proc/self").context("looking at /proc/self")?.uid();
    ensure!(
        metadata.uid() == owner,
        "'{shown}' belongs to user {}, not to {owner}; no test is run",
        metadata.uid()
    );
    let mode = metadata.permissions().mode() & 0o7777;
    ensure!(mode & 0o022 == 0, "'{shown}' has mode {mode:04o}, others may write it; no test is run");
    Ok(())
}

fn read_bundle(disk: &Path) -> Result<TestBundle> {
    let shown = disk.display();
    let mut file = File::open(disk).with_context(|| format!("opening '{shown}'"))?;
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header).with_context(|| format!("reading the header of '{shown}'"))?;
    let length = parse_header(&header).with_context(|| format!("reading the header of '{shown}'"))?;
    let mut document = Vec::new();
    file.take(length).read_to_end(&mut document).with_context(|| format!("reading '{shown}'"))?;
    if document.len() as u64 != length {
        bail!("'{shown}' ends after {} of the {length} bytes that its header names", document.len());
    }
    TestBundle::from_document(&document).with_context(|| format!("reading '{shown}'"))
}

fn beneath(root: &Path, absolute: &str) -> PathBuf {
    root.join(absolute.trim_start_matches('/'))
}

/// Sends events, one line each.
struct Reporter<W> {
    port: W,
}

impl<W: Write> Reporter<W> {
    fn send(&mut self, event: &TestEvent) -> Result<()> {
        let line = report::render_line(event).context("rendering the report")?;
        self.port.write_all(line.as_bytes()).context("reporting to the host")
    }
}

/// Holds the scripts while they run.
struct WorkFolder {
    path: PathBuf,
}

impl WorkFolder {
    fn create(root: &Path) -> Result<Self> {
        let path = beneath(root, WORK_FOLDER);
        if path.symlink_metadata().is_ok() {
            fs::remove_dir_all(&path).with_context(|| format!("removing an old '{}'", path.display()))?;
        }
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o700).create(&path).with_context(|| format!("making '{}'", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("firstboot: removing '{}': {error}", self.path.display());
        }
    }
}
