use std::io::Read;
use std::path::Path;

use super::*;

impl Disk for Vec<u8> {
    fn read_exact(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let start = usize::try_from(position).unwrap_or(usize::MAX);
        let end = start.saturating_add(buffer.len());
        buffer.copy_from_slice(self.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Volumes that other programs wrote; `tests/volumes/README.md` says how.
const VOLUMES: [(&str, &str); 6] = [
    ("rock-ridge-joliet.iso", "cidata"),
    ("joliet.iso", "config-2"),
    ("rock-ridge.iso", "CONTEXT"),
    ("fat12.img", "CIDATA"),
    ("fat16.img", "CIDATA"),
    ("fat32.img", "CIDATA"),
];

fn bytes_of(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/volumes/{name}.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).expect(name)).read_to_end(&mut bytes).expect(name);
    bytes
}

#[test]
fn volumes_of_other_programs_are_read() {
    let long: String = (0..1000).map(|number| format!("{number:06}\n")).collect();
    let far =
        format!("a-name-that-is-so-long-that-rock-ridge-needs-to-{}.txt", "continue-it-elsewhere-".repeat(9));
    for (name, label) in VOLUMES {
        let volume = open(bytes_of(name)).expect(name).expect("a known filesystem");
        assert_eq!(volume.label(), label, "{name}");
        let read = |path: &str| {
            let bytes =
                volume.read_file(path, 1 << 20).unwrap_or_else(|error| panic!("{name}: {path}: {error}"));
            bytes.map(|bytes| String::from_utf8(bytes).expect("text"))
        };
        assert_eq!(
            read("meta-data").as_deref(),
            Some("instance-id: i-volume\nlocal-hostname: volume\n"),
            "{name}"
        );
        assert_eq!(read("openstack/latest/meta_data.json").as_deref(), Some("{\"uuid\": \"u-1\"}"), "{name}");
        assert_eq!(read("/empty").as_deref(), Some(""), "{name}");
        assert_eq!(read("long").as_ref(), Some(&long), "{name}");
        assert_eq!(read("filler-79").as_deref(), Some("79"), "{name}");
        if name != "joliet.iso" {
            assert_eq!(read(&far).as_deref(), Some("far"), "{name}");
        }
        for absent in ["nothing", "openstack", "meta-data/x", "openstack/none/x", "", "/", ".."] {
            assert_eq!(read(absent), None, "{name}: {absent}");
        }
        assert_eq!(volume.read_file("long", 6999).expect_err(name).kind(), io::ErrorKind::FileTooLarge);
    }
}

#[test]
fn what_is_no_volume_is_none() {
    for bytes in [vec![], vec![0; 512], vec![0xff; 1 << 16], b"\xeb\x3c\x90".repeat(20_000)] {
        assert!(open(bytes).expect("no error").is_none());
    }
}

/// Every damage ends in an answer or an error: no panic, no endless loop, no allocation beyond the limits.
#[test]
fn damaged_volumes_are_errors_at_worst() {
    for name in ["rock-ridge-joliet.iso", "joliet.iso", "fat12.img"] {
        let sound = bytes_of(name);
        let used: Vec<usize> = (0..sound.len()).filter(|at| sound[*at] != 0).collect();
        let mut state = 1_u64;
        for _ in 0..1500 {
            let mut bytes = sound.clone();
            for _ in 0..3 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // The beginnings of both filesystems hold what leads to all the rest.
                let place = used[(state >> 33) as usize % used.len().min(3000)];
                bytes[place] = (state >> 24) as u8;
            }
            if state & 3 == 0 {
                bytes.truncate((state >> 20) as usize % bytes.len());
            }
            if let Ok(Some(volume)) = open(bytes) {
                drop((
                    volume.read_file("meta-data", 1 << 16),
                    volume.read_file("openstack/latest/meta_data.json", 1 << 16),
                ));
            }
        }
    }
}

#[test]
fn a_chain_of_clusters_that_is_a_loop_ends() {
    let mut bytes = bytes_of("fat12.img");
    // Every cluster is followed by cluster 2.
    let reserved = usize::from(bytes[14]) * 512;
    for pair in bytes[reserved + 3..reserved + 3 + 600].chunks_exact_mut(3) {
        pair.copy_from_slice(&[0x02, 0x20, 0x00]);
    }
    let volume = open(bytes).expect("a volume").expect("FAT");
    assert_eq!(volume.read_file("long", 1 << 20).expect("its length").map(|bytes| bytes.len()), Some(7000));
    drop(volume.read_file("openstack/latest/meta_data.json", 1 << 20));
}
