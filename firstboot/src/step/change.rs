//! Changes as values: described for people, applied, verified, and taken back.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use contract::state::{Action, PhoneHome};

use crate::machine::Machine;

/// How long a tool of the system may run.
const TOOL_LIMIT: Duration = Duration::from_secs(300);

/// One thing that shall hold.
#[derive(Debug, Clone)]
pub enum Change {
    /// A file has this content, mode and owner.
    File {
        /// Where.
        path: String,
        /// What it holds.
        bytes: Vec<u8>,
        /// Permission bits.
        mode: u32,
        /// User and group.
        owner: (u32, u32),
    },
    /// There is a folder; one that is there already stays as it is.
    Folder {
        /// Where.
        path: String,
        /// Permission bits.
        mode: u32,
        /// User and group.
        owner: (u32, u32),
    },
    /// A symlink has this target.
    Link {
        /// Where.
        path: String,
        /// The target, as written.
        target: String,
    },
    /// There is nothing.
    Absent {
        /// Where.
        path: String,
    },
    /// What one step alone does.
    Deed(Rc<dyn Deed>),
    /// The running kernel calls the machine so.
    KernelHostname(String),
    /// A tool of the system takes over what the changes before made. It runs on a running machine only.
    Tool(Vec<String>),
    /// A command of a document has run.
    Command {
        /// What reports call it.
        name: String,
        /// What runs.
        action: Action,
        /// Whether it runs, or only would on the machine itself.
        runs: bool,
    },
    /// Somebody knows that the machine is ready.
    Told {
        /// Who.
        phone_home: PhoneHome,
        /// The form that is sent.
        form: String,
    },
}

/// A change that one step alone makes.
pub trait Deed: std::fmt::Debug {
    /// Says what it does.
    fn describe(&self) -> String;

    /// Tells whether it holds already.
    ///
    /// # Errors
    ///
    /// When the machine cannot be looked at.
    fn holds(&self, machine: &Machine) -> Result<bool>;

    /// Makes it hold.
    ///
    /// # Errors
    ///
    /// When the machine refuses.
    fn apply(&self, machine: &Machine) -> Result<()>;

    /// Whether it takes over what the changes before made and cannot tell whether it holds, as a tool.
    fn is_consequence(&self) -> bool {
        false
    }

    /// Looks at what it would replace, so that it can be put back.
    ///
    /// # Errors
    ///
    /// When the machine cannot be looked at.
    fn undo(&self, _machine: &Machine) -> Result<Undo> {
        Ok(Undo::Nothing)
    }
}

/// How to take a change back.
#[derive(Debug)]
pub enum Undo {
    /// Nothing is to be done.
    Nothing,
    /// The file was not there.
    Remove(String),
    /// The file was so.
    Restore(Change),
}

