//! Interning of package names: text to small number, without copying the text.

/// Open-addressing table of the numbers of names; the names themselves stay with the owner.
#[derive(Debug, Default)]
pub(super) struct NameTable {
    /// Hash and number + 1; zero marks a free slot.
    slots: Vec<(u32, u32)>,
    used: usize,
}

impl NameTable {
    /// Returns the number filed under `name`; `same` tells whether a number has that name.
    pub(super) fn find(&self, name: &str, same: impl Fn(u32) -> bool) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = hash(name);
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => return None,
                (found, number) if found == hash && same(number - 1) => return Some(number - 1),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// Files `number` under `name`, which must not be in the table yet.
    pub(super) fn insert(&mut self, name: &str, number: u32) {
        if (self.used + 1) * 2 > self.slots.len() {
            self.grow();
        }
        self.used += 1;
        place(&mut self.slots, hash(name), number + 1);
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(1 << 12);
        let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
        for (hash, number) in old.into_iter().filter(|(_, number)| *number != 0) {
            place(&mut self.slots, hash, number);
        }
    }
}

fn place(slots: &mut [(u32, u32)], hash: u32, stored: u32) {
    let mask = slots.len() - 1;
    let mut at = hash as usize & mask;
    while slots[at].1 != 0 {
        at = (at + 1) & mask;
    }
    slots[at] = (hash, stored);
}

/// Multiplies words of eight bytes into a hash; the names come from signed indexes, so no attacker picks them.
fn hash(name: &str) -> u32 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = name.len() as u64;
    for chunk in name.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
    }
    (state >> 32) as u32
}
