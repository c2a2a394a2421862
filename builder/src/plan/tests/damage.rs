use crate::plan::{explain, plan};
use crate::recipe::LoadOptions;
use crate::recipe::tests::Folder;
use crate::recipe::tests::good::FULL;

/// A small generator (xorshift), so that a failure comes back with its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("it is below a usize")
    }
}

/// Pieces that mean something to YAML or to us.
const PIECES: [&str; 24] = [
    "${",
    "}",
    "$${",
    "{{",
    "[",
    "]",
    "{",
    ":",
    "- ",
    "\n",
    "\t",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!x ",
    "!",
    "|\n",
    "~",
    "é",
    "\u{7}",
    "#",
    "---\n",
    "9999999999999999999",
];

fn damage(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(3) {
        let at = random.below(chars.len());
        match random.below(3) {
            0 => {
                let end = (at + 1 + random.below(12)).min(chars.len());
                chars.drain(at..end);
            }
            1 => {
                let piece = PIECES[random.below(PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
            _ => {
                let other = random.below(chars.len());
                chars.swap(at, other);
            }
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_damage_to_a_recipe_makes_it_panic_or_fail_without_words() {
    let folder = Folder::new(&[("keys/example.gpg", "key"), ("over/srv/www/x", "x")]);
    let (mut right, mut wrong) = (0, 0);
    for seed in 1..=600_u64 {
        let text = damage(FULL, &mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        folder.write("recipe.yaml", &text);
        let outcome = folder
            .load("recipe.yaml", &LoadOptions::default())
            .and_then(|recipe| plan(&recipe).map(|plan| explain(&plan)));
        match outcome {
            Ok(_) => right += 1,
            Err(problems) => {
                wrong += 1;
                assert!(!problems.is_empty(), "seed {seed}: no words for\n{text}");
                let shown = problems.render(true);
                assert!(!shown.contains('\u{7}'), "seed {seed}: a control character came through");
            }
        }
    }
    assert!(right > 20 && wrong > 200, "{right} right, {wrong} wrong: the damage is of no use");
}
