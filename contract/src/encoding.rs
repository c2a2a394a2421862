//! The encodings in which documents carry bytes: base64 and gzip, both within bounds.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// Most bytes that something compressed may become.
pub const INFLATED_LIMIT: usize = 16 << 20;

/// Decodes base64 (RFC 4648, both alphabets); white space and missing padding are fine.
///
/// # Errors
///
/// When the text is something else.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count, mut padded) = (0_u32, 0, false);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                padded = true;
                continue;
            }
            _ => return Err("this is not base64".into()),
        };
        if padded {
            return Err("this is not base64: something follows its end".into());
        }
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    match count {
        0 => {}
        2 => bytes.push((bits >> 4) as u8),
        3 => bytes.extend_from_slice(&((bits >> 2) as u16).to_be_bytes()),
        _ => return Err("this is not base64: it ends too early".into()),
    }
    Ok(bytes)
}

/// Encodes as base64 with padding, on one line.
pub fn encode_base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}

/// Tells whether the bytes begin as gzip does.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b, 8])
}

/// Inflates gzip to at most [`INFLATED_LIMIT`] bytes.
///
/// # Errors
///
/// When it is no gzip, or becomes more.
pub fn inflate(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut inflated = Vec::new();
    let limit = INFLATED_LIMIT as u64 + 1;
    MultiGzDecoder::new(bytes)
        .take(limit)
        .read_to_end(&mut inflated)
        .map_err(|error| format!("this is not gzip: {error}"))?;
    if inflated.len() > INFLATED_LIMIT {
        return Err(format!("inflated it has more than {INFLATED_LIMIT} bytes"));
    }
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn base64_goes_both_ways() {
        for (bytes, text) in
            [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"\xfb\xff", "+/8=")]
        {
            assert_eq!(encode_base64(bytes), text);
            assert_eq!(decode_base64(text).expect(text), bytes);
            assert_eq!(decode_base64(text.trim_end_matches('=')).expect(text), bytes);
        }
        assert_eq!(decode_base64("-_8=").expect("the other alphabet"), b"\xfb\xff");
        assert_eq!(decode_base64("Zm\n 9v\r\n").expect("lines"), b"foo");
        for bad in ["Z", "Zm9v!", "Zg==Zg==", "é"] {
            decode_base64(bad).expect_err(bad);
        }
    }

    #[test]
    fn gzip_is_inflated_within_bounds() {
        let deflate = |bytes: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            writer.write_all(bytes).and_then(|()| writer.finish()).expect("memory")
        };
        let small = deflate(b"hello");
        assert!(is_gzip(&small));
        assert_eq!(inflate(&small).expect("gzip"), b"hello");
        assert!(inflate(&deflate(&vec![0; INFLATED_LIMIT + 1])).expect_err("a bomb").contains("more than"));
        inflate(&small[..small.len() - 9]).expect_err("cut short");
        inflate(b"plain").expect_err("no gzip");
    }
}
