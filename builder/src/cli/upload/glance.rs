//! Glance as the command line asks for it.

use std::sync::Arc;

use super::args::{DiskBusWord, GlanceArguments, ReplaceWord, VisibilityWord};
use crate::cli::terminal;
use crate::progress::{Event, Reporter};
use crate::upload::glance::cloud::{self, Cloud};
use crate::upload::glance::{self, DiskBus, Glance, Replace, Settings, Stores, Visibility};
use crate::upload::{Http, HttpOptions, ImageFacts, Patience, SourceImage, UploadError};

/// Finds the cloud and checks what is asked of it; the cloud's name comes with it.
pub(super) fn prepare(
    settings: Settings,
    cloud: Cloud,
    image: &SourceImage,
    facts: &ImageFacts,
    patience: Arc<Patience>,
    reporter: &dyn Reporter,
) -> Result<Glance, UploadError> {
    settings.check()?;
    for message in glance::warnings(image, facts, &settings) {
        reporter.event(Event::Warning { message });
    }
    connect(cloud, facts.clone(), settings, patience)
}

/// Finds a cloud by its name, or by what the environment says.
pub(super) fn find(name: Option<&str>, region: Option<&str>) -> Result<Cloud, UploadError> {
    let mut cloud = cloud::find(name, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    cloud.region = region.map(str::to_owned).or(cloud.region);
    Ok(cloud)
}

/// Prepares for a cloud; nobody is asked yet.
pub(super) fn connect(
    cloud: Cloud,
    facts: ImageFacts,
    settings: Settings,
    patience: Arc<Patience>,
) -> Result<Glance, UploadError> {
    if cloud.trust.blind {
        terminal::say("warning: the cloud's certificate is not verified, as its configuration says");
    }
    let http = Http::new(HttpOptions::default(), &cloud.trust, patience)?;
    Ok(Glance::new(http, cloud, facts, settings))
}

/// Returns what the flags ask.
pub(super) fn settings(arguments: &GlanceArguments, replace: ReplaceWord, name: String) -> Settings {
    let visibility = match arguments.visibility {
        VisibilityWord::Private if !arguments.members.is_empty() => Visibility::Shared,
        VisibilityWord::Private => Visibility::Private,
        VisibilityWord::Shared => Visibility::Shared,
        VisibilityWord::Community => Visibility::Community,
        VisibilityWord::Public => Visibility::Public,
    };
    Settings {
        name,
        visibility,
        members: arguments.members.clone(),
        protected: arguments.protected,
        tags: arguments.tags.clone(),
        properties: arguments.properties.iter().cloned().collect(),
        minimum_disk: arguments.min_disk,
        minimum_memory: arguments.min_ram,
        disk_bus: match arguments.disk_bus {
            DiskBusWord::Virtio => DiskBus::Virtio,
            DiskBusWord::Scsi => DiskBus::Scsi,
        },
        replace: replace.into(),
        import: arguments.import,
        stores: if arguments.all_stores { Stores::All } else { Stores::Named(arguments.stores.clone()) },
    }
}

impl From<ReplaceWord> for Replace {
    fn from(word: ReplaceWord) -> Self {
        match word {
            ReplaceWord::Keep => Self::Keep,
            ReplaceWord::Hide => Self::Hide,
            ReplaceWord::Delete => Self::Delete,
        }
    }
}

impl Default for GlanceArguments {
    fn default() -> Self {
        Self {
            visibility: VisibilityWord::Private,
            members: Vec::new(),
            protected: false,
            tags: Vec::new(),
            properties: Vec::new(),
            min_disk: None,
            min_ram: None,
            disk_bus: DiskBusWord::Virtio,
            import: false,
            stores: Vec::new(),
            all_stores: false,
        }
    }
}
