//! SIGINT and SIGTERM: soon, with the documented code, with the first cause last.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use integration_tests::draw::is_drawn;

use super::bench::{Bench, Dice, setting};
use super::family::wait_for_orphans;

/// What is promised on a machine that has nothing else to do.
const PROMISED: Duration = Duration::from_secs(2);

/// The same where others want the processors, too: as many times as long as there are who want each.
fn limit() -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").expect("proc is mounted");
    let load: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
    let processors = std::thread::available_parallelism().expect("there are some").get();
    PROMISED.mul_f64((load / processors as f64).max(1.0))
}

#[test]
fn a_signal_ends_a_build_in_two_seconds_and_leaves_nothing() {
    let seed = setting("BOOTWRIGHT_KILL_SEED", 20_261_126);
    let bench = Bench::new("signal");
    let before = bench.traces();
    let mut dice = Dice::new(seed ^ 1);
    let mut slowest = Duration::ZERO;
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for (index, level) in ["root", "user", "chroot"].into_iter().enumerate() {
            if !is_drawn(&format!("levels that get SIG{signal}"), index as u64, 3) {
                continue;
            }
            let build = bench.start(level, true);
            let whole = usize::try_from(bench.took.whole.as_millis()).expect("minutes");
            std::thread::sleep(Duration::from_millis((whole / 8 + dice.below(whole / 2)) as u64));
            let begun = Instant::now();
            let sent = Command::new("kill").args([format!("-{signal}"), build.id().to_string()]).status();
            assert!(sent.expect("kill runs").success());
            let output = build.wait_with_output().expect("it is ours");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{signal} at {level}: {said}");
            let took = begun.elapsed();
            slowest = slowest.max(took);
            println!("SIG{signal} at {level}: {took:?}");
            assert!(
                said.trim_end().lines().last().is_some_and(|line| line.starts_with("interrupted")),
                "{said}"
            );
            assert!(took < limit(), "{signal} at {level} took {took:?}, more than {:?}", limit());
            wait_for_orphans(limit()).unwrap_or_else(|left| panic!("{signal} at {level}: {left}"));
            assert_eq!(bench.traces(), before, "{signal} at {level}");
        }
    }
    println!("the slowest took {slowest:?}");
    let clean = bench_clean(&bench);
    assert_eq!(clean, "nothing is left of any build\n");
}

fn bench_clean(bench: &Bench) -> String {
    let mut command = integration_tests::program::interruptible();
    command.arg("clean").arg("--cache").arg(bench.path("cache")).arg("--output").arg(bench.path("out"));
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a build without namespaces leaves when all of it is killed at once is shown, and removed when asked.
#[test]
fn clean_shows_and_removes_what_a_kill_has_left() {
    let bench = Bench::new("clean");
    let mut build = bench.start("chroot", true);
    let folder = bench.path("cache/work/1/tree");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.join("usr").exists() {
        assert!(Instant::now() < deadline, "the tree never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut running = integration_tests::program::interruptible();
    running.arg("clean").arg("--cache").arg(bench.path("cache"));
    let said = running.output().expect("it starts").stdout;
    assert_eq!(
        String::from_utf8_lossy(&said),
        "nothing is left of any build\n",
        "a running build is left alone"
    );
    super::family::kill(build.id(), super::family::Victim::Tree, &mut Dice::new(1));
    drop(build.stderr.take());
    build.wait().expect("it is ours");
    wait_for_orphans(limit()).expect("all have ended");
    std::fs::create_dir_all(bench.path("out")).expect("a folder");
    std::fs::write(bench.path("out/.ended.tar.new"), "half").expect("written");
    assert!(folder.exists());
    let shown = Command::new(integration_tests::program::bootwright())
        .args(["clean", "--dry-run", "--cache"])
        .arg(bench.path("cache"))
        .arg("--output")
        .arg(bench.path("out"))
        .output()
        .expect("it starts");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("would remove")
            && shown.contains("/cache/work/1'")
            && shown.contains(".ended.tar.new"),
        "{shown}"
    );
    assert!(folder.exists(), "only shown");
    let removed = bench_clean(&bench);
    assert!(removed.contains("removed '") && removed.contains("/cache/work/1'"), "{removed}");
    assert!(!bench.path("cache/work").exists() && !bench.path("out/.ended.tar.new").exists());
    assert_eq!(bench_clean(&bench), "nothing is left of any build\n");
}
