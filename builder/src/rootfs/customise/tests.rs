use std::collections::BTreeSet;

use super::services::render_presets;
use super::{Accounts, accounts::Owner};

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nbroken line\n";
const GROUP: &str = "root:x:0:\nadm:x:4:\nwww-data:x:33:\n";

#[test]
fn owners_resolve_by_name_number_and_pair() {
    let accounts = Accounts::parse(PASSWD, GROUP);
    for (text, uid, gid) in [
        ("root", 0, 0),
        ("www-data", 33, 33),
        ("www-data:adm", 33, 4),
        ("1000", 1000, 1000),
        ("1000:adm", 1000, 4),
        ("root:7", 0, 7),
    ] {
        assert_eq!(accounts.owner(text).expect(text), Owner { uid, gid }, "{text}");
    }
}

#[test]
fn missing_users_and_groups_are_named() {
    let accounts = Accounts::parse(PASSWD, GROUP);
    let user = accounts.owner("nobody-here").expect_err("no such user").to_string();
    assert!(user.contains("no user 'nobody-here'"), "{user}");
    let group = accounts.owner("root:staff-only").expect_err("no such group").to_string();
    assert!(group.contains("no group 'staff-only'"), "{group}");
}

#[test]
fn presets_name_what_is_enabled_and_disable_the_rest() {
    let none = BTreeSet::new();
    let two = BTreeSet::from(["tty1".to_owned(), "tty2".to_owned()]);
    let enabled = [("ssh.service", none.clone()), ("getty@.service", two), ("a.timer", none)];
    let text = render_presets(&enabled.map(|(name, instances)| (name.to_owned(), instances)).into());
    let rules: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        rules,
        ["enable a.timer", "enable getty@.service tty1 tty2", "enable ssh.service", "disable *"]
    );
}
