//! The power goes while `firstboot` runs on the image's kernel and root filesystem with nothing of a system beside it.
//!
//! Such a machine takes some seconds where a whole boot takes a minute, and every cut falls into firstboot's own work.
//! So `scripts/test` takes five of them each time; what systemd does beside it is in `power_cut`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::cut::{Cut, text};
use integration_tests::scratch::Scratch;
use integration_tests::witness::witness;
use serde_json::Value;

use crate::draw::{each_run, mixed, seed};
use crate::expected::KEY;
use crate::guest::{Answers, DISK_BYTES, Guest, image};
use crate::matrix::no_cloud_guest;
use crate::power_cut::lasting;

/// Guests at a time.
const LANES: usize = 2;
/// The root of the image's partitions.
const ROOT: usize = 4;

/// The image's kernel and an initramfs that leads straight to `firstboot`.
struct Kernel {
    scratch: Scratch,
}

impl Kernel {
    fn of_the_image() -> Self {
        let scratch = Scratch::new("alone");
        let cut = Cut::open(image());
        let root = cut.part(ROOT);
        let listing = witness("debugfs", &["-R", "ls -p /boot", text(&root)]);
        for name in ["vmlinuz", "initrd.img"] {
            let starts = format!("{name}-");
            let found = listing.split('/').find(|field| field.starts_with(&starts)).expect("a kernel's file");
            let file = scratch.path().join(name);
            witness("debugfs", &["-R", &format!("dump /boot/{found} {}", text(&file)), text(&root)]);
        }
        let added = scratch.path().join("added");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/alone");
        fs::create_dir(&added).expect("a folder");
        fs::copy(from.join("init.sh"), added.join("init")).expect("copied");
        fs::copy(from.join("run.sh"), added.join("run.sh")).expect("copied");
        // Of several archives, one after the other, the kernel takes the later file. Each begins at a multiple of four.
        let script = format!(
            "cd '{0}' && chmod 0755 added/init && truncate --size=%4 initrd.img && \
             (cd added && find . | cpio --quiet -o -H newc) >> initrd.img",
            text(scratch.path())
        );
        witness("sh", &["-ec", &script]);
        Self { scratch }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Makes a guest with a NoCloud seed that begins with this kernel.
    fn guest(&self, name: &str) -> Guest {
        let mut guest = no_cloud_guest(name);
        guest.keep_flushes();
        guest.add(&[
            "-no-reboot",
            "-kernel",
            text(&self.file("vmlinuz")),
            "-initrd",
            text(&self.file("initrd.img")),
        ]);
        guest.add(&["-append", "console=ttyS0 no_timer_check quiet panic=-1"]);
        guest
    }
}

#[test]
fn power_cuts_in_firstboots_own_work_change_nothing_that_lasts() {
    let kernel = Kernel::of_the_image();
    let (span, undisturbed) =
        kernel.guest("alone").measure_between("== 1 begin", "== 1 size").expect("it runs");
    println!("from firstboot's beginning to what it has made: {span:?}");
    is_configured(&undisturbed);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= each_run() {
                        break;
                    }
                    cut(&kernel, number, span, &undisturbed);
                }
            });
        }
    });
}

fn cut(kernel: &Kernel, number: usize, span: Duration, undisturbed: &Answers) {
    let part = mixed(seed(), &format!("alone {number}")) % 1000;
    let after = span * u32::try_from(part).expect("below 1000") / 1000;
    let guest = kernel.guest(&format!("alone-{number}"));
    let reached = guest.cut_after("== 1 begin", after).expect("it runs");
    println!("cut {number}: power gone {after:?} after the beginning; told until then: {reached:?}");
    let answers = guest.boot().expect("it begins again");
    is_configured(&answers);
    assert_eq!(lasting(&answers), lasting(undisturbed), "cut {number}, {after:?} after the beginning");
    let keys = |answers: &Answers| answers.text(1, "host-keys").lines().count();
    assert_eq!(keys(&answers), keys(undisturbed), "each kind of key is there, whole");
}

fn is_configured(answers: &Answers) {
    for part in ["early", "final"] {
        answers.text(1, part);
    }
    let report: Value = serde_json::from_str(answers.text(1, "status")).expect("the report is JSON");
    assert_eq!(report["state"], "done", "{report:#}");
    assert_eq!((answers.text(1, "hostname"), answers.text(1, "keys")), ("alpha", KEY));
    let size: u64 = answers.text(1, "size").lines().last().expect("a line").trim().parse().expect("a size");
    assert!(size > DISK_BYTES / 5 * 4, "the root has grown: {size} bytes");
}
