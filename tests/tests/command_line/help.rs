//! `--help` of each verb: whole, and no wider than the terminal.

use std::process::Command;

use integration_tests::program::bootwright;

fn help(verb: &[&str], columns: usize) -> String {
    let mut command = Command::new(bootwright());
    let output = command.args(verb).arg("--help").env("COLUMNS", columns.to_string()).output();
    let output = output.expect("bootwright starts");
    assert!(output.status.success(), "{verb:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// The verbs that `--help` lists.
fn verbs() -> Vec<String> {
    let text = help(&[], 100);
    let list = text.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn help_fits_eighty_and_a_hundred_columns() {
    let verbs = verbs();
    assert!(verbs.len() >= 9, "{verbs:?}");
    for columns in [80, 100] {
        for verb in verbs.iter().map(|verb| vec![verb.as_str()]).chain([vec![]]) {
            let text = help(&verb, columns);
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > columns).collect();
            assert!(wide.is_empty(), "{verb:?} at {columns}: {wide:#?}");
        }
    }
}

#[test]
fn every_flag_and_argument_says_what_it_is_for() {
    for verb in verbs() {
        let text = help(&[&verb], 100);
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let flag = line.trim_start();
            let is_flag = line.starts_with("  ")
                && (flag.starts_with('-') || flag.starts_with('<') || flag.starts_with('['));
            // What clap adds below a flag: its variable, its default.
            let of_clap =
                flag.starts_with("[env") || flag.starts_with("[default") || flag.starts_with("[possible");
            if !is_flag || of_clap || flag.starts_with("- ") {
                continue;
            }
            // Either on the same line after two spaces, or on the next one.
            let same = flag.split_once("  ").is_some_and(|(_, about)| !about.trim().is_empty());
            let next =
                lines.peek().is_some_and(|next| next.starts_with("          ") && !next.trim().is_empty());
            assert!(same || next, "{verb}: nothing is said of `{flag}`:\n{text}");
        }
        assert!(text.contains("Usage: bootwright"), "{text}");
    }
}

#[test]
fn the_exit_codes_are_listed() {
    let text = help(&[], 100);
    for code in ["0 done", "3 wrong recipe", "9 the guest", "130/143 interrupted"] {
        assert!(text.replace("\n", " ").contains(code), "{code}: {text}");
    }
}
