//! The hash of names by which large folders are sorted: half of MD4, of a seed and the name.
//!
//! After the kernel's `fs/ext4/hash.c`. Bytes of a name are signed, as on the machines that ext3 came from; the
//! superblock says so, whatever machine reads it.

use uuid::Uuid;

/// Bytes of a name that are mixed in at once, as words.
const PART: usize = 32;
const WORDS: usize = PART / 4;

/// Constants of the second and third round of MD4: the roots of 2 and 3.
const SECOND: u32 = 0x5a82_7999;
const THIRD: u32 = 0x6ed9_eba1;

/// Marks the end of a folder to who reads it; the hash before it is used instead.
const END: u32 = 0x7fff_ffff << 1;

/// The seed of a filesystem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed([u32; 4]);

impl Seed {
    pub(super) fn of(seed: Uuid) -> Self {
        let word = |at: usize| {
            let bytes = seed.as_bytes();
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self([word(0), word(4), word(8), word(12)])
    }

    /// Returns the hash of a name, whose lowest bit is always zero, and what decides between equal ones.
    pub(super) fn hash(self, name: &[u8]) -> (u32, u32) {
        let mut state = self.0;
        let mut rest = name;
        while !rest.is_empty() {
            mix(&mut state, words(rest));
            rest = rest.get(PART..).unwrap_or_default();
        }
        let hash = state[1] & !1;
        (if hash == END { END - 2 } else { hash }, state[2])
    }
}

/// Returns the next words of a name: four bytes each, filled up with the length of all that is left.
fn words(rest: &[u8]) -> [u32; WORDS] {
    let length = rest.len() as u32;
    let padding = (length | length << 8) * 0x1_0001;
    let mut words = [padding; WORDS];
    for (word, bytes) in words.iter_mut().zip(rest[..rest.len().min(PART)].chunks(4)) {
        for byte in bytes {
            *word = (*word << 8).wrapping_add(i32::from(byte.cast_signed()).cast_unsigned());
        }
    }
    words
}

fn mix(state: &mut [u32; 4], words: [u32; WORDS]) {
    /// Words in the order of each round, and by how much is rotated.
    const ORDERS: [[usize; WORDS]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const TURNS: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    let round = |number: usize, x: u32, y: u32, z: u32| match number {
        0 => z ^ (x & (y ^ z)),
        1 => (x & y).wrapping_add((x ^ y) & z).wrapping_add(SECOND),
        _ => (x ^ y ^ z).wrapping_add(THIRD),
    };
    let [mut a, mut b, mut c, mut d] = *state;
    for (number, order) in ORDERS.iter().enumerate() {
        for (step, word) in order.iter().enumerate() {
            let sum = a.wrapping_add(round(number, b, c, d)).wrapping_add(words[*word]);
            // What was changed is the second of the next step.
            (a, b, c, d) = (d, sum.rotate_left(TURNS[number][step % 4]), b, c);
        }
    }
    for (word, change) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_debugfs() {
        // `debugfs -R 'dx_hash -h half_md4 -s SEED NAME'` of e2fsprogs 1.47.0.
        let seed: Uuid = "7bc7b3aa-1111-2222-3333-444455556666".parse().expect("a UUID");
        let long = "n".repeat(200);
        let known = [
            ("hello.list", 0x7eea_c16a, 0x428e_105f),
            ("a", 0x6fda_a734, 0x7f29_5cee),
            (&long, 0x20e9_4dce, 0xaa24_0ea7),
            ("größe", 0x0051_b680, 0x0bcd_bcf8),
            ("01234567890123456789012345678901", 0x472e_ccb8, 0x5d42_0556),
            ("012345678901234567890123456789012", 0xfb42_0988, 0x3e33_f3e8),
        ];
        for (name, hash, minor) in known {
            assert_eq!(Seed::of(seed).hash(name.as_bytes()), (hash, minor), "{name}");
        }
    }
}
