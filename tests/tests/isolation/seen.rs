//! What a program in the sandbox sees.

use std::io::Write;
use std::process::{Command, Stdio};

use super::level::all;

#[test]
fn a_clean_process_in_namespaces_of_its_own() {
    for level in all() {
        let seen = level
            .probe("inside", "id -u; id -G; hostname; umask; pwd; cat /proc/1/comm; ischroot && echo chroot")
            .succeeded(&level);
        let expected = ["0", "0", "localhost", "0022", "/", "bootwright-init", "chroot"];
        assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{level:?}");
    }
}

#[test]
fn the_environment_is_ours_alone() {
    for level in all() {
        let seen = level.probe("inside", "env | sort").succeeded(&level);
        let expected = [
            "DEBCONF_NONINTERACTIVE_SEEN=true",
            "DEBIAN_FRONTEND=noninteractive",
            "HOME=/root",
            "LC_ALL=C.UTF-8",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PWD=/",
            "SOURCE_DATE_EPOCH=1700000000",
            "TERM=dumb",
        ];
        assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{level:?}");
    }
}

#[test]
fn devices_are_real_and_few() {
    let script = "stat -c '%n %F %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty; \
                  echo gone > /dev/null; echo full > /dev/full || echo refused; head -c 4 /dev/urandom | wc -c; \
                  ls /dev; stat -c '%a' /dev/shm; echo text > /dev/shm/file; test -c /dev/ptmx && readlink /dev/fd/0; \
                  script -qec 'tty' /dev/null | tr -d '\\r'";
    let expected = [
        "/dev/null character special file 1:3",
        "/dev/zero character special file 1:5",
        "/dev/full character special file 1:7",
        "/dev/random character special file 1:8",
        "/dev/urandom character special file 1:9",
        "/dev/tty character special file 5:0",
        "refused",
        "4",
        "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
        "1777",
        "/dev/null",
        "/dev/pts/0",
    ];
    for level in all() {
        let seen = level.probe("inside", &script.replace("ls /dev", "echo $(ls /dev)")).succeeded(&level);
        assert_eq!(seen.lines().collect::<Vec<_>>(), expected, "{level:?}");
    }
}

#[test]
fn no_network_but_loopback_unless_asked() {
    let script = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; readlink /proc/self/ns/net; cat /etc/resolv.conf || echo none";
    for level in all() {
        let closed = level.probe("inside", script).succeeded(&level);
        assert!(closed.starts_with("lo\nnet:[") && closed.ends_with("none\n"), "{level:?}: {closed}");

        let open = level.probe("network", script).succeeded(&level);
        let host = std::fs::read_link("/proc/self/ns/net").expect("a namespace");
        assert!(open.contains(&*host.to_string_lossy()), "{level:?}: {open}");
        let servers = std::fs::read_to_string("/etc/resolv.conf").expect("the host's");
        assert!(open.ends_with(&servers), "{level:?}: {open}");
    }
}

#[test]
fn loopback_is_up() {
    let perl = "use Socket; socket(my $s, PF_INET, SOCK_STREAM, 0); bind($s, pack_sockaddr_in(0, INADDR_LOOPBACK)) or die $!; \
                listen($s, 1); socket(my $c, PF_INET, SOCK_STREAM, 0); connect($c, getsockname($s)) or die $!; print q(up)";
    for level in all() {
        assert_eq!(level.probe("inside", &format!("perl -e '{perl}'")).succeeded(&level), "up");
    }
}

#[test]
fn sync_calls_do_nothing_and_others_work() {
    // None of these descriptors is open: only a filter can answer 0.
    let script = "perl -e 'print join(\" \", map { syscall($_, 999, 0, 0, 0) } 74, 75, 306, 277, 26, 3)'; \
                  grep -c 'Seccomp:.2' /proc/self/status";
    for level in all() {
        assert_eq!(level.probe("inside", script).succeeded(&level), "0 0 0 0 0 -11\n", "{level:?}");
    }
}

#[test]
fn set_user_id_programs_work() {
    let script = "cp /usr/bin/id /tmp/id; chmod 4755 /tmp/id; setpriv --reuid=7 --regid=7 --clear-groups /tmp/id; rm /tmp/id";
    for level in all() {
        let seen = level.probe("inside", script);
        assert!(seen.stdout.starts_with("uid=7 gid=7 euid=0(root)"), "{level:?}: {seen:?}");
    }
}

