//! Arguments of `upload`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `upload`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = HELP)]
pub struct UploadArguments {
    /// What else than to upload.
    #[command(subcommand)]
    pub verb: Option<UploadVerb>,
    /// The image, raw or qcow2
    #[arg(value_name = "IMAGE", required = true)]
    pub image: Option<PathBuf>,
    /// The kind of cloud (repeatable)
    #[arg(long, value_enum, value_name = "CLOUD", required = true)]
    pub to: Vec<TargetKind>,
    /// What the image is called there [default: the file's name without its ending]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print what would be done, every call of it, as one JSON object, and ask nobody
    #[arg(long)]
    pub dry_run: bool,
    /// Take over at once what an earlier run of this upload left half done
    #[arg(long)]
    pub resume: bool,
    /// What becomes of older images of the same name that were uploaded by this program
    #[arg(long, value_enum, default_value_t = ReplaceWord::Keep, value_name = "WHAT")]
    pub replace: ReplaceWord,
    /// Which cloud
    #[command(flatten)]
    pub access: AccessArguments,
    /// What is asked of Glance
    #[command(flatten)]
    pub glance: GlanceArguments,
    /// What is asked of AWS
    #[command(flatten)]
    pub aws: AwsArguments,
    /// What is asked of OpenNebula
    #[command(flatten)]
    pub opennebula: OpenNebulaArguments,
}

const HELP: &str = "The same upload twice makes one image and prints the same object. What was begun stands in \
IMAGE.upload.json beside the image; `bootwright upload clean IMAGE` removes it. An image whose name is `clean` is \
written ./clean.";

/// What else than to upload.
#[derive(Debug, Subcommand)]
pub enum UploadVerb {
    /// Remove what uploads of an image began and did not end
    Clean(CleanArguments),
}

/// Arguments of `upload clean`.
#[derive(Debug, Args)]
pub struct CleanArguments {
    /// The image whose journal names what was begun
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Remove finished uploads too
    #[arg(long)]
    pub all: bool,
    /// Print what the journal names, and ask nobody
    #[arg(long)]
    pub dry_run: bool,
    /// Which cloud, instead of those that the journal names
    #[command(flatten)]
    pub access: AccessArguments,
}

/// Kinds of cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetKind {
    /// OpenStack's image service.
    Glance,
    /// A snapshot and a machine image (AMI) in AWS.
    Aws,
    /// An image of OpenNebula.
    #[value(name = "opennebula")]
    OpenNebula,
}

