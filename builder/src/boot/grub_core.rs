//! GRUB's core image for i386-pc, from the files of grub-pc-bin.
//!
//! ```text
//! core  = diskboot.img (one sector) | lzma_decompress.img | LZMA( kernel | header | object… )
//! object = u32 type, u32 size with this header, data padded to 4
//! ```
//! The kernel is an ELF file whose loadable sections are laid out flat; modules are embedded whole, each after
//! those it needs, and linked by GRUB itself when it starts.

use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use super::config::Places;
use super::grub_modules::Dependencies;
use super::{BootError, GrubBios, place};
use crate::rootfs::Tree;

/// Where grub-pc-bin keeps its files.
pub(super) const FOLDER: &str = "/usr/lib/grub/i386-pc";
/// What needs these files, for messages.
const PURPOSE: &str = "BIOS";
/// The package that has them.
pub(super) const PACKAGE: &str = "grub-pc-bin";
/// Modules inside the core beside those of the partition table and the filesystem: enough to find the filesystem of
/// `/boot` and to read the rest from it.
const MODULES: [&str; 4] = ["biosdisk", "search_fs_uuid", "normal", "configfile"];
/// Address at which the kernel is linked, and so the start of the flat image.
const KERNEL_ADDRESS: u32 = 0x9000;
/// Marks the table of embedded objects.
const MODULE_MAGIC: u32 = 0x676d_696d;
/// Length of that table's header.
const MODULE_HEADER: u32 = 12;
/// Object types, by GRUB's `kernel.h`.
const OBJECT_MODULE: u32 = 0;
const OBJECT_CONFIG: u32 = 2;
const OBJECT_PREFIX: u32 = 3;
/// Dictionary size that GRUB's decompressor expects, together with lc 3, lp 0, pb 2.
const LZMA_DICTIONARY: u32 = 1 << 16;
/// Offsets of the packed and unpacked sizes in the decompressor.
const PACKED_SIZE: usize = 0x08;
const UNPACKED_SIZE: usize = 0x0c;
/// Offset of the block list's length in diskboot.img.
const BLOCK_LIST_LENGTH: usize = 512 - 12 + 8;
/// Room below the BIOS's own memory when the core is loaded at 0x8000.
const LARGEST_CORE: usize = 0x78000 - 0x8000;

/// Builds GRUB for BIOS from the tree's files, for a disk on which GRUB is at `places`.
pub(super) fn build(tree: &Tree, places: &Places) -> Result<GrubBios, BootError> {
    let read = |name: &str| read(tree, name);
    let image = uncompressed(&read, places)?;
    let packed = compress(&image)?;
    let core = assemble(read("diskboot.img")?, read("lzma_decompress.img")?, &packed, image.len())?;
    let boot = read("boot.img")?;
    let boot_image = boot.try_into().map_err(|boot: Vec<u8>| {
        BootError::grub("boot.img", format!("it has {} bytes, not the 512 of a boot sector", boot.len()))
    })?;
    Ok(GrubBios { core, boot_image })
}

/// Reads one of GRUB's files.
pub(super) fn read(tree: &Tree, name: &str) -> Result<Vec<u8>, BootError> {
    place::read(tree, &format!("{FOLDER}/{name}"), PURPOSE, PACKAGE)
}

/// Returns the names of the files from which a core can be made: the images, then every module by name.
pub(super) fn source_files(tree: &Tree) -> Result<Vec<String>, BootError> {
    let folder = tree.path(FOLDER);
    let listing = || BootError::io("listing", &folder);
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(listing())? {
        modules.extend(
            entry.map_err(listing())?.file_name().into_string().ok().filter(|name| name.ends_with(".mod")),
        );
    }
    modules.sort();
    let images = ["boot.img", "diskboot.img", "lzma_decompress.img", "kernel.img"].map(str::to_owned);
    Ok(images.into_iter().chain(modules).collect())
}

/// Returns the image that GRUB's decompressor leaves in memory.
fn uncompressed(
    read: &dyn Fn(&str) -> Result<Vec<u8>, BootError>,
    places: &Places,
) -> Result<Vec<u8>, BootError> {
    let list = read("moddep.lst")?;
    let wanted =
        [&MODULES[..1], &[places.table_module(), places.filesystem_module()], &MODULES[1..]].concat();
    let modules = Dependencies::parse(&String::from_utf8_lossy(&list)).closure(&wanted);
    let mut objects = Vec::new();
    for module in &modules {
        push_object(&mut objects, OBJECT_MODULE, &read(&format!("{module}.mod"))?);
    }
    push_object(&mut objects, OBJECT_CONFIG, &terminated(&places.core_config()));
    push_object(&mut objects, OBJECT_PREFIX, &terminated(&places.prefix()));

    let mut image = flatten_kernel(&read("kernel.img")?)?;
    let total = MODULE_HEADER + length(&objects);
    for word in [MODULE_MAGIC, MODULE_HEADER, total] {
        image.extend(word.to_le_bytes());
    }
    image.extend(objects);
    Ok(image)
}

