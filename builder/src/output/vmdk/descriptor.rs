//! The text that describes a VMDK, kept in the file itself.

use super::header::DESCRIPTOR_SECTORS;
use super::{SECTOR, SECTOR_BYTES};

/// Geometry that VMware gives to SCSI disks.
const HEADS: u64 = 255;
const SECTORS_PER_TRACK: u64 = 63;

/// A `CID` that stands for "no parent".
const NO_PARENT: u32 = u32::MAX;

/// Returns the descriptor, padded to its place. `content` changes when the disk's content does.
pub(super) fn text(name: &str, capacity: u64, content: u32) -> Vec<u8> {
    let content = if content >= NO_PARENT - 1 { 0 } else { content };
    let cylinders = capacity.div_ceil(HEADS * SECTORS_PER_TRACK);
    let name = extent_name(name);
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID={content:08x}\nparentCID={NO_PARENT:08x}\n\
         createType=\"streamOptimized\"\n\n# Extent description\nRW {capacity} SPARSE \"{name}\"\n\n\
         # The Disk Data Base\n#DDB\n\nddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"{HEADS}\"\n\
         ddb.geometry.sectors = \"{SECTORS_PER_TRACK}\"\nddb.virtualHWVersion = \"4\"\n"
    );
    let mut bytes = text.into_bytes();
    bytes.resize(usize::try_from(DESCRIPTOR_SECTORS * SECTOR_BYTES).unwrap_or(SECTOR), 0);
    bytes
}

/// Returns the file's name if it can stand between quotes. Readers find the extent in this very file, whatever its
/// name says.
fn extent_name(name: &str) -> &str {
    let plain = |c: char| c.is_ascii_graphic() && c != '"';
    if name.len() <= 255 && name.chars().all(plain) { name } else { "disk.vmdk" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out_and_the_place_is_kept() {
        let bytes = text("x\"\nRW 1 FLAT \"/etc/shadow", 128, u32::MAX);
        assert_eq!(bytes.len(), 20 * SECTOR);
        let text = String::from_utf8(bytes).expect("text");
        assert!(text.contains("RW 128 SPARSE \"disk.vmdk\"\n") && text.contains("CID=00000000\n"), "{text}");
    }
}
