//! What clouds, seed disks and users of clones give to `firstboot`.

use std::io;

use crate::volume::{self, Disk};

/// As much of a file as firstboot reads.
const FILE_LIMIT: usize = 1 << 20;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

pub fn cloud_config(bytes: &[u8]) {
    let _ = contract::user_data::read(bytes);
    let _ = text(bytes).map(contract::cloud_config::parse);
}

pub fn native(bytes: &[u8]) {
    let _ = text(bytes).map(contract::native::parse);
}

pub fn network_config(bytes: &[u8]) {
    let Some(Ok(reading)) = text(bytes).map(contract::network::parse_network_config) else { return };
    let _ = contract::network::validate(&reading.network);
}

pub fn network_data(bytes: &[u8]) {
    let _ = text(bytes).map(contract::network::network_data::parse);
}

pub fn context(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = contract::context::parse(text);
    let _ = contract::network::opennebula::parse_text(text);
}

pub fn meta_data(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = contract::metadata::no_cloud::parse_meta_data(text);
    let _ = contract::metadata::no_cloud::parse_line(text);
    let _ = contract::metadata::no_cloud::line_of_command_line(text);
    let _ = contract::metadata::open_stack::parse_meta_data(text);
    let _ = contract::metadata::ec2::parse_key_list(text);
    let _ = contract::report::parse_line(text);
}

pub fn encodings(bytes: &[u8]) {
    let _ = contract::encoding::inflate(bytes);
    let _ = contract::test_bundle::parse_header(bytes);
    let _ = text(bytes).map(contract::encoding::decode_base64);
    let encoded = contract::encoding::encode_base64(bytes);
    assert_eq!(contract::encoding::decode_base64(&encoded).as_deref(), Ok(bytes), "what is encoded is decoded");
}

struct Bytes<'b>(&'b [u8]);

impl Disk for Bytes<'_> {
    fn read_exact(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let start = usize::try_from(position).map_err(io::Error::other)?;
        let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(self.0.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

pub fn seed_disk(bytes: &[u8]) {
    let Ok(Some(volume)) = volume::open(Bytes(bytes)) else { return };
    let _ = volume.label();
    for path in ["meta-data", "user-data", "openstack/latest/meta_data.json", "context.sh"] {
        let _ = volume.read_file(path, FILE_LIMIT);
    }
}
