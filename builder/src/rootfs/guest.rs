//! Runs maintainer scripts and dpkg inside the tree.
//!
//! Everything goes through the sandbox, which lets no service start. Two programs are masked beside, because what
//! they make has no place in an image at this point:
//!
//! - `update-initramfs`: the initramfs is made once, later, by the stage `boot`.
//! - `ssh-keygen`: host keys belong to a clone, not to the image.
//!
//! dpkg's lock is not taken while preinsts run natively: nothing else works on the tree.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sandbox::{Command, Running, Sandbox};

use super::control::Control;
use super::error::{BootstrapError, Result};
use super::familiar;

const QUIET: &str = "#!/bin/sh\nexit 0\n";
const MASKED: [&str; 2] = ["/usr/sbin/update-initramfs", "/usr/bin/ssh-keygen"];

/// Runs the preinsts whose names come on standard input, one line `package architecture` each, and
/// answers each with its status on descriptor 3. One shell for many scripts saves starting a sandbox for each.
const PREINST_LOOP: &str = r#"
cd /
while read -r package architecture; do
    DPKG_MAINTSCRIPT_PACKAGE="$package" DPKG_MAINTSCRIPT_ARCH="$architecture" \
    DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 DPKG_MAINTSCRIPT_DEBUG=0 \
    DPKG_ROOT= DPKG_ADMINDIR=/var/lib/dpkg \
        /var/lib/dpkg/tmp.ci/preinst install </dev/null >/var/lib/dpkg/tmp.ci/output 2>&1 3>&-
    echo "$?" >&3
done
"#;
/// File in which the loop leaves what a preinst wrote, relative to the tree.
const PREINST_OUTPUT: &str = "var/lib/dpkg/tmp.ci/output";
/// debconf's program, the one that it needs (of apt-utils; from trixie on of apt itself), and the folder that it leaves.
const PRECONFIGURE: &str = "/usr/sbin/dpkg-preconfigure";
const EXTRACT: [&str; 2] = ["/usr/lib/apt/apt-extracttemplates", "/usr/bin/apt-extracttemplates"];
const PRECONFIGURED: &str = "var/cache/debconf/tmp.ci";
const APT_CACHES: [&str; 2] = ["var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin"];
/// Where the packages are seen in the tree meanwhile.
const PACKAGES: &str = "/run/bootwright-packages";
/// Lines of a failed script's output that an error shows.
const SHOWN_LINES: usize = 40;

/// Programs of one tree.
#[derive(Clone, Copy)]
pub struct Guest<'a> {
    sandbox: &'a Sandbox,
    root: &'a Path,
    moves_folders: bool,
}

impl std::fmt::Debug for Guest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("root", &self.root).finish_non_exhaustive()
    }
}

impl<'a> Guest<'a> {
    /// Runs programs of the tree at `root`.
    pub fn new(sandbox: &'a Sandbox, root: &'a Path) -> Self {
        Self { sandbox, root, moves_folders: false }
    }

    /// Leaves alone what lies in folders that the package usrmerge moves: it cannot move what is mounted on.
    #[must_use]
    pub fn moving_folders(mut self, moves_folders: bool) -> Self {
        self.moves_folders = moves_folders;
        self
    }

    /// Configures the packages of these names in this order, or everything unpacked when there are none, and processes
    /// triggers.
    ///
    /// # Errors
    /// dpkg's failure, with the end of its output.
    pub fn configure(&self, names: &[&str]) -> Result<()> {
        let command = self.command("/usr/bin/dpkg").arg("--configure");
        let command = if names.is_empty() {
            command.arg("--pending")
        } else {
            command.arg("--force-depends").args(names.iter().copied())
        };
        command.run().map_err(BootstrapError::program("configuring packages"))?;
        Ok(())
    }

    /// Configures the packages of these names. Like apt's, this run leaves triggers to a later one.
    ///
    /// # Errors
    /// dpkg's failure, with the end of its output.
    pub fn configure_early(&self, names: &[&str]) -> Result<()> {
        let command = self.command("/usr/bin/dpkg").args(["--no-triggers", "--configure"]);
        let command = command.args(names.iter().copied());
        command.run().map_err(BootstrapError::program(format!("configuring {}", names.join(", "))))?;
        Ok(())
    }

    /// Lets real dpkg unpack a package that lies in the tree at `inside`. Nothing is masked: dpkg cannot replace a
    /// file that something is mounted on, and a first installation's preinst has no service to stop.
    ///
    /// # Errors
    /// dpkg's failure, with the end of its output.
    pub fn unpack(&self, package: &str, inside: &str) -> Result<()> {
        let command =
            self.sandbox.command(self.root, "/usr/bin/dpkg").args(["--unpack", "--force-depends", inside]);
        command
            .without_service_stubs()
            .run()
            .map_err(BootstrapError::program(format!("unpacking {package} with dpkg")))?;
        Ok(())
    }

