use super::change::Changes;

#[test]
fn only_words_of_one_side_are_told() {
    let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let mut changes = Changes::default();
    changes.words("features", &list("a b c"), &list("c d a"));
    changes.words("features", &list("a b"), &list("b a"));
    assert_eq!(changes.0.len(), 1);
    assert_eq!((changes.0[0].a.as_deref(), changes.0[0].b.as_deref()), (Some("b"), Some("d")));
    assert_eq!(changes.0[0].to_string(), "~ features: b → d");
}

#[test]
fn what_is_not_there_is_no_value() {
    let mut changes = Changes::default();
    changes.optional("label", None, Some("root"));
    changes.value("same", 1, 1);
    assert_eq!(changes.0.iter().map(ToString::to_string).collect::<Vec<_>>(), ["+ label: root"]);
}
