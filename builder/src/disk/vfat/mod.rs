//! FAT filesystems, by a library, in memory first so that only what is not zero reaches the file.

mod dots;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider};

use crate::plan::FilesystemPlan;
use crate::rootfs::tar_stream::{Entry, EntryKind, TreeScan};

use super::layout::{MIB, Need};
use super::slice::Slice;
use super::{DiskError, Extent};

/// A system partition is FAT32 where there is room for the clusters that make it one (UEFI asks for FAT32, and
/// some firmware insists); smaller ones are FAT16.
const FAT32_FROM: u64 = 40 * MIB;

/// Size of `auto`: a system partition that has room for a second boot loader and a firmware update.
const AUTO_SIZE: u64 = 64 * MIB;

const LABEL_LENGTH: usize = 11;

/// Tells the need of the filesystem that holds `scan`.
pub(super) fn need(scan: Option<&TreeScan>) -> Need {
    // The largest cluster that is chosen below for partitions of a reasonable size.
    const CLUSTER: u64 = 4096;
    let entries = scan.map_or(&[][..], |scan| scan.entries());
    let content: u64 = entries
        .iter()
        .map(|entry| match entry.kind {
            EntryKind::File(size) => size.next_multiple_of(CLUSTER),
            // Long names take up to 21 records of 32 bytes.
            EntryKind::Folder => CLUSTER,
            _ => 0,
        })
        .sum();
    let tables = MIB + content / 64;
    Need { least: content + tables, auto: Some((2 * (content + tables)).max(AUTO_SIZE)) }
}

/// Makes the filesystem with the files of `scan`; owners and modes have no place in FAT.
pub fn write(
    disk: &File,
    extent: Extent,
    filesystem: &FilesystemPlan,
    scan: Option<&TreeScan>,
    epoch: i64,
) -> Result<(), DiskError> {
    let mut slice = Slice::new(extent.length);
    let mut options =
        FormatVolumeOptions::new().volume_id(filesystem.volume_id()).fat_type(FatType::Fat16).drive_num(0x80);
    if extent.length >= FAT32_FROM {
        options = options.fat_type(FatType::Fat32).bytes_per_cluster(fat32_cluster(extent.length));
    }
    if !filesystem.label.is_empty() {
        options = options.volume_label(label(&filesystem.label)?);
    }
    let failed = |source| DiskError::io(format!("making the FAT filesystem '{}'", filesystem.label), source);
    fatfs::format_volume(&mut slice, options).map_err(failed)?;
    let volume =
        FileSystem::new(&mut slice, FsOptions::new().time_provider(Clock::leaked(epoch))).map_err(failed)?;
    for entry in
        scan.map_or(&[][..], |scan| scan.entries()).iter().filter(|entry| entry.path != Path::new(""))
    {
        let scan_root = scan.map_or(Path::new(""), TreeScan::root);
        add(&volume, scan_root, entry)?;
    }
    // Asking for the free space makes the library store it, so that nobody has to count again.
    volume.stats().map_err(failed)?;
    volume.unmount().map_err(failed)?;
    dots::put_right(&mut slice).map_err(failed)?;
    slice.store(disk, extent.start).map_err(failed)
}

/// Returns a cluster size that gives a FAT32 the clusters it must have, and not needlessly many.
fn fat32_cluster(length: u64) -> u32 {
    match length / MIB {
        0..260 => 512,
        260..8192 => 4096,
        8192..16384 => 8192,
        16384..32768 => 16384,
        _ => 32768,
    }
}

fn label(text: &str) -> Result<[u8; LABEL_LENGTH], DiskError> {
    let fits = text.len() <= LABEL_LENGTH
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" !#$%&'()-@^_`{}~".contains(&byte));
    if !fits {
        return Err(DiskError::unfit(
            format!("FAT label '{text}'"),
            format!("at most {LABEL_LENGTH} letters, digits and !#$%&'()-@^_`{{}}~ fit; choose another"),
        ));
    }
    let mut label = [b' '; LABEL_LENGTH];
    label[..text.len()].copy_from_slice(text.to_ascii_uppercase().as_bytes());
    Ok(label)
}

fn add(volume: &FileSystem<&mut Slice>, root: &Path, entry: &Entry) -> Result<(), DiskError> {
    let host_path = root.join(&entry.path);
    let name = entry.path.to_str().ok_or_else(|| {
        DiskError::unfit(format!("'{}'", host_path.display()), "FAT holds names of valid UTF-8 only")
    })?;
    let failed =
        |source| DiskError::io(format!("copying '{}' to the FAT filesystem", host_path.display()), source);
    match &entry.kind {
        EntryKind::Folder => volume.root_dir().create_dir(name).map(drop).map_err(failed),
        EntryKind::File(_) => copy(volume, &host_path, name).map_err(failed),
        EntryKind::HardLink(first) => copy(volume, &root.join(first), name).map_err(failed),
        _ => Err(DiskError::unfit(
            format!("'{}'", host_path.display()),
            "FAT holds files and folders only; put it outside of the mount point",
        )),
    }
}

fn copy(volume: &FileSystem<&mut Slice>, from: &Path, to: &str) -> io::Result<()> {
    let content = std::fs::read(from)?;
    let mut file = volume.root_dir().create_file(to)?;
    file.truncate()?;
    file.write_all(&content)?;
    file.flush()
}

/// A clock that stands still.
#[derive(Debug)]
struct Clock(DateTime);

impl Clock {
    /// The library wants a clock that lives for ever; there is one of some bytes for each image.
    fn leaked(epoch: i64) -> &'static Self {
        Box::leak(Box::new(Self(date_time(epoch))))
    }
}

impl TimeProvider for Clock {
    fn get_current_date(&self) -> Date {
        self.0.date
    }

    fn get_current_date_time(&self) -> DateTime {
        self.0
    }
}

/// Turns seconds since 1970 into FAT's date and time, UTC, within what it can express (1980 to 2107).
fn date_time(epoch: i64) -> DateTime {
    const FIRST: i64 = 315_532_800;
    const LAST: i64 = 4_354_819_198;
    let seconds = epoch.clamp(FIRST, LAST);
    let (year, month, day) = civil_date(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let part = |value: i64| u16::try_from(value).unwrap_or(0);
    DateTime {
        date: Date { year: part(year), month: part(month), day: part(day) },
        // FAT counts two seconds.
        time: Time {
            hour: part(of_day / 3600),
            min: part(of_day / 60 % 60),
            sec: part((of_day % 60) & !1),
            millis: 0,
        },
    }
}

/// Turns days since 1970 into year, month and day of the Gregorian calendar. Years are counted from March, so that
/// the leap day is the last one; 146097 days make 400 years.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (epoch, expected) in [
            (0, (1980, 1, 1, 0, 0, 0)),
            (951_782_400, (2000, 2, 29, 0, 0, 0)),
            (1_700_000_001, (2023, 11, 14, 22, 13, 20)),
            (1_709_251_199, (2024, 2, 29, 23, 59, 58)),
            (i64::MAX, (2107, 12, 31, 23, 59, 58)),
        ] {
            let DateTime { date, time } = date_time(epoch);
            assert_eq!((date.year, date.month, date.day, time.hour, time.min, time.sec), expected, "{epoch}");
        }
    }

    #[test]
    fn labels_are_checked() {
        assert_eq!(&label("Esp").expect("fits"), b"ESP        ");
        assert!(label("twelve chars").is_err());
        assert!(label("a/b").is_err());
    }
}
