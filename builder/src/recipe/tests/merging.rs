use super::{Folder, HEAD, check_table};
use crate::recipe::{LoadOptions, Recipe, Want};

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.packages.iter().map(|wish| wish.name.as_str()).collect()
}

fn load(files: &[(&str, &str)], set: &[(&str, &str)]) -> Result<Recipe, String> {
    let folder = Folder::new(files);
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let options = LoadOptions { set, mirrors: Vec::new() };
    folder.load(files[0].0, &options).map_err(|problems| folder.brief(&problems).trim_end().to_owned())
}

#[test]
fn included_files_come_first_and_the_includer_is_laid_over() {
    let recipe = load(
        &[
            (
                "top/recipe.yaml",
                "version: 1\nname: top\ninclude: [../base/a.yaml, ../base/b.yaml]\npackages: [from-top]\n\
                 distribution: { debian: { variant: important } }\noutputs: [raw]\n",
            ),
            (
                "base/a.yaml",
                "include: [deep/c.yaml]\nname: a\npackages: [from-a]\nrecommends: true\n\
                 distribution: { debian: { suite: trixie, variant: minbase } }\n",
            ),
            ("base/b.yaml", "packages: [from-b]\nrecommends: false\ntimezone: Etc/UTC\n"),
            ("base/deep/c.yaml", "packages: [from-c]\nlocale: C.UTF-8\n"),
        ],
        &[],
    )
    .expect("it is right");
    assert_eq!(recipe.name.value, "top");
    assert_eq!(names(&recipe), ["from-c", "from-a", "from-b", "from-top"]);
    assert!(!recipe.recommends, "the later of two included files counts");
    assert_eq!(recipe.distribution.suite.value, "trixie");
    assert_eq!(recipe.distribution.variant, crate::recipe::Variant::Important);
    assert_eq!(recipe.locale.expect("it is given").value, "C.UTF-8");
}

#[test]
fn an_exclamation_mark_replaces() {
    let base =
        "packages: [a1, a2]\nservices: { enable: [ssh], disable: [cron] }\nboot: { grub: { bios: true } }\n";
    let over =
        format!("{HEAD}include: [base.yaml]\npackages!: [b1]\nservices: {{ enable!: [], mask: [x] }}\n");
    let recipe = load(&[("recipe.yaml", &over), ("base.yaml", base)], &[]).expect("it is right");
    assert_eq!(names(&recipe), ["b1"]);
    assert!(recipe.services.enable.is_empty());
    assert_eq!(recipe.services.disable[0].value, "cron.service");
    assert_eq!(recipe.services.mask[0].value, "x.service");
}

#[test]
fn a_file_reached_twice_counts_once() {
    let recipe = load(
        &[
            ("recipe.yaml", &format!("{HEAD}include: [a.yaml, ./b.yaml]\n")),
            ("a.yaml", "include: [common.yaml]\nrecommends: true\n"),
            ("b.yaml", "include: [x/../common.yaml]\npackages: [from-b]\n"),
            ("common.yaml", "packages: [from-common]\nrecommends: false\n"),
            ("x/y", ""),
        ],
        &[],
    )
    .expect("it is right");
    assert_eq!(names(&recipe), ["from-common", "from-b"]);
    assert!(recipe.recommends, "what a.yaml lays over common.yaml stays");
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let recipe = load(
        &[
            ("recipe.yaml", &format!("{HEAD}include: [base/base.yaml]\noverlays: [{{ from: over }}]\n")),
            (
                "base/base.yaml",
                "overlays: [{ from: over, map: { srv/www: www-data } }]\nfiles: [{ path: /x, from: x.txt }]\n",
            ),
            ("over/a", ""),
            ("base/over/srv/www/b", ""),
            ("base/x.txt", "x"),
        ],
        &[],
    )
    .expect("it is right");
    let from: Vec<_> = recipe.overlays.iter().map(|overlay| overlay.from.value.clone()).collect();
    assert!(from[0].ends_with("base/over") && from[1].ends_with("over") && from[0] != from[1], "{from:?}");
    assert_eq!(recipe.overlays[0].map[0].1, "www-data");
}

