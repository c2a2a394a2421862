//! The bytes of ustar headers and pax records.

/// Size of a tar block; everything is padded to it.
pub(super) const BLOCK: usize = 512;

/// Longest name and link target that fit into the header.
const NAME_LENGTH: usize = 100;

/// Largest number of a seven-digit octal field (ids, device numbers).
const OCTAL_7: u64 = 0o777_7777;

/// Largest number of an eleven-digit octal field (size, time).
const OCTAL_11: u64 = 0o777_7777_7777;

/// What a header says.
#[derive(Debug, Clone)]
pub(super) struct Header<'a> {
    pub(super) name: &'a [u8],
    pub(super) link: &'a [u8],
    pub(super) kind: u8,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) device: (u64, u64),
}

/// Appends the pax records (if `records` or the header's own fields need any) and the header to `out`.
pub(super) fn push(out: &mut Vec<u8>, header: &Header<'_>, mut records: Vec<u8>) {
    push_overflow(&mut records, header);
    if !records.is_empty() {
        let extension = Header {
            name: b"./PaxHeaders",
            link: b"",
            kind: b'x',
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: records.len() as u64,
            mtime: 0,
            device: (0, 0),
        };
        push_block(out, &extension);
        out.extend_from_slice(&records);
        pad(out, records.len() as u64);
    }
    push_block(out, header);
}

/// Appends the zeroes that fill the last block of `length` bytes.
pub(super) fn pad(out: &mut Vec<u8>, length: u64) {
    let rest = usize::try_from(length % BLOCK as u64).unwrap_or(0);
    if rest != 0 {
        out.resize(out.len() + BLOCK - rest, 0);
    }
}

/// Appends one pax record; its length counts its own digits.
pub(super) fn push_record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Writes as records what does not fit into the header's fields.
fn push_overflow(records: &mut Vec<u8>, header: &Header<'_>) {
    let long = [(&b"path"[..], header.name), (b"linkpath", header.link)];
    let long = long.into_iter().filter(|(_, value)| value.len() > NAME_LENGTH);
    if long.clone().any(|(_, value)| !value.is_ascii()) {
        // Names are bytes, not text: the reader must not convert them to its locale.
        push_record(records, b"hdrcharset", b"BINARY");
    }
    for (key, value) in long {
        push_record(records, key, value);
    }
    for (key, value, limit) in
        [(&b"uid"[..], header.uid, OCTAL_7), (b"gid", header.gid, OCTAL_7), (b"size", header.size, OCTAL_11)]
    {
        if value > limit {
            push_record(records, key, value.to_string().as_bytes());
        }
    }
    if u64::try_from(header.mtime).is_ok_and(|mtime| mtime <= OCTAL_11) {
        return;
    }
    push_record(records, b"mtime", header.mtime.to_string().as_bytes());
}

fn push_block(out: &mut Vec<u8>, header: &Header<'_>) {
    let mut block = [0; BLOCK];
    put_text(&mut block[..NAME_LENGTH], header.name);
    put_octal(&mut block[100..108], u64::from(header.mode));
    put_octal(&mut block[108..116], header.uid);
    put_octal(&mut block[116..124], header.gid);
    put_octal(&mut block[124..136], header.size);
    put_octal(&mut block[136..148], u64::try_from(header.mtime).unwrap_or(0));
    block[156] = header.kind;
    put_text(&mut block[157..257], header.link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    put_octal(&mut block[329..337], header.device.0);
    put_octal(&mut block[337..345], header.device.1);
    // The checksum counts its own field as blanks.
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[148..155], sum);
    out.extend_from_slice(&block);
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Writes octal digits and a NUL; a number too large for the field is in a pax record, the field then holds zero.
fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let fits = number >> (3 * digits) == 0;
    let mut number = if fits { number } else { 0 };
    for slot in field[..digits].iter_mut().rev() {
        *slot = b'0' + (number & 7) as u8;
        number >>= 3;
    }
    field[digits] = 0;
}
