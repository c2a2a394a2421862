//! dpkg's rules for files, on small packages.

use std::os::unix::fs::MetadataExt;

use super::super::data_archives::DataArchives;
use super::super::test_support::{Item, Scratch, package};
use super::super::unpack::{Jobs, Opened, open_all};
use super::*;
use crate::verify::VerifiedPackage;

/// Stages all packages and hands each to `work`, in order.
fn with_staged(
    scratch: &Scratch,
    packages: &[VerifiedPackage],
    mut work: impl FnMut(&Opened, Staged),
) -> Result<()> {
    let opened = open_all(packages)?;
    let folder = scratch.0.join("staging");
    let jobs = Jobs::new(&opened, DataArchives::of_packages(), &[], &folder);
    std::thread::scope(|scope| {
        let mut staging = jobs.start(scope);
        let result =
            (0..opened.len()).try_for_each(|index| staging.take(index).map(|s| work(&opened[index], s)));
        jobs.cancel();
        result
    })
}

fn place_all(scratch: &Scratch, packages: &[VerifiedPackage]) -> Result<Assembly> {
    let mut assembly = Assembly::new(&scratch.root());
    assembly.refresh()?;
    let mut failure = Ok(());
    with_staged(scratch, packages, |package, staged| {
        if failure.is_ok() {
            failure = match assembly.check(&package.control, &staged) {
                Ok(Verdict::Native) => assembly.place(&package.control, &staged),
                Ok(Verdict::Dpkg(reason)) => panic!("{reason}"),
                Err(error) => Err(error),
            };
        }
    })?;
    failure?;
    assembly.finish()?;
    Ok(assembly)
}

#[test]
fn files_links_modes_and_times_come_out_right() {
    let scratch = Scratch::new();
    let root = scratch.root();
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    symlink("usr/bin", root.join("bin")).unwrap();
    let first = package(
        &scratch,
        "first",
        "",
        &[("./conffiles", "/etc/first.conf\n")],
        &[
            Item::Folder("./", 0o755),
            Item::Folder("./bin/", 0o700),
            Item::File("./bin/tool", "#!", 0o4755),
            Item::HardLink("./bin/alias", "./bin/tool"),
            Item::Symlink("./bin/link", "tool"),
            Item::Folder("./etc/", 0o750),
            Item::File("./etc/first.conf", "x=1\n", 0o640),
            Item::HardLink("./etc/same", "./etc/first.conf"),
        ],
    );
    let second = package(
        &scratch,
        "second",
        "",
        &[],
        &[
            Item::Folder("./etc/", 0o777),
            Item::File("./etc/second", "", 0o600),
            Item::File("./new/deep/x", "", 0o644),
        ],
    );
    place_all(&scratch, &[first, second]).unwrap();
    let stat = |path: &str| fs::symlink_metadata(root.join(path)).unwrap();
    assert!(stat("bin").is_symlink(), "a package's folder replaced a merged-/usr link");
    assert_eq!(stat("usr/bin/tool").mode() & 0o7777, 0o4755);
    assert_eq!(stat("usr/bin/tool").ino(), stat("usr/bin/alias").ino());
    assert_eq!(stat("usr/bin/tool").mtime(), 1_000_000);
    assert_eq!(fs::read_link(root.join("usr/bin/link")).unwrap(), Path::new("tool"));
    assert!(!root.join("etc/first.conf").exists(), "a configuration file was not left to dpkg");
    assert_eq!(stat("etc/first.conf.dpkg-new").ino(), stat("etc/same").ino());
    assert_eq!(stat("etc").mode() & 0o7777, 0o750, "the first package gives a folder its mode");
    assert_eq!(stat("etc").mtime(), 1_000_000);
    assert!(root.join("new/deep/x").exists());
}

#[test]
fn a_path_in_two_packages_is_an_error_that_names_both() {
    let scratch = Scratch::new();
    let one = package(&scratch, "one", "", &[], &[Item::File("./x", "1", 0o644)]);
    let two = package(&scratch, "two", "", &[], &[Item::File("./x", "2", 0o644)]);
    let error = place_all(&scratch, &[one, two]).unwrap_err().to_string();
    assert!(error.contains("one and two both ship '/x'"), "{error}");
    assert_eq!(fs::read_to_string(scratch.root().join("x")).unwrap(), "1");
}

