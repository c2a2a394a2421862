//! Which files an initramfs is made from.
//!
//! mkinitramfs and the hooks that packages bring read programs, libraries, modules, rules and settings all over the tree.
//! What they do not read is listed here, and everything else counts. A hook that is not a package's may read
//! whatever it likes: once a recipe brings one, every file counts.

use std::path::Path;

/// Where hooks, scripts and settings of initramfs-tools are.
const HOOKS: [&str; 2] = ["/etc/initramfs-tools", "/usr/share/initramfs-tools"];

/// No hook of Debian's packages reads below these, or these.
const UNREAD: [&str; 40] = [
    "/boot/efi",
    "/boot/grub",
    "/etc/apt",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/default/locale",
    "/etc/firstboot",
    "/etc/group-",
    "/etc/gshadow",
    "/etc/gshadow-",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/issue",
    "/etc/issue.net",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/logrotate.d",
    "/etc/machine-id",
    "/etc/motd",
    "/etc/nginx",
    "/etc/passwd-",
    "/etc/resolv.conf",
    "/etc/shadow",
    "/etc/shadow-",
    "/etc/skel",
    "/etc/ssh",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/sudoers.d",
    "/etc/systemd/system",
    "/etc/systemd/system-preset",
    "/etc/timezone",
    "/home",
    "/opt",
    "/root",
    "/srv",
    "/usr/lib/bootwright",
    "/usr/sbin/firstboot",
    "/usr/share/doc",
    "/var",
];

/// Tells whether a change of the tree at `path`, absolute, may change an initramfs.
pub(super) fn is_read(path: &Path) -> bool {
    !UNREAD.iter().any(|unread| path.starts_with(unread)) && !is_network(path)
}

/// Tells whether a changed file is a hook's, or decides what hooks do.
pub(super) fn is_hook(path: &Path) -> bool {
    HOOKS.iter().any(|hooks| path.starts_with(hooks))
}

/// udev's hook takes the `.link` files of this folder and leaves the others.
fn is_network(path: &Path) -> bool {
    path.starts_with("/etc/systemd/network") && path.extension().is_some_and(|ending| ending != "link")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_unread_counts() {
        let read = |path: &str| is_read(Path::new(path));
        for path in [
            "/etc/fstab",
            "/etc/udev/rules.d/x.rules",
            "/usr/lib/x",
            "/etc/own",
            "/etc/systemd/network/a.link",
        ] {
            assert!(read(path), "{path}");
        }
        for path in ["/etc/motd", "/srv/www/index.html", "/etc/systemd/network/a.network", "/var/lib/x"] {
            assert!(!read(path), "{path}");
        }
        assert!(read("/etc/motd.d/x"), "only whole names are compared");
        assert!(is_hook(Path::new("/etc/initramfs-tools/hooks/own")));
    }
}
