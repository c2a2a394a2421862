//! The bundle of tests that a host gives to a running guest.
//!
//! It is a raw virtio disk whose *serial number* is [`DISK_SERIAL`], so nothing has to be mounted and no file
//! system has to be parsed: one header line padded to [`HEADER_BYTES`], then a JSON document of the length that
//! the line names. A FAT label would hold eleven characters only. The kernel shows the serial number at
//! `/sys/block/DISK/serial`, udev links the disk as `/dev/disk/by-id/virtio-BOOTWRIGHT-TEST`, and the unit
//! [`UNIT_NAME`] is started by that link's device unit, so a clone without the disk never starts anything.
//!
//! `firstboot` runs a bundle only where the builder put [`MARKER_PATH`], owned by root and writable by nobody else.

use serde::{Deserialize, Serialize};

/// Serial number of the virtio disk that holds a bundle; at most 20 bytes are possible.
pub const DISK_SERIAL: &str = "BOOTWRIGHT-TEST";

/// Name of the virtio-serial port that the report is written to.
pub const REPORT_PORT: &str = "org.bootwright.test.0";

/// Says that this image may run test bundles.
pub const MARKER_PATH: &str = "/etc/firstboot/test-enabled";

/// Where the program is in an image.
pub const PROGRAM_PATH: &str = "/usr/sbin/firstboot";

/// Name of the unit that runs a bundle.
pub const UNIT_NAME: &str = "firstboot-test.service";

/// Where the unit is in an image.
pub const UNIT_PATH: &str = "/etc/systemd/system/firstboot-test.service";

/// The link that enables the unit: its folder belongs to the device unit of the disk.
pub const UNIT_LINK: &str =
    r"/etc/systemd/system/dev-disk-by\x2did-virtio\x2dBOOTWRIGHT\x2dTEST.device.wants/firstboot-test.service";

/// Where scripts are written before they run; on a tmpfs, and gone afterwards.
pub const WORK_FOLDER: &str = "/run/firstboot-test";

/// The unit's text.
///
/// `Type=exec` lets the start job end at once: a test may wait for the system to be up, which includes this job.
pub const UNIT_TEXT: &str = r"[Unit]
Description=Run the tests that the host attached
ConditionPathExists=/etc/firstboot/test-enabled

[Service]
Type=exec
ExecStart=/usr/sbin/firstboot test-bundle
StandardOutput=journal
StandardError=journal

[Install]
WantedBy=dev-disk-by\x2did-virtio\x2dBOOTWRIGHT\x2dTEST.device
";

/// Version of the format that this code reads and writes.
pub const VERSION: u32 = 1;

/// Length of the header; a whole sector, so that the document starts at one.
pub const HEADER_BYTES: usize = 512;

/// Longest document that is read.
pub const MAXIMUM_BYTES: u64 = 64 << 20;

const MAGIC: &str = "BOOTWRIGHT-TEST";

/// What the guest shall do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestBundle {
    /// How long to wait for the system to finish its start before the first test, in seconds.
    pub settle_seconds: u64,
    /// The tests, run one after the other.
    pub tests: Vec<BundledTest>,
}

/// One script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundledTest {
    /// Its name in the report.
    pub name: String,
    /// Run by `/bin/sh -e` as root, without standard input.
    pub script: String,
    /// Limit in seconds; then everything that the script started is killed.
    pub timeout_seconds: u64,
}

/// Why a bundle cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The disk does not start with a header of this format.
    #[error("the disk holds no test bundle: it does not start with '{MAGIC}'")]
    NoHeader,
    /// The header is of another version.
    #[error("the test bundle has version {found}; this program reads version {VERSION}")]
    Version {
        /// What the header says.
        found: String,
    },
    /// The length in the header is not usable.
    #[error("the test bundle's header names a length of '{found}'; expected 1 to {MAXIMUM_BYTES} bytes")]
    Length {
        /// What the header says.
        found: String,
    },
    /// The document is not what it should be.
    #[error("the test bundle's document is not valid")]
    Document(#[from] serde_json::Error),
}

