//! The real program, as users run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// Returns the `bootwright` under test: `BOOTWRIGHT_BIN`, or the one of the same target folder.
///
/// # Panics
///
/// When there is none; `scripts/test` builds it.
pub fn bootwright() -> PathBuf {
    if let Some(path) = std::env::var_os("BOOTWRIGHT_BIN") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("a running program has a path");
    let folder = own.parent().and_then(Path::parent).expect("tests run from target/PROFILE/deps");
    let path = folder.join("bootwright");
    assert!(
        path.exists(),
        "'{}' does not exist; run `cargo build --release`, or scripts/test",
        path.display()
    );
    path
}

/// Returns the checkout's folder.
///
/// # Panics
///
/// Never: the tests' crate lies in it.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// The cache that tests share, so that packages are fetched once: `BOOTWRIGHT_TEST_CACHE`, or beside the target.
///
/// # Panics
///
/// When the running test has no path.
pub fn shared_cache() -> PathBuf {
    std::env::var_os("BOOTWRIGHT_TEST_CACHE").map_or_else(
        || {
            let own = std::env::current_exe().expect("a running program has a path");
            own.ancestors().nth(3).expect("tests run from target/PROFILE/deps").join("test-cache")
        },
        PathBuf::from,
    )
}

/// Runs `bootwright` with `arguments` and gives its whole output.
///
/// # Errors
///
/// When it cannot be started.
pub fn run(arguments: &[&str]) -> Result<Output> {
    Command::new(bootwright()).args(arguments).output().context("starting bootwright")
}

/// Returns a command that runs `bootwright` and takes signals: who runs the tests in the background may have them ignore
/// some, and what is ignored is inherited.
pub fn interruptible() -> Command {
    let mut command = Command::new("/usr/bin/env");
    command.arg("--default-signal=HUP,INT,TERM").arg(bootwright());
    command
}

/// Builds `recipe` into `output` with the shared cache. Results of earlier builds serve unless `more` has `--fresh`.
///
/// # Errors
///
/// When the build fails; what it printed is in the error.
pub fn build(recipe: &Path, output: &Path, more: &[&str]) -> Result<()> {
    let cache = shared_cache();
    let result = Command::new(bootwright())
        .arg("build")
        .arg(recipe)
        .arg("--output")
        .arg(output)
        .arg("--cache")
        .arg(&cache)
        .args(more)
        .output()
        .context("starting bootwright")?;
    ensure!(
        result.status.success(),
        "building '{}' ended with {}:\n{}",
        recipe.display(),
        result.status,
        String::from_utf8_lossy(&result.stderr)
    );
    Ok(())
}

/// Builds `recipes/NAME.yaml` with the shared cache and returns its qcow2.
///
/// # Errors
///
/// When the build fails.
pub fn recipe_image(name: &str) -> Result<PathBuf> {
    let output = shared_cache().with_file_name("test-images");
    build(&checkout().join("recipes").join(format!("{name}.yaml")), &output, &[])?;
    Ok(output.join(format!("{name}.qcow2")))
}

/// Returns debian-minimal's image, built once per test run.
///
/// # Panics
///
/// When the build fails.
pub fn debian_minimal() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| recipe_image("debian-minimal").expect("debian-minimal builds"))
}

/// Returns the name of a user with subordinate ids; `scripts/install-test-dependencies` makes one if need be.
///
/// # Panics
///
/// When there is none.
pub fn ordinary_user() -> String {
    let granted = std::fs::read_to_string("/etc/subuid").unwrap_or_default();
    let user = granted.split(':').next().map(str::trim).filter(|user| !user.is_empty() && *user != "root");
    user.expect("/etc/subuid names a user; run scripts/install-test-dependencies").to_owned()
}
