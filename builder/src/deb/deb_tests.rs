//! Containers that are right and containers that are not.

use std::fs;

use super::*;
use crate::rootfs::test_support::{Item, Scratch, ar_of, gzip, tar_of, xz};

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\n";

fn control_tar() -> Vec<u8> {
    tar_of(&[Item::Folder("./", 0o755), Item::File("./control", CONTROL, 0o640)], (0, 0))
}

fn data_tar() -> Vec<u8> {
    tar_of(&[Item::File("./x", "content", 0o644)], (0, 0))
}

fn read(bytes: &[u8]) -> Result<(ControlFiles, Vec<u8>), DebError> {
    let scratch = Scratch::new();
    let path = scratch.0.join("a.deb");
    fs::write(&path, bytes).unwrap();
    let deb = Deb::open(&path)?;
    let mut data = Vec::new();
    deb.data()?.read_to_end(&mut data).map_err(|e| DebError::Read("data", e))?;
    Ok((deb.control, data))
}

#[test]
fn reads_every_compression_that_dpkg_writes() {
    let (control, data) = (control_tar(), data_tar());
    let zstd = zstd::encode_all(&data[..], 1).unwrap();
    // dpkg-deb writes one stream; xz -T and concatenation make several.
    let two_streams = [xz(&data[..512]), xz(&data[512..])].concat();
    for (name, bytes) in [
        ("data.tar", data.clone()),
        ("data.tar.gz", gzip(&data)),
        ("data.tar.xz", xz(&data)),
        ("data.tar.xz", two_streams),
        ("data.tar.zst", zstd),
        ("data.tar.xz/", xz(&data)),
    ] {
        let archive = ar_of(&[
            ("debian-binary", b"2.0\n"),
            ("_gpgorigin", b"odd"),
            ("control.tar.xz", &xz(&control)),
            (name, &bytes),
        ]);
        let (files, read) = read(&archive).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(read, data, "{name}");
        assert_eq!(files["control"], ControlFile { mode: 0o640, bytes: CONTROL.into() });
    }
}

#[test]
fn refuses_damaged_containers() {
    let (version, control, data) = (&b"2.0\n"[..], xz(&control_tar()), xz(&data_tar()));
    let good = ar_of(&[("debian-binary", version), ("control.tar.xz", &control), ("data.tar.xz", &data)]);
    assert!(read(&good).is_ok());
    let device = xz(&tar_of(&[Item::File("./control", CONTROL, 0o644), Item::Device("./dev")], (0, 0)));
    let folder =
        xz(&tar_of(&[Item::File("./control", CONTROL, 0o644), Item::File("./a/b", "", 0o644)], (0, 0)));
    let twice =
        xz(&tar_of(&[Item::File("./control", "", 0o644), Item::File("./control", "", 0o644)], (0, 0)));
    let junk_inside = xz(&[control_tar(), b"junk".to_vec()].concat());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("no magic", b"PK\x03\x04 and so on".to_vec()),
        ("empty", Vec::new()),
        ("trailing junk", [&good[..], b"junk"].concat()),
        ("trailing junk as long as a header", [&good[..], &[b'j'; 80]].concat()),
        ("cut off", good[..good.len() - 40].to_vec()),
        (
            "version 3",
            ar_of(&[("debian-binary", b"3.0\n"), ("control.tar.xz", &control), ("data.tar.xz", &data)]),
        ),
        ("no version", ar_of(&[("control.tar.xz", &control), ("data.tar.xz", &data)])),
        ("no data", ar_of(&[("debian-binary", version), ("control.tar.xz", &control)])),
        ("order", ar_of(&[("debian-binary", version), ("data.tar.xz", &data), ("control.tar.xz", &control)])),
        (
            "bzip2",
            ar_of(&[("debian-binary", version), ("control.tar.xz", &control), ("data.tar.bz2", &data)]),
        ),
        ("device", ar_of(&[("debian-binary", version), ("control.tar.xz", &device), ("data.tar.xz", &data)])),
        ("folder", ar_of(&[("debian-binary", version), ("control.tar.xz", &folder), ("data.tar.xz", &data)])),
        ("twice", ar_of(&[("debian-binary", version), ("control.tar.xz", &twice), ("data.tar.xz", &data)])),
        (
            "junk",
            ar_of(&[("debian-binary", version), ("control.tar.xz", &junk_inside), ("data.tar.xz", &data)]),
        ),
        (
            "cut xz",
            ar_of(&[
                ("debian-binary", version),
                ("control.tar.xz", &control),
                ("data.tar.xz", &data[..data.len() - 9]),
            ]),
        ),
    ];
    for (name, bytes) in cases {
        assert!(read(&bytes).is_err(), "{name} was accepted");
    }
}

#[test]
fn a_size_that_points_behind_the_file_is_an_error() {
    let mut bytes = ar_of(&[("debian-binary", b"2.0\n")]);
    bytes[8 + 48..8 + 58].copy_from_slice(b"9999999999");
    assert!(matches!(read(&bytes), Err(DebError::Format(_))));
}

#[test]
fn a_control_archive_has_a_limit_and_so_has_the_memory_of_xz() {
    let (version, data) = (&b"2.0\n"[..], xz(&data_tar()));
    let deb = |control: &[u8]| {
        ar_of(&[("debian-binary", version), ("control.tar.xz", control), ("data.tar.xz", &data)])
    };
    // 65 MiB in some kilobytes.
    let zeroes = "\0".repeat(65 << 20);
    let items = [Item::File("./control", CONTROL, 0o644), Item::File("./md5sums", &zeroes, 0o644)];
    let bomb = deb(&xz(&tar_of(&items, (0, 0))));
    assert!(bomb.len() < 100_000, "{} bytes", bomb.len());
    assert!(matches!(read(&bomb), Err(DebError::Read("the control archive", _))));
    // The first block's header asks for a dictionary of 512 MiB (the .xz format, 3.1 and 5.3.1).
    let mut greedy = xz(&control_tar());
    let header = &mut greedy[12..24];
    assert_eq!(&header[..4], [2, 0, 0x21, 1]);
    header[4] = 34;
    let sum = crc32fast::hash(&header[..8]);
    header[8..].copy_from_slice(&sum.to_le_bytes());
    let error = read(&deb(&greedy)).unwrap_err();
    let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(why.to_lowercase().contains("mem"), "{error}: {why}");
}
