//! The schema and the decoder agree, by a validator that is not ours.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Map, Value as Json, json};

use super::good::FULL;
use crate::recipe::decode::{self, Decoder};
use crate::recipe::diagnostic::Diagnostics;
use crate::recipe::keys::{Key, Kind, RECIPE, Section};
use crate::recipe::node::{Node, Value};
use crate::recipe::parse::parse;
use crate::recipe::source::SourceFile;
use crate::recipe::variables::Variables;
use crate::recipe::{Coverage, json_schema, reference};

fn validator(coverage: Coverage) -> Validator {
    let schema = json_schema(coverage);
    jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("no schema of its draft: {error}"));
    jsonschema::draft202012::new(&schema).expect("a schema that compiles")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tree(text: &str) -> Option<Node> {
    parse(&SourceFile::new("recipe.yaml", "", text)).ok()
}

/// What editors see of a text.
fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|entry| {
                    let mark = if entry.replace { "!" } else { "" };
                    (format!("{}{mark}", entry.key), to_json(&entry.value))
                })
                .collect(),
        ),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Scalar(scalar) if scalar.is_null() => Json::Null,
        Value::Scalar(scalar) => match (scalar.boolean(), scalar.integer()) {
            (Some(value), _) => json!(value),
            (None, Some(number)) => json!(number),
            (None, None) if scalar.is_number() => json!(scalar.text.parse::<f64>().unwrap_or(0.5)),
            (None, None) => json!(scalar.text),
        },
    }
}

fn validates(validator: &Validator, text: &str) -> bool {
    tree(text).is_some_and(|node| validator.is_valid(&to_json(&node)))
}

/// Tells whether the decoder takes a text, without looking for the files that it names.
fn decodes(text: &str) -> bool {
    let Some(mut node) = tree(text) else { return false };
    let mut problems = Diagnostics::default();
    let variables = Variables::read(&node, &[], &mut problems);
    variables.replace(&mut node, &mut problems);
    let decoder = Decoder::default();
    let recipe = decode::recipe(&decoder, &node, String::new());
    problems.extend(decoder.into_problems());
    problems.is_empty() && recipe.is_some()
}

#[test]
fn every_recipe_of_the_repository_validates() {
    let (recipe, fragment) = (validator(Coverage::Recipe), validator(Coverage::Fragment));
    let mut seen = 0;
    for (folder, validator) in [("recipes", &recipe), ("recipes/base", &fragment)] {
        for entry in fs::read_dir(root().join(folder)).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a recipe is text");
            let json = to_json(&tree(&text).expect("it is YAML"));
            let errors: Vec<String> = validator
                .iter_errors(&json)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2 && validates(&recipe, FULL));
}

#[test]
fn wrong_recipes_are_wrong_for_both() {
    let recipe = validator(Coverage::Recipe);
    let head = super::HEAD;
    for (wrong, why) in [
        ("", "nothing is given"),
        ("version: 1\nname: x\noutputs: [qcow2]\n", "no distribution"),
        ("version: 1\nname: x\noutputs: [qcow2]\ndistribution: { mirror: auto }\n", "no debian"),
        (&format!("{head}pakages: [curl]\n"), "a misspelt key"),
        (&format!("{head}packages: curl\n"), "no list"),
        (&format!("{head}packages: [12]\n"), "a number"),
        (&format!("{head}recommends: yes\n"), "another word for true"),
        (&format!("{head}kernel:\n"), "a key without a value"),
        (&format!("{head}disk: {{ partitions: [] }}\n"), "no partitions"),
        (&format!("{head}disk: {{ partitions: [{{ mount: / }}] }}\n"), "no type"),
        (&format!("{head}disk: {{ size: 4GB, partitions: [{{ type: root }}] }}\n"), "a decimal unit"),
        (&format!("{head}boot: {{ bios: true }}\n"), "GRUB's key in the wrong place"),
        (&format!("{head}files: [{{ path: /etc/motd }}]\n"), "no content"),
        (&format!("{head}files: [{{ path: /etc/motd, content: a, from: b }}]\n"), "two contents"),
        (&format!("{head}files: [{{ path: /etc/motd, content: a, mode: 0644 }}]\n"), "a number for a mode"),
        (&format!("{head}tests: [{{ name: a, port: 22, run: b }}]\n"), "two actions"),
        (&format!("{head}tests: [{{ name: a, port: 70000 }}]\n"), "no port"),
        (&format!("{head}upload: {{ glance: {{ cluod: a }} }}\n"), "a misspelt key of a cloud"),
        (&format!("{head}roles: [router]\n"), "a list of roles"),
        (&format!("{head}roles: {{ router: {{ unit: a.service }} }}\n"), "a misspelt key of a role"),
    ] {
        assert!(!decodes(wrong), "the decoder takes {why}:\n{wrong}");
        assert!(!validates(&recipe, wrong), "the schema takes {why}:\n{wrong}");
    }
}