#[test]
fn wrong_includes() {
    let table: [(&[(&str, &str)], &str); 9] = [
        (
            &[("recipe.yaml", "include: [recipe.yaml]\n")],
            "5:11: this include goes in a circle: recipe.yaml → recipe.yaml",
        ),
        (
            &[
                ("recipe.yaml", "include: [a.yaml]\n"),
                ("a.yaml", "include: [b.yaml]\n"),
                ("b.yaml", "\ninclude: [a.yaml]\n"),
            ],
            "b.yaml:2:11: this include goes in a circle: a.yaml → b.yaml → a.yaml",
        ),
        (
            &[("recipe.yaml", "include: [nowhere.yaml]\n")],
            "5:11: cannot read `nowhere.yaml`: there is no such file",
        ),
        (
            &[("recipe.yaml", "include: base.yaml\n")],
            "5:10: `include` must be a list, not a single value (write `include: [file.yaml]`)",
        ),
        (&[("recipe.yaml", "include: [[base.yaml]]\n")], "5:11: `include` lists paths; this is a list"),
        (
            &[("recipe.yaml", "include: [\"${base}.yaml\"]\n")],
            "5:12: variables cannot be used in `include` (files are put together before variables are known)",
        ),
        (
            &[("recipe.yaml", "include: [base.yaml]\n"), ("base.yaml", "version: 2\npakages: []\n")],
            "base.yaml:1:10: version 2 of recipes is not known (this program reads `version: 1`)\nbase.yaml:2:1: unknown key `pakages` in the recipe (did you mean `packages`?)",
        ),
        (
            &[
                ("recipe.yaml", "include: [base.yaml]\npackages: [a1]\n"),
                ("base.yaml", "packages: { a1: yes }\n"),
            ],
            "6:11: `packages` is a list here [base.yaml:1:11: and a map where it is included] (write `packages!:` to replace it)",
        ),
        (
            &[("recipe.yaml", "include: [base.yaml]\n"), ("base.yaml", "packages: [\n")],
            "base.yaml:1:11: this is not YAML: unclosed bracket '['",
        ),
    ];
    let mut wrong = String::new();
    for (files, expected) in table {
        let mut files: Vec<(&str, String)> =
            files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        files[0].1.insert_str(0, HEAD);
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let found = load(&files, &[]).expect_err("it is wrong");
        if found != expected {
            wrong.push_str(&format!(
                "--- {}\n  expected: {expected}\n  found:    {found}\n",
                &files[0].1[HEAD.len()..]
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn variables_are_replaced() {
    let text = format!(
        "{HEAD}variables: {{ who: world, port: 22, on: true, version: \"1.10\" }}\n\
         files:\n  - {{ path: \"/etc/${{who}}\", content: \"hello ${{who}}, $${{who}} {{{{who}}}} $who $$\" }}\n\
         recommends: \"${{on}}\"\npackages: [\"curl=${{version}}\"]\n\
         tests: [{{ name: \"${{who}}\", port: \"${{port}}\" }}]\n"
    );
    let recipe = load(&[("recipe.yaml", &text)], &[("who", "moon")]).expect("it is right");
    assert_eq!(recipe.files[0].path.value, "/etc/moon");
    let content = &recipe.files[0].content.value;
    assert_eq!(*content, crate::recipe::FileContent::Inline("hello moon, ${who} {{who}} $who $$".to_owned()));
    assert!(recipe.recommends);
    assert_eq!(recipe.packages[0].want, Want::Version("1.10".to_owned()));
    assert_eq!(recipe.tests[0].action, crate::recipe::TestAction::Port(22));
}

#[test]
fn wrong_variables() {
    check_table(
        HEAD,
        &[
            (
                "timezone: \"${zone}\"",
                "5:12: unknown variable `zone` (declare it in `variables`, or write `$${zone}` for the text `${zone}`)",
            ),
            (
                "variables: { zone: Etc/UTC }\ntimezone: \"${zoen}\"",
                "6:12: unknown variable `zoen` (did you mean `zone`?)",
            ),
            (
                "variables: [zone]",
                "5:12: `variables` must be a map, not a list (write `variables: { name: value }`)",
            ),
            (
                "variables: { zone: [Etc/UTC] }",
                "5:20: the variable `zone` must be a single value, not a list (for an empty text write \"\")",
            ),
            (
                "variables: { zone: }",
                "5:18: the variable `zone` must be a single value, not nothing (for an empty text write \"\")",
            ),
            (
                "variables: { 1zone: Etc/UTC }",
                "5:14: `1zone` cannot name a variable (use letters, digits and `_`, a letter first)",
            ),
            (
                "variables: { a: b, c: \"x${a}\" }",
                "5:25: the value of a variable cannot use another variable (write the value out, or `$${` for a plain `${`)",
            ),
            (
                "variables: { port: \"22\" }\ntests: [{ name: a, port: \"${port}\" }]",
                "6:26: `port` must be a whole number from 1 to 65535, not `22` (write it without quotes)",
            ),
            (
                "variables: { on: maybe }\nrecommends: \"${on}\"",
                "6:13: `recommends` must be true or false, not `maybe`",
            ),
            (
                "timezone: \"${zone\"",
                "5:12: this `${` has no `}` on its line (write `$${` for the text `${`)",
            ),
            (
                "timezone: \"Etc/${}\"",
                "5:16: `` is not the name of a variable (write `$${` for the text `${`)",
            ),
            (
                "timezone: { \"${zone}\": x }",
                "5:11: `timezone` must be text, not a map\n5:13: variables cannot be used in keys",
            ),
            (
                "timezone: {a: ${zone}}",
                "5:16: this is not YAML: while parsing a flow mapping, did not find expected ',' or '}' (put text with `${…}` in quotes)",
            ),
            (
                "run:\n  - name: two lines\n    command: |\n      echo ${HOME}\n      echo $HOME ${HOME}",
                "8:12: unknown variable `HOME` (declare it in `variables`, or write `$${HOME}` for the text `${HOME}`)\n9:18: unknown variable `HOME` (declare it in `variables`, or write `$${HOME}` for the text `${HOME}`)",
            ),
        ],
    );
}

#[test]
fn variables_of_the_command_line() {
    let text = format!("{HEAD}variables: {{ suite: bookworm }}\n");
    let set = [("sutie", "trixie"), ("mirror", "x")];
    let found = load(&[("recipe.yaml", &text)], &set).expect_err("it is wrong");
    assert_eq!(
        found,
        "--set:1:1: the recipe has no variable `sutie` to set (did you mean `suite`?)\n\
         --set:1:1: the recipe has no variable `mirror` to set (known here: suite)"
    );
    let found = load(&[("recipe.yaml", HEAD)], &[("suite", "trixie")]).expect_err("it is wrong");
    assert_eq!(
        found,
        "--set:1:1: the recipe has no variable `suite` to set \
         (the recipe declares no variables; add `variables: { name: value }`)"
    );
}

#[test]
fn variables_cannot_make_a_recipe_large() {
    let big = "x".repeat(500_000);
    let uses = "${big}".repeat(20);
    let text =
        format!("{HEAD}variables: {{ big: \"{big}\" }}\nfiles: [{{ path: /x, content: \"{uses}\" }}]\n");
    let found = load(&[("recipe.yaml", &text)], &[]).expect_err("it is too large");
    assert_eq!(found, "6:30: the variables of this recipe stand for too much text");
}
