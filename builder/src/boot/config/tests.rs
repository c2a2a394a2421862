use super::super::fixture;
use super::*;

fn arguments(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[test]
fn root_on_one_filesystem_with_boot() {
    let places = Places::of(&fixture::disk()).unwrap();
    let expected =
        "search.fs_uuid 00000000-0000-0000-0000-000000000003 root hd0,gpt4\nset prefix=($root)'/boot/grub'\n";
    assert_eq!(places.core_config(), expected);
    assert_eq!(places.esp_stub(), format!("{expected}configfile $prefix/grub.cfg\n"));
    assert_eq!(places.prefix(), "/boot/grub");
}

#[test]
fn boot_on_a_partition_of_its_own() {
    let mut disk = fixture::disk();
    disk.partitions[4].filesystem.as_mut().unwrap().mount = Some("/boot".to_owned());
    let places = Places::of(&disk).unwrap();
    assert_eq!(places.prefix(), "/grub");
    let menu = grub_cfg(&places, &["6.1.0-1-amd64".to_owned()], &[]);
    let expected = "\tlinux /vmlinuz-6.1.0-1-amd64 root=UUID=00000000-0000-0000-0000-000000000003 ro\n\
                    \tinitrd /initrd.img-6.1.0-1-amd64\n";
    assert!(menu.contains(expected), "{menu}");
    assert!(menu.contains("--hint=hd0,gpt5 00000000-0000-0000-0000-000000000005\n"), "{menu}");
}

#[test]
fn a_disk_without_root_is_refused() {
    let mut disk = fixture::disk();
    disk.partitions.remove(3);
    assert!(matches!(Places::of(&disk), Err(BootError::Layout { .. })));
}

#[test]
fn grub_on_a_filesystem_it_is_not_made_for_is_refused() {
    let mut disk = fixture::disk();
    disk.partitions[1].filesystem.as_mut().unwrap().mount = Some("/boot".to_owned());
    assert!(matches!(Places::of(&disk), Err(BootError::Layout { .. })));
}

#[test]
fn menu_has_each_kernel_and_its_recovery() {
    let places = Places::of(&fixture::disk()).unwrap();
    let releases = arguments(&["6.1.0-2-amd64", "6.1.0-1-amd64"]);
    let menu = grub_cfg(&places, &releases, &arguments(&["console=tty0", "console=ttyS1,9600n8"]));
    let titles: Vec<&str> =
        menu.lines().filter_map(|line| line.strip_prefix("menuentry '")?.split('\'').next()).collect();
    let expected = [
        "Debian GNU/Linux",
        "Debian GNU/Linux, with Linux 6.1.0-2-amd64",
        "Debian GNU/Linux, with Linux 6.1.0-2-amd64 (recovery mode)",
        "Debian GNU/Linux, with Linux 6.1.0-1-amd64",
        "Debian GNU/Linux, with Linux 6.1.0-1-amd64 (recovery mode)",
    ];
    assert_eq!(titles, expected);
    assert!(menu.contains("serial --unit=1 --speed=9600\nterminal_input console serial\n"), "{menu}");
    assert!(menu.contains(" ro console=tty0 console=ttyS1,9600n8 single\n"), "{menu}");
}

#[test]
fn without_serial_console_grub_keeps_its_own() {
    let places = Places::of(&fixture::disk()).unwrap();
    let menu = grub_cfg(&places, &arguments(&["6.1.0-2-amd64"]), &arguments(&["quiet"]));
    assert!(!menu.contains("serial"), "{menu}");
    assert!(!update_grub_settings(&arguments(&["quiet"])).contains("SERIAL"));
}

#[test]
fn odd_arguments_are_quoted_for_grub_and_for_the_shell() {
    let odd = arguments(&["console=ttyS0", "dyndbg=file a.c +p; $x", "init=/it's"]);
    assert_eq!(quoted(&odd), r"console=ttyS0 'dyndbg=file a.c +p; $x' 'init=/it'\''s'");
    let settings = update_grub_settings(&odd);
    let folder = fixture::Scratch::new("settings");
    folder.write("settings", settings.as_bytes());
    let script = format!(". {}; printf %s \"$GRUB_CMDLINE_LINUX\"", folder.0.join("settings").display());
    let output = std::process::Command::new("/bin/sh").args(["-ec", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), quoted(&odd));
}

#[test]
fn environment_block_is_grubs() {
    let block = environment_block();
    assert_eq!(block.len(), 1024);
    assert!(block.starts_with(b"# GRUB Environment Block\n####") && block.ends_with(b"#"));
}
