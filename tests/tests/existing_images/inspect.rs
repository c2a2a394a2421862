//! What `inspect` says of debian-minimal, held against sgdisk, dumpe2fs, fsck.fat, debugfs and dpkg-query.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use integration_tests::program::{bootwright, debian_minimal, ordinary_user};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

use super::support::{MIB, is_root, json, raw_minimal, run, said, small, text};

fn minimal() -> Value {
    json(&["inspect", "--json", text(debian_minimal())])
}

fn root_start(report: &Value) -> u64 {
    let partitions = report["partitions"].as_array().expect("a list");
    let root = partitions.iter().find(|partition| partition["mount"] == "/").expect("a root");
    root["start"].as_u64().expect("a number")
}

/// A file of the root filesystem, read by e2fsprogs.
fn by_debugfs(report: &Value, command: &str) -> String {
    let device = format!("{}?offset={}", text(raw_minimal()), root_start(report));
    let output =
        Command::new("/usr/sbin/debugfs").args(["-R", command, &device]).output().expect("debugfs runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_partitions_are_those_that_sgdisk_prints() {
    let report = minimal();
    let printed = witness("sgdisk", &["-p", text(raw_minimal())]);
    let guid =
        printed.lines().find_map(|line| line.strip_prefix("Disk identifier (GUID): ")).expect("a GUID");
    assert!(guid.eq_ignore_ascii_case(report["table"]["id"].as_str().expect("text")));
    let rows: Vec<Vec<&str>> = printed
        .lines()
        .skip_while(|line| !line.starts_with("Number"))
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let partitions = report["partitions"].as_array().expect("a list");
    assert_eq!(rows.len(), partitions.len(), "{printed}");
    for (row, partition) in rows.iter().zip(partitions) {
        let number = |key: &str| partition[key].as_u64().expect("a number");
        assert_eq!(row[0], number("number").to_string());
        assert_eq!(row[1], (number("start") / 512).to_string());
        assert_eq!(row[2], ((number("start") + number("length")) / 512 - 1).to_string());
        let info = witness("sgdisk", &["-i", row[0], text(raw_minimal())]);
        let id = partition["id"].as_str().expect("text").to_uppercase();
        assert!(info.contains(&id), "{info}");
        assert!(info.contains(&partition["type_id"].as_str().expect("text").to_uppercase()), "{info}");
        assert!(info.contains(&format!("'{}'", partition["name"].as_str().expect("text"))), "{info}");
    }
}

#[test]
fn the_root_filesystem_is_the_one_that_dumpe2fs_prints() {
    let report = minimal();
    let device = format!("{}?offset={}", text(raw_minimal()), root_start(&report));
    let printed = witness("dumpe2fs", &["-h", &device]);
    let field = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {name}: {printed}")).trim().to_owned()
    };
    let partition = report["partitions"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["mount"] == "/")
        .expect("a root");
    let filesystem = &partition["filesystem"];
    let number = |key: &str| filesystem[key].as_u64().expect("a number");
    let block: u64 = field("Block size").parse().expect("a number");
    assert_eq!(filesystem["uuid"], field("Filesystem UUID").as_str());
    assert_eq!(number("block_size"), block);
    assert_eq!(number("size"), field("Block count").parse::<u64>().expect("a number") * block);
    assert_eq!(number("free"), field("Free blocks").parse::<u64>().expect("a number") * block);
    assert_eq!(number("inodes").to_string(), field("Inode count"));
    assert_eq!(number("free_inodes").to_string(), field("Free inodes"));
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    let features = filesystem["features"].as_array().expect("a list").iter();
    let features: Vec<String> = features.map(|one| one.as_str().expect("text").to_owned()).collect();
    let theirs = field("Filesystem features").split_whitespace().map(str::to_owned).collect();
    assert_eq!(sorted(features), sorted(theirs));
}

#[test]
fn the_packages_are_those_that_dpkg_query_lists() {
    let report = minimal();
    let scratch = Scratch::new("inspect-dpkg");
    let admin = scratch.path().join("dpkg");
    fs::create_dir(&admin).expect("made");
    fs::write(admin.join("status"), by_debugfs(&report, "cat /var/lib/dpkg/status")).expect("written");
    fs::create_dir(admin.join("info")).expect("made");
    let format =
        "--showformat=${db:Status-Abbrev} ${Package} ${Architecture} ${Version} ${Installed-Size}\\n";
    let listed = witness("dpkg-query", &["--admindir", text(&admin), "-W", format]);
    let theirs: BTreeMap<String, (String, u64)> = listed
        .lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [status, name, architecture, version, rest @ ..] = words.as_slice() else { return None };
            let size = rest.first().map_or(0, |size| size.parse().expect("a number"));
            status
                .starts_with("ii")
                .then(|| (format!("{name} {architecture}"), ((*version).to_owned(), size)))
        })
        .collect();
    let list = report["packages"]["list"].as_array().expect("a list");
    let field = |package: &Value, key: &str| package[key].as_str().expect("text").to_owned();
    let ours: BTreeMap<String, (String, u64)> = list
        .iter()
        .map(|package| {
            let size = package["installed_size"].as_u64().expect("a number") / 1024;
            (
                format!("{} {}", field(package, "name"), field(package, "architecture")),
                (field(package, "version"), size),
            )
        })
        .collect();
    assert!(theirs.len() > 100, "{listed}");
    assert_eq!(ours, theirs);
    assert_eq!(report["packages"]["count"], theirs.len());
}