/// Appends one object, header first.
fn push_object(objects: &mut Vec<u8>, kind: u32, data: &[u8]) {
    let padded = data.len().next_multiple_of(4);
    objects.extend(kind.to_le_bytes());
    objects.extend((length(data) + (padded - data.len()) as u32 + 8).to_le_bytes());
    objects.extend(data);
    objects.resize(objects.len() + padded - data.len(), 0);
}

/// Returns the length of an object; GRUB's files are far below 4 GiB.
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

/// Returns the text with the NUL that ends it for GRUB.
fn terminated(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Lays out the loadable sections of an ELF32 kernel at their addresses.
fn flatten_kernel(elf: &[u8]) -> Result<Vec<u8>, BootError> {
    const PROGBITS: u32 = 1;
    const ALLOC: u32 = 2;
    /// More than any GRUB kernel; keeps a broken address from filling memory.
    const LARGEST: usize = 1 << 20;
    let odd = |reason: &str| BootError::grub("kernel.img", reason);
    if elf.get(..6) != Some(b"\x7fELF\x01\x01") {
        return Err(odd("it is not a 32-bit little-endian ELF file"));
    }
    let word = |at: usize| Some(u32::from_le_bytes(elf.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_le_bytes(elf.get(at..at + 2)?.try_into().ok()?));
    let header = || Some((word(32)? as usize, usize::from(half(46)?), usize::from(half(48)?)));
    let (table, entry_size, count) = header().ok_or_else(|| odd("its header is cut short"))?;

    let mut image = Vec::new();
    for number in 0..count {
        let at = table + number * entry_size;
        let section = || {
            Some((
                word(at + 4)?,
                word(at + 8)?,
                word(at + 12)?,
                word(at + 16)? as usize,
                word(at + 20)? as usize,
            ))
        };
        let (kind, flags, address, offset, size) =
            section().ok_or_else(|| odd("its section table is cut short"))?;
        if kind != PROGBITS || flags & ALLOC == 0 {
            continue;
        }
        let start =
            address.checked_sub(KERNEL_ADDRESS).ok_or_else(|| odd("a section lies below 0x9000"))? as usize;
        let end = start
            .checked_add(size)
            .filter(|&end| end <= LARGEST)
            .ok_or_else(|| odd("a section lies too high"))?;
        let data =
            elf.get(offset..offset.saturating_add(size)).ok_or_else(|| odd("a section is cut short"))?;
        image.resize(image.len().max(end), 0);
        image[start..end].copy_from_slice(data);
    }
    if image.is_empty() {
        return Err(odd("it has no loadable section"));
    }
    image.resize(image.len().next_multiple_of(4), 0);
    Ok(image)
}

/// Compresses as GRUB's decompressor expects: a raw LZMA1 stream.
fn compress(image: &[u8]) -> Result<Vec<u8>, BootError> {
    let packing =
        |error: liblzma::stream::Error| BootError::grub("kernel.img", format!("compressing it: {error}"));
    let mut options = LzmaOptions::new_preset(9 | liblzma::stream::PRESET_EXTREME).map_err(packing)?;
    options.dict_size(LZMA_DICTIONARY).literal_context_bits(3).literal_position_bits(0).position_bits(2);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    let mut stream = Stream::new_raw_encoder(&filters).map_err(packing)?;
    // Room for input that does not compress at all.
    let mut packed = Vec::with_capacity(image.len() + image.len() / 2 + 4096);
    match stream.process_vec(image, &mut packed, Action::Finish).map_err(packing)? {
        Status::StreamEnd => Ok(packed),
        other => Err(BootError::grub("kernel.img", format!("compressing it ended early ({other:?})"))),
    }
}

/// Joins the parts and writes their sizes where the loader looks for them.
fn assemble(
    mut diskboot: Vec<u8>,
    mut decompressor: Vec<u8>,
    packed: &[u8],
    unpacked_size: usize,
) -> Result<Vec<u8>, BootError> {
    if diskboot.len() != 512 {
        return Err(BootError::grub("diskboot.img", format!("it has {} bytes, not 512", diskboot.len())));
    }
    if decompressor.len() < 512 {
        return Err(BootError::grub("lzma_decompress.img", "it is shorter than a sector"));
    }
    let total = diskboot.len() + decompressor.len() + packed.len();
    if total > LARGEST_CORE {
        return Err(BootError::grub(
            "core.img",
            format!("it would have {total} bytes, {LARGEST_CORE} fit in memory"),
        ));
    }
    decompressor[PACKED_SIZE..PACKED_SIZE + 4].copy_from_slice(&length(packed).to_le_bytes());
    let unpacked = u32::try_from(unpacked_size).unwrap_or(u32::MAX);
    decompressor[UNPACKED_SIZE..UNPACKED_SIZE + 4].copy_from_slice(&unpacked.to_le_bytes());
    let rest = (total - 512).div_ceil(512) as u16;
    diskboot[BLOCK_LIST_LENGTH..BLOCK_LIST_LENGTH + 2].copy_from_slice(&rest.to_le_bytes());
    diskboot.extend(decompressor);
    diskboot.extend(packed);
    Ok(diskboot)
}

#[cfg(test)]
mod tests;
