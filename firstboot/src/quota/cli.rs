//! `quota set` and `quota report`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use contract::quota::{Limit, Quota, Whose, parse_bytes, parse_inodes};
use host::quota::{self, Usage};

use super::kind;
use super::place::Place;
use crate::machine::Machine;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Set a limit; it holds from now on, and after each boot
    Set(SetArguments),
    /// Show what users, groups and projects use and may use
    Report {
        /// A path on the filesystem
        #[arg(value_name = "PATH", default_value = "/")]
        path: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Whose limit, and what it is.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whose").required(true).args(["user", "group", "project"])))]
#[command(group(clap::ArgGroup::new("limit").required(true).multiple(true).args(["block", "inode"])))]
pub struct SetArguments {
    /// A user, by name or number
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// A group, by name or number
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// A project, by number
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    project: Option<u32>,
    /// Give this folder and all below it to the project
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Space, as 1GiB, or SOFT:HARD, or none
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    block: Option<Limit>,
    /// Files and folders, as 10000, or SOFT:HARD, or none
    #[arg(long, value_name = "COUNT", value_parser = parse_inodes)]
    inode: Option<Limit>,
    /// A path on the filesystem
    #[arg(value_name = "PATH", default_value = "/")]
    path: PathBuf,
}

/// Does what the command line says.
///
/// # Errors
///
/// What is wrong with the arguments, or the filesystem cannot do.
pub fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Set(arguments) => set(&arguments),
        Verb::Report { path, json } => report(&path, json),
    }
}

fn set(arguments: &SetArguments) -> Result<()> {
    let (whose, who) = subject(arguments)?;
    let text = |path: &Path| path.to_str().map(str::to_owned).context("paths here are UTF-8");
    ensure!(arguments.folder.is_none() || whose == Whose::Project, "--folder goes with --project");
    let quota = Quota {
        path: text(&arguments.path)?,
        whose,
        who,
        folder: arguments.folder.as_deref().map(text).transpose()?,
        bytes: arguments.block,
        inodes: arguments.inode,
    };
    let (place, id) = super::make(&Machine::open(Path::new("/"))?, &quota)?;
    println!("{} {id}: the limit holds on {}", whose.name(), place.mount);
    Ok(())
}

fn subject(arguments: &SetArguments) -> Result<(Whose, String)> {
    match (&arguments.user, &arguments.group, arguments.project) {
        (Some(user), ..) => Ok((Whose::User, user.clone())),
        (_, Some(group), _) => Ok((Whose::Group, group.clone())),
        (.., Some(project)) => Ok((Whose::Project, project.to_string())),
        (None, None, None) => bail!("say whose limit it is: --user, --group or --project"),
    }
}

fn report(path: &Path, json: bool) -> Result<()> {
    let place = Place::of(path)?;
    let folder = place.open()?;
    let mut rows = Vec::new();
    let mut counts = false;
    for whose in Whose::ALL {
        let state = quota::state(&folder, kind(whose))
            .with_context(|| format!("asking '{}' for its quotas", place.mount))?;
        counts |= state.counts;
        let mut from = Some(0);
        while let Some(id) = from.filter(|_| state.counts) {
            let found = quota::next(&folder, kind(whose), id).context("reading a quota")?;
            rows.extend(found.map(|usage| (whose, state.enforces, usage)));
            from = found.and_then(|usage| usage.id.checked_add(1));
        }
    }
    ensure!(counts, "{}", place.how_to_enable(Whose::User));
    if json {
        let rows: Vec<_> = rows.iter().map(|(whose, holds, usage)| to_json(*whose, *holds, usage)).collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!("whose number bytes limit inodes limit holds");
        rows.iter().for_each(|(whose, holds, usage)| println!("{}", to_line(*whose, *holds, usage)));
    }
    Ok(())
}

fn to_json(whose: Whose, holds: bool, usage: &Usage) -> serde_json::Value {
    let limit = |limit: quota::Limit| serde_json::json!({"soft": limit.soft, "hard": limit.hard});
    serde_json::json!({
        "whose": whose, "id": usage.id, "holds": holds, "bytes": usage.bytes, "byte_limit": limit(usage.byte_limit),
        "inodes": usage.inodes, "inode_limit": limit(usage.inode_limit),
    })
}

fn to_line(whose: Whose, holds: bool, usage: &Usage) -> String {
    let limit = |limit: quota::Limit| match (limit.soft, limit.hard) {
        (0, 0) => "none".to_owned(),
        (0, hard) => hard.to_string(),
        (soft, hard) => format!("{soft}:{hard}"),
    };
    let holds = if holds { "yes" } else { "no" };
    let (bytes, inodes) = (limit(usage.byte_limit), limit(usage.inode_limit));
    format!("{} {} {} {bytes} {} {inodes} {holds}", whose.name(), usage.id, usage.bytes, usage.inodes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written() {
        let byte_limit = quota::Limit { soft: 1024, hard: 2048 };
        let usage = Usage { id: 7, bytes: 5, byte_limit, inodes: 1, ..Usage::default() };
        assert_eq!(to_line(Whose::Group, true, &usage), "group 7 5 1024:2048 1 none yes");
        assert_eq!(to_json(Whose::Project, false, &usage)["byte_limit"]["hard"], 2048);
    }
}
