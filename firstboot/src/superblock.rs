//! What filesystem is on a device, by the first words of those that a machine mounts.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// How much of the front and of the end of a device has to be zero for it to count as blank, in bytes.
const BLANK: (u64, u64) = (4 << 20, 1 << 20);

/// Where a kind of filesystem has what.
struct Kind {
    name: &'static str,
    magic: (u64, &'static [u8]),
    uuid: u64,
}

const KINDS: [Kind; 4] = [
    Kind { name: "ext4", magic: (0x438, &[0x53, 0xef]), uuid: 0x468 },
    Kind { name: "xfs", magic: (0, b"XFSB"), uuid: 0x20 },
    Kind { name: "btrfs", magic: (0x1_0040, b"_BHRfS_M"), uuid: 0x1_0020 },
    Kind { name: "swap", magic: (4086, b"SWAPSPACE2"), uuid: 1036 },
];

/// A filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superblock {
    /// Its kind; ext2, ext3 and ext4 are one.
    pub kind: &'static str,
    /// Its UUID.
    pub uuid: String,
}

/// Tells what is on a device; none if it is nothing that is known here.
///
/// # Errors
///
/// When it cannot be read.
pub fn identify(device: &File) -> io::Result<Option<Superblock>> {
    for kind in &KINDS {
        if read(device, kind.magic.0, kind.magic.1.len())?.as_deref() == Some(kind.magic.1)
            && let Some(bytes) = read(device, kind.uuid, 16)?
        {
            return Ok(Some(Superblock { kind: kind.name, uuid: format_uuid(&bytes) }));
        }
    }
    Ok(None)
}

/// Reads bytes; none where the device is shorter.
fn read(device: &File, at: u64, length: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length];
    match device.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes 16 bytes as a UUID.
pub fn format_uuid(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
        text += &format!("{dash}{byte:02x}");
    }
    text
}

/// Tells whether a device has nothing on it: no filesystem, table or signature at its front or its end.
///
/// # Errors
///
/// When it cannot be read.
pub fn is_blank(mut device: &File) -> io::Result<bool> {
    let size = device.seek(SeekFrom::End(0))?;
    let front = (0, BLANK.0.min(size));
    let end = (size.saturating_sub(BLANK.1), size);
    for (mut at, until) in [front, end] {
        while at < until {
            let length = (until - at).min(1 << 16) as usize;
            if read(device, at, length)?.is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                return Ok(false);
            }
            at += length as u64;
        }
    }
    Ok(size > 0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const UUID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

    #[test]
    fn what_mkfs_makes_is_known_and_what_is_blank_is_blank() {
        let path = std::env::temp_dir().join(format!("firstboot-superblock-{}", std::process::id()));
        for (program, arguments, kind, size) in [
            ("mkfs.ext4", &["-q", "-U", UUID][..], "ext4", 8_u64 << 20),
            ("mkfs.xfs", &["-q", "-m", "uuid=01234567-89ab-4cde-8f01-23456789abcd"], "xfs", 320 << 20),
            ("mkfs.btrfs", &["-q", "-U", UUID], "btrfs", 160 << 20),
            ("mkswap", &["-q", "-U", UUID], "swap", 1 << 20),
        ] {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(true)
                .open(&path)
                .expect("a file");
            file.set_len(size).expect("a length");
            assert!(is_blank(&file).expect("readable") && identify(&file).expect("readable").is_none());
            match Command::new(program).args(arguments).arg(&path).output() {
                Ok(output) if output.status.success() => {
                    let found = identify(&file).expect("readable");
                    assert_eq!(found, Some(Superblock { kind, uuid: UUID.into() }), "{program}");
                    assert!(!is_blank(&file).expect("readable"), "{program}");
                }
                _ => println!("skipped: {program} does not run"),
            }
        }
        let file = File::options().read(true).write(true).open(&path).expect("a file");
        file.set_len(0).expect("emptied");
        file.set_len(16 << 20).expect("a length");
        file.write_all_at(b"EFI PART", (16 << 20) - 512).expect("written");
        assert!(!is_blank(&file).expect("readable"), "the second copy of a GPT is something");
        std::fs::remove_file(&path).expect("removed");
    }
}
