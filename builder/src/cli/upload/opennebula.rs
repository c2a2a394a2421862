//! OpenNebula as the command line asks for it.

use std::sync::Arc;
use std::time::Duration;

use super::args::{OpenNebulaArguments, ReplaceWord};
use crate::upload::opennebula::{Access, OpenNebula, Settings, Source};
use crate::upload::{Http, HttpOptions, ImageFacts, Patience, Trust, UploadError};

/// The front-end looks at the head of the file before it answers.
const ANSWER: Duration = Duration::from_secs(180);

/// Prepares for the front-end of the environment; nobody is asked yet.
pub(super) fn prepare(
    settings: Settings,
    facts: &ImageFacts,
    patience: Arc<Patience>,
) -> Result<OpenNebula, UploadError> {
    settings.check()?;
    connect(settings, facts.clone(), patience)
}

/// Prepares without a look at what is asked.
pub(super) fn connect(
    settings: Settings,
    facts: ImageFacts,
    patience: Arc<Patience>,
) -> Result<OpenNebula, UploadError> {
    let access = Access::find(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    let options = HttpOptions { idle: ANSWER, ..HttpOptions::default() };
    let http = Http::new(options, &Trust::default(), patience)?;
    Ok(OpenNebula::new(http, access, facts, settings))
}

/// Returns what the flags ask.
pub(super) fn settings(arguments: &OpenNebulaArguments, replace: ReplaceWord, name: String) -> Settings {
    let source = match &arguments.front_end_path {
        Some(path) => Source::Path(path.clone()),
        None => Source::Server {
            listen: arguments.listen.clone().unwrap_or_else(|| "0.0.0.0:0".to_owned()),
            advertise: arguments.advertise.clone(),
        },
    };
    Settings {
        name,
        datastore: arguments.datastore.clone().unwrap_or_else(|| "default".to_owned()),
        description: arguments.description.clone(),
        labels: arguments.labels.clone(),
        public: arguments.public,
        source,
        template: arguments.vm_template.clone(),
        memory: arguments.vm_memory.unwrap_or(1024),
        replace: replace.into(),
    }
}