/// Which cloud, and by what right.
#[derive(Debug, Args)]
pub struct AccessArguments {
    /// Name of the cloud in clouds.yaml [default: that of OS_CLOUD, of OS_AUTH_URL, or the only one]
    #[arg(long, value_name = "NAME")]
    pub cloud: Option<String>,
    /// Region of the cloud, instead of the configured one
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// Profile of AWS's shared configuration [default: that of AWS_PROFILE]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

/// What is asked of Glance.
#[derive(Debug, Args)]
#[command(next_help_heading = "Glance")]
pub struct GlanceArguments {
    /// Who sees the image
    #[arg(long, value_enum, default_value_t = VisibilityWord::Private, value_name = "WHO")]
    pub visibility: VisibilityWord,
    /// Share the image with this project, by its id (repeatable; makes it `shared`)
    #[arg(long = "member", value_name = "PROJECT")]
    pub members: Vec<String>,
    /// Keep the image from being deleted
    #[arg(long)]
    pub protected: bool,
    /// Give the image a tag (repeatable)
    #[arg(long = "tag", value_name = "TAG")]
    pub tags: Vec<String>,
    /// Set a property, or leave it out if VALUE is empty (repeatable)
    #[arg(long = "property", value_name = "KEY=VALUE", value_parser = property)]
    pub properties: Vec<(String, String)>,
    /// Smallest disk that servers must have, in GiB [default: the image's]
    #[arg(long, value_name = "GIB")]
    pub min_disk: Option<u64>,
    /// Smallest memory that servers must have, in MiB
    #[arg(long, value_name = "MIB")]
    pub min_ram: Option<u64>,
    /// How the disk is attached
    #[arg(long, value_enum, default_value_t = DiskBusWord::Virtio, value_name = "BUS")]
    pub disk_bus: DiskBusWord,
    /// Bring the image in by the cloud's import (glance-direct), which may convert it
    #[arg(long)]
    pub import: bool,
    /// Put the image into this store of the cloud (repeatable; several are filled by import)
    #[arg(long = "store", value_name = "NAME")]
    pub stores: Vec<String>,
    /// Put the image into all stores of the cloud, by import
    #[arg(long, conflicts_with = "stores")]
    pub all_stores: bool,
}

/// What is asked of AWS.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "AWS")]
pub struct AwsArguments {
    /// Give image and snapshot a tag (repeatable)
    #[arg(long = "ami-tag", value_name = "KEY=VALUE", value_parser = tag)]
    pub ami_tags: Vec<(String, String)>,
    /// Processors, if the image does not tell: x86_64 or aarch64
    #[arg(long, value_name = "NAME")]
    pub architecture: Option<String>,
    /// How machines start the image [default: every way that it has]
    #[arg(long, value_enum, value_name = "MODE")]
    pub boot_mode: Option<BootModeWord>,
    /// Give machines a TPM 2.0; needs the boot mode uefi
    #[arg(long)]
    pub tpm: bool,
    /// Copy the image to this region (repeatable)
    #[arg(long = "copy-to", value_name = "REGION")]
    pub copies: Vec<String>,
    /// Let others start machines of it: `all`, an account, or the ARN of an organization or unit (repeatable)
    #[arg(long = "share", value_name = "WHO")]
    pub shares: Vec<String>,
    /// Have the image deprecated at this time, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub deprecate_at: Option<String>,
    /// Encrypt the snapshot
    #[arg(long)]
    pub encrypted: bool,
    /// Encrypt it by this key, an ARN
    #[arg(long, value_name = "ARN")]
    pub kms_key: Option<String>,
    /// What the root disk is called [default: /dev/xvda]
    #[arg(long, value_name = "DEVICE")]
    pub root_device: Option<String>,
    /// Send zero blocks too that no partition and no file uses
    #[arg(long)]
    pub send_free: bool,
}

/// What is asked of OpenNebula.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "OpenNebula")]
pub struct OpenNebulaArguments {
    /// The datastore, by its number or name [default: default]
    #[arg(long, value_name = "NAME")]
    pub datastore: Option<String>,
    /// What the image is
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// Give the image a label (repeatable)
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Let everybody use the image
    #[arg(long)]
    pub public: bool,
    /// Where the same file lies on the front-end, instead of having it fetched from here
    #[arg(long, value_name = "PATH", conflicts_with_all = ["listen", "advertise"])]
    pub front_end_path: Option<String>,
    /// Where to listen for the front-end [default: 0.0.0.0:0, a free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// By what name or address the front-end reaches this machine [default: that of the route to it]
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// Make a template of machines with the image, by this name
    #[arg(long, value_name = "NAME")]
    pub vm_template: Option<String>,
    /// Memory of such machines, in MiB [default: 1024]
    #[arg(long, value_name = "MIB")]
    pub vm_memory: Option<u64>,
}

/// How machines start an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BootModeWord {
    /// By the BIOS.
    LegacyBios,
    /// By UEFI.
    Uefi,
    /// By UEFI where the machine has it, else by the BIOS.
    UefiPreferred,
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or("write it as KEY=VALUE")?;
    if key.starts_with("bootwright_") || key.starts_with("aws:") {
        return Err("a tag's key does not begin with `bootwright_` or `aws:`".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Who sees an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VisibilityWord {
    /// Its project.
    Private,
    /// Its project and its members.
    Shared,
    /// Everybody who knows its id.
    Community,
    /// Everybody; the cloud must allow it.
    Public,
}

/// How the disk is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DiskBusWord {
    /// virtio-blk.
    Virtio,
    /// virtio-scsi.
    Scsi,
}

/// What becomes of older images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplaceWord {
    /// They stay as they are.
    Keep,
    /// They are hidden from lists.
    Hide,
    /// They are deleted.
    Delete,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    if key.is_empty() || key.starts_with("os_glance") || key.starts_with("bootwright_") {
        return Err(
            "a property has a name, which does not begin with `os_glance` or `bootwright_`".to_owned()
        );
    }
    Ok((key.to_owned(), value.to_owned()))
}
