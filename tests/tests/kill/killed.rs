//! SIGKILL at random instants over a whole build, at every level of isolation.

use std::time::Duration;

use super::bench::{Bench, Dice, setting};
use super::family::{Victim, kill, wait_for_orphans};
use super::prepared::forget_image;

const LEVELS: [&str; 3] = ["root", "user", "chroot"];
/// Long enough for a machine under load; a whole build that is killed in a child tidies up, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a build finds in the cache beside packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Trees,
    Image,
}

#[test]
fn a_build_that_is_killed_at_any_instant_leaves_nothing_and_the_next_makes_the_same_bytes() {
    let (kills, seed) = (setting("BOOTWRIGHT_KILLS", 3), setting("BOOTWRIGHT_KILL_SEED", 20_261_126));
    let bench = Bench::new("kill");
    println!("{kills} kills, seed {seed}, builds take: {:?}", bench.took);
    let before = bench.traces();
    let mut dice = Dice::new(seed);
    let mut ended = 0;
    for number in 1..=kills {
        let level = LEVELS[dice.below(LEVELS.len())];
        let victim = Victim::roll(&mut dice);
        let kept = [Kept::Nothing, Kept::Trees, Kept::Image][dice.below(3)];
        let longest = match kept {
            Kept::Nothing => bench.took.whole,
            Kept::Trees => bench.took.of_trees,
            Kept::Image => bench.took.found,
        };
        // A build without namespaces takes longer.
        let longest = longest.as_millis() * if level == "chroot" && kept != Kept::Image { 2 } else { 1 };
        let after =
            Duration::from_millis(dice.below(usize::try_from(longest).expect("minutes").max(1)) as u64);
        let what =
            format!("kill {number} of seed {seed}: {victim:?} at {level} after {after:?}, kept: {kept:?}");
        println!("{what}");
        if kept == Kept::Trees {
            forget_image(&bench.path("cache"));
        }
        let mut build = bench.start(level, kept == Kept::Nothing);
        std::thread::sleep(after);
        kill(build.id(), victim, &mut dice);
        drop(build.stderr.take());
        ended += u64::from(build.wait().expect("it is ours").success());
        wait_for_orphans(PATIENCE).unwrap_or_else(|left| panic!("{what}: {left}"));
        let after = bench.traces();
        assert_eq!(without_folder(&after), before, "{what}");
        assert!(after == before || level == "chroot", "{what}: only a build without namespaces has a folder");
        bench.succeed(&mut bench.command(level, dice.below(2) == 0), &what);
        assert_eq!(bench.checksums(), bench.sums, "{what}");
        assert_eq!(bench.traces(), before, "{what}: the next build has removed the folder");
        bench.clear();
    }
    println!("{ended} of {kills} builds had ended, or did without the child that was killed");
    assert!(ended <= kills / 2 + 1, "most builds were not killed at all");
}

/// Without the one named folder that a build without namespaces may leave.
fn without_folder(traces: &str) -> String {
    traces
        .lines()
        .filter(|line| !line.contains("/cache/work"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}
