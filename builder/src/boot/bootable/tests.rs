use super::super::fixture::{self, Scratch};
use super::*;
use crate::progress::Silent;

#[test]
fn a_plan_without_a_disk_passes_through() {
    let folder = Scratch::new("no-disk");
    let mut plan = fixture::plan();
    plan.disk = None;
    let bootable = install(folder.tree_of(plan), &Stage::start(&Silent, "boot")).unwrap();
    assert!(bootable.bios.is_none());
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn bios_without_its_partition_is_refused() {
    let folder = Scratch::new("no-bios-boot");
    folder.write("boot/vmlinuz-1", b"");
    folder.write("boot/initrd.img-1", b"");
    let mut plan = fixture::plan();
    plan.disk.as_mut().unwrap().partitions.remove(0);
    let error = install(folder.tree_of(plan), &Stage::start(&Silent, "boot")).unwrap_err();
    assert!(error.to_string().contains("type: bios-boot"), "{error}");
}

#[test]
fn menu_is_readable_by_root_alone_and_settings_by_all() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Scratch::new("modes");
    folder.write("boot/vmlinuz-1", b"");
    folder.write("boot/initrd.img-1", b"");
    let mut plan = fixture::plan();
    let boot = plan.boot.as_mut().unwrap();
    (boot.bios, boot.uefi) = (true, false);
    install(folder.tree_of(plan), &Stage::start(&Silent, "boot")).unwrap_err();
    let mode = |path: &str| std::fs::metadata(folder.0.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("boot/grub/grub.cfg"), 0o600);
    assert_eq!(mode("etc/default/grub.d/50-bootwright.cfg"), 0o644);
    assert_eq!(mode("etc/fstab"), 0o644);
}
