use liblzma::stream::{Action, Filters, LzmaOptions, Status, Stream};

use super::super::fixture::{self, Scratch};
use super::*;
use crate::plan::TableKind;

/// Returns an ELF32 file with sections of (type, flags, address, content).
fn elf(sections: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 52];
    file[..6].copy_from_slice(b"\x7fELF\x01\x01");
    let mut table = Vec::new();
    for &(kind, flags, address, content) in sections {
        let offset = file.len() as u32;
        file.extend(content);
        for word in [0, kind, flags, address, offset, content.len() as u32, 0, 0, 0, 0] {
            table.extend(word.to_le_bytes());
        }
    }
    let at = file.len() as u32;
    file[32..36].copy_from_slice(&at.to_le_bytes());
    file[46..48].copy_from_slice(&40u16.to_le_bytes());
    file[48..50].copy_from_slice(&(sections.len() as u16).to_le_bytes());
    file.extend(table);
    file
}

fn grub_files(folder: &Scratch) {
    let file = |name: &str, content: &[u8]| folder.write(&format!("usr/lib/grub/i386-pc/{name}"), content);
    file(
        "kernel.img",
        &elf(&[(1, 6, 0x9000, b"text!"), (8, 3, 0x9100, b""), (1, 2, 0x9008, b"data"), (1, 0, 0, b"debug")]),
    );
    file("boot.img", &[1; 512]);
    file("diskboot.img", &[2; 512]);
    file("lzma_decompress.img", &[3; 2848]);
    file("moddep.lst", b"ext2: fshelp\n");
    for module in
        ["biosdisk", "part_gpt", "part_msdos", "ext2", "search_fs_uuid", "normal", "configfile", "fshelp"]
    {
        file(&format!("{module}.mod"), module.as_bytes());
    }
}

fn unpack(packed: &[u8], size: usize) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(6).unwrap();
    options.dict_size(LZMA_DICTIONARY).literal_context_bits(3).literal_position_bits(0).position_bits(2);
    let mut stream = Stream::new_raw_decoder(Filters::new().lzma1(&options)).unwrap();
    let mut image = Vec::with_capacity(size + 16);
    let status = stream.process_vec(packed, &mut image, Action::Finish).unwrap();
    assert_eq!(status, Status::StreamEnd);
    image
}

#[test]
fn core_has_its_parts_in_order_and_their_sizes_where_grub_looks() {
    let folder = Scratch::new("core");
    grub_files(&folder);
    let places = Places::of(&fixture::disk()).unwrap();
    let grub = build(&folder.tree(), &places).unwrap();
    let word = |at: usize| u32::from_le_bytes(grub.core[at..at + 4].try_into().unwrap()) as usize;
    let packed = &grub.core[512 + 2848..];
    assert_eq!(word(512 + 8), packed.len());
    let sectors = u16::from_le_bytes([grub.core[508], grub.core[509]]);
    assert_eq!(usize::from(sectors), (grub.core.len() - 512).div_ceil(512));

    let image = unpack(packed, word(512 + 12));
    assert_eq!(image.len(), word(512 + 12));
    assert_eq!(image[..12], *b"text!\0\0\0data");
    let object = |kind: u32, data: &[u8]| {
        let mut bytes = Vec::new();
        push_object(&mut bytes, kind, data);
        bytes
    };
    let order = ["biosdisk", "part_gpt", "fshelp", "ext2", "search_fs_uuid", "normal", "configfile"];
    let mut objects: Vec<u8> = order.iter().flat_map(|module| object(0, module.as_bytes())).collect();
    objects.extend(object(2, &terminated(&places.core_config())));
    objects.extend(object(3, b"/boot/grub\0"));
    assert_eq!(
        image[12..24],
        [b"mimg".as_slice(), &[12, 0, 0, 0], &(12 + objects.len() as u32).to_le_bytes()].concat()
    );
    assert_eq!(image[24..], objects);
}

#[test]
fn core_reads_the_table_that_the_disk_has() {
    let folder = Scratch::new("core-msdos");
    grub_files(&folder);
    let mut disk = fixture::disk();
    disk.table = TableKind::Msdos;
    disk.partitions.drain(..2);
    let grub = build(&folder.tree(), &Places::of(&disk).unwrap()).unwrap();
    let size = u32::from_le_bytes(grub.core[512 + 12..512 + 16].try_into().unwrap()) as usize;
    let image = unpack(&grub.core[512 + 2848..], size);
    let has = |text: &[u8]| image.windows(text.len()).any(|window| window == text);
    assert!(has(b"part_msdos") && !has(b"part_gpt") && has(b" root hd0,msdos2\n"));
}

#[test]
fn objects_are_padded_and_count_their_header() {
    let mut objects = Vec::new();
    push_object(&mut objects, 2, b"abcde");
    assert_eq!(objects, [2, 0, 0, 0, 16, 0, 0, 0, b'a', b'b', b'c', b'd', b'e', 0, 0, 0]);
}

#[test]
fn broken_kernels_are_refused() {
    let cut = elf(&[(1, 2, 0x9000, b"text")]);
    let table: [(&str, Vec<u8>); 6] = [
        ("not a 32-bit", b"MZ".to_vec()),
        ("cut short", cut[..40].to_vec()),
        ("cut short", cut[..cut.len() - 20].to_vec()),
        ("below 0x9000", elf(&[(1, 2, 0x8000, b"text")])),
        ("too high", elf(&[(1, 2, 0xffff_ff00, b"text")])),
        ("no loadable", elf(&[(8, 3, 0x9000, b"")])),
    ];
    for (reason, kernel) in table {
        let error = flatten_kernel(&kernel).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_missing_package_is_named() {
    let error = build(&Scratch::new("missing").tree(), &Places::of(&fixture::disk()).unwrap())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/usr/lib/grub/i386-pc/") && error.contains("grub-pc-bin"), "{error}");
}

#[test]
fn a_core_that_does_not_fit_in_memory_is_refused() {
    let error = assemble(vec![0; 512], vec![0; 512], &vec![0; LARGEST_CORE], 0).unwrap_err().to_string();
    assert!(error.contains("fit in memory"), "{error}");
}

#[test]
fn sources_are_images_then_modules_by_name() {
    let folder = Scratch::new("sources");
    grub_files(&folder);
    let names = source_files(&folder.tree()).unwrap();
    assert_eq!(names[..5], ["boot.img", "diskboot.img", "lzma_decompress.img", "kernel.img", "biosdisk.mod"]);
    assert!(names[4..].is_sorted() && names.len() == 12);
}
