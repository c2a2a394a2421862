use std::process::Command;

use super::super::fixture::Scratch;
use super::*;

#[test]
fn note_gives_level_and_place() {
    assert_eq!(Place::parse("zstd -q -9\n0\n"), Some(Place { level: FAST_LEVEL, offset: 0 }));
    assert_eq!(Place::parse("zstd -q -19 -T0\n7\n"), Some(Place { level: 19, offset: 7 }));
    for odd in ["", "zstd -q\n0\n", "zstd -q -9\n", "zstd -q -9\nx\n"] {
        assert_eq!(Place::parse(odd), None, "{odd:?}");
    }
}

#[test]
fn only_the_main_archive_is_compressed_and_put_between_the_others() {
    let archive = b"main archive ".repeat(1000);
    let mut target = Vec::new();
    let place = Place { level: 3, offset: 5 };
    place.join(b"earlylate".as_slice(), &*archive, archive.len() as u64, &mut target).unwrap();
    let inner = target.strip_prefix(b"early".as_slice()).unwrap().strip_suffix(b"late".as_slice()).unwrap();
    assert_eq!(zstd::decode_all(inner).unwrap(), archive);
    assert!(inner.len() < 200);
}

#[test]
fn a_place_beyond_the_end_is_an_error() {
    let place = Place { level: 3, offset: 10 };
    assert!(place.join(b"short".as_slice(), b"".as_slice(), 0, Vec::new()).is_err());
}

#[test]
fn without_a_note_the_file_stays_as_it_is() {
    let folder = Scratch::new("no-note");
    folder.write("made", b"complete");
    compress_main(&folder.0.join("made")).unwrap();
    assert_eq!(folder.text("made"), "complete");
}

#[test]
fn only_the_result_stays_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Scratch::new("note");
    folder.write("made", b"");
    folder.write("made.main", b"main");
    folder.write("made.note", b"zstd -q -9\n0\n");
    let made = folder.0.join("made");
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).unwrap();
    compress_main(&made).unwrap();
    assert_eq!(zstd::decode_all(&*fs::read(&made).unwrap()).unwrap(), b"main");
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
}

#[test]
fn unfamiliar_scripts_run_as_they_are() {
    let folder = Scratch::new("unfamiliar");
    folder.write("usr/sbin/mkinitramfs", b"#!/bin/sh\nexec dracut\n");
    folder.write("usr/share/initramfs-tools/hook-functions", b"");
    assert!(changed_scripts(&folder.0).unwrap().is_empty());
}

#[test]
fn familiar_scripts_get_the_prelude() {
    for (line, changed) in [
        ("$compress -c \"${__TMPMAINCPIO}\" ||", "bootwright_compress \"${__TMPMAINCPIO}\" ||"),
        ("} | $compress -c ||", "} | bootwright_compress ||"),
    ] {
        let folder = Scratch::new("familiar");
        folder.write("usr/sbin/mkinitramfs", line.as_bytes());
        folder.write("usr/share/initramfs-tools/hook-functions", b"copy_file() { :; }\n");
        let scripts = changed_scripts(&folder.0).unwrap();
        assert_eq!(scripts[0], (PROGRAM, changed.to_owned()));
        assert_eq!(scripts[1].0, FUNCTIONS);
        assert!(scripts[1].1.ends_with("\ncopy_file() { :; }\n"));
    }
}

/// The shell's answers must be the programs' own, for plain paths and for every kind of odd one.
#[test]
fn prelude_answers_as_the_programs_do() {
    let folder = Scratch::new("prelude");
    folder.write("real/file", b"");
    std::os::unix::fs::symlink("real", folder.0.join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.0.join("dangling")).unwrap();
    let base = folder.0.display().to_string();
    let below = ["real/file", "real", "real/", "link/file", "link", "dangling", "missing", "missing/deeper"];
    let odd = ["real//file", "real/./file", "real/../real/file", "real/file/"];
    let mut paths: Vec<String> = below.iter().chain(&odd).map(|path| format!("{base}/{path}")).collect();
    paths.extend([format!("/{base}/real/file"), format!("//{base}/real/file")]);
    paths.extend(["/", "//", "/bin", "", ".", "relative"].map(str::to_owned));
    let run = |prelude: &str, call: &str, path: &str| {
        let script = format!("{prelude}\n{call} \"$1\" 2>/dev/null; echo \"status $?\"");
        let output = Command::new("/bin/sh")
            .args(["-c", &script, "sh", path])
            .current_dir(&folder.0)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let prelude = format!("{BASENAME}{PRELUDE}");
    for call in ["readlink -f", "realpath -ms", "realpath -s", "readlink", "realpath", "basename"] {
        for path in &paths {
            assert_eq!(run(&prelude, call, path), run("", call, path), "{call} {path:?}");
        }
    }
}

/// Libraries for special processors and others, through the two expressions of hook-functions.
#[test]
fn libraries_are_named_as_by_sed() {
    let call = r#"for x in /lib/x86_64-linux-gnu/libc.so.6 /lib/tls/libc.so.6 /lib/i386-linux-gnu/i686/cmov/libc.so.6 /tls; do
        y=$(echo "$x" | sed -e 's#/lib/\([^/]*/\)\?\(tls\|i686\|sse2\|neon\|vfp\).*/\(lib.*\)#/lib/\1\3#')
        echo "$y" | sed -e 's#-linux-gnu/\(tls\|i686\|sse2\|neon\|vfp\).*/\(lib.*\)#-linux-gnu/\2#'
    done; echo abc | sed -e s/b/d/"#;
    let run = |prelude: &str| {
        let output = Command::new("/bin/sh").args(["-c", &format!("{prelude}\n{call}")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(PRELUDE), run(""));
    assert!(run("").contains("/lib/i386-linux-gnu/libc.so.6"));
}

/// What is written down is copied before the next other copy, with owner, mode and time, and by hooks at once.
#[test]
fn modules_are_copied_together() {
    let folder = Scratch::new("modules");
    folder.write("init", b"init");
    folder.write("to/usr/lib/modules/other.ko", b"");
    let base = folder.0.display().to_string();
    let source = "/usr/lib/modules/bootwright-test.ko";
    // `command` is made to tell what it runs; the modules are not on this machine.
    let script = format!(
        "{PRELUDE}\ncommand() {{ echo \"$*\"; [ \"$1\" != rm ] || rm \"$2\"; [ \"$1\" != cpio ] || cat; }}
        DESTDIR={base}/to
        cp -pP {source} $DESTDIR/{source}; cp -pP {base}/init $DESTDIR/init; cp -p {base}/init $DESTDIR/"
    );
    let run = |name: &str| {
        let output = Command::new("/bin/sh").args(["-c", &script, name]).output().unwrap();
        assert!(output.stderr.is_empty(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().replace(&base, "")
    };
    let init = "cp -pP /init /to/init\ncp -p /init /to/\n";
    assert_eq!(run("hook"), format!("cp -pP {source} /to/{source}\n{init}"));
    assert_eq!(
        run("/usr/sbin/mkinitramfs"),
        format!("cpio --quiet -pdmu /to\n{source}\nrm /to.copies\n{init}")
    );
}