#[test]
fn owners_up_to_nobody_exist() {
    let script = "touch /tmp/f; for id in 1 100 1000 65534; do chown $id:$id /tmp/f; stat -c %u:%g /tmp/f; done; rm /tmp/f";
    for level in all() {
        let seen = level.probe("inside", script);
        assert_eq!(seen.stdout, "1:1\n100:100\n1000:1000\n65534:65534\n", "{level:?}: {seen:?}");
    }
}

#[test]
fn every_level_allows_and_forbids_the_same() {
    let script = "echo x > /proc/sys/kernel/hostname || echo settings; echo h > /proc/sysrq-trigger || echo sysrq; \
                  mknod /tmp/device c 1 3 || echo device; mkfifo /tmp/pipe && rm /tmp/pipe && echo pipe; \
                  perl -e 'my $t = pack(\"qq\", 0, 0); syscall(227, 0, $t) == -1 and print \"clock\\n\"'";
    for level in all() {
        let seen = level.probe("inside", script);
        assert_eq!(seen.stdout, "settings\nsysrq\ndevice\npipe\nclock\n", "{level:?}: {seen:?}");
    }
}

#[test]
fn no_descriptor_leaks_and_no_signal_is_ignored() {
    let script = "echo /proc/self/fd/*; grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f2";
    for level in all() {
        let seen = level.probe("inside", script).succeeded(&level);
        let zero = "0".repeat(16);
        let expected =
            format!("/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n{zero}\n{zero}\n");
        assert_eq!(seen, expected, "{level:?}: 3 is the shell's own, of the folder that it lists");
    }
}

#[test]
fn standard_input_is_what_is_fed_and_ends() {
    for level in all() {
        assert_eq!(level.probe("fed", "cat; echo end").succeeded(&level), "word\nend\n");
        assert_eq!(level.probe("inside", "cat; echo end").succeeded(&level), "end\n");
    }
}

#[test]
fn a_capability_reads_back_as_it_was_set() {
    // Version 2, cap_net_raw+ep, as a .deb's tar or setcap(8) gives it.
    let script = "cd /tmp; cp /usr/bin/true t; v=0x0100000200200000000000000000000000000000; \
                  perl -e 'my $v = pack(\"H*\", substr(shift, 2)); syscall(188, my $f = \"t\", my $n = \"security.capability\", $v, length $v, 0) == 0 or die $!; \
                  my $b = \"\\0\" x 64; my $l = syscall(191, my $p = \"t\", $n, $b, 64); print unpack(\"H*\", substr($b, 0, $l))' $v; rm t";
    for level in all() {
        let seen = level.probe("inside", script);
        assert_eq!(seen.stdout, "0100000200200000000000000000000000000000", "{level:?}: {seen:?}");
    }
}

#[test]
fn an_interactive_program_has_the_terminal_and_gives_it_back() {
    let perl = "use POSIX; print -t 0 && tcgetpgrp(0) == getpgrp() ? q(foreground) : q(background), qq( $ENV{TERM}\\n); exit 4";
    for level in all() {
        let folder = level.folder();
        let command =
            level.command(folder.path(), "interactive", &format!("perl -e \"{}\"", perl.replace('$', "\\$")));
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted: Vec<String> =
            words.map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))).collect();
        let mut terminal = Command::new("script")
            .args(["-qec", &quoted.join(" "), "/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        terminal.stdin.take().expect("piped").write_all(b"typed\n").expect("written");
        let output = terminal.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("foreground dumb"), "{level:?}: {text}");
        assert!(text.contains("exit status: 4; then came typed"), "{level:?}: {text}");
    }
}

#[test]
fn runs_at_once_do_not_mix() {
    for level in all() {
        level.probe("parallel", "cat").succeeded(&level);
    }
}

#[test]
fn sysfs_is_there_when_asked_and_read_only() {
    let script = "test -e /sys/kernel && echo there; mkdir /sys/x || echo no";
    for level in all() {
        assert_eq!(level.probe("sysfs", script).succeeded(&level), "there\nno\n", "{level:?}");
        assert_eq!(
            level.probe("inside", script).succeeded(&level),
            "no\n",
            "{level:?}: the tree has no /sys"
        );
    }
}