impl TestBundle {
    /// Returns the bytes of the disk, padded to whole sectors.
    ///
    /// # Errors
    ///
    /// When the document would be longer than a reader accepts.
    pub fn to_disk(&self) -> Result<Vec<u8>, BundleError> {
        let document = serde_json::to_vec(self)?;
        if document.len() as u64 > MAXIMUM_BYTES {
            return Err(BundleError::Length { found: document.len().to_string() });
        }
        let mut disk = format!("{MAGIC} {VERSION} {}\n", document.len()).into_bytes();
        disk.resize(HEADER_BYTES, 0);
        disk.extend(document);
        disk.resize(disk.len().next_multiple_of(HEADER_BYTES), 0);
        Ok(disk)
    }

    /// Decodes the document that follows the header.
    ///
    /// # Errors
    ///
    /// When it is not valid JSON of this format.
    pub fn from_document(document: &[u8]) -> Result<Self, BundleError> {
        Ok(serde_json::from_slice(document)?)
    }
}

/// Reads a header and returns the document's length.
///
/// # Errors
///
/// When it is no header, of another version, or names a length out of bounds.
pub fn parse_header(header: &[u8]) -> Result<u64, BundleError> {
    let line = header.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = std::str::from_utf8(line).map_err(|_| BundleError::NoHeader)?.split(' ');
    if words.next() != Some(MAGIC) {
        return Err(BundleError::NoHeader);
    }
    let version = words.next().unwrap_or_default();
    if version != VERSION.to_string() {
        return Err(BundleError::Version { found: version.to_owned() });
    }
    let length = words.next().unwrap_or_default();
    match length.parse() {
        Ok(bytes @ 1..=MAXIMUM_BYTES) if words.next().is_none() => Ok(bytes),
        _ => Err(BundleError::Length { found: length.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> TestBundle {
        let test = BundledTest { name: "a".into(), script: "echo 'ü'\nexit 3".into(), timeout_seconds: 5 };
        TestBundle { settle_seconds: 60, tests: vec![test] }
    }

    #[test]
    fn what_is_written_is_read() {
        let disk = bundle().to_disk().expect("a small bundle");
        assert_eq!(disk.len() % HEADER_BYTES, 0);
        let length = parse_header(&disk[..HEADER_BYTES]).expect("our own header");
        let document = &disk[HEADER_BYTES..][..usize::try_from(length).expect("small")];
        assert_eq!(TestBundle::from_document(document).expect("our own document"), bundle());
    }

    #[test]
    fn bad_headers_are_refused() {
        for (text, wanted) in [
            ("", "no test bundle"),
            ("BOOTWRIGHT-TESTS 1 10\n", "no test bundle"),
            ("\u{fffd}\n", "no test bundle"),
            ("BOOTWRIGHT-TEST 2 10\n", "version 2"),
            ("BOOTWRIGHT-TEST 1 0\n", "length of '0'"),
            ("BOOTWRIGHT-TEST 1 -4\n", "length of '-4'"),
            ("BOOTWRIGHT-TEST 1 99999999999\n", "length of '99999999999'"),
            ("BOOTWRIGHT-TEST 1 10 more\n", "length of '10'"),
            ("BOOTWRIGHT-TEST 1\n", "length of ''"),
        ] {
            let error = parse_header(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains(wanted), "{text:?}: {error}");
        }
        assert!(TestBundle::from_document(br#"{"settle_seconds":1,"tests":[],"more":1}"#).is_err());
    }

    #[test]
    fn the_unit_and_the_paths_agree() {
        assert!(DISK_SERIAL.len() <= 20);
        assert!(UNIT_TEXT.contains(&format!("ConditionPathExists={MARKER_PATH}\n")));
        assert!(UNIT_TEXT.contains(&format!("ExecStart={PROGRAM_PATH} test-bundle\n")));
        assert!(UNIT_PATH.ends_with(UNIT_NAME) && UNIT_LINK.ends_with(UNIT_NAME));
        let escaped: String = format!("dev/disk/by-id/virtio-{DISK_SERIAL}")
            .chars()
            .map(|letter| match letter {
                '-' => r"\x2d".to_owned(),
                '/' => "-".to_owned(),
                other => other.to_string(),
            })
            .collect();
        assert!(UNIT_TEXT.contains(&format!("WantedBy={escaped}.device\n")));
        assert!(UNIT_LINK.contains(&format!("/{escaped}.device.wants/")));
    }
}