#[test]
fn files_that_include_may_leave_out_what_must_be_there() {
    let (recipe, fragment) = (validator(Coverage::Recipe), validator(Coverage::Fragment));
    let part = "packages: [curl]\ndistribution: { mirror: auto }\n";
    assert!(!validates(&recipe, part) && validates(&fragment, part));
    assert!(validates(&recipe, &format!("include: [base.yaml]\n{part}")));
    assert!(validates(
        &recipe,
        "version!: 1\nname!: x\ndistribution!: { debian!: { suite!: a } }\noutputs!: [raw]\n"
    ));
    assert!(validates(&recipe, &format!("{}boot: {{ grub: {{ secure: \"${{secure}}\" }} }}\n", super::HEAD)));
}

/// Values of many kinds: each is put at each key, and both must say the same of it.
fn candidates() -> Vec<Json> {
    let texts = [
        "",
        " ",
        "a",
        "ab",
        "A",
        "0",
        "0ad",
        "g++",
        "a b",
        " a",
        "a\n",
        "a\nb",
        "a\tb",
        "\u{1}",
        "\u{7f}",
        "ü",
        "a_b",
        "_a",
        "-a",
        "a-",
        "a.",
        "..",
        ".",
        "a..b",
        "a.b",
        "a/b",
        "a//b",
        "/",
        "/a",
        "/a/",
        "/a/b",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a b",
        "~",
        "true",
        "auto",
        "bookworm",
        "main",
        "non-free/x",
        "amd64",
        "arm64",
        "qcow2",
        "tar",
        "none",
        "zstd",
        "minbase",
        "gpt",
        "msdos",
        "root",
        "raid",
        "ext4",
        "xfs",
        "user",
        "project",
        "64MiB",
        "64 MiB",
        "64MB",
        "0MiB",
        "007KiB",
        "90s",
        "5 min",
        "5m",
        "0h",
        "a=1",
        "a=1:2-3",
        "a=",
        "a=:",
        "a=1:",
        "a/b/c",
        "a:b",
        "root=x",
        "ro",
        "rw=1",
        "roo",
        "console=ttyS0,115200",
        "a;b",
        "a'b",
        "a\"b",
        "a\\b",
        "a{b",
        "a,b",
        "a#b",
        "a?b",
        "a@b",
        "C.UTF-8",
        "de_DE.UTF-8@euro",
        "Etc/UTC",
        "Etc/",
        "a/b-c+1",
        "ssh.service",
        "x@y.service",
        "http://",
        "http://a",
        "http://a/",
        "https://a:80/b",
        "http://:80",
        "http://a@b",
        "http://a/b@c",
        "http://a/?b",
        "http://a b",
        "ftp://a",
        "HTTP://a",
        "http://a/'b",
        "http://[::1]/a",
        "0644",
        "644",
        "64",
        "06444",
        "888",
        "a a/b string",
        "a a/b string c d",
        "a ab string",
        "a a/b word",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEF",
        "no-pty ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyz0123456789ABCDEF me",
        "ssh-rsa AAAA me",
        "abcdefghijklmnopqrstuvwxyzabcdef",
        "abcdefghijklmnopqrstuvwxyzabcdefg",
    ];
    let more = [
        "./a.deb",
        "/a/b.deb",
        "a.deb",
        "./a",
        "file:/a",
        "file:///a",
        "file://a",
        "file:///",
        "file:///../a",
        "file:///a b",
        "a/b/",
        "./",
        "././",
        "./a/",
        "http://a/%20",
        "a/.b",
        "gz",
        "zlib",
        "tree",
    ];
    let numbers = [-32769, -1, 0, 1, 22, 600, 32767, 32768, 65535, 65536];
    let mut all: Vec<Json> = texts.iter().chain(&more).map(|text| json!(text)).collect();
    all.extend(numbers.iter().map(|number| json!(number)));
    all.extend([json!(true), json!(false), json!(1.5), json!(null), json!([]), json!({}), json!([["a"]])]);
    all.extend([
        json!({ "a": "b" }),
        json!({ "srv/www": "www-data" }),
        json!({ "a/../b": "root" }),
        json!({ "2": "a" }),
    ]);
    all
}

