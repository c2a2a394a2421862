//! How long the stages of a build took. They stand in a file of their own beside the image: manifest and images are the
//! same bytes however long their build takes.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Version of the file's format.
const FORMAT: u32 = 1;
/// A file of times is small.
const LIMIT: u64 = 1 << 20;
/// No build takes longer; more is no time.
const LONGEST: u64 = 1 << 40;

/// The times of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    format: u32,
    /// From the first stage to the last one.
    pub milliseconds: u64,
    /// The stages in the order of their ends.
    pub stages: Vec<StageTime>,
}

/// The time of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTime {
    /// Its name, as progress shows it.
    pub name: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl Times {
    /// Makes times of what a build measured.
    pub fn new(total: Duration, stages: &[(&'static str, Duration)]) -> Self {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(LONGEST);
        let stages = stages
            .iter()
            .map(|(name, elapsed)| StageTime {
                name: (*name).to_owned(),
                milliseconds: milliseconds(*elapsed),
            })
            .collect();
        Self { format: FORMAT, milliseconds: milliseconds(total), stages }
    }

    /// Returns where the times of an image are: `NAME.times.json` beside `NAME.qcow2`.
    pub fn path(image: &Path) -> PathBuf {
        image.with_extension("times.json")
    }

    /// Writes the times beside an image; they appear whole.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, image: &Path) -> std::io::Result<()> {
        let path = Self::path(image);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let hidden = path.with_file_name(format!(".{name}.new"));
        let text = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(&hidden, text)?;
        std::fs::rename(hidden, path)
    }

    /// Reads the times beside an image; none if there are none, or they make no sense.
    pub fn load(image: &Path) -> Option<Self> {
        let file = host::beneath::open_plain(&Self::path(image)).ok()?;
        let mut text = String::new();
        file.take(LIMIT).read_to_string(&mut text).ok()?;
        let times: Self = serde_json::from_str(&text).ok()?;
        let sound = times.format == FORMAT
            && times.milliseconds <= LONGEST
            && times.stages.iter().all(|stage| stage.milliseconds <= LONGEST);
        sound.then_some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_and_nonsense_does_not() {
        let folder = std::env::temp_dir().join(format!("bootwright-times-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let image = folder.join("a.b.qcow2");
        let times = Times::new(Duration::from_secs(3), &[("resolve", Duration::from_millis(1500))]);
        times.write(&image).expect("written");
        assert_eq!(Times::load(&image), Some(times));
        assert!(folder.join("a.b.times.json").exists());
        std::fs::write(Times::path(&image), "{\"format\":9}").expect("written");
        assert_eq!(Times::load(&image), None);
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
