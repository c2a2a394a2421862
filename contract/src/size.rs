//! Sizes as people write them: a whole number and a binary unit, `64MiB`. A bare number is none, nor is `64MB`.

/// The units and what they come to, as powers of two.
const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// How a size is written.
pub const FORM: &str = "write a whole number and KiB, MiB, GiB or TiB";

/// Reads a size; a space may stand before its unit.
///
/// # Errors
///
/// Says how to write it.
pub fn parse(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    let Some((_, shift)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
        return Err(match loose_shift(unit) {
            Some(0) if !digits.is_empty() => format!("sizes have a unit: `{digits}MiB`?"),
            Some(shift) if shift > 0 => format!("sizes are binary: `{digits}{}`?", name_of(shift)),
            _ => FORM.to_owned(),
        });
    };
    let number: u64 = digits.parse().map_err(|_| "write a whole number before the unit".to_owned())?;
    match number.checked_shl(shift).filter(|bytes| bytes >> shift == number) {
        Some(0) => Err("a size is more than nothing".to_owned()),
        Some(bytes) => Ok(bytes),
        None => Err("there is no such size".to_owned()),
    }
}

/// Reads a size as cloud-config has it: bytes, or K, M, G or T, which are powers of 1024 in any case and may be followed by
/// `B` or `iB`. None where it is no size.
pub fn parse_loose(text: &str) -> Option<u64> {
    let (digits, unit) = split(text);
    let (number, shift) = (digits.parse::<u64>().ok()?, loose_shift(unit)?);
    number.checked_shl(shift).filter(|bytes| bytes >> shift == number)
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn loose_shift(unit: &str) -> Option<u32> {
    let upper = unit.to_ascii_uppercase();
    if upper.is_empty() {
        return Some(0);
    }
    let is_unit = |name: &str| {
        let name = name.to_ascii_uppercase();
        upper == name || upper == name[..1] || upper == format!("{}B", &name[..1])
    };
    UNITS.into_iter().find(|(name, _)| is_unit(name)).map(|(_, shift)| shift)
}

fn name_of(shift: u32) -> &'static str {
    UNITS.into_iter().find(|(_, known)| *known == shift).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("4 GiB", 4 << 30), ("1TiB", 1 << 40), ("512KiB", 512 << 10)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for (text, hint) in [
            ("64", "sizes have a unit: `64MiB`?"),
            ("64MB", "sizes are binary: `64MiB`?"),
            ("2g", "sizes are binary: `2GiB`?"),
            ("2gib", "sizes are binary: `2GiB`?"),
            ("1.5GiB", FORM),
            ("0MiB", "a size is more than nothing"),
            ("99999999TiB", "there is no such size"),
            ("99999999999999999999TiB", "write a whole number before the unit"),
            ("MiB", "write a whole number before the unit"),
            ("-1MiB", FORM),
            ("", FORM),
            ("1é", FORM),
        ] {
            assert_eq!(parse(text), Err(hint.to_owned()), "{text}");
        }
    }

    #[test]
    fn cloud_config_has_looser_ones() {
        for (text, bytes) in [
            ("1024", Some(1024)),
            ("1K", Some(1 << 10)),
            ("512M", Some(512 << 20)),
            ("2gb", Some(2 << 30)),
            ("1TiB", Some(1 << 40)),
            ("0", Some(0)),
            ("auto", None),
            ("1.5G", None),
            ("1GG", None),
            ("99999999T", None),
            ("G", None),
        ] {
            assert_eq!(parse_loose(text), bytes, "{text}");
        }
    }
}
