use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

/// A root with a symlink out of it, beside a folder that must stay untouched.
struct Case {
    base: PathBuf,
    root: Root,
}

impl Case {
    fn new(name: &str) -> Self {
        let base = std::env::temp_dir().join(format!("beneath-{name}-{}", std::process::id()));
        fs::create_dir_all(base.join("root/etc")).expect("a temporary folder");
        fs::create_dir_all(base.join("outside")).expect("a temporary folder");
        fs::write(base.join("outside/secret"), "host").expect("a temporary file");
        symlink(base.join("outside"), base.join("root/escape")).expect("a symlink");
        symlink("../../outside", base.join("root/up")).expect("a symlink");
        let root = Root::open(&base.join("root")).expect("the root opens");
        Self { base, root }
    }

    fn ids(&self) -> (u32, u32) {
        (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw())
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.base));
    }
}

#[test]
fn symlinks_and_dots_never_lead_outside() {
    let case = Case::new("outside");
    for path in ["/escape/secret", "up/secret", "../outside/secret", "/../../outside/secret"] {
        assert!(!case.root.exists(path).expect(path), "{path} was found");
        assert!(case.root.write_file(path, b"changed", 0o644, 0, 0).is_err(), "{path} was written");
    }
    case.root.empty_folder_if_exists("/escape").expect("a symlink is left alone");
    assert_eq!(fs::read_to_string(case.base.join("outside/secret")).expect("still there"), "host");
}

#[test]
fn files_replace_symlinks_and_keep_their_mode() {
    let case = Case::new("replace");
    let (uid, gid) = case.ids();
    symlink(case.base.join("outside/secret"), case.base.join("root/etc/link")).expect("a symlink");
    case.root.write_file("/etc/link", b"mine", 0o4755, uid, gid).expect("written");
    assert_eq!(fs::read_to_string(case.base.join("outside/secret")).expect("still there"), "host");
    assert_eq!(case.root.ownership("/etc/link").expect("a file"), (0o4755, uid, gid));
    assert_eq!(case.root.read_to_string_if_exists("etc/link").expect("readable").as_deref(), Some("mine"));
    assert_eq!(
        fs::read_dir(case.base.join("root/etc")).expect("a folder").count(),
        1,
        "a temporary file stayed"
    );
}

#[test]
fn folders_are_made_once_and_kept() {
    let case = Case::new("folders");
    let (uid, gid) = case.ids();
    case.root.create_folder("/etc/new", 0o750, uid, gid).expect("made");
    case.root.create_folder("/etc/new", 0o700, uid, gid).expect("kept");
    assert_eq!(case.root.ownership("/etc/new").expect("a folder").0, 0o750);
    fs::write(case.base.join("root/etc/file"), "").expect("a file");
    assert!(case.root.create_folder("/etc/file", 0o755, uid, gid).is_err());
    fs::create_dir(case.base.join("root/usr")).expect("a folder");
    symlink("/usr", case.base.join("root/merged")).expect("a symlink");
    case.root.create_folder("/merged/lib", 0o755, uid, gid).expect("made inside the root");
    assert!(case.base.join("root/usr/lib").is_dir());
}

#[test]
fn emptying_removes_everything_inside() {
    let case = Case::new("empty");
    fs::create_dir_all(case.base.join("root/var/a/b")).expect("folders");
    fs::write(case.base.join("root/var/a/b/file"), "x").expect("a file");
    symlink("../../outside", case.base.join("root/var/link")).expect("a symlink");
    case.root.empty_folder_if_exists("/var").expect("emptied");
    assert_eq!(fs::read_dir(case.base.join("root/var")).expect("kept").count(), 0);
    case.root.empty_folder_if_exists("/absent").expect("nothing to do");
    assert!(case.base.join("outside/secret").exists());
}

#[test]
fn files_go_and_folders_stay() {
    let case = Case::new("files");
    fs::create_dir_all(case.base.join("root/var/lists/partial")).expect("folders");
    fs::write(case.base.join("root/var/lists/index"), "x").expect("a file");
    fs::write(case.base.join("root/var/lists/partial/half"), "x").expect("a file");
    case.root.remove_files_below_if_exists("/var/lists").expect("removed");
    assert!(case.base.join("root/var/lists/partial").is_dir());
    assert!(!case.base.join("root/var/lists/index").exists());
    assert!(!case.base.join("root/var/lists/partial/half").exists());
}

#[test]
fn names_that_are_no_files_are_refused() {
    let case = Case::new("names");
    for path in ["/", "", "..", "etc/.."] {
        assert!(case.root.write_file(path, b"", 0o644, 0, 0).is_err(), "'{path}' was written");
    }
}

#[test]
fn durable_files_are_replaced_and_grown() {
    let case = Case::new("durable");
    case.root.write_durable("etc/a", b"one", 0o640, None).expect("writing");
    case.root.write_durable("/etc/a", b"two\n", 0o640, Some(case.ids())).expect("replacing");
    assert_eq!(case.root.ownership("etc/a").expect("there").0, 0o640);
    case.root.append_durable("etc/a", b"three\n").expect("adding");
    case.root.append_durable("etc/new", b"x").expect("making");
    assert_eq!(case.root.read_bounded("etc/a", 10).expect("short").as_deref(), Some(&b"two\nthree\n"[..]));
    let long = case.root.read_bounded("etc/a", 9).expect_err("too long");
    assert_eq!(long.kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(case.root.read_bounded("etc/none", 9).expect("absent"), None);
    assert_eq!(case.root.list_folder("etc").expect("a folder"), ["a", "new"]);
    assert!(case.root.list_folder("none").expect("no folder").is_empty());
    assert_eq!(fs::read_to_string(case.base.join("outside/secret")).expect("untouched"), "host");
}

#[test]
fn folders_appear_whole() {
    let case = Case::new("whole");
    let (uid, gid) = case.ids();
    fs::create_dir(case.base.join("root/.srv.bootwright-new")).expect("what an interruption leaves");
    case.root.create_folder_whole("/srv", 0o751, uid, gid).expect("making");
    case.root.create_folder_whole("/srv", 0o700, uid, gid).expect("it is there");
    assert_eq!(case.root.ownership("srv").expect("there").0, 0o751);
    assert!(!case.base.join("root/.srv.bootwright-new").exists());
    fs::write(case.base.join("root/file"), "").expect("a file");
    case.root.create_folder_whole("/file", 0o700, uid, gid).expect_err("a file");
}
