use std::process::Command;

use super::super::test_support::Scratch;
use super::*;

/// Runs a script by the shell in a folder that has certificates, and tells what it printed.
fn run(folder: &Path, script: &str) -> String {
    let output = Command::new("/bin/sh").args(["-ec", script]).current_dir(folder).output().expect("a shell");
    format!("{:?} {}", output.status.code(), String::from_utf8_lossy(&output.stdout))
}

/// What the script of ca-certificates does, in its own forms, with names of all kinds; then the bundle and the links.
const CALLS: &str = r#"
ADDED="$(mktemp -p . added.XXXXXX)"
TEMPBUNDLE=./bundle.new
for CERT in ./one.crt './a (b), c.crt' ./unended.crt ./.crt ./link.crt ./none.crt './folder/a =b= _c.crt' './c
.crt'; do
  PEM="./$(basename "$CERT" .crt | sed -e 's/ /_/g' \
                                        -e 's/[()]/=/g' \
                                        -e 's/,/_/g').pem"
  echo "$CERT: $PEM"
  if ! test -e "$PEM" || [ "$(readlink "$PEM")" != "$CERT" ]; then
    ln -sf "$CERT" "$PEM"
    echo "+$PEM"
  fi
  sed -e '$a\' "$CERT" >> "$TEMPBUNDLE" || echo "no $CERT"
done
find . -type l ! -exec test -e {} \; -print | sort
basename a/b/; basename x.pem .crt; echo 'a b' | sed -e 's/ /_/g'
chmod 0644 "$TEMPBUNDLE"
stat -c %a "$TEMPBUNDLE"
cat "$TEMPBUNDLE"
rm "$ADDED"
ls -A; readlink *.pem
"#;

fn certificates() -> Scratch {
    let folder = Scratch::new();
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).expect("written");
    write("one.crt", "one\nmore\n");
    write("a (b), c.crt", "two\n");
    write("unended.crt", "three");
    write(".crt", "four\n");
    std::os::unix::fs::symlink("one.crt", folder.0.join("link.crt")).expect("linked");
    folder
}

#[test]
fn certificates_come_out_as_without_the_functions() {
    let prelude = FAMILIAR[0].functions.concat().replace("/etc/ssl/certs", ".");
    let (plain, ours) = (certificates(), certificates());
    for time in ["first", "second, with links that are there"] {
        let _ = fs::remove_file(plain.0.join("bundle.new"));
        let _ = fs::remove_file(ours.0.join("bundle.new"));
        let expected = run(&plain.0, CALLS);
        assert_eq!(run(&ours.0, &format!("{prelude}{CALLS}")), expected, "{time}");
        assert!(expected.contains("one\nmore\ntwo\nthree\nfour\n"), "{expected}");
    }
}

#[test]
fn texts_are_looked_up_as_by_grep() {
    let calls = r#"
for list in '' 'a/b.crt' 'a/b.crt
c.crt' 'xa/b.crt'; do
  for crt in a/b.crt c.crt 'a.b.crt' '' '-v' 'c.crt
a'; do
    if (echo "$list" | grep -F -q -x "$crt") 2>&1; then echo "yes $crt"; else echo "no $crt"; fi
  done
done
printf 'unended' | grep -F -q -x unended && echo yes
echo one | grep -c one
"#;
    let folder = Scratch::new();
    let expected = run(&folder.0, calls);
    assert_eq!(run(&folder.0, &format!("{}{calls}", FAMILIAR[1].functions.concat())), expected);
}

#[test]
fn versions_are_judged_as_by_dpkg() {
    let calls = r#"
for version in 1 2022.1~~ 1:2-3 1-2-3 1- -1 a1 '' '1 2' 1_2 1.0+deb12u1~ 1:a 'ä' 0; do
  if SAID=$(dpkg --validate-version -- "$version" 2>&1); then echo "$version: $SAID"; else echo "$version no"; fi
done
dpkg --compare-versions 1 lt 2 && echo lt
basename /usr/bin/x; basename x/; basename ''; basename a.b .b; basename .b .b; basename a/b* '*'; basename -s .b a.b
"#;
    let folder = Scratch::new();
    let expected = run(&folder.0, calls);
    assert_eq!(run(&folder.0, &format!("{}{calls}", FAMILIAR[2].functions.concat())), expected);
}

#[test]
fn only_scripts_that_look_as_expected_are_changed() {
    let familiar = &FAMILIAR[1];
    let script = |first: &str, mark: &str| with_functions(&format!("{first}\n{mark}\n"), familiar);
    let changed = script("#!/bin/sh", familiar.marks[0]).expect("it fits");
    assert!(
        changed.starts_with("#!/bin/sh\n# What") && changed.ends_with(&format!("\n{}\n", familiar.marks[0]))
    );
    assert_eq!(script("#!/usr/bin/perl", familiar.marks[0]), None);
    assert_eq!(script("#!/bin/sh", "grep -q"), None);
    assert!(scripts(Path::new("/nonexistent")).is_empty());
}
