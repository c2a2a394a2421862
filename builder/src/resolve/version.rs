//! Debian version numbers: their order and the relations of dependency fields.

use std::cmp::Ordering;

/// A relation of a dependency, `(>= 1.2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// No version is asked for.
    Any,
    /// `<<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>>`
    Greater,
}

impl Relation {
    /// Parses an operator as dependency fields write it; `<` and `>` are the old spellings of `<=` and `>=`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self::Any,
            "<<" => Self::Less,
            "<=" | "<" => Self::LessEqual,
            "=" => Self::Equal,
            ">=" | ">" => Self::GreaterEqual,
            ">>" => Self::Greater,
            _ => return None,
        })
    }

    /// Returns the operator as dependency fields write it.
    pub fn operator(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Less => "<<",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">>",
        }
    }

    /// Returns whether `version` stands in this relation to `wanted`.
    ///
    /// An empty `version` (an unversioned provide) satisfies no versioned relation.
    pub fn holds(self, version: &str, wanted: &str) -> bool {
        if self == Self::Any {
            return true;
        }
        if version.is_empty() {
            return false;
        }
        let order = if version == wanted { Ordering::Equal } else { compare(version, wanted) };
        match self {
            Self::Any => true,
            Self::Less => order.is_lt(),
            Self::LessEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::GreaterEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

/// Compares two versions: epoch, upstream version, Debian revision.
pub fn compare(left: &str, right: &str) -> Ordering {
    let (left_epoch, left) = split_epoch(left);
    let (right_epoch, right) = split_epoch(right);
    compare_part(left_epoch, right_epoch)
        .then_with(|| {
            let (left, right) = (split_revision(left).0, split_revision(right).0);
            compare_part(left, right)
        })
        .then_with(|| compare_part(split_revision(left).1, split_revision(right).1))
}

fn split_epoch(version: &str) -> (&str, &str) {
    version.split_once(':').unwrap_or(("", version))
}

fn split_revision(version: &str) -> (&str, &str) {
    version.rsplit_once('-').unwrap_or((version, ""))
}

/// Compares alternating runs of non-digits (by [`weight`]) and digits (as numbers of any length).
fn compare_part(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = split_run(left, |byte| !byte.is_ascii_digit());
        let (right_text, right_rest) = split_run(right, |byte| !byte.is_ascii_digit());
        let order = compare_text(left_text, right_text);
        if order.is_ne() {
            return order;
        }
        let (left_digits, left_rest) = split_run(left_rest, |byte| byte.is_ascii_digit());
        let (right_digits, right_rest) = split_run(right_rest, |byte| byte.is_ascii_digit());
        let order = compare_number(left_digits, right_digits);
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split_run(text: &[u8], belongs: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !belongs(byte)).unwrap_or(text.len()))
}

fn compare_text(left: &[u8], right: &[u8]) -> Ordering {
    let weights = |text: &[u8], at: usize| text.get(at).map_or(0, |byte| weight(*byte));
    (0..left.len().max(right.len()))
        .map(|at| weights(left, at).cmp(&weights(right, at)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `~` sorts before the end of a part, letters before everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        byte if byte.is_ascii_alphabetic() => i32::from(byte),
        byte => i32::from(byte) + 256,
    }
}

fn compare_number(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_run(left, |byte| *byte == b'0');
    let (_, right) = split_run(right, |byte| *byte == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_versions_as_policy_says() {
        // Each version is older than the next.
        let ascending = [
            "0~~",
            "0~",
            "0",
            "1~rc1",
            "1~rc1-1",
            "1",
            "1-1",
            "1-1+b1",
            "1-2",
            "1a",
            "1+dfsg",
            "1.0.1",
            "1.2",
            "1.10",
            "2.0-1~deb12u1",
            "2.0-1",
            "2.0-1.1",
            "10",
            "1:0.1",
            "1:0.2-1",
            "2:0",
        ];
        for (at, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(left, right), at.cmp(&other), "{left} against {right}");
            }
        }
    }

    #[test]
    fn equal_versions_may_be_written_differently() {
        for (left, right) in
            [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.0", "1.00"), ("1.", "1.0"), ("007", "7")]
        {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} against {right}");
        }
    }

    #[test]
    fn relations_hold() {
        for (version, operator, wanted, expected) in [
            ("1.2", ">=", "1.2", true),
            ("1.2~rc1", ">=", "1.2", false),
            ("1.2~rc1", "<<", "1.2", true),
            ("1.2", ">", "1.2", true),
            ("1.2", ">>", "1.2", false),
            ("1.2", "=", "1.2-0", true),
            ("", "=", "1", false),
            ("", "", "", true),
        ] {
            let relation = Relation::parse(operator).expect("the table holds operators");
            assert_eq!(relation.holds(version, wanted), expected, "{version} {operator} {wanted}");
        }
        assert_eq!(Relation::parse("=="), None);
    }
}
