//! Quotas: limits that are set, read back, and known to hold; kept over boots.
//!
//! The filesystem keeps the limits. Whether they hold is its mount's business, so what was asked for is remembered, and
//! each boot makes it hold again or says that it does not.

pub mod cli;
mod place;
mod record;
mod wanted;

use std::fs::File;

use anyhow::{Context, Result, bail, ensure};
use contract::quota::Whose;
use host::quota::{self, Kind, Limit};

use place::Place;
pub use record::ensure;
pub use wanted::{holds, make};

/// The kernel's word for whom a limit is for.
fn kind(whose: Whose) -> Kind {
    match whose {
        Whose::User => Kind::User,
        Whose::Group => Kind::Group,
        Whose::Project => Kind::Project,
    }
}

/// Makes limits hold, and is sure of it.
fn make_hold(place: &Place, folder: &File, whose: Whose) -> Result<()> {
    let asking = || format!("asking '{}' for its quotas", place.mount);
    let state = quota::state(folder, kind(whose)).with_context(asking)?;
    if state.enforces {
        return Ok(());
    }
    if !state.counts {
        bail!("{}", place.how_to_enable(whose));
    }
    quota::enforce(folder, kind(whose))
        .with_context(|| format!("making limits of a {} hold on '{}'", whose.name(), place.mount))?;
    let state = quota::state(folder, kind(whose)).with_context(asking)?;
    ensure!(state.enforces, "limits of a {} on '{}' do not hold afterwards", whose.name(), place.mount);
    Ok(())
}

/// Sets limits and reads them back.
fn set(place: &Place, whose: Whose, id: u32, bytes: Option<Limit>, inodes: Option<Limit>) -> Result<()> {
    let folder = place.open()?;
    make_hold(place, &folder, whose)?;
    let naming = || format!("the limits of {} {id} on '{}'", whose.name(), place.mount);
    let before = quota::usage(&folder, kind(whose), id).with_context(naming)?;
    let bytes = bytes.unwrap_or(before.byte_limit);
    let inodes = inodes.unwrap_or(before.inode_limit);
    quota::set(&folder, kind(whose), id, bytes, inodes).with_context(naming)?;
    let after = quota::usage(&folder, kind(whose), id).with_context(naming)?;
    ensure!(
        bytes.is_about(after.byte_limit) && after.inode_limit == inodes,
        "{} are not what was set",
        naming()
    );
    Ok(())
}