#[test]
fn the_boot_set_up_is_the_one_of_the_files() {
    let report = minimal();
    assert_eq!(report["boot"]["bios"]["loader"], "GRUB");
    assert_eq!(report["boot"]["bios"]["core_present"], true);
    assert_eq!(report["boot"]["bios"]["core_partition"], 1);
    let programs = report["boot"]["uefi"].as_array().expect("a list");
    let program = |name: &str| {
        let found = programs.iter().find(|one| one["path"].as_str().is_some_and(|path| path.ends_with(name)));
        found.unwrap_or_else(|| panic!("no {name} in {programs:?}"))
    };
    assert_eq!(
        (&program("BOOTX64.EFI")["kind"], &program("BOOTX64.EFI")["signed"]),
        (&"shim".into(), &true.into())
    );
    assert!(program("BOOTX64.EFI")["certificates"].to_string().contains("Microsoft"));
    assert_eq!(
        (&program("grubx64.efi")["kind"], &program("grubx64.efi")["signed"]),
        (&"GRUB".into(), &true.into())
    );
    assert!(program("grubx64.efi")["certificates"].to_string().contains("Debian Secure Boot"));
    let configuration = by_debugfs(&report, "cat /boot/grub/grub.cfg");
    let entry = &report["boot"]["menu"][0];
    let (kernel, line) =
        (entry["kernel"].as_str().expect("text"), entry["command_line"].as_str().expect("text"));
    assert!(configuration.contains(&format!("\tlinux {kernel} {line}\n")), "{configuration}\n{entry}");
    let released = report["boot"]["kernels"][0]["release"].as_str().expect("text").to_owned();
    assert_eq!(kernel, format!("/boot/vmlinuz-{released}"));
    assert_eq!(report["boot"]["kernels"][0]["signed"], true);
    let stat = by_debugfs(&report, &format!("stat /boot/initrd.img-{released}"));
    let size = report["boot"]["kernels"][0]["initramfs_size"].as_u64().expect("a number");
    assert!(stat.contains(&format!("Size: {size}\n")), "{stat}");
    assert_eq!(report["system"]["firstboot"], true);
    assert_eq!(report["system"]["id"], "debian");
}

#[test]
fn mtools_lists_the_same_system_partition() {
    let report = minimal();
    let partitions = report["partitions"].as_array().expect("a list");
    let esp = partitions.iter().find(|one| one["mount"] == "/boot/efi").expect("a system partition");
    let image = format!("{}@@{}", text(raw_minimal()), esp["start"].as_u64().expect("a number"));
    let listed = witness("mdir", &["-i", &image, "-/", "-b", "::"]);
    let mut theirs: Vec<String> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("::"))
        .filter(|path| !path.ends_with('/'))
        .map(str::to_lowercase)
        .collect();
    let files = esp["files"].as_array().expect("a list").iter();
    let mut ours: Vec<String> =
        files.map(|file| file["path"].as_str().expect("text").to_lowercase()).collect();
    theirs.sort();
    ours.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn compressed_images_tell_the_same_as_raw_ones() {
    let scratch = Scratch::new("inspect-compressed");
    let disk = small(&scratch, "plain", |tree| {
        fs::write(tree.join("usr/bin/program"), "words that repeat ".repeat(20_000)).expect("written");
    });
    let of = |path: &Path| {
        let mut report = json(&["inspect", "--json", text(path)]);
        for key in ["path", "format", "file_size", "allocated"] {
            report.as_object_mut().expect("an object").remove(key);
        }
        report
    };
    let raw = of(&disk);
    assert_eq!(raw["system"]["id"], "sample");
    for (kind, options) in
        [("zlib", "compression_type=zlib"), ("zstd", "compression_type=zstd"), ("old", "compat=0.10")]
    {
        let image = scratch.path().join(format!("{kind}.qcow2"));
        let mut arguments = vec!["convert", "-O", "qcow2", "-o", options];
        if kind != "old" {
            arguments.push("-c");
        }
        witness("qemu-img", &[&arguments[..], &[text(&disk), text(&image)]].concat());
        assert_eq!(of(&image), raw, "{kind}");
        let output = run(&["diff", text(&disk), text(&image)]);
        assert_eq!(output.status.code(), Some(0), "{kind}: {}", said(&output));
    }
}

