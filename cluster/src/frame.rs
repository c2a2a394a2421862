//! Frames: four bytes of length, the greatest first, and that many bytes of JSON.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest frame.
pub const LIMIT: usize = 1 << 20;
/// Longest frame of somebody who has not shown who he is.
pub const STRANGER_LIMIT: usize = 16 << 10;

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(value)?;
    let length = u32::try_from(body.len()).ok().filter(|length| *length as usize <= LIMIT);
    let length = length.ok_or_else(|| io::Error::other("a message is longer than 1 MiB"))?;
    Ok([&length.to_be_bytes()[..], &body].concat())
}

fn check(length: [u8; 4], limit: usize) -> io::Result<usize> {
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes is too long"),
        ));
    }
    Ok(length)
}

/// Writes one value.
///
/// # Errors
///
/// When it is too long or the connection is gone.
pub fn write(stream: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(value)?)?;
    stream.flush()
}

/// Reads one value.
///
/// # Errors
///
/// When it is too long, not understood, or the connection is gone.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; check(length, LIMIT)?];
    stream.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

/// Writes one value without blocking the thread.
///
/// # Errors
///
/// As [`write()`].
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(value)?).await?;
    stream.flush().await
}

/// Reads the bytes of one frame without blocking the thread; none if the connection ended before it.
///
/// # Errors
///
/// When it is too long, or the connection ends within it.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin), limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    };
    let mut body = vec![0; check(length, limit)?];
    stream.read_exact(&mut body).await?;
    Ok(Some(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_back_and_bounded() {
        let mut bytes = Vec::new();
        write(&mut bytes, &["a", "b"]).expect("written");
        assert_eq!(bytes[..4], [0, 0, 0, 9]);
        assert_eq!(read::<Vec<String>>(&mut &bytes[..]).expect("read"), ["a", "b"]);
        write(&mut Vec::new(), &"x".repeat(LIMIT)).expect_err("too long");
        read::<String>(&mut &[0xff, 0, 0, 0][..]).expect_err("too long");
        read::<String>(&mut &bytes[..6]).expect_err("cut");
        check([0, 0, 0x40, 1], STRANGER_LIMIT).expect_err("too long for a stranger");
    }
}
