//! What can go wrong with a run.

use std::process::ExitStatus;

use crate::error::ExitCode;

/// A run failed.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The sandbox itself could not be set up.
    #[error("setting up the sandbox for '{command}'")]
    Setup {
        /// The command line.
        command: String,
        /// Why.
        source: host::sandbox::Error,
    },
    /// Its pipes or files could not be used.
    #[error("talking to '{command}'")]
    Pipe {
        /// The command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// The program ran and did not succeed.
    #[error("'{command}' ended with {status}{}{hint}", show_tail(tail))]
    Failed {
        /// The command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines that it printed.
        tail: String,
        /// What it may have lacked, for a level that gives programs less; else nothing.
        hint: String,
    },
}

impl SandboxError {
    /// Returns the exit code of this class of errors: the program's fault, or the host's.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed { .. } | Self::Setup { source: host::sandbox::Error::Execute { .. }, .. } => {
                ExitCode::Script
            }
            Self::Setup { .. } | Self::Pipe { .. } => ExitCode::Host,
        }
    }
}

fn show_tail(tail: &str) -> String {
    if tail.is_empty() {
        return ", and printed nothing".to_owned();
    }
    let lines: Vec<String> = tail.lines().map(|line| format!("\n    | {line}")).collect();
    format!("; it printed last:{}", lines.concat())
}
