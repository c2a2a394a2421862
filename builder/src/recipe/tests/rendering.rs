use super::{Folder, HEAD};
use crate::recipe::LoadOptions;

fn render(files: &[(&str, &str)], color: bool) -> String {
    let folder = Folder::new(files);
    let problems = folder.load(files[0].0, &LoadOptions::default()).expect_err("it is wrong");
    folder.strip(&problems.render(color))
}

#[test]
fn an_error_shows_its_line_its_cause_and_a_hint() {
    let text = "version: 1\nname: web\ninclude: [base/common.yaml]\npakages: [curl]\n\
                distribution: { debian: { suite: bookworm } }\nname: web2\noutputs: [qcow2]\n";
    let expected = "\
recipe.yaml:6:1: error: the key `name` is given twice
 6 | name: web2
   | ^^^^
recipe.yaml:2:1: note: it is given here first
 2 | name: web
   | ^^^^
";
    assert_eq!(render(&[("recipe.yaml", text), ("base/common.yaml", "{}")], false), expected);

    let text = text.replace("name: web2\n", "recommends: maybe\n");
    let base = "packages:\n  - curl\n  - 'Curl'\n";
    let expected = "\
base/common.yaml:3:5: error: `Curl` is not a package name
 3 |   - 'Curl'
   |     ^^^^^^
  hint: write name, name=version, name/suite, name- or ./file.deb

recipe.yaml:4:1: error: unknown key `pakages` in the recipe
 4 | pakages: [curl]
   | ^^^^^^^
  hint: did you mean `packages`?

recipe.yaml:6:13: error: `recommends` must be true or false, not `maybe`
 6 | recommends: maybe
   |             ^^^^^
";
    assert_eq!(render(&[("recipe.yaml", &text), ("base/common.yaml", base)], false), expected);
}

#[test]
fn colours_are_only_written_when_asked() {
    let text = format!("{HEAD}pakages: []\n");
    let plain = render(&[("recipe.yaml", &text)], false);
    assert!(!plain.contains('\u{1b}'));
    let coloured = render(&[("recipe.yaml", &text)], true);
    assert!(coloured.contains("\u{1b}[1;31merror\u{1b}[0m"), "{coloured}");
    let mut stripped = coloured;
    for code in ["\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[1;32m", "\u{1b}[1;36m", "\u{1b}[0m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn a_recipe_cannot_write_to_the_terminal_as_it_likes() {
    let text = format!("{HEAD}\"pak\\e[31mages\u{9b}31m\": []\n");
    let found = render(&[("recipe.yaml", &text)], false);
    assert!(!found.contains(['\u{1b}', '\u{9b}']), "{found:?}");
}

#[test]
fn tabs_and_wide_lines_keep_the_mark_in_place() {
    let text = format!("{HEAD}packages: [a1,\t\tCurl]\n");
    let found = render(&[("recipe.yaml", &text)], false);
    assert!(found.contains(" 5 | packages: [a1,\t\tCurl]\n   |               \t\t^^^^\n"), "{found}");

    let many = "a1, ".repeat(300);
    let text = format!("{HEAD}packages: [{many}Curl]\n");
    let found = render(&[("recipe.yaml", &text)], false);
    let mut lines = found.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("recipe.yaml:5:1212: error:")), "{found}");
    let shown = lines.next().expect("the source line");
    let marks = lines.next().expect("the marks");
    assert!(shown.chars().count() < 200 && shown.contains("Curl"), "{found}");
    assert_eq!(shown.find("Curl"), marks.find("^^^^"), "{found}");
}

#[test]
fn secrets_are_not_shown() {
    for text in [
        "users: [{ name: a, ssh_keys: [\"-----BEGIN OPENSSH PRIVATE KEY-----\\nc2VjcmV0\"] }]",
        "apt_sources: [{ uri: \"http://me:c2VjcmV0@host/x\", suites: [a], components: [main] }]",
    ] {
        let found = render(&[("recipe.yaml", &format!("{HEAD}{text}\n"))], false);
        assert!(!found.contains("c2VjcmV0"), "{found}");
    }
}
