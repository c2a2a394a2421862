//! The database against what dpkg 1.21 wrote for the same package.

use super::super::data_archives::DataArchives;
use super::super::test_support::{Item, Scratch, package};
use super::super::unpack::{Jobs, open_all};
use super::*;

const TRIGGERS: &str = "interest /usr/share/t\nactivate-noawait foo\ninterest-noawait bar\n";

#[test]
fn an_unpacked_package_is_recorded_as_dpkg_does() {
    let scratch = Scratch::new();
    let conffiles = "/etc/a.conf\nremove-on-upgrade /etc/b.conf\n";
    let files = [("./conffiles", conffiles), ("./triggers", TRIGGERS), ("./md5sums", "d41d8  etc/a.conf\n")];
    let items = [
        Item::Folder("./", 0o755),
        Item::Folder("./etc/", 0o755),
        Item::File("./etc/a.conf", "a\n", 0o644),
        Item::Folder("./usr/share/t/", 0o755),
        Item::File("./usr/share/t/f", "t\n", 0o644),
    ];
    let opened = open_all(&[package(&scratch, "rou", "Maintainer: x <x@y>\n", &files, &items)]).unwrap();
    let folder = scratch.0.join("staging");
    let jobs = Jobs::new(&opened, DataArchives::of_packages(), &[], &folder);
    let staged = std::thread::scope(|scope| jobs.start(scope).take(0)).unwrap();
    let mut database = Database::create(&scratch.root(), "amd64").unwrap();
    database.add(&opened[0], &staged).unwrap();
    database.write_activations().unwrap();

    let read = |name: &str| fs::read_to_string(scratch.root().join("var/lib/dpkg").join(name)).unwrap();
    assert_eq!(
        read("status"),
        "Package: rou\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\nMaintainer: x <x@y>\n\
         Description: test\nConffiles:\n /etc/a.conf newconffile\n /etc/b.conf newconffile remove-on-upgrade\n\n"
    );
    assert_eq!(read("info/rou.list"), "/.\n/etc\n/etc/a.conf\n/usr/share/t\n/usr/share/t/f\n");
    assert_eq!(read("info/rou.conffiles"), conffiles);
    assert_eq!(read("info/format"), "1\n");
    assert_eq!(read("arch"), "amd64\n");
    assert_eq!(read("triggers/File"), "/usr/share/t rou\n");
    assert_eq!(read("triggers/bar"), "rou/noawait\n");
    assert_eq!(read("triggers/Unincorp"), "/usr/share/t rou\nfoo -\n");
    let control = &opened[0].control;
    assert_eq!(database.paths(control).unwrap().len(), 5);
}

#[test]
fn a_package_is_half_installed_only_while_its_preinst_runs() {
    let scratch = Scratch::new();
    let opened = open_all(&[package(&scratch, "p", "", &[("./preinst", "#!/bin/sh\n")], &[])]).unwrap();
    let database = Database::create(&scratch.root(), "amd64").unwrap();
    let folder = scratch.root().join("var/lib/dpkg");
    fs::write(folder.join("status"), "Package: other\nStatus: install ok installed\n\n").unwrap();
    let before = fs::read_to_string(folder.join("status")).unwrap();
    let announced = database.announce(&opened[0].control, &opened[0].deb.control).unwrap();
    let during = fs::read_to_string(folder.join("status")).unwrap();
    assert!(
        during.ends_with("Package: p\nStatus: install reinstreq half-installed\nArchitecture: all\n\n"),
        "{during}"
    );
    assert!(folder.join("tmp.ci/preinst").exists());
    database.withdraw(announced).unwrap();
    assert_eq!(fs::read_to_string(folder.join("status")).unwrap(), before);
    assert!(!folder.join("tmp.ci").exists());
}
