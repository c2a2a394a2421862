//! The image that is read: which format it has, and its disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;

use crate::image::Image;
use crate::output::OutputError;
use crate::output::blocks::Blocks;

/// Formats that are known by their first bytes and not read here; as raw disks they would be converted to nonsense.
const OTHERS: [(u64, &[u8], &str); 6] = [
    (0, b"KDMV", "a VMDK"),
    (0, b"COWD", "a VMDK"),
    (0, b"# Disk DescriptorFile", "a VMDK"),
    (0, b"conectix", "a VHD"),
    (0, b"vhdxfile", "a VHDX"),
    (0x40, &[0x7f, 0x10, 0xda, 0xbe], "a VDI"),
];

/// Length of the footer that ends a fixed VHD, and what it begins with.
const VHD_FOOTER: u64 = 512;
const VHD_COOKIE: &[u8] = b"conectix";

/// An open image that can be converted.
#[derive(Debug)]
pub(super) struct Source(Image);

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, OutputError> {
        let refused = |why: String| OutputError::image(path, why);
        let image = Image::open(path)?;
        let sizes = image.sizes();
        if sizes.virtual_size == 0 {
            return Err(refused("it is empty".to_owned()));
        }
        if let Some(backing) = &sizes.backing_file {
            let why = format!(
                "it has only the differences from '{backing}', which is not opened; `qemu-img convert` makes one \
                 image of both"
            );
            return Err(refused(why));
        }
        if image.raw_file().is_some() {
            refuse_others(&image).map_err(refused)?;
        }
        Ok(Self(image))
    }
}

/// Refuses what begins or ends as another format does.
fn refuse_others(image: &Image) -> Result<(), String> {
    let footer = (image.size().saturating_sub(VHD_FOOTER), VHD_COOKIE, "a VHD");
    for (at, mark, name) in OTHERS.into_iter().chain([footer]) {
        let there = at + mark.len() as u64 <= image.size();
        if there && image.read(at, mark.len() as u64)? == mark {
            return Err(format!(
                "it is {name}; raw and qcow2 are read here, `qemu-img convert` reads others"
            ));
        }
    }
    Ok(())
}

impl Blocks for Source {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn data_ranges(&self) -> io::Result<Vec<Range<u64>>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut from = 0;
        while let Some(range) = self.0.next_data(from).map_err(damaged)? {
            from = range.end;
            ranges.push(range);
        }
        Ok(ranges)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_into(offset, buffer).map_err(damaged)
    }

    fn plain_file(&self) -> Option<&File> {
        self.0.raw_file()
    }
}

fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
