//! The kernels of a tree, newest first.

use std::cmp::Ordering;
use std::fs;

use super::BootError;
use crate::rootfs::Tree;

/// Returns the releases of the kernels in `/boot`, newest first as GRUB's own menu has them.
pub(super) fn releases(root: &std::path::Path) -> Result<Vec<String>, BootError> {
    let boot = root.join("boot");
    let entries = match fs::read_dir(&boot) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(BootError::io("listing", &boot))?,
    };
    let mut releases = Vec::new();
    for entry in entries {
        let name = entry.map_err(BootError::io("listing", &boot))?.file_name();
        releases.extend(name.to_str().and_then(|name| name.strip_prefix("vmlinuz-")).map(str::to_owned));
    }
    releases.sort_by(|a, b| compare(b, a));
    Ok(releases)
}

/// Returns the releases that can be booted: each has its initramfs.
pub(super) fn bootable(tree: &Tree) -> Result<Vec<String>, BootError> {
    let releases = releases(tree.root())?;
    if releases.is_empty() {
        return Err(BootError::NoKernel);
    }
    match releases.iter().find(|release| !tree.path(&format!("/boot/initrd.img-{release}")).exists()) {
        Some(version) => Err(BootError::NoInitramfs { version: version.clone() }),
        None => Ok(releases),
    }
}

/// Orders kernel releases: runs of digits by value, everything else by its bytes.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (mut left, mut right) = (0, 0);
    while left < a.len() && right < b.len() {
        let ordering = if a[left].is_ascii_digit() && b[right].is_ascii_digit() {
            let (x, y) = (digits(a, &mut left), digits(b, &mut right));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        } else {
            (left, right) = (left + 1, right + 1);
            a[left - 1].cmp(&b[right - 1])
        };
        if ordering.is_ne() {
            return ordering;
        }
    }
    (a.len() - left).cmp(&(b.len() - right))
}

/// Returns the run of digits at `at` without leading zeroes, and moves past it.
fn digits<'a>(text: &'a [u8], at: &mut usize) -> &'a [u8] {
    let run = text[*at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let all = &text[*at..*at + run];
    *at += run;
    &all[all.iter().take_while(|&&byte| byte == b'0').count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        let mut releases =
            ["6.1.0-9-cloud-amd64", "6.12.3-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-amd64", "6.1.0-056"];
        releases.sort_by(|a, b| compare(b, a));
        let newest_first =
            ["6.12.3-amd64", "6.1.0-56-cloud-amd64", "6.1.0-56-amd64", "6.1.0-056", "6.1.0-9-cloud-amd64"];
        assert_eq!(releases, newest_first);
    }

    #[test]
    fn a_kernel_without_initramfs_is_named() {
        let folder = super::super::fixture::Scratch::new("kernel");
        folder.write("boot/vmlinuz-6.1.0-1-amd64", b"");
        folder.write("boot/vmlinuz-6.1.0-2-amd64", b"");
        folder.write("boot/initrd.img-6.1.0-2-amd64", b"");
        let error = bootable(&folder.tree()).unwrap_err();
        assert!(matches!(error, BootError::NoInitramfs { version } if version == "6.1.0-1-amd64"));
    }

    #[test]
    fn a_tree_without_kernel_is_refused() {
        let folder = super::super::fixture::Scratch::new("no-kernel");
        assert!(matches!(bootable(&folder.tree()), Err(BootError::NoKernel)));
    }
}
