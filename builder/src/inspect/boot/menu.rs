//! The entries of a boot loader's menu: GRUB's configuration, and the files of the Boot Loader Specification.

use serde::Serialize;

use crate::image::bytes::printable;
use crate::image::system::System;

/// GRUB's configuration in the running system.
const GRUB_CONFIGURATION: &str = "/boot/grub/grub.cfg";
/// Where files of the Boot Loader Specification are, relative to the boot or system partition.
const LOADER_ENTRIES: &str = "/loader/entries/";

/// One entry.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct MenuEntry {
    /// Its title.
    pub title: String,
    /// The kernel, as the boot loader names it.
    pub kernel: String,
    /// The kernel's arguments.
    pub command_line: String,
    /// The initramfs, as the boot loader names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initramfs: Option<String>,
}

/// Reads the menu; empty if there is none.
pub(super) fn read(whole: &System<'_>) -> Vec<MenuEntry> {
    let grub = whole.text(GRUB_CONFIGURATION).map(|text| grub(&text)).unwrap_or_default();
    if !grub.is_empty() {
        return grub;
    }
    let specified = whole.entries().filter(|(path, _)| {
        let text = String::from_utf8_lossy(path);
        text.contains(LOADER_ENTRIES) && text.ends_with(".conf")
    });
    let texts = specified.filter_map(|(path, node)| whole.bytes(path, node).ok());
    texts.filter_map(|text| loader_entry(&String::from_utf8_lossy(&text))).collect()
}

/// Reads GRUB's configuration line by line; its scripts are not run.
fn grub(text: &str) -> Vec<MenuEntry> {
    let mut entries = Vec::new();
    let mut open: Option<MenuEntry> = None;
    for line in text.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("menuentry ") {
            open = Some(MenuEntry { title: printable(&first_word(rest)), ..MenuEntry::default() });
        } else if line == "}" {
            entries.extend(open.take().filter(|entry| !entry.kernel.is_empty()));
        } else if let Some(entry) = &mut open {
            let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let rest = printable(rest.trim());
            match command {
                "linux" | "linuxefi" | "linux16" => {
                    let (kernel, arguments) = rest.split_once(char::is_whitespace).unwrap_or((&rest, ""));
                    entry.kernel = kernel.to_owned();
                    entry.command_line = arguments.trim().to_owned();
                }
                "initrd" | "initrdefi" | "initrd16" => entry.initramfs = Some(rest),
                _ => {}
            }
        }
    }
    entries
}

/// Returns the first word, which may be quoted.
fn first_word(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let (inner, end) = match quote {
        Some(quote) => (&text[1..], text[1..].find(quote)),
        None => (text, text.find(char::is_whitespace)),
    };
    inner[..end.unwrap_or(inner.len())].to_owned()
}

fn loader_entry(text: &str) -> Option<MenuEntry> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace));
        lines.find(|(name, _)| *name == key).map(|(_, value)| printable(value.trim()))
    };
    Some(MenuEntry {
        title: value("title").unwrap_or_default(),
        kernel: value("linux")?,
        command_line: value("options").unwrap_or_default(),
        initramfs: value("initrd"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grub_s_entries_are_found() {
        let text = "set default=0\nmenuentry 'Debian GNU/Linux' --class debian {\n\tload_video\n\
                    \tlinux /boot/vmlinuz-6.1 root=UUID=x ro quiet\n\tinitrd /boot/initrd.img-6.1\n}\n\
                    submenu 'More' {\n menuentry \"Old\" {\n linux /boot/vmlinuz-5 root=/dev/sda1\n }\n}\n\
                    menuentry 'Firmware' {\n fwsetup\n}\n";
        let found = grub(text);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].title.as_str(), found[0].kernel.as_str()),
            ("Debian GNU/Linux", "/boot/vmlinuz-6.1")
        );
        assert_eq!(found[0].command_line, "root=UUID=x ro quiet");
        assert_eq!(found[0].initramfs.as_deref(), Some("/boot/initrd.img-6.1"));
        assert_eq!((found[1].title.as_str(), found[1].initramfs.as_deref()), ("Old", None));
    }

    #[test]
    fn an_entry_of_the_specification_is_read() {
        let entry =
            loader_entry("# x\ntitle Debian\nlinux /vmlinuz\noptions root=/dev/vda2 ro\n").expect("one");
        assert_eq!((entry.kernel.as_str(), entry.command_line.as_str()), ("/vmlinuz", "root=/dev/vda2 ro"));
        assert!(loader_entry("title nothing").is_none());
    }
}
