//! Which exit code an error has.

use host::worker;

use crate::disk::DiskError;
use crate::error::ExitCode;
use crate::fetch::{Failures, FetchError};
use crate::machine::MachineError;
use crate::resolve::{LockError, ResolveError};
use crate::sandbox::SandboxError;
use crate::upload::UploadError;
use crate::verify::VerifyError;

use super::shell::ShellError;

/// Returns the code of the first cause that has one of its own.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    error.chain().find_map(of_cause).unwrap_or(ExitCode::Failure)
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<ExitCode> {
    if let Some(error) = cause.downcast_ref::<FetchError>() {
        return Some(error.exit_code());
    }
    if let Some(failures) = cause.downcast_ref::<Failures>() {
        return Some(failures.exit_code());
    }
    if let Some(error) = cause.downcast_ref::<VerifyError>() {
        return Some(error.exit_code());
    }
    if let Some(error) = cause.downcast_ref::<UploadError>() {
        return Some(error.exit_code());
    }
    if let Some(error) = cause.downcast_ref::<MachineError>() {
        return Some(error.exit_code());
    }
    match cause.downcast_ref::<LockError>() {
        Some(LockError::Older { .. }) => return Some(ExitCode::Verify),
        Some(LockError::Malformed { .. } | LockError::Drift { .. }) => return Some(ExitCode::Recipe),
        None => {}
    }
    if cause.is::<ResolveError>() {
        return Some(ExitCode::Resolve);
    }
    if let Some(error) = cause.downcast_ref::<ShellError>() {
        return Some(error.exit_code());
    }
    if cause.is::<worker::Error>() {
        return Some(ExitCode::Host);
    }
    // A tool that ran out of space is no program of the image.
    match cause.downcast_ref::<DiskError>() {
        Some(DiskError::TooSmall { .. }) => return Some(ExitCode::Recipe),
        Some(_) => return Some(ExitCode::Failure),
        None => {}
    }
    cause.downcast_ref::<SandboxError>().map(SandboxError::exit_code)
}