/// The least that a section needs, with another value at `key`.
fn with(section: &Section, key: &Key, value: Json) -> Json {
    let mut object = Map::new();
    for other in section.keys {
        let chosen = !section.one_of.contains(&key.name) && section.one_of.first() == Some(&other.name);
        if other.name != key.name && (section.needs(other.name) || chosen) {
            object.insert(other.name.to_owned(), example(other));
        }
    }
    object.insert(key.name.to_owned(), value);
    Json::Object(object)
}

fn example(key: &Key) -> Json {
    serde_saphyr::from_str(key.example).unwrap_or_else(|error| panic!("the example of {}: {error}", key.name))
}

/// Takes a key and a function that puts a value there.
type Visitor<'a> = dyn FnMut(&'static Key, &dyn Fn(Json) -> Json) + 'a;

/// Calls `visit` with each key of the schema and a function that puts a value there in an otherwise right recipe.
fn each_key(section: &'static Section, wrap: &dyn Fn(Json) -> Json, visit: &mut Visitor<'_>) {
    for key in section.keys {
        let put = |value: Json| wrap(with(section, key, value));
        visit(key, &put);
        let inner = match &key.kind {
            Kind::Map(inner) => Some((*inner, false)),
            Kind::List(Kind::Map(inner) | Kind::Either(_, Kind::Map(inner)), _) => Some((*inner, true)),
            _ => None,
        };
        if let Some((inner, list)) = inner {
            each_key(inner, &|value| put(if list { json!([value]) } else { value }), visit);
        }
    }
}

#[test]
fn both_say_the_same_of_every_value_at_every_key() {
    let recipe = validator(Coverage::Recipe);
    let candidates = candidates();
    let (mut wrong, mut asked, mut right) = (Vec::new(), 0, 0);
    each_key(&RECIPE, &|value| value, &mut |key, put| {
        // These are read before the decoder's turn.
        if matches!(key.name, "include" | "version") {
            return;
        }
        let lists = candidates.iter().map(|value| json!([value]));
        let mut values: Vec<Json> = candidates.iter().cloned().chain(lists).collect();
        values.push(example(key));
        for value in values {
            let document = put(value.clone());
            let text = document.to_string();
            let (ours, theirs) = (decodes(&text), validates(&recipe, &text));
            asked += 1;
            right += usize::from(ours);
            if ours != theirs {
                wrong.push(format!("{}: {value}: decoder {ours}, schema {theirs}", key.name));
            } else if !ours && key.name != "subformat" && value == example(key) {
                wrong.push(format!("{}: its example {value} is wrong", key.name));
            }
        }
    });
    // The least output is a qcow2, which has no subformat.
    let vhd = format!(
        "{}outputs!: [{{ type: vhd, subformat: dynamic }}]\n",
        super::HEAD.replace("outputs: [qcow2]\n", "")
    );
    assert!(decodes(&vhd) && validates(&recipe, &vhd));
    assert!(wrong.is_empty(), "{} of {asked} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 10_000 && right > 1_000, "{asked} asked, {right} right");
}

#[test]
fn both_refuse_what_is_unknown_or_missing_anywhere() {
    let recipe = validator(Coverage::Recipe);
    let mut wrong = Vec::new();
    each_key(&RECIPE, &|value| value, &mut |key, put| {
        let whole = put(example(key)).to_string();
        let key_text = format!("\"{}\":", key.name);
        let at = whole.rfind(&key_text).expect("the key is there");
        let unknown = format!("{}\"colour\":1,{}", &whole[..at], &whole[at..]);
        if decodes(&unknown) || validates(&recipe, &unknown) {
            wrong.push(format!("an unknown key beside {}", key.name));
        }
        if key.required {
            let renamed = format!("{}\"_\":{}", &whole[..at], &whole[at + key_text.len()..]);
            if decodes(&renamed) || validates(&recipe, &renamed) {
                wrong.push(format!("{} is missing", key.name));
            }
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reference_is_up_to_date() {
    let path = root().join("docs/recipe.md");
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(written == reference(), "docs/recipe.md is not what the keys say: run scripts/generate-docs");
}