#[test]
fn replaces_on_either_side_is_left_to_dpkg() {
    for (first, second) in [("", "Replaces: one (<< 2)\n"), ("Replaces: other, two\n", "")] {
        let scratch = Scratch::new();
        let one = package(&scratch, "one", first, &[], &[Item::File("./x", "1", 0o644)]);
        let two = package(&scratch, "two", second, &[], &[Item::File("./x", "2", 0o644)]);
        let mut assembly = Assembly::new(&scratch.root());
        let mut verdicts = Vec::new();
        with_staged(&scratch, &[one, two], |package, staged| {
            verdicts.push(assembly.check(&package.control, &staged).unwrap());
            assembly.place(&package.control, &staged).unwrap();
        })
        .unwrap();
        assert_eq!(verdicts[0], Verdict::Native);
        assert!(matches!(verdicts[1], Verdict::Dpkg(_)), "{first}{second}");
    }
}

#[test]
fn diversions_and_overrides_are_honoured() {
    let scratch = Scratch::new();
    let database = scratch.root().join("var/lib/dpkg");
    fs::create_dir_all(&database).unwrap();
    fs::write(database.join("diversions"), "/x\n/x.theirs\nowner\n").unwrap();
    let (uid, gid) = scratch.owner();
    fs::write(database.join("statoverride"), format!("#{uid} #{gid} 2711 /tool\n")).unwrap();
    let owner = package(&scratch, "owner", "", &[], &[Item::File("./x", "mine", 0o644)]);
    let other = package(
        &scratch,
        "other",
        "",
        &[],
        &[Item::File("./x", "theirs", 0o644), Item::File("./tool", "", 0o755)],
    );
    place_all(&scratch, &[owner, other]).unwrap();
    let read = |path: &str| fs::read_to_string(scratch.root().join(path)).unwrap();
    assert_eq!((read("x").as_str(), read("x.theirs").as_str()), ("mine", "theirs"));
    let mode = fs::metadata(scratch.root().join("tool")).unwrap().mode() & 0o7777;
    assert_eq!(mode, 0o2711);
}

#[test]
fn hostile_archives_are_refused_and_nothing_leaves_the_tree() {
    for item in [
        Item::File("../outside", "", 0o644),
        Item::File("./a/../../outside", "", 0o644),
        Item::HardLink("./x", "../../outside"),
        Item::Device("./dev/sda"),
        Item::File("./two\nlines", "", 0o644),
        Item::Symlink("./empty", ""),
    ] {
        let scratch = Scratch::new();
        fs::write(scratch.0.join("outside"), "untouched").unwrap();
        let bad = package(&scratch, "bad", "", &[], &[item]);
        assert!(place_all(&scratch, &[bad]).is_err());
        assert_eq!(fs::read_to_string(scratch.0.join("outside")).unwrap(), "untouched");
    }
    let scratch = Scratch::new();
    let through = [Item::Symlink("./out", "../.."), Item::File("./out/written", "", 0o644)];
    let sly = package(&scratch, "sly", "", &[], &through);
    place_all(&scratch, &[sly]).unwrap();
    assert!(scratch.root().join("written").exists(), "the link was not followed inside the tree");
    assert!(!scratch.0.join("written").exists());
}

#[test]
fn a_file_does_not_replace_a_folder_nor_a_folder_a_file() {
    for (first, second) in [
        (Item::Folder("./x/", 0o755), Item::File("./x", "", 0o644)),
        (Item::File("./x", "", 0o644), Item::Folder("./x/", 0o755)),
    ] {
        let scratch = Scratch::new();
        let one = package(&scratch, "one", "", &[], &[first]);
        let two = package(&scratch, "two", "", &[], &[second]);
        let error = place_all(&scratch, &[one, two]).unwrap_err();
        assert!(matches!(&error, BootstrapError::Path { package, .. } if package == "two"), "{error}");
    }
}
