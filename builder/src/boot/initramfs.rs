//! The initramfs, made once for each kernel by the image's own `mkinitramfs`.
//!
//! What goes into it is decided by Debian's scripts alone. Two things are done differently while they run, by
//! binding changed copies over two of their files, so that the tree keeps the originals: forks that only answer
//! "this path is what it is" are answered in the shell (`prelude.sh`), and the archive is compressed in this process.
//! Where a release's scripts do not look as expected, they simply run as they are.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::{BootError, kernel};
use crate::progress::Stage;
use crate::sandbox::{BASENAME, Sandbox};

/// The program, and the functions that it and its hooks read.
const PROGRAM: &str = "/usr/sbin/mkinitramfs";
const FUNCTIONS: &str = "/usr/share/initramfs-tools/hook-functions";
/// Put before those functions.
const PRELUDE: &str = include_str!("initramfs/prelude.sh");
/// How mkinitramfs compresses the main archive, and what stands there while we build.
const COMPRESSES: &str = "$compress -c";
const COMPRESSES_HERE: &str = "bootwright_compress";
/// Level that initramfs-tools uses when its configuration names none.
const USUAL_LEVEL: i32 = 9;
/// Level used instead: a third of the time for an eighth more bytes.
const FAST_LEVEL: i32 = 3;
/// Scripts of packages that follow a new initramfs.
const HOOKS: &str = "/etc/initramfs/post-update.d";

/// Makes `/boot/initrd.img-*` for every kernel of the tree at `root`. `epoch` bounds the times inside.
///
/// A tree without a kernel is left alone; one without initramfs-tools too, if each kernel has an initramfs already.
///
/// # Errors
/// When mkinitramfs is missing or fails; the error holds the end of its output.
pub fn initramfs(root: &Path, sandbox: &Sandbox, epoch: i64, stage: &Stage<'_>) -> Result<(), BootError> {
    let releases = kernel::releases(root)?;
    if !root.join(PROGRAM.trim_start_matches('/')).exists() {
        let made = |release: &String| root.join(format!("boot/initrd.img-{release}")).exists();
        return match releases.iter().all(made) {
            true => Ok(()),
            false => Err(BootError::MissingFile {
                path: PROGRAM.to_owned(),
                purpose: "a Debian kernel",
                package: "initramfs-tools",
            }),
        };
    }
    for version in releases {
        stage.working(format!("initramfs of {version}"));
        make(root, sandbox, epoch, &version).map_err(|source| BootError::Initramfs { version, source })?;
    }
    Ok(())
}

/// Returns the paths in the tree at `root` of the images that [`initramfs`] makes.
///
/// # Errors
/// When `/boot` cannot be read.
pub fn initramfs_paths(root: &Path) -> Result<Vec<String>, BootError> {
    let paths = kernel::releases(root)?.into_iter().map(|release| format!("/boot/initrd.img-{release}"));
    Ok(paths.collect())
}

/// Returns those of `changes`, paths and what is there now, that an initramfs may differ by.
pub fn initramfs_inputs(changes: &BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    let all = changes.keys().any(|path| relevance::is_hook(path));
    let read = changes.iter().filter(|(path, _)| all || relevance::is_read(path));
    read.map(|(path, state)| (path.clone(), state.clone())).collect()
}

/// Tells whether an initramfs may differ by what is at `path`, absolute.
pub fn initramfs_reads(path: &Path) -> bool {
    relevance::is_hook(path) || relevance::is_read(path)
}

/// Tells whether packages of the tree want to do something after each new initramfs.
pub fn initramfs_has_followers(root: &Path) -> bool {
    root.join(HOOKS.trim_start_matches('/')).is_dir()
}

/// Makes the initramfs of one kernel and puts it in place.
fn make(root: &Path, sandbox: &Sandbox, epoch: i64, version: &str) -> anyhow::Result<()> {
    let output = format!("/boot/initrd.img-{version}.new");
    let mut command = sandbox
        .command(root, PROGRAM)
        .args(["-o", output.as_str(), version])
        .env("SOURCE_DATE_EPOCH", epoch.to_string());
    for (path, content) in changed_scripts(root)? {
        command = command.mask(path, &content);
    }
    command.run()?;
    let made = root.join(output.trim_start_matches('/'));
    compress_main(&made).with_context(|| format!("compressing '{output}'"))?;
    let target = root.join(format!("boot/initrd.img-{version}"));
    fs::rename(&made, &target).with_context(|| format!("renaming '{output}'"))?;
    run_hooks(root, sandbox, version)
}

