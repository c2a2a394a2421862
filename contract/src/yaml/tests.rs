use super::*;

#[test]
fn nodes_know_their_lines() {
    let node = parse("# c\na: 1\nb:\n  - x\n  - {c: 'y'}\n").expect("plain YAML");
    let entries = node.entries().expect("a map");
    assert_eq!((entries[0].line, entries[1].line), (2, 3));
    let items = entries[1].value.items().expect("a list");
    assert_eq!((items[0].line, items[1].line), (4, 5));
    assert_eq!(items[1].get("c").and_then(Node::text), Some("y"));
}

#[test]
fn scalars_are_what_their_form_says() {
    let node = parse("a: yes\nb: 'yes'\nc: ~\nd: 007\ne: 7\nf: !!str 7\n").expect("plain YAML");
    assert_eq!(node.get("a").and_then(Node::boolean), Some(true));
    assert_eq!(node.get("b").and_then(Node::boolean), None);
    assert!(node.get("c").is_some_and(Node::is_null));
    assert_eq!(
        node.to_json(),
        serde_json::json!({"a": true, "b": "yes", "c": null, "d": "007", "e": 7, "f": "7"})
    );
    assert!(parse("").expect("nothing is a document").is_null());
}

#[test]
fn what_readers_disagree_about_is_refused_with_its_line() {
    let deep = "[".repeat(100);
    let long = "x".repeat(TEXT_LIMIT + 1);
    for (text, line, wanted) in [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice, first on line 1"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("? [a]\n: b\n", 1, "single word"),
        ("a: &x [*x]\n", 1, "contains it"),
        ("a: \"open\n", 1, "not YAML"),
        ("a:\n\t- b\n", 2, "not YAML"),
        (&deep, 1, ""),
        (&long, 1, "bytes"),
    ] {
        let error = parse(text).expect_err(text.get(..40.min(text.len())).unwrap_or_default());
        assert!(error.reason.contains(wanted), "{text:.40}: {error}");
        assert!(error.line >= line, "{text:.40}: {error}");
    }
}

#[test]
fn a_few_aliases_do_not_become_gigabytes() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{below}"); 10].join(","));
    }
    assert!(parse(&bomb).expect_err("a bomb").reason.contains("aliases stand for"));
}

#[test]
fn binary_junk_is_an_error_and_no_panic() {
    for seed in 0..200_u32 {
        let byte =
            |at: u32| (at.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 13) as u8;
        let bytes: Vec<u8> = (0..256_u32).map(byte).collect();
        drop(parse(&String::from_utf8_lossy(&bytes)));
    }
}
