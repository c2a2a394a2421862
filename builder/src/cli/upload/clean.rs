//! `bootwright upload clean`.

use std::sync::Arc;

use serde_json::json;

use super::args::{CleanArguments, GlanceArguments, OpenNebulaArguments, ReplaceWord};
use super::{glance, opennebula, print};
use crate::upload::{Entry, ImageFacts, Interrupt, Journal, Limits, Patience, State, Target, UploadError};

/// Removes what the journal names, cloud by cloud.
pub(super) fn clean_up(arguments: &CleanArguments, interrupt: Interrupt) -> Result<(), UploadError> {
    let journal = Journal::of(&arguments.image);
    let entries = journal.entries()?;
    if arguments.dry_run {
        let named = entries.iter().filter(|entry| arguments.all || entry.state == State::Begun);
        return print(&json!({ "would_remove": named.collect::<Vec<_>>() }));
    }
    let mut removed = Vec::new();
    let mut asked: Vec<(&str, Option<&str>, &serde_json::Value)> = Vec::new();
    for entry in &entries {
        // Every place once; Glance's places of one cloud are told apart when it is asked.
        let place = (entry.target.as_str(), entry.cloud.as_deref(), &entry.place);
        if asked.contains(&place) {
            continue;
        }
        asked.push(place);
        let patience = Arc::new(Patience::new(Limits::default(), interrupt.clone()));
        if let Some(mut target) = connect(entry, arguments, patience)? {
            removed.extend(crate::upload::clean(target.as_mut(), &journal, &entries, arguments.all)?);
        }
    }
    removed.sort();
    removed.dedup();
    print(&json!({ "removed": removed }))?;
    elsewhere(&journal, arguments.all)
}

/// Prepares for the cloud of an entry; none if it cannot be the one that is asked now.
fn connect(
    entry: &Entry,
    arguments: &CleanArguments,
    patience: Arc<Patience>,
) -> Result<Option<Box<dyn Target>>, UploadError> {
    let access = &arguments.access;
    match entry.target.as_str() {
        "glance" => {
            let alias = access.cloud.as_deref().or(entry.cloud.as_deref());
            let cloud = glance::find(alias, access.region.as_deref())?;
            let settings = glance::settings(&GlanceArguments::default(), ReplaceWord::Keep, String::new());
            Ok(Some(Box::new(glance::connect(cloud, ImageFacts::default(), settings, patience)?)))
        }
        #[cfg(feature = "aws")]
        "aws" => {
            let target = super::aws::of_entry(entry, access, &arguments.image, patience)?;
            Ok(target.map(|target| Box::new(target) as Box<dyn Target>))
        }
        "opennebula" => {
            let settings =
                opennebula::settings(&OpenNebulaArguments::default(), ReplaceWord::Keep, String::new());
            Ok(Some(Box::new(opennebula::connect(settings, ImageFacts::default(), patience)?)))
        }
        _ => Ok(None),
    }
}

/// Says which objects are in clouds that were not asked.
fn elsewhere(journal: &Journal, all: bool) -> Result<(), UploadError> {
    let left = journal.entries()?;
    let left = left.iter().filter(|entry| all || entry.state == State::Begun);
    let left: Vec<String> = left.map(|entry| format!("{} at {}", entry.id, entry.place)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let why = format!("these are in another cloud, project or region than was asked: {}", left.join(", "));
    let hint = "name it by --cloud or --profile and --region, or set the OS_* or AWS_* that the upload had";
    Err(UploadError::input("cleaning up", why, hint))
}
