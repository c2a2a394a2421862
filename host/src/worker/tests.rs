use super::error::user_namespace_hint;
use super::id_map::{Range, ranges};

#[test]
fn subordinate_ids_are_found_by_name_and_number() {
    let text =
        "other:100000:65536\nbuilder:165536:65536\n1007:300000:65535\nsmall:400000:1000\nsmall:500000:8\n";
    for (name, uid, expected) in [
        ("builder", 1000, Ok(165_536)),
        ("nameless", 1007, Ok(300_000)),
        ("small", 1001, Err(1008)),
        ("nobody", 65_534, Err(0)),
    ] {
        let expected = expected.map(|outside| {
            vec![Range { inside: 0, outside: 7, count: 1 }, Range { inside: 1, outside, count: 65_535 }]
        });
        assert_eq!(ranges(text, name, uid, 7), expected, "{name}");
    }
}

#[test]
fn several_ranges_make_one_map() {
    let map = ranges("me:100000:65000\nme:400000:100000\nme:900000:5\n", "me", 1000, 1000).expect("enough");
    let expected = [(0, 1000, 1), (1, 100_000, 65_000), (65_001, 400_000, 535)];
    assert_eq!(map, expected.map(|(inside, outside, count)| Range { inside, outside, count }));
}

#[test]
fn broken_lines_grant_nothing() {
    for text in ["", "builder", "builder:x:65536", "builder:1:", "builder:4294967295:65536"] {
        assert_eq!(ranges(text, "builder", 1000, 1000), Err(0), "{text}");
    }
}

#[test]
fn the_hint_names_the_setting_that_forbids_user_namespaces() {
    for (file, value, expected) in [
        ("/proc/sys/kernel/unprivileged_userns_clone", "0\n", "kernel.unprivileged_userns_clone=1"),
        ("/proc/sys/user/max_user_namespaces", "0\n", "user.max_user_namespaces=15000"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1\n",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("/proc/sys/user/max_user_namespaces", "96365\n", "seccomp"),
    ] {
        let hint = user_namespace_hint(&|path| (path == file).then(|| value.to_owned()));
        assert!(hint.contains(expected), "{file}: {hint}");
    }
}
