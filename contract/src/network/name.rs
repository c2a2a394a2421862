//! Names that go into files, so that nothing but a name can be in them.

/// Most bytes of an interface's name: `IFNAMSIZ` without its NUL.
const INTERFACE_NAME_BYTES: usize = 15;

/// Why a text is no name of that kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no name of an interface: 1 to 15 letters, digits, '-', '_' and '.' are, not 'all', 'default', '.' or '..'"
)]
pub struct NameError(pub String);

/// Tells whether the kernel and every file that is written here take `text` as the name of an interface.
///
/// The kernel takes more, but `sysctl`, systemd and ifupdown each give other characters a meaning.
pub fn is_interface_name(text: &str) -> bool {
    is_pattern(text) && !text.contains(['*', '?', '[', ']']) && text.len() <= INTERFACE_NAME_BYTES
}

/// Tells whether `text` is a shell pattern over names of interfaces.
pub fn is_pattern(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?[]".contains(&byte);
    // networkd takes a first `!` as negation, a first `-` would be an option of ip and ifup.
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(known)
        && !text.starts_with('-')
        && !matches!(text, "." | ".." | "all" | "default")
}

/// Tells whether `text` is a domain for searching: labels of letters, digits, `-` and `_`.
pub fn is_domain(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Returns the one of `known` that `text` was perhaps meant to be: at most two letters differ.
pub(super) fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if text.len() > 40 {
        return None;
    }
    let distances = known.into_iter().map(|candidate| (distance(text, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, best)| best)
}

/// How many letters have to be put in, taken out or changed.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 1..row.len() {
            let changed = diagonal + usize::from(letter != right[column - 1]);
            diagonal = row[column];
            row[column] = changed.min(diagonal + 1).min(row[column - 1] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_nothing_else() {
        for name in ["eth0", "enp1s0f1np0", "bond0.100", "br-lan", "wan_1"] {
            assert!(is_interface_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            "all",
            "-x",
            "a/b",
            "a b",
            "a:1",
            "a\n",
            "sixteen-letters!",
            "sixteen-letters-",
            "é",
            "a=b",
            "e*",
        ] {
            assert!(!is_interface_name(name), "{name:?}");
        }
        assert!(is_pattern("enp*s?") && !is_pattern("!eth0") && !is_pattern("a b"));
    }

    #[test]
    fn domains_hold_nothing_else() {
        for name in ["example.com", "example.com.", "a", "_tcp.example.com"] {
            assert!(is_domain(name), "{name}");
        }
        for name in ["", ".", "a..b", "-a", "a b", "a\nDNS=1.1.1.1", "~.", &"a".repeat(64)] {
            assert!(!is_domain(name), "{name:?}");
        }
    }

    #[test]
    fn near_misses_are_found() {
        assert_eq!(nearest("adresses", ["addresses", "mtu"]), Some("addresses"));
        assert_eq!(nearest("wholly-else", ["addresses", "mtu"]), None);
    }
}
