use std::process::{Command, Stdio};

use super::super::fixture::{self, Scratch};
use super::*;

#[test]
fn scripts_are_valid_shell() {
    for script in [SCRIPT, UPDATE_GRUB_HOOK] {
        let mut shell =
            Command::new("/bin/sh").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(shell.stdin.as_mut().unwrap(), script.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }
}

#[test]
fn recorded_digest_is_what_the_script_computes() {
    let folder = Scratch::new("digest");
    for name in ["boot.img", "diskboot.img", "lzma_decompress.img", "kernel.img", "a.mod", "B.mod", "a_b.mod"]
    {
        folder.write(&format!("usr/lib/grub/i386-pc/{name}"), name.as_bytes());
    }
    let bios = GrubBios { core: vec![7; 600], boot_image: [0; 512] };
    record_core(&folder.tree(), &bios).unwrap();
    // The script's own function, pointed at this tree.
    let body = SCRIPT.split("core_sources() {\n").nth(1).unwrap().split("\n}").next().unwrap();
    let body = body.replace("/usr/lib", &folder.0.join("usr/lib").display().to_string());
    let output = Command::new("/bin/sh").args(["-ec", &format!("export LC_ALL=C; {body}")]).output().unwrap();
    assert_eq!(folder.text("var/lib/bootwright/grub-core.sha256"), String::from_utf8(output.stdout).unwrap());
    assert_eq!(std::fs::read(folder.0.join("boot/grub/i386-pc/core.img")).unwrap(), bios.core);
}

#[test]
fn boot_sector_of_the_script_is_ours() {
    let folder = Scratch::new("sector");
    let boot_image: [u8; 512] = std::array::from_fn(|at| (at % 251) as u8);
    let table: [u8; 512] = std::array::from_fn(|at| 255 - (at % 241) as u8);
    folder.write("boot.img", &boot_image);
    folder.write("sector", &table);
    let function = |name: &str| {
        let body = SCRIPT.split(&format!("\n{name}() {{")).nth(1).unwrap().split("\n}").next().unwrap();
        format!("{name}() {{{body}\n}}\n")
    };
    let slice = SCRIPT.lines().find(|line| line.starts_with("slice()")).unwrap();
    let boot = folder.0.join("boot.img").display().to_string();
    let functions = [slice, "\n", &function("little_endian"), &function("make_boot_sector")].concat();
    let functions = functions.replace("/usr/lib/grub/i386-pc/boot.img", &boot);
    let call = format!("{functions}make_boot_sector {} 72623859790382856", folder.0.join("sector").display());
    let output = Command::new("/bin/sh").args(["-ec", &call]).output().unwrap();
    let expected = GrubBios { core: Vec::new(), boot_image }.boot_sector(&table, 0x0102_0304_0506_0708);
    assert!(output.stdout == expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn settings_name_what_the_image_was_made_for() {
    let mut boot = fixture::plan().boot.unwrap();
    let lines = |boot: &BootPlan| settings(boot).lines().skip(1).collect::<Vec<_>>().join(" ");
    assert_eq!(lines(&boot), "BIOS=yes UEFI=secure");
    (boot.bios, boot.secure) = (false, false);
    assert_eq!(lines(&boot), "BIOS=no UEFI=plain");
    boot.uefi = false;
    assert_eq!(lines(&boot), "BIOS=no UEFI=no");
}
