//! What must not be in an image fails the build, unless the recipe says why it is there.

use std::fs;
use std::process::Command;

use integration_tests::program::{bootwright, shared_cache};
use integration_tests::scratch::Scratch;

const RECIPE: &str = "\
version: 1
name: residue
architecture: amd64
distribution: { debian: { suite: bookworm, variant: essential, updates: false, security: false }, mirror: auto }
overlays: [{ from: overlay, owner: root }]
outputs: [tar]
";

fn build(scratch: &Scratch, more: &str) -> (Option<i32>, String) {
    let recipe = scratch.path().join("recipe.yaml");
    fs::write(&recipe, format!("{RECIPE}{more}")).expect("a recipe");
    let output = Command::new(bootwright())
        .args(["build", "--progress", "plain", "--cache"])
        .arg(shared_cache())
        .arg("--output")
        .arg(scratch.path().join("out"))
        .arg(&recipe)
        .output()
        .expect("it starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn keys_tokens_and_histories_fail_a_build_without_a_reason() {
    let scratch = Scratch::new("residue");
    let write = |path: &str, content: &str| {
        let path = scratch.path().join("overlay").join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
    };
    write("srv/app/settings", "token = ghp_0123456789abcdefghijABCDEFGHIJ012345\n");
    write("root/.ssh/id_rsa", "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7secretbytes0123456789\n");
    write("root/.python_history", "import os\n");
    write("etc/motd", "hello\n");
    let (code, said) = build(&scratch, "");
    assert_eq!(code, Some(1), "{said}");
    for words in [
        "/srv/app/settings: a token for GitHub",
        "/root/.ssh/id_rsa: a private key",
        "/root/.python_history",
        "residue: [{",
    ] {
        assert!(said.contains(words), "'{words}' in {said}");
    }
    assert!(
        !said.contains("secretbytes") && !said.contains("0123456789abcdef"),
        "what it holds is not shown: {said}"
    );
    assert!(!said.contains("/etc/motd") && !scratch.path().join("out/residue.tar").exists(), "{said}");
    let two = "residue: [{ path: /srv/app, reason: a token that opens nothing }, { path: /root/.ssh/id_rsa, reason: a test }]\n";
    let (code, said) = build(&scratch, two);
    assert!(
        code == Some(1) && said.contains(".python_history") && !said.contains("/srv/app/settings:"),
        "{said}"
    );
    fs::remove_file(scratch.path().join("overlay/root/.python_history")).expect("removed");
    let (code, said) = build(&scratch, two);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = build(&scratch, "residue: [{ path: /srv }]\n");
    assert!(code == Some(3) && said.contains("reason") && said.contains("recipe.yaml:7:"), "{said}");
}
