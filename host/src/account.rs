//! Who this process is, and what the kernel calls this machine.

use std::io;

/// Tells whether the process may do what only root may.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Returns the effective user and group of the process.
pub fn own_ids() -> (u32, u32) {
    (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
}

/// Sets the host name of the running machine.
///
/// # Errors
///
/// As `sethostname(2)`.
pub fn set_hostname(name: &str) -> io::Result<()> {
    Ok(nix::unistd::sethostname(name)?)
}

/// Returns the host name of the running machine.
///
/// # Errors
///
/// As `gethostname(2)`.
pub fn hostname() -> io::Result<String> {
    Ok(nix::unistd::gethostname()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_itself() {
        assert_eq!(is_root(), own_ids().0 == 0);
        assert!(!hostname().expect("a name").is_empty());
    }
}
