use std::fs;
use std::path::Path;

use super::{HEAD, PARTITIONS};
use crate::plan::{explain, explain_json, plan};
use crate::recipe::LoadOptions;
use crate::recipe::tests::Folder;

fn recipes() -> Vec<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes");
    let files = fs::read_dir(folder).expect("the repository has recipes").flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect()
}

#[test]
fn the_recipes_of_this_repository_are_right() {
    let recipes = recipes();
    assert!(recipes.iter().any(|path| path.ends_with("debian-minimal.yaml")));
    for path in recipes {
        let recipe =
            Folder::load_path(&path, &LoadOptions::default()).unwrap_or_else(|problems| panic!("{problems}"));
        let first = plan(&recipe).unwrap_or_else(|problems| panic!("{problems}"));
        let again = plan(&recipe).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(format!("{first:?}"), format!("{again:?}"), "a plan is pure");
        assert_eq!(explain(&first), explain(&again));
    }
}

#[test]
fn a_plan_is_explained() {
    let text = format!(
        "{HEAD}{PARTITIONS}packages: [curl, exim4-]\nusers: [{{ name: admin }}]\nservices: {{ enable: [ssh] }}\n\
         run: [{{ name: two, command: \"a\\nb\", network: true }}]\nfiles: [{{ path: /x, link: y }}]\n\
         tests: [{{ name: up, run: \"true\" }}]\n"
    );
    let folder = Folder::new(&[("recipe.yaml", &text)]);
    let recipe = folder.load("recipe.yaml", &LoadOptions::default()).expect("it is right");
    let plan = plan(&recipe).expect("it is right");
    let shown = folder.strip(&explain(&plan)).replace(&plan.recipe_digest, "DIGEST");
    let expected = "\
x (bookworm amd64)
  recipe    DIGEST
  seed      568d7d24-d8d9-5c5d-9866-771dde62785c
  outputs   qcow2
  mirror    auto

repositories
  bookworm main from the Debian archive, signed by the Debian archive keys
  bookworm-updates main from the Debian archive, signed by the Debian archive keys
  bookworm-security main from the Debian security archive, signed by the Debian archive keys

packages
  base set minbase, without recommends
  curl                         recipe.yaml:13:12
  exim4-                       recipe.yaml:13:18
  linux-image-cloud-amd64      recipe.yaml:5:9
  systemd-sysv                 recipe.yaml:6:1: boot
  udev                         recipe.yaml:6:1: boot
  initramfs-tools              recipe.yaml:6:1: boot
  zstd                         recipe.yaml:6:1: boot
  grub-pc-bin                  recipe.yaml:6:23: boot.grub.bios
  grub2-common                 recipe.yaml:6:23: boot.grub.bios
  grub-efi-amd64-signed        recipe.yaml:6:15: boot.grub.secure
  shim-signed                  recipe.yaml:6:15: boot.grub.secure
  grub-efi-amd64-bin           recipe.yaml:6:35: boot.grub.uefi
  e2fsprogs                    recipe.yaml:7:1: disk.partitions: ext4
  dosfstools                   recipe.yaml:7:1: disk.partitions: vfat
  usrmerge-                    the tree is merged from the start

tools tree
  e2fsprogs, libarchive13t64 of trixie

disk
  gpt 2c773f9a-13cd-5f46-9fed-933bd533d652, size auto
  1 bios-boot 1MiB
  2 esp       64MiB    vfat /boot/efi  364E-088F umask=0077
  3 root      auto     ext4 /          321124ca-bddc-5187-8f8c-48bd91972f50 errors=remount-ro

boot
  BIOS: GRUB in the bios-boot partition
  UEFI, Secure Boot on or off: Debian's signed shim and GRUB on the ESP
  kernel arguments:

steps
  link /x → y
  user admin
  enable ssh.service
  run two: a … (with network)

tests
  up: run true, at most 300 s
";
    assert_eq!(shown, expected, "{shown}");
    let json = explain_json(&plan);
    assert_eq!(json["disk"]["partitions"][1]["filesystem"]["mount"], "/boot/efi");
    assert_eq!(json["disk"]["partitions"][1]["size"], 64 << 20);
    assert_eq!(json["packages"]["terms"][1]["wish"], "exim4-");
    assert_eq!(json["boot"]["secure"], true);
    assert_eq!(json["steps"][0]["kind"], "link");
    assert_eq!(json["tests"][0]["run"], "true");
}
