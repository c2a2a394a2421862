//! Fencing: what belongs to a cluster starts only on the machine that joined it.
//!
//! A copied core would be a second cluster that looks like the first, since etcd cannot tell a copy from the original.
//! So before etcd, `cored` or the agent may start, the machine is compared with the one that joined.

use anyhow::{Context, Result};

use crate::paths::{CORE, ENGINE_DATA, FENCE_OPEN, FOLDER, MEMBER, QUARANTINE};
use crate::place::Place;
use crate::record::{self, Member};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fence {
    /// This is the machine; what belongs to the cluster may start.
    Open,
    /// There is nothing of a cluster here.
    Empty,
    /// This is another machine: all of it was moved here.
    Quarantined(String),
}

/// Compares the machine with the one that joined, and opens the fence or moves everything away.
///
/// # Errors
///
/// When the disk refuses. The fence stays shut then.
pub fn check(place: &Place) -> Result<Fence> {
    place.remove(FENCE_OPEN)?;
    // A core that was begun and is not complete has a seal as well.
    let member = Member::load(place)?.map(|member| member.seal);
    let sealed = match member {
        Some(seal) => Some(seal),
        None => place.load::<record::Core>(CORE)?.map(|core| core.seal),
    };
    let Some(sealed) = sealed else { return Ok(Fence::Empty) };
    if record::seal(place)? == sealed {
        open(place)?;
        return Ok(Fence::Open);
    }
    quarantine(place).map(Fence::Quarantined)
}

/// Lets what belongs to the cluster start until the next boot.
///
/// # Errors
///
/// When `/run` cannot be written to.
pub fn open(place: &Place) -> Result<()> {
    place.write(FENCE_OPEN, "", 0o644)
}

/// Moves all that belongs to a cluster where nothing starts it; returns where.
///
/// # Errors
///
/// When the disk refuses.
pub fn quarantine(place: &Place) -> Result<String> {
    place.remove(FENCE_OPEN)?;
    let now = place.clock.now();
    let free = (0..).map(|number| format!("{QUARANTINE}/{now}-{number}")).find(|path| !place.exists(path));
    let target = free.context("every name is taken")?;
    place.create_folders(&target)?;
    // The record goes last: whoever is interrupted begins again.
    if place.exists(MEMBER) || place.exists(CORE) {
        for (from, name) in [(ENGINE_DATA, "etcd"), (FOLDER, "cluster")] {
            if place.exists(from) {
                let (from, to) = (place.outside(from), place.outside(&format!("{target}/{name}")));
                std::fs::rename(&from, &to)
                    .with_context(|| format!("moving '{}' to '{}'", from.display(), to.display()))?;
            }
        }
    }
    Ok(target)
}