    /// Answers debconf questions before they are asked.
    ///
    /// # Errors
    /// A line that debconf does not accept.
    pub fn preseed(&self, lines: &[String]) -> Result<()> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let command = self.command("/usr/bin/debconf-set-selections").stdin_bytes(text.into_bytes());
        command.run().map_err(BootstrapError::program("preseeding debconf"))?;
        Ok(())
    }

    /// Makes the folder that debconf leaves in a tree when it is asked before packages are unpacked, whether or not one
    /// of them has questions.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn leave_preconfigured(&self) -> Result<()> {
        let folder = self.root.join(PRECONFIGURED);
        let made = std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::set_permissions(&folder, Permissions::from_mode(0o755)));
        made.map_err(BootstrapError::file("creating", &folder))
    }

    /// Lets debconf ask the questions of packages before they are unpacked, as apt does.
    /// `packages` are files below the folder `store` of this machine.
    ///
    /// # Errors
    /// debconf's failure, with the end of its output; apt goes on after one.
    pub fn preconfigure(&self, store: &Path, packages: &[&Path]) -> Result<()> {
        let inside = |path: &&Path| {
            let name = path.strip_prefix(store).unwrap_or(path);
            format!("{PACKAGES}/{}\n", name.display())
        };
        let list: String = packages.iter().map(inside).collect();
        let command =
            self.command(PRECONFIGURE).arg("--apt").bind(store, PACKAGES).stdin_bytes(list.into_bytes());
        let asked = command.run().map_err(BootstrapError::program("asking debconf's questions beforehand"));
        // The program that reads the questions makes them of lists that no image keeps.
        for cache in APT_CACHES.map(|path| self.root.join(path)) {
            match std::fs::remove_file(&cache) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(BootstrapError::file("removing", &cache)(error));
                }
                _ => {}
            }
        }
        asked.map(drop)
    }

    /// Tells whether the tree has what [`Guest::preconfigure`] needs.
    pub fn can_preconfigure(&self) -> bool {
        let exists = |path: &str| self.root.join(path.trim_start_matches('/')).exists();
        exists(PRECONFIGURE) && EXTRACT.into_iter().any(exists)
    }

    /// Starts a shell that runs preinsts one by one.
    ///
    /// # Errors
    /// A sandbox that cannot be started.
    pub fn preinsts(&self) -> Result<Preinsts<'a>> {
        let pipe = std::io::pipe().map_err(BootstrapError::file("opening a pipe for", self.root))?;
        let (answers, answer) = pipe;
        let command = self.command("/bin/sh").args(["-c", PREINST_LOOP]).inherit(answer.as_fd(), 3);
        let shell =
            command.spawn_with_stdin().map_err(BootstrapError::program("starting a shell for preinsts"))?;
        Ok(Preinsts { shell: Some(shell), answers: BufReader::new(answers), root: self.root })
    }

    fn command(&self, program: &str) -> Command<'a> {
        let mut command = self.sandbox.command(self.root, program);
        if self.moves_folders {
            command = command.unmask("/sbin/start-stop-daemon");
        }
        let command = MASKED.iter().fold(command, |command, path| command.mask(path, QUIET));
        let scripts = familiar::scripts(self.root);
        scripts.iter().fold(command, |command, (path, script)| command.mask(path, script))
    }
}

/// A running shell for preinsts.
pub struct Preinsts<'a> {
    /// None when it ended before its time.
    shell: Option<Running>,
    answers: BufReader<PipeReader>,
    root: &'a Path,
}

impl std::fmt::Debug for Preinsts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preinsts").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Preinsts<'_> {
    /// Runs the preinst that lies in dpkg's folder for control files in progress.
    ///
    /// # Errors
    /// A script that fails, with the end of its output.
    pub fn run(&mut self, control: &Control) -> Result<()> {
        let mut status = String::new();
        if let Some(shell) = &mut self.shell
            && writeln!(shell, "{} {}", control.name, control.architecture).is_ok()
        {
            // Nothing read, or an error, means the same as an empty line: the shell is gone.
            let _ = self.answers.read_line(&mut status);
        }
        match (status.trim(), self.shell.take_if(|_| status.trim().is_empty())) {
            ("0", _) => Ok(()),
            ("", Some(shell)) => match shell.finish() {
                Err(error) => {
                    Err(BootstrapError::program(format!("running preinst of {}", control.name))(error))
                }
                Ok(_) => Err(self.failure(control, "unknown: the shell that ran it is gone")),
            },
            (status, _) => Err(self.failure(control, status)),
        }
    }

    /// Ends the shell.
    ///
    /// # Errors
    /// A shell that did not end well.
    pub fn finish(self) -> Result<()> {
        if let Some(shell) = self.shell {
            shell.finish().map_err(BootstrapError::program("ending the shell for preinsts"))?;
        }
        Ok(())
    }

    fn failure(&self, control: &Control, status: &str) -> BootstrapError {
        let output = std::fs::read(self.root.join(PREINST_OUTPUT)).unwrap_or_default();
        let output = String::from_utf8_lossy(&output);
        let lines: Vec<&str> = output.lines().collect();
        BootstrapError::Script {
            package: control.name.clone(),
            script: "preinst",
            status: status.to_owned(),
            output: lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"),
        }
    }
}
