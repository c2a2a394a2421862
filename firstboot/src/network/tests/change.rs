use super::super::change::{Wish, decide, finish, make};
use super::super::restore::restore;
use super::super::trial::Trial;
use super::*;

const ONE: &[(&str, &str, bool)] = &[("eth0", "52:54:00:00:00:01", true)];
const STATIC: &str = "version: 2\nethernets: {eth0: {match: {macaddress: '52:54:00:00:00:01'}, addresses: [192.0.2.10/24], gateway4: 192.0.2.1, nameservers: {addresses: [192.0.2.53]}}}";
const OTHER: &str = "version: 2\nethernets: {other: {match: {macaddress: '52:54:00:00:00:01'}, dhcp4: true}}\nvlans: {v5: {id: 5, link: other}}";

fn set(small: &SmallMachine, text: &str, wish: Wish, live: &Remembering) -> Result<()> {
    let change = decide(&small.root(), &small.load(), &network(text), None)?;
    make(&small.root(), &change, wish, live)
}

fn now() -> Wish {
    Wish { seconds: None, live: true }
}

#[test]
fn a_change_is_made_once_and_leaves_nothing_else() {
    let small = SmallMachine::with_networkd(ONE);
    let live = Remembering::default();
    set(&small, STATIC, now(), &live).expect("a change");
    assert!(
        small
            .read("etc/systemd/network/05-firstboot-eth0.network")
            .contains("PermanentMACAddress=52:54:00:00:00:01")
    );
    assert!(small.read("etc/resolv.conf").contains("nameserver 192.0.2.53\n"));
    assert_eq!(*live.told.borrow(), ["before eth0", "take eth0", "remove "]);
    let left: Vec<_> =
        small.content().into_keys().filter(|path| path.to_string_lossy().contains("restore")).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "the early unit is gone");
    assert!(Trial::load(&small.root()).expect("readable").is_none());
    assert!(decide(&small.root(), &small.load(), &network(STATIC), None).expect("a change").is_nothing());
    // Another description of the same machine replaces what the first has written.
    set(&small, OTHER, now(), &live).expect("a change");
    let names: Vec<_> = fs::read_dir(small.0.join("etc/systemd/network"))
        .expect("a folder")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!small.0.join("etc/systemd/network/05-firstboot-eth0.network").exists());
    // And what the one before has made goes.
    live.told.borrow_mut().clear();
    set(&small, STATIC, now(), &live).expect("a change");
    assert_eq!(*live.told.borrow(), ["before eth0,v5", "take eth0", "remove v5"]);
}

#[test]
fn files_of_others_and_links_stay() {
    let small = SmallMachine::with_networkd(ONE);
    small.write("etc/systemd/network/50-mine.network", "[Match]\nName=eth9\n");
    std::os::unix::fs::symlink("../run/systemd/resolve/stub-resolv.conf", small.0.join("etc/resolv.conf"))
        .expect("a link");
    set(&small, STATIC, now(), &Remembering::default()).expect("a change");
    assert_eq!(small.read("etc/systemd/network/50-mine.network"), "[Match]\nName=eth9\n");
    assert!(small.0.join("etc/resolv.conf").is_symlink());
}

#[test]
fn what_fails_is_undone_and_says_the_first_cause() {
    for refused in ["before", "take"] {
        let small = SmallMachine::with_networkd(ONE);
        set(&small, OTHER, now(), &Remembering::default()).expect("a change");
        let before = small.content();
        let live = Remembering { refuses: BTreeSet::from([refused]), ..Remembering::default() };
        let error = format!("{:#}", set(&small, STATIC, now(), &live).expect_err(refused));
        assert!(
            error.contains(&format!("{refused} is refused")) && error.contains("as it was before"),
            "{error}"
        );
        assert_eq!(small.content(), before, "{refused}");
    }
}

