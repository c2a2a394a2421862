//! A clone configures itself: what the recipe's `firstboot` and a seed disk say, seen from outside.

use std::fs;
use std::process::{Command, Output};

use integration_tests::program::{bootwright, checkout, shared_cache};
use integration_tests::scratch::Scratch;

fn run(scratch: &Scratch, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(bootwright());
    command.args(arguments).current_dir(scratch.path());
    let Output { status, stdout, stderr } = command.output().expect("it starts");
    let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (status.code(), said.concat())
}

fn recipe(scratch: &Scratch, firstboot: &str) {
    let minimal = checkout().join("recipes/debian-minimal.yaml");
    let text =
        format!("version: 1\nname: clone\ninclude: ['{}']\nfirstboot: {firstboot}\n", minimal.display());
    fs::write(scratch.path().join("recipe.yaml"), text).expect("a recipe");
}

#[test]
fn a_clone_is_what_its_seed_and_the_recipe_say() {
    let scratch = Scratch::new("clone");
    recipe(
        &scratch,
        "{ hostname: 'node-{{instance_id}}', network: dhcp, files: [{ path: /etc/issue, content: \"made at boot\\n\" }] }",
    );
    let cache = shared_cache();
    let (code, said) =
        run(&scratch, &["build", "recipe.yaml", "--cache", cache.to_str().expect("a plain path")]);
    assert_eq!(code, Some(0), "{said}");
    let seed = scratch.path().join("seed");
    fs::create_dir(&seed).expect("a folder");
    fs::write(seed.join("meta-data"), "instance-id: seven\n").expect("metadata");
    fs::write(seed.join("user-data"), "#cloud-config\nruncmd: [echo done > /dev/ttyS0]\n")
        .expect("user data");
    let boot = ["boot", "out/clone.qcow2", "--firmware", "bios", "--seed", "seed", "--timeout", "300"];
    let (code, said) = run(&scratch, &[&boot[..], &["--expect", "node-seven login:"]].concat());
    assert_eq!(code, Some(0), "{said}");
    for wanted in ["made at boot", "NoCloud", "network: changed", "files: changed"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("FAILED"), "{said}");
}

#[test]
fn mistakes_are_told_where_they_are_written() {
    let scratch = Scratch::new("clone-mistakes");
    recipe(&scratch, "{ hostnme: a, hostname: 'a b', users: [{ name: X }], grow: yes }");
    let (code, said) = run(&scratch, &["check", "recipe.yaml"]);
    assert_eq!(code, Some(3), "{said}");
    for (place, words) in [
        ("recipe.yaml:4:14", "unknown key `hostnme`"),
        ("hint", "did you mean `hostname`?"),
        ("recipe.yaml:4:36", "is no host name"),
        ("recipe.yaml:4:59", "is no name of a user"),
        ("recipe.yaml:4:71", "'grow' must be true or false"),
    ] {
        assert!(said.lines().any(|line| line.contains(place) && line.contains(words)), "{place}: {said}");
    }
}
