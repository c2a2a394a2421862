//! What every image of a recipe of this repository must hold up to, whichever release it is of.

mod file;
mod reinstall;
mod units;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::guest::{Firmware, ProbeResult, probe};
use crate::program::recipe_image;

/// How long a question to a booted guest may take.
const PROBE_LIMIT: Duration = Duration::from_secs(600);

/// What each boot is asked.
const QUESTIONS: &str = r#"
echo "firmware: $([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
variable=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
[ -e "$variable" ] && echo "secure boot: $(od -An -t u1 -j 4 -N 1 "$variable" | tr -d ' ')"
echo "lockdown: $(cat /sys/kernel/security/lockdown 2>/dev/null)"
echo "machine-id: $(wc -c < /etc/machine-id)"
echo "address: $(ip -4 -brief address show scope global | awk '{print $3}')"
echo "resolver: $(readlink /etc/resolv.conf)"
echo "host keys: $(ls /etc/ssh/ssh_host_*_key | wc -l)"
echo "audit: $(dpkg --audit | wc -l)"
echo "verify: $(dpkg --verify | grep -v '^..5......   */usr/share/doc' | tr '\n' ';')"
echo "release: $(. /etc/os-release; echo "$VERSION_ID")"
"#;

/// The image of one of this repository's recipes, built once per test run.
#[derive(Debug)]
pub struct Image {
    name: String,
    path: PathBuf,
}

impl Image {
    /// Builds `recipes/NAME.yaml`.
    ///
    /// # Panics
    ///
    /// When the build fails.
    pub fn of(name: &str) -> Self {
        let path = recipe_image(name).unwrap_or_else(|error| panic!("{name} builds: {error:#}"));
        Self { name: name.to_owned(), path }
    }

    /// Returns the qcow2 file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the manifest beside the image.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn manifest(&self) -> Value {
        let path = self.path.with_extension("manifest.json");
        serde_json::from_slice(&fs::read(&path).expect("the manifest is beside the image"))
            .expect("it is JSON")
    }

    /// Boots the image and returns what it answered: it shows a login prompt, runs without a failed unit, has made
    /// an identity of its own and found the network, and dpkg has no complaint.
    ///
    /// # Panics
    ///
    /// When any of that is not so.
    pub fn boots(&self, firmware: Firmware) -> BTreeMap<String, String> {
        let result = probe(&self.path, firmware, QUESTIONS, PROBE_LIMIT).expect("the guest answers");
        assert_eq!(
            result.system, "running",
            "failed units: {:?}\n{}",
            result.failed_units, result.serial_log
        );
        assert_eq!(result.failed_units, Vec::<String>::new());
        assert!(result.serial_log.contains("debian login:"), "no login prompt:\n{}", result.serial_log);
        let answers = answers(&result);
        assert_eq!(answers["machine-id"], "33", "a machine-id of its own");
        assert!(answers["address"].starts_with("10.0.2."), "DHCP gave '{}'", answers["address"]);
        assert_eq!(answers["resolver"], "../run/systemd/resolve/stub-resolv.conf");
        assert_eq!(answers["host keys"], "3", "host keys made by the clone");
        assert_eq!(answers["audit"], "0");
        assert_eq!(answers["verify"], "");
        let expected = if firmware == Firmware::Bios { "bios" } else { "uefi" };
        assert_eq!(answers["firmware"], expected);
        if firmware == Firmware::Secure {
            assert_eq!(answers["secure boot"], "1");
        }
        answers
    }
}

fn answers(result: &ProbeResult) -> BTreeMap<String, String> {
    let text = result.output().expect("the probe succeeds");
    text.lines()
        .filter_map(|line| line.split_once(": ").or_else(|| line.split_once(':')))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Test paths are UTF-8.
fn text(path: &Path) -> &str {
    path.to_str().expect("test paths are UTF-8")
}
