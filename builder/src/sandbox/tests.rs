use super::*;

#[test]
fn a_command_overrides_the_environment() {
    let sandbox = Sandbox::new(Isolation::Root).with_epoch(7);
    let command = sandbox.command(Path::new("/"), "/bin/true").env("LC_ALL", "de_DE.UTF-8");
    let find = |key: &str| {
        let found: Vec<_> = command.spec.environment.iter().filter(|(k, _)| k == key).collect();
        assert_eq!(found.len(), 1, "{key}");
        found[0].1.to_string_lossy().into_owned()
    };
    assert_eq!(find("LC_ALL"), "de_DE.UTF-8");
    assert_eq!(find("SOURCE_DATE_EPOCH"), "7");
    assert_eq!(find("DEBIAN_FRONTEND"), "noninteractive");
}
