//! The clear-sign framework, read strictly: what was signed and nothing around it.
//!
//! Accepted is one message that fills the file: its first line, `Hash:` headers, an empty line, the text, and one
//! or more closed signature blocks. Everything else is refused: text before, between or behind, other headers,
//! lines that begin with an unescaped dash, a second message.

/// First line of a message.
const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
/// First line of a signature block.
const BEGIN_SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
/// Last line of a signature block.
const END_SIGNATURE: &str = "-----END PGP SIGNATURE-----";

/// A message taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ClearSigned {
    /// The text: lines without trailing blanks, each ended by a line feed.
    pub text: String,
    /// The bytes that were hashed: the same lines joined by CR LF, none behind the last.
    pub signed: Vec<u8>,
    /// The armoured signature blocks.
    pub signatures: Vec<String>,
}

/// Takes a clear-signed message apart; says what is wrong with one that breaks the rules.
pub(super) fn parse(bytes: &[u8]) -> Result<ClearSigned, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    if let Some(byte) = text.bytes().find(|byte| *byte == 0) {
        return Err(format!("it holds a byte {byte}"));
    }
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n').map(trimmed).enumerate();
    match lines.next() {
        Some((_, BEGIN)) => {}
        _ => return Err(format!("it does not begin with '{BEGIN}'")),
    }
    headers(&mut lines)?;
    let content = content(&mut lines)?;
    let signatures = signatures(&mut lines)?;
    let text: String = content.iter().flat_map(|line| [line, "\n"]).collect();
    Ok(ClearSigned { text, signed: content.join("\r\n").into_bytes(), signatures })
}

/// Cuts what the format says is not part of a line.
fn trimmed(line: &str) -> &str {
    line.trim_end_matches([' ', '\t', '\r'])
}

type Lines<'a, 'b> = &'b mut dyn Iterator<Item = (usize, &'a str)>;

fn headers(lines: Lines<'_, '_>) -> Result<(), String> {
    for (number, line) in lines {
        match line {
            "" => return Ok(()),
            line if line.starts_with("Hash: ") => {}
            _ => return Err(format!("line {} is not allowed among the headers", number + 1)),
        }
    }
    Err("it ends among the headers".to_owned())
}

/// Reads the text up to the first signature block.
fn content<'a>(lines: Lines<'a, '_>) -> Result<Vec<&'a str>, String> {
    let mut content = Vec::new();
    for (number, line) in lines {
        let line = match line.strip_prefix('-') {
            None => line,
            Some(_) if line == BEGIN_SIGNATURE => return Ok(content),
            Some(rest) => rest
                .strip_prefix(' ')
                .ok_or_else(|| format!("line {} begins with a dash that is not escaped", number + 1))?,
        };
        if line.contains('\r') {
            return Err(format!("line {} holds a carriage return", number + 1));
        }
        content.push(line);
    }
    Err("it has no signature".to_owned())
}

/// Reads signature blocks to the end; the first one's first line is read already.
fn signatures(lines: Lines<'_, '_>) -> Result<Vec<String>, String> {
    let mut blocks = Vec::new();
    let mut open = Some(format!("{BEGIN_SIGNATURE}\n"));
    for (number, line) in lines {
        match (&mut open, line) {
            (Some(block), END_SIGNATURE) => {
                block.push_str(END_SIGNATURE);
                block.push('\n');
                blocks.extend(open.take());
            }
            (Some(_), line) if line.starts_with('-') => {
                return Err(format!("line {} is not allowed in a signature", number + 1));
            }
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, BEGIN_SIGNATURE) => open = Some(format!("{BEGIN_SIGNATURE}\n")),
            (None, _) => return Err(format!("line {} stands behind the signature", number + 1)),
        }
    }
    if open.is_some() { Err("its signature is not closed".to_owned()) } else { Ok(blocks) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----\n\nabcd\n=efgh\n-----END PGP SIGNATURE-----\n";

    fn message(content: &str) -> String {
        format!("{BEGIN}\nHash: SHA256\n\n{content}\n{SIGNATURE}")
    }

    #[test]
    fn a_message_is_taken_apart() {
        let parsed = parse(message("a \t\n\n- -b\n- - c\n  d\r").as_bytes()).unwrap();
        assert_eq!(parsed.text, "a\n\n-b\n- c\n  d\n");
        assert_eq!(parsed.signed, b"a\r\n\r\n-b\r\n- c\r\n  d");
        assert_eq!(parsed.signatures, [SIGNATURE]);
    }

    #[test]
    fn several_signature_blocks_and_headers_are_allowed() {
        let text = format!("{BEGIN}\nHash: SHA256\nHash: SHA512\n\na\n{SIGNATURE}{SIGNATURE}");
        assert_eq!(parse(text.as_bytes()).unwrap().signatures.len(), 2);
        let bare = format!("{BEGIN}\n\na\n{}", SIGNATURE.trim_end());
        assert_eq!(parse(bare.as_bytes()).unwrap().text, "a\n");
    }

    #[test]
    fn what_breaks_the_rules_is_refused() {
        let good = message("a");
        for (what, text) in [
            ("text before", format!("x\n{good}")),
            ("an empty line before", format!("\n{good}")),
            ("a byte order mark", format!("\u{feff}{good}")),
            ("text behind", format!("{good}x\n")),
            ("an empty line behind", format!("{good}\n")),
            ("a second message", format!("{good}{good}")),
            ("text between signatures", format!("{good}x\n{SIGNATURE}")),
            ("an unescaped dash", message("a\n-b")),
            ("an unescaped message inside", message(&format!("a\n{BEGIN}\n\nb"))),
            ("another header", good.replace("Hash: SHA256", "NotDashEscaped: x")),
            ("a header without a value", good.replace("Hash: SHA256", "Hash:")),
            ("no headers' end", format!("{BEGIN}\nHash: SHA256\n")),
            ("no signature", format!("{BEGIN}\n\na\n")),
            ("an open signature", good.replace("-----END PGP SIGNATURE-----\n", "")),
            ("a signature in a signature", good.replace("abcd\n", SIGNATURE)),
            ("a carriage return inside", message("a\rb")),
            ("a zero byte", message("a\0b")),
            ("nothing", String::new()),
            ("a web page", "<html>\n".to_owned()),
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{what} was accepted");
        }
        assert!(parse(&[good.as_bytes(), b"\xff"].concat()).is_err());
    }
}
