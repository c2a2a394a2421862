//! The filesystem that a path is on, and how it comes to quotas.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use contract::quota::Whose;

/// A mounted filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is mounted.
    pub mount: String,
    /// Its kind.
    pub kind: String,
    /// What is mounted.
    pub device: String,
}

impl Place {
    /// Finds the filesystem that `path` is on.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path.
    pub fn of(path: &Path) -> Result<Self> {
        let real = path.canonicalize().with_context(|| format!("looking for '{}'", path.display()))?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").context("reading the mounts")?;
        find(&mounts, &real).with_context(|| format!("'{}' is on no mount", path.display()))
    }

    /// Opens the mount point.
    ///
    /// # Errors
    ///
    /// As `open(2)`.
    pub fn open(&self) -> Result<File> {
        let file = File::open(&self.mount).with_context(|| format!("opening '{}'", self.mount))?;
        ensure!(file.metadata()?.is_dir(), "'{}' is no folder", self.mount);
        Ok(file)
    }

    /// Says what has to be done, while the filesystem is not mounted, so that it counts use.
    pub fn how_to_enable(&self, whose: Whose) -> String {
        let Self { mount, kind, device } = self;
        let start = format!("'{mount}' ({kind} on {device}) does not count what a {} uses", whose.name());
        let all = Whose::ALL.map(Whose::mount_option).join(",");
        match kind.as_str() {
            "ext4" => {
                let feature = if whose == Whose::Project { "project,quota" } else { "quota" };
                format!("{start}; enable it while it is not mounted: tune2fs -O {feature} -Q {all} {device}")
            }
            "xfs" if mount == "/" => format!(
                "{start}; xfs decides so when it is mounted: add rootflags=uquota,gquota,pquota to the kernel's command line"
            ),
            "xfs" => format!(
                "{start}; xfs decides so when it is mounted: add uquota,gquota,pquota to its options in /etc/fstab, then: \
                 umount {mount} && mount {mount}"
            ),
            _ => format!("{start}; ext4 and xfs can"),
        }
    }
}

/// The mount with the longest mount point above `path`; of several on one point the last one counts.
fn find(mounts: &str, path: &Path) -> Option<Place> {
    let parsed = mounts.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let mount = unescape(front.split(' ').nth(4)?);
        let mut words = back.split(' ');
        let (kind, device) = (words.next()?.to_owned(), unescape(words.next()?));
        Some(Place { mount, kind, device })
    });
    parsed.filter(|place| path.starts_with(&place.mount)).max_by_key(|place| place.mount.len())
}

/// Blanks and the like are written as `\040`.
fn unescape(text: &str) -> String {
    let codes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    codes.iter().fold(text.to_owned(), |text, (code, letter)| text.replace(code, letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        30 22 254:16 / /srv/my\\040data rw - xfs /dev/vdb rw,noquota\n31 22 0:5 / /srv rw - tmpfs tmpfs rw\n";

    #[test]
    fn the_nearest_mount_counts_and_says_what_to_do() {
        let at = |path: &str| find(MOUNTS, Path::new(path)).expect(path);
        assert_eq!((at("/etc").device.as_str(), at("/srvx").mount.as_str()), ("/dev/vda1", "/"));
        let data = at("/srv/my data/x");
        assert_eq!((data.mount.as_str(), data.kind.as_str()), ("/srv/my data", "xfs"));
        let told = at("/").how_to_enable(Whose::Project);
        assert!(told.ends_with("tune2fs -O project,quota -Q usrquota,grpquota,prjquota /dev/vda1"), "{told}");
        assert!(data.how_to_enable(Whose::User).contains("uquota,gquota,pquota to its options"));
        assert!(at("/srv").how_to_enable(Whose::User).ends_with("ext4 and xfs can"));
    }
}