/// Returns the scripts that are bound over the tree's while mkinitramfs runs; none if they look unfamiliar.
fn changed_scripts(root: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path.trim_start_matches('/')))
            .with_context(|| format!("reading '{path}'"))
    };
    let program = read(PROGRAM)?;
    if program.matches(COMPRESSES).count() != 1 || !root.join(FUNCTIONS.trim_start_matches('/')).exists() {
        return Ok(Vec::new());
    }
    let program = program.replace(COMPRESSES, COMPRESSES_HERE);
    Ok(vec![(PROGRAM, program), (FUNCTIONS, format!("{BASENAME}{PRELUDE}{}", read(FUNCTIONS)?))])
}

/// Compresses the main archive, if mkinitramfs left it for us to do, and puts it into the file `made`.
///
/// That file may hold more: first archives that stay uncompressed (microcode, compressed modules), at its end what
/// hooks have appended. The main archive lies beside it, with a note on where between them it belongs.
fn compress_main(made: &Path) -> anyhow::Result<()> {
    let beside = |suffix: &str| {
        let mut name = made.as_os_str().to_owned();
        name.push(suffix);
        std::path::PathBuf::from(name)
    };
    let (note, main) = (beside(".note"), beside(".main"));
    let text = match fs::read_to_string(&note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.context("reading the note on its place")?,
    };
    let place = Place::parse(&text).with_context(|| format!("unexpected note on its place: {text:?}"))?;

    let archive = File::open(&main).context("opening the main archive")?;
    let rest = File::open(made).context("opening the rest")?;
    let permissions = rest.metadata().context("reading the mode")?.permissions();
    // Both are read through open files from here on, so that their names are free and nothing stays behind.
    for name in [&note, &main, &made.to_owned()] {
        fs::remove_file(name).with_context(|| format!("removing '{}'", name.display()))?;
    }
    let target = File::create(made).context("creating the file")?;
    target.set_permissions(permissions).context("setting the mode")?;
    let length = archive.metadata().context("reading the main archive's length")?.len();
    place.join(rest, archive, length, BufWriter::with_capacity(1 << 17, target))
}

/// Where the main archive belongs, and how it is to be compressed.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    level: i32,
    offset: u64,
}

impl Place {
    /// Parses the note: mkinitramfs's own command line, and the offset.
    fn parse(note: &str) -> Option<Self> {
        let mut lines = note.lines();
        let level = lines.next()?.split_whitespace().find_map(|word| word.strip_prefix('-')?.parse().ok())?;
        let level = if level == USUAL_LEVEL { FAST_LEVEL } else { level };
        Some(Self { level, offset: lines.next()?.parse().ok()? })
    }

    /// Writes `rest` to `target` with `archive`, compressed, at its place.
    fn join(
        &self,
        mut rest: impl Read,
        archive: impl Read,
        length: u64,
        mut target: impl Write,
    ) -> anyhow::Result<()> {
        let before = io::copy(&mut rest.by_ref().take(self.offset), &mut target)?;
        if before != self.offset {
            bail!("mkinitramfs left {before} bytes before the main archive, {} were noted", self.offset);
        }
        let mut encoder = zstd::Encoder::new(target, self.level).context("starting zstd")?;
        encoder.include_checksum(true)?;
        encoder.set_pledged_src_size(Some(length))?;
        io::copy(&mut { archive }, &mut encoder).context("compressing the main archive")?;
        let mut target = encoder.finish().context("ending the main archive")?;
        io::copy(&mut rest, &mut target)?;
        target.flush().context("writing the last part")
    }
}

/// Runs what packages want to run after a new initramfs, as update-initramfs does.
fn run_hooks(root: &Path, sandbox: &Sandbox, version: &str) -> anyhow::Result<()> {
    if !root.join(HOOKS.trim_start_matches('/')).is_dir() {
        return Ok(());
    }
    let arguments =
        [format!("--arg={version}"), format!("--arg=/boot/initrd.img-{version}"), HOOKS.to_owned()];
    sandbox.command(root, "/usr/bin/run-parts").args(arguments).run()?;
    Ok(())
}

mod relevance;
#[cfg(test)]
mod tests;
