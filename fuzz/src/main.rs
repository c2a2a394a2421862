//! One program for every target: `BOOTWRIGHT_FUZZ` names the parser that the bytes are given to.
//!
//! A parser of foreign bytes may refuse them; it must not panic, overflow, run for long or take much memory, which libFuzzer's
//! limits and the checks of a debug build notice.
#![no_main]

mod builder;
mod clones;
mod clusters;
#[path = "../../firstboot/src/volume/mod.rs"]
#[allow(dead_code, reason = "a part of firstboot, which uses more of it")]
mod volume;

use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};

/// A parser: what it does with the bytes is not looked at.
type Target = fn(&[u8]);

/// Every target by its name; the folder of its seeds is called the same.
const TARGETS: &[(&str, Target)] = &[
    ("apt-versions", builder::versions),
    ("certificates", clusters::certificates),
    ("cloud-config", clones::cloud_config),
    ("context", clones::context),
    ("deb", builder::deb),
    ("disk", builder::disk),
    ("encodings", clones::encodings),
    ("keyring", builder::keyring),
    ("lockfile", builder::lockfile),
    ("messages", clusters::messages),
    ("meta-data", clones::meta_data),
    ("name-answers", clusters::name_answers),
    ("native", clones::native),
    ("network-config", clones::network_config),
    ("network-data", clones::network_data),
    ("packages", builder::packages),
    ("recipe", builder::recipe),
    ("release", builder::release),
    ("seed-disk", clones::seed_disk),
    ("solver", builder::solver),
    ("tokens", clusters::tokens),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("BOOTWRIGHT_FUZZ").unwrap_or_default();
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
        eprintln!("BOOTWRIGHT_FUZZ names the target, one of: {}", names.join(" "));
        std::process::exit(2);
    };
    *target
});

fuzz_target!(init: LazyLock::force(&TARGET), |bytes: &[u8]| -> Corpus {
    TARGET(bytes);
    Corpus::Keep
});