#[test]
fn a_backing_file_is_named_and_not_opened() {
    let scratch = Scratch::new("inspect-backing");
    let disk = small(&scratch, "base", |_| {});
    let image = scratch.path().join("top.qcow2");
    witness("qemu-img", &["create", "-q", "-f", "qcow2", "-b", text(&disk), "-F", "raw", text(&image)]);
    let output = run(&["inspect", text(&image)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("backing file") && said(&output).contains("qemu-img convert"),
        "{}",
        said(&output)
    );
}

#[test]
fn every_kind_of_partition_table_and_filesystem_is_told() {
    let scratch = Scratch::new("inspect-kinds");
    let disk = scratch.path().join("disk.raw");
    witness("truncate", &["-s", "700M", text(&disk)]);
    let layout = "label: dos\nlabel-id: 0x1234abcd\nstart=2048, size=32768, type=83, bootable\nstart=34816, size=32768, type=82\nstart=69632, type=5\nstart=71680, size=262144, type=83\nstart=339968, size=614400, type=83\n";
    let script = format!("printf '{}' | sfdisk -q {}", layout.replace('\n', "\\n"), text(&disk));
    witness("sh", &["-c", &script]);
    let put = |make: &[&str], size: u64, at: u64| {
        let part = scratch.path().join("part");
        witness("truncate", &["-s", &size.to_string(), text(&part)]);
        let (program, arguments) = make.split_first().expect("a program");
        witness(program, &[arguments, &[text(&part)]].concat());
        witness(
            "dd",
            &[
                &format!("if={}", text(&part)),
                &format!("of={}", text(&disk)),
                "bs=1M",
                &format!("seek={}", at / MIB),
                "conv=notrunc,sparse",
                "status=none",
            ],
        );
        fs::remove_file(part).expect("removed");
    };
    put(&["mke2fs", "-q", "-t", "ext3", "-L", "third"], 16 * MIB, MIB);
    put(&["mkswap", "-q", "-L", "pages"], 16 * MIB, 17 * MIB);
    put(&["mkfs.btrfs", "-q", "-L", "trees"], 128 * MIB, 35 * MIB);
    put(&["mkfs.xfs", "-q", "-L", "extents"], 300 * MIB, 166 * MIB);
    let report = json(&["inspect", "--json", text(&disk)]);
    assert_eq!((&report["table"]["kind"], &report["table"]["id"]), (&"msdos".into(), &"1234abcd".into()));
    let partitions = report["partitions"].as_array().expect("a list");
    let told: Vec<(u64, &str, &str)> = partitions
        .iter()
        .map(|partition| {
            let filesystem = &partition["filesystem"];
            (
                partition["number"].as_u64().expect("a number"),
                filesystem["type"].as_str().expect("text"),
                filesystem["label"].as_str().expect("text"),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "ext3", "third"),
            (2, "swap", "pages"),
            (3, "none", ""),
            (5, "btrfs", "trees"),
            (6, "xfs", "extents")
        ]
    );
    assert_eq!(partitions[0]["attributes"], 0x80);
    assert_eq!(partitions[0]["id"], "1234abcd-01");
    if is_root() {
        assert_eq!(partitions[4]["files_read"], true, "through the kernel: {}", partitions[4]);
    }
}

#[test]
fn an_ordinary_user_sees_the_same() {
    if !is_root() {
        return;
    }
    let scratch = Scratch::new("inspect-user");
    let program = scratch.path().join("bootwright");
    fs::copy(bootwright(), &program).expect("copied");
    let disk = small(&scratch, "user", |_| {});
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            &ordinary_user(),
            "--clear-groups",
            "--",
            text(&program),
            "inspect",
            "--json",
            text(&disk),
        ])
        .current_dir("/")
        .output()
        .expect("setpriv runs");
    let theirs: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&output)));
    assert_eq!(theirs, json(&["inspect", "--json", text(&disk)]));
    let output = Command::new("setpriv")
        .args(["--reuid", &ordinary_user(), "--clear-groups", "--", text(&program), "shell", text(&disk)])
        .current_dir("/")
        .output()
        .expect("setpriv runs");
    assert_eq!(output.status.code(), Some(8), "{}", said(&output));
    assert!(said(&output).contains("needs root"), "{}", said(&output));
}

#[test]
fn the_page_is_one_file_and_holds_the_packages() {
    let scratch = Scratch::new("inspect-page");
    let page = scratch.path().join("page.html");
    let output = run(&["inspect", text(debian_minimal()), "--html", text(&page)]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = fs::read_to_string(page).expect("written");
    for word in ["linux-image-", "BOOTX64.EFI", "Packages by size", "Time per stage", "root=UUID="] {
        assert!(page.contains(word), "no '{word}' in the page");
    }
    for word in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(word), "the page has '{word}'");
    }
}
