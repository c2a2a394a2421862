//! Finds QEMU and its firmware, wherever distributions put them.

use std::env;
use std::path::{Path, PathBuf};

use super::{Firmware, MachineError};

/// Name of the emulator.
const PROGRAM: &str = "qemu-system-x86_64";

/// Where else than in `PATH` the emulator may be (RHEL and its like have it out of `PATH`, under another name).
const OTHER_PROGRAMS: [&str; 2] = ["/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm"];

/// Firmware code and the variable store that goes with it, newest layout first: Debian, Fedora, Arch, openSUSE.
const UEFI: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
];

/// The same with Secure Boot on and Microsoft's keys enrolled.
const SECURE: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    ("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    ("/usr/share/OVMF/OVMF_CODE.secboot.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
    ("/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin"),
];

/// Firmware files of a UEFI machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareFiles {
    /// Read-only code.
    pub code: PathBuf,
    /// Template of the variables; never written to.
    pub variables: PathBuf,
}

/// Returns the emulator.
///
/// # Errors
///
/// When it is not installed.
pub fn qemu() -> Result<PathBuf, MachineError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = env::split_paths(&path)
        .map(|folder| folder.join(PROGRAM))
        .chain(OTHER_PROGRAMS.iter().map(PathBuf::from))
        .collect();
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| MachineError::Missing {
        what: PROGRAM.to_owned(),
        looked_at: format!("the folders of PATH, {}", OTHER_PROGRAMS.join(", ")),
        packages: "qemu-system-x86 ovmf",
    })
}

/// Returns the files of `firmware`; SeaBIOS comes with QEMU and needs none.
///
/// # Errors
///
/// When they are not installed.
pub fn firmware(firmware: Firmware) -> Result<Option<FirmwareFiles>, MachineError> {
    match firmware {
        Firmware::Bios => Ok(None),
        Firmware::Uefi => first_pair(Path::new("/"), &UEFI, "UEFI firmware (OVMF)").map(Some),
        Firmware::Secure => {
            first_pair(Path::new("/"), &SECURE, "UEFI firmware with Microsoft's keys and Secure Boot")
                .map(Some)
        }
    }
}

/// Returns the first pair of which both files exist below `root`.
fn first_pair(root: &Path, pairs: &[(&str, &str)], what: &str) -> Result<FirmwareFiles, MachineError> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    pairs
        .iter()
        .map(|(code, variables)| FirmwareFiles { code: below(code), variables: below(variables) })
        .find(|files| files.code.is_file() && files.variables.is_file())
        .ok_or_else(|| MachineError::Missing {
            what: what.to_owned(),
            looked_at: pairs.iter().map(|(code, _)| *code).collect::<Vec<_>>().join(", "),
            packages: "ovmf",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_of_a_pair_must_be_there() {
        let root = env::temp_dir().join(format!("bootwright-find-{}", std::process::id()));
        let touch = |path: &str| {
            let path = root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, "").expect("a file");
        };
        touch(UEFI[0].0);
        let error = first_pair(&root, &UEFI, "firmware").expect_err("no variables").to_string();
        assert!(error.contains(UEFI[0].0) && error.contains("apt install ovmf"), "{error}");
        touch(UEFI[2].0);
        touch(UEFI[2].1);
        let found = first_pair(&root, &UEFI, "firmware").expect("the third pair");
        assert!(found.variables.ends_with("edk2/ovmf/OVMF_VARS.fd"));
        std::fs::remove_dir_all(&root).expect("cleaning up");
    }
}
