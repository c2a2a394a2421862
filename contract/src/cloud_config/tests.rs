use super::*;
use crate::state::Secret;

fn told(text: &str) -> Vec<String> {
    parse(text).expect("YAML").findings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_key_is_read() {
    let text = "#cloud-config\nhostname: web\nfqdn: web.example.org\nmanage_etc_hosts: true\npreserve_hostname: false\n\
        ssh_pwauth: false\ntimezone: Europe/Berlin\nlocale: de_DE.UTF-8\nuser: debian\nusers:\n  - default\n  - name: ops\n\
        \x20   gecos: Operators\n    groups: [adm, sudo]\n    sudo: ALL=(ALL) NOPASSWD:ALL\n    shell: /bin/bash\n\
        \x20   lock_passwd: false\n    passwd: $6$salt$hash\n    ssh_authorized_keys: [ssh-ed25519 AAAAC3 a]\n\
        chpasswd: {expire: false, users: [{name: debian, password: $y$j9T$salt$hash, type: hash}]}\n\
        ssh_authorized_keys: [ssh-rsa AAAAB3 b]\nwrite_files:\n  - {path: /etc/a, content: aGk=, encoding: b64, permissions: '0600', owner: 'root:root'}\n\
        runcmd: [echo hi, [touch, /x]]\nbootcmd: [echo early]\nca_certs: {trusted: [\"-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----\\n\"]}\n\
        growpart: {mode: auto, devices: [/]}\nmounts: [[/dev/vdb, /srv, ext4, 'defaults', '0', '2']]\n\
        swap: {filename: /swap, size: 1G}\nphone_home: {url: 'http://10.0.0.1/', post: all, tries: 3}\n\
        package_update: true\npackages: [nginx-light, [curl, 7.88]]\ndisable_root: false\ncluster: {core: 10.0.0.1, token: fb1.x, roles: [worker]}\n";
    let read = parse(text).expect("YAML");
    let messages: Vec<String> = read.findings.iter().map(ToString::to_string).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("disable_root"), "{messages:?}");
    let state = read.state;
    assert_eq!((state.hostname.as_deref(), state.fqdn.as_deref()), (Some("web"), Some("web.example.org")));
    assert_eq!(state.default_user.as_deref(), Some("debian"));
    assert_eq!(state.users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["ops", "debian"]);
    assert_eq!(state.users[0].password_hash.as_ref().map(Secret::reveal), Some("$6$salt$hash"));
    assert_eq!((state.files[0].content.0.as_slice(), state.files[0].mode), (&b"hi"[..], 0o600));
    let names: Vec<&str> = state.commands.iter().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["bootcmd 1", "package_update", "packages", "runcmd 1", "runcmd 2"]);
    assert_eq!(state.swap.expect("swap").bytes, 1 << 30);
    assert_eq!((state.grow, state.mounts.len(), state.ca_certificates.len()), (Some(true), 1, 1));
    assert_eq!(state.phone_home.expect("phone_home").tries, 3);
    for key in KEYS {
        assert!(text.contains(&format!("{key}:")), "{key} is in the example");
    }
}

#[test]
fn unknown_keys_and_wrong_values_have_their_lines_and_the_rest_counts() {
    let text = "#cloud-config\napt: {}\nhostname: a_b\nusers:\n  - {name: ops, expiredate: x}\n  - 7: 1\nwrite_files:\n  \
        - {path: relative}\n  - {path: /ok, content: x}\nruncmd: echo\ntimezone: ../x\nmounts: [[a b, /x]]\n";
    let lines = told(text);
    for wanted in [
        "line 2: the key 'apt'",
        "line 3: 'hostname'",
        "line 5: the key 'expiredate'",
        "line 6:",
        "line 8: 'path'",
        "line 10: 'runcmd' must be a list",
        "line 11:",
        "line 12:",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(wanted)), "{wanted}: {lines:?}");
    }
    let state = parse(text).expect("YAML").state;
    assert_eq!((state.files.len(), state.users.len(), state.hostname), (1, 1, None));
}

#[test]
fn clear_text_passwords_are_refused_and_never_shown() {
    for text in [
        "users: [{name: a, plain_text_passwd: hunter2}]\n",
        "users: [{name: a, passwd: hunter2}]\n",
        "chpasswd: {list: 'a:hunter2'}\n",
        "chpasswd: {list: ['a:hunter2', 'b:RANDOM']}\n",
        "chpasswd: {users: [{name: a, password: hunter2}]}\n",
        "chpasswd: {users: [{name: a, password: hunter2, type: text}]}\n",
    ] {
        let read = parse(text).expect(text);
        let shown = format!("{read:?}");
        assert!(shown.contains("clear text") && !shown.contains("hunter2"), "{shown}");
    }
    assert!(told("password: hunter2\n")[0].contains("'password'"));
}

#[test]
fn what_is_no_cloud_config() {
    for text in ["- a\n", "text\n", "a: [\n", "a: 1\na: 2\n"] {
        parse(text).expect_err(text);
    }
    assert_eq!(parse("#cloud-config\n").expect("empty"), Reading::default());
    assert!(!told("write_files: {}\n").is_empty() && !told("users: 1\n").is_empty());
}