#[test]
fn a_crash_at_any_file_is_undone_by_the_next_boot() {
    let small = SmallMachine::with_networkd(ONE);
    small.write("etc/resolv.conf", "nameserver 10.0.0.1\n");
    set(&small, OTHER, now(), &Remembering::default()).expect("a change");
    let before = small.content();
    let change = decide(&small.root(), &small.load(), &network(STATIC), None).expect("a change");
    let steps = change.written.len() + change.removed.len();
    assert!(steps >= 5, "{change:?}");
    for crash_after in 0..=steps {
        let paths: Vec<_> =
            change.written.iter().map(|file| file.path.clone()).chain(change.removed.clone()).collect();
        let trial = Trial::new(&small.root(), change.manager, Some(60), &paths).expect("a marker");
        trial.save(&small.root()).expect("saved");
        for (index, path) in paths.iter().take(crash_after).enumerate() {
            match change.written.get(index) {
                Some(file) => small.write(path.trim_start_matches('/'), &file.content),
                None => fs::remove_file(small.0.join(path.trim_start_matches('/'))).expect("removing"),
            }
        }
        // The next boot: another process, which knows only what is on the disk.
        let found = Trial::load(&small.root()).expect("readable").expect("a marker");
        assert_eq!(found, trial);
        restore(&small.root(), &found, None).expect("restoring");
        assert_eq!(small.content(), before, "after {crash_after} of {steps} files");
    }
}

#[test]
fn a_change_on_trial_waits_for_its_confirmation() {
    let small = SmallMachine::with_networkd(ONE);
    let before = small.content();
    let live =
        Remembering { addresses: vec![("eth0".into(), "10.0.0.5/24".into())], ..Remembering::default() };
    let change = decide(&small.root(), &small.load(), &network(OTHER), None).expect("a change");
    // The keeper of the deadline is a program of its own; here only its marker counts.
    let mut trial = Trial::new(&small.root(), change.manager, Some(60), &[]).expect("a marker");
    trial.save(&small.root()).expect("saved");
    let error = make(&small.root(), &change, now(), &live).expect_err("one at a time").to_string();
    assert!(error.contains("net confirm") && error.contains("net restore"), "{error}");
    finish(&small.root()).expect("confirmed");
    assert_eq!(small.content(), before);
    // Restoring is only done when the addresses of before are back.
    trial = Trial::new(&small.root(), change.manager, Some(60), &[]).expect("a marker");
    trial.interfaces = vec!["eth0".into()];
    trial.made = vec!["v5".into()];
    trial.addresses = vec![("eth0".into(), "10.0.0.5/24".into())];
    trial.save(&small.root()).expect("saved");
    restore(&small.root(), &trial, Some(&live)).expect("restoring");
    assert_eq!(*live.told.borrow(), ["before eth0", "remove v5", "take eth0"]);
}

#[test]
fn without_a_way_back_nothing_is_changed() {
    let small = SmallMachine::with_networkd(ONE);
    small.write("etc/systemd/system/sysinit.target.wants", "no folder\n");
    let before = small.content();
    let live = Remembering::default();
    let error = format!("{:#}", set(&small, STATIC, now(), &live).expect_err("no folder for the unit"));
    assert!(error.contains("sysinit.target.wants"), "{error}");
    assert_eq!((small.content(), live.told.borrow().len()), (before, 0));
}

#[test]
fn a_damaged_marker_is_an_error_and_not_a_guess() {
    let small = SmallMachine::with_networkd(ONE);
    for text in ["", "{}", "[]", "junk"] {
        small.write("var/lib/firstboot/network/trial.json", text);
        let error = format!("{:#}", Trial::load(&small.root()).expect_err(text));
        assert!(error.contains("cannot be restored"), "{error}");
    }
}

#[test]
fn ifupdown_keeps_the_stanzas_of_others_and_comes_back() {
    let small = SmallMachine::new(ONE);
    small.enable("networking.service");
    small.write("usr/sbin/ifup", "");
    small.write(
        "etc/network/interfaces",
        "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n",
    );
    let before = small.content();
    let change = decide(&small.root(), &small.load(), &network(STATIC), None).expect("a change");
    let paths: Vec<_> = change.written.iter().map(|file| file.path.clone()).collect();
    let trial = Trial::new(&small.root(), change.manager, None, &paths).expect("a marker");
    set(&small, STATIC, now(), &Remembering::default()).expect("a change");
    let main = small.read("etc/network/interfaces");
    assert!(
        main.contains("#firstboot: iface eth0 inet dhcp\n")
            && main.ends_with("source /etc/network/interfaces.d/*\n"),
        "{main}"
    );
    assert!(
        small
            .read("etc/network/interfaces.d/05-firstboot-eth0")
            .contains("iface eth0 inet static\n    address 192.0.2.10/24\n")
    );
    restore(&small.root(), &trial, None).expect("restoring");
    assert_eq!(small.content(), before);
}
