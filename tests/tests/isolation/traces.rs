//! What a run leaves: nothing.

use std::fs;

use super::level::all;

#[test]
fn stubs_stand_over_files_and_leave_no_trace() {
    for level in all() {
        let script =
            "start-stop-daemon --start; /sbin/start-stop-daemon; /usr/sbin/policy-rc.d ssh start; echo $?";
        let run = level.probe("inside", script);
        assert!(run.stderr.contains("nothing is started"), "{run:?}");
        assert_eq!(run.succeeded(&level), "101\n", "{level:?}");
    }
}

#[test]
fn a_place_that_is_made_for_a_bind_is_gone_afterwards() {
    for level in all() {
        let folder = level.folder();
        fs::create_dir(folder.path().join("shown")).expect("made");
        fs::write(folder.path().join("shown/file"), "text").expect("written");
        let output = level.command(folder.path(), "bound", "cat /made/here/file").output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.stdout, b"text", "{level:?}: {stderr}");
        assert!(!stderr.contains("left: "), "{level:?}: {stderr}");
    }
}

#[test]
fn what_the_program_itself_makes_stays() {
    for level in all() {
        let run = level.probe("inside", "mkdir -p /var/lib; echo made > /var/lib/file");
        assert!(run.stderr.contains("left: var/lib/file"), "{level:?}: {run:?}");
    }
}

#[test]
fn no_mount_reaches_the_host() {
    let before = fs::read_to_string("/proc/self/mountinfo").expect("readable");
    for level in all() {
        let script = "mount -t tmpfs none /tmp && cut -d' ' -f5 /proc/self/mountinfo | grep -c ^/tmp$";
        assert_eq!(level.probe("inside", script).succeeded(&level), "1\n", "{level:?}");
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").expect("readable"), before, "{level:?}");
    }
}

#[test]
fn a_failure_shows_the_command_and_its_last_lines() {
    for level in all() {
        let run = level.probe("inside", "seq 1 1000; echo why >&2; exit 3");
        assert_eq!(run.code, Some(7), "{level:?}");
        let shown: Vec<&str> = run.stderr.lines().collect();
        let first =
            "'/bin/sh -c 'seq 1 1000; echo why >&2; exit 3'' ended with exit status: 3; it printed last:";
        assert_eq!(shown.first(), Some(&first), "{level:?}: {}", run.stderr);
        assert_eq!(shown.len(), 41, "{level:?}: {}", run.stderr);
        assert!(run.stderr.contains("| why") && run.stderr.contains("| 1000"), "{level:?}: {}", run.stderr);
    }
}