impl Change {
    /// Makes a file of root's.
    pub fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self::File { path: path.into(), bytes: bytes.into(), mode, owner: (0, 0) }
    }

    /// Says what it does; content is not shown, it may be secret.
    pub fn describe(&self) -> String {
        match self {
            Self::File { path, bytes, mode, owner: (uid, gid) } => {
                format!("write {path} ({} bytes, mode {mode:04o}, owner {uid}:{gid})", bytes.len())
            }
            Self::Folder { path, mode, owner: (uid, gid) } => {
                format!("make folder {path} (mode {mode:04o}, owner {uid}:{gid})")
            }
            Self::Link { path, target } => format!("link {path} to {target}"),
            Self::Absent { path } => format!("remove {path}"),
            Self::Deed(deed) => deed.describe(),
            Self::KernelHostname(name) => format!("set the host name of the running kernel to {name}"),
            Self::Tool(words) => format!("run {}", words.join(" ")),
            Self::Command { name, .. } => format!("run command '{}'", name.escape_debug()),
            Self::Told { phone_home, .. } => format!("tell {}", phone_home.url),
        }
    }

    /// Tells whether it holds already. What leaves no trace on the machine never does.
    ///
    /// # Errors
    ///
    /// When the machine cannot be looked at.
    pub fn holds(&self, machine: &Machine) -> Result<bool> {
        let root = &machine.root;
        Ok(match self {
            Self::File { path, bytes, mode, owner } => {
                !root.is_symlink(path).with_context(|| format!("looking at '{path}'"))?
                    && machine.read(path)?.as_ref() == Some(bytes)
                    && has_owner(machine, path, *mode, *owner)?
            }
            Self::Folder { path, .. } => {
                root.resolve_folder(path).with_context(|| format!("looking at '{path}'"))?.is_some()
            }
            Self::Link { path, target } => {
                root.is_symlink(path)? && root.read_link(path)?.to_str() == Some(target.as_str())
            }
            Self::Absent { path } => !root.is_symlink(path)? && !machine.exists(path),
            Self::Deed(deed) => deed.holds(machine)?,
            Self::KernelHostname(name) => !machine.is_live || host::account::hostname()? == *name,
            Self::Tool(_) | Self::Command { .. } | Self::Told { .. } => false,
        })
    }

    /// Tells whether [`Self::holds`] can confirm it after it was applied.
    pub fn leaves_trace(&self) -> bool {
        !matches!(self, Self::Command { .. } | Self::Told { .. }) && !self.is_consequence()
    }

    /// Tells whether it takes over what changes before it made, and is made with them only.
    pub fn is_consequence(&self) -> bool {
        match self {
            Self::Tool(_) => true,
            Self::Deed(deed) => deed.is_consequence(),
            _ => false,
        }
    }

    /// Tells whether it runs a program that leaves files which are not looked at afterwards. `systemctl` leaves none.
    pub fn leaves_files_unseen(&self) -> bool {
        match self {
            Self::Command { runs, .. } => *runs,
            Self::Tool(words) => words.first().is_some_and(|program| program != "systemctl"),
            _ => false,
        }
    }

    /// Makes a change of a deed.
    pub fn deed(deed: impl Deed + 'static) -> Self {
        Self::Deed(Rc::new(deed))
    }

    /// Makes it hold.
    ///
    /// # Errors
    ///
    /// When the machine refuses, or a program fails.
    pub fn apply(&self, machine: &Machine) -> Result<()> {
        match self {
            Self::File { path, bytes, mode, owner } => machine.write(path, bytes, *mode, *owner),
            Self::Folder { path, mode, owner } => machine.create_folder(path, *mode, *owner),
            Self::Link { path, target } => machine.link(path, target),
            Self::Absent { path } => machine.remove(path),
            Self::Deed(deed) => deed.apply(machine),
            Self::KernelHostname(name) => {
                host::account::set_hostname(name).context("setting the kernel's host name")
            }
            Self::Tool(words) => run_tool(machine, words),
            Self::Command { name, action, runs } => {
                if *runs {
                    super::command::run(machine, name, action)
                } else {
                    Ok(())
                }
            }
            Self::Told { phone_home, form } => super::phone_home::tell(machine, phone_home, form),
        }
    }

    /// Looks at what it would replace, so that it can be put back.
    ///
    /// # Errors
    ///
    /// When the machine cannot be looked at.
    pub fn undo(&self, machine: &Machine) -> Result<Undo> {
        let path = match self {
            Self::File { path, .. } | Self::Link { path, .. } | Self::Absent { path } => path,
            Self::Deed(deed) => return deed.undo(machine),
            _ => return Ok(Undo::Nothing),
        };
        if machine.root.is_symlink(path)? {
            let target = machine.root.read_link(path)?.to_string_lossy().into_owned();
            return Ok(Undo::Restore(Self::Link { path: path.clone(), target }));
        }
        Ok(match machine.read(path)? {
            Some(bytes) => {
                let (mode, uid, gid) = machine.root.ownership(path)?;
                Undo::Restore(Self::File { path: path.clone(), bytes, mode, owner: (uid, gid) })
            }
            None => Undo::Remove(path.clone()),
        })
    }
}

impl Undo {
    /// Takes the change back.
    ///
    /// # Errors
    ///
    /// When the machine refuses.
    pub fn run(&self, machine: &Machine) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Remove(path) => machine.remove(path),
            Self::Restore(change) => change.apply(machine),
        }
    }
}

fn has_owner(machine: &Machine, path: &str, mode: u32, owner: (u32, u32)) -> Result<bool> {
    let (found_mode, uid, gid) =
        machine.root.ownership(path).with_context(|| format!("looking at '{path}'"))?;
    // An ordinary user who configures a small machine cannot give files away.
    Ok(found_mode == mode && (!host::account::is_root() || (uid, gid) == owner))
}

/// Runs a tool of the system; below another root none runs.
///
/// # Errors
///
/// When it fails, with the end of what it said.
pub fn run_tool(machine: &Machine, words: &[String]) -> Result<()> {
    let [program, arguments @ ..] = words else { bail!("a tool has no name") };
    if !machine.is_live {
        return Ok(());
    }
    let mut command = Command::new(program);
    command.args(arguments);
    let result = crate::test_bundle::script::run_command(command, TOOL_LIMIT);
    if !result.ending.is_success() {
        let told = result
            .stderr
            .text
            .lines()
            .rev()
            .take(5)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>();
        bail!("'{}' ended with {}: {}", words.join(" "), result.ending, told.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_write_unseen_is_synced() {
        let tool = |words: &[&str]| Change::Tool(words.iter().map(|&word| word.to_owned()).collect());
        assert!(tool(&["locale-gen"]).leaves_files_unseen());
        assert!(!tool(&["systemctl", "try-restart", "ssh.service"]).leaves_files_unseen());
        assert!(!Change::file("/etc/hostname", "a\n", 0o644).leaves_files_unseen(), "it is synced by itself");
    }
}
