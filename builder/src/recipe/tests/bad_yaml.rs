use super::{Folder, HEAD, check_table, errors_of};
use crate::recipe::LoadOptions;

#[test]
fn what_is_not_yaml() {
    check_table(
        "",
        &[
            ("version: 1\nname: [x", "2:7: this is not YAML: unclosed bracket '['"),
            ("version: 1\n\tname: x", "1:10: this is not YAML: while scanning a plain scalar, found a tab"),
            (
                "version: 1\nname: \"x",
                "3:1: this is not YAML: invalid indentation in multiline quoted scalar",
            ),
            (
                "version: 1\n  name: x",
                "2:7: this is not YAML: mapping values are not allowed in this context",
            ),
            ("name: %x", "1:7: this is not YAML: unexpected character: `%'"),
            ("name: *nowhere", "1:7: this is not YAML: while parsing node, found unknown anchor"),
            ("", "1:1: the file is empty"),
            ("# only a comment", "1:1: the file is empty"),
            ("- version: 1", "1:1: a recipe must be a map, not a list (begin with `version: 1`)"),
            ("just words", "1:1: a recipe must be a map, not a single value (begin with `version: 1`)"),
            (
                "version: 1\n---\nversion: 1",
                "2:1: a second document begins here (a recipe is one document: remove the `---`)",
            ),
            ("%YAML 1.2\n---\nversion: 1", "1:1: this is not YAML: YAML directives are disallowed"),
            ("? [a, b]\n: c", "1:3: a key must be a single word"),
            (
                "name: !!str x",
                "1:13: YAML tags have no meaning in a recipe (remove the word that begins with `!`; put text in quotes)",
            ),
            ("name: &a [*a]", "1:11: this alias stands for a value that contains it"),
            ("name: x\nname!: y", "2:1: the key `name` is given twice [1:1: it is given here first]"),
        ],
    );
}

#[test]
fn versions() {
    check_table(
        "name: x\ndistribution: { debian: { suite: bookworm } }\noutputs: [qcow2]\n",
        &[
            ("", "1:1: the recipe needs `version` (for example `version: 1`)"),
            ("version: 2", "4:10: version 2 of recipes is not known (this program reads `version: 1`)"),
            ("version: \"1\"", "4:10: `version` must be the number 1 (write `version: 1`)"),
            ("version: 1.0", "4:10: `version` must be the number 1 (write `version: 1`)"),
            ("version:", "4:1: `version` has no value (give it one or remove the key)"),
        ],
    );
}

#[test]
fn all_errors_come_at_once_in_order() {
    let text = "version: 1\nnmae: x\npackages: [Curl, \"x=\"]\ndistribution: { debian: { suit: bookworm } }\nrecommends: yes\n";
    assert_eq!(
        errors_of(text),
        "1:1: the recipe needs `outputs` (for example `outputs: [qcow2]`)\n\
         2:1: unknown key `nmae` in the recipe (did you mean `name`?)\n\
         3:12: `Curl` is not a package name (write name, name=version, name/suite, name- or ./file.deb)\n\
         3:18: `` is not a version (write name, name=version, name/suite, name- or ./file.deb)\n\
         4:27: unknown key `suit` in `debian` (did you mean `suite`?)\n\
         5:13: `recommends` must be true or false, not `yes` (write `true`)\n"
    );
}

#[test]
fn aliases_are_copied_but_not_without_end() {
    let text = format!("{HEAD}packages: &p [curl, sudo]\nservices: {{ enable: *p }}\n");
    assert_eq!(errors_of(&text), "");

    let mut bomb = String::from("a0: &a0 [lol]\n");
    for level in 1..=9 {
        let below = format!("*a{}, ", level - 1).repeat(9);
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let too_much =
        "the aliases of this file stand for too much (the limit is 10000 values and 1048576 bytes of text)\n";
    assert_eq!(errors_of(&bomb), format!("5:35: {too_much}"));

    let long = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), "*a, ".repeat(20));
    assert_eq!(errors_of(&long), format!("2:45: {too_much}"));
}

#[test]
fn depth_and_size_are_limited() {
    let flow = format!("a: {}{}\n", "[".repeat(2000), "]".repeat(2000));
    assert_eq!(errors_of(&flow), "1:37: lists and maps are nested more than 32 deep\n");
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(errors_of(&block), "33:33: lists and maps are nested more than 32 deep\n");
    assert_eq!(
        errors_of(&format!("# {}\n", "x".repeat(1 << 20))),
        "1:1: `recipe.yaml` is larger than 1024 KiB, which no recipe is\n"
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new(&[("folder/x", "x")]);
    folder.write("latin.yaml", b"version: 1\nname: caf\xe9\n");
    for (name, expected) in [
        ("nowhere.yaml", "nowhere.yaml:1:1: cannot read `nowhere.yaml`: there is no such file"),
        ("folder", "folder:1:1: `folder` is not a file"),
        ("latin.yaml", "latin.yaml:1:1: `latin.yaml` is not UTF-8 text in line 2"),
    ] {
        let problems = folder.load(name, &LoadOptions::default()).expect_err(name);
        assert_eq!(folder.brief(&problems).trim_end(), expected, "{name}");
    }
}
