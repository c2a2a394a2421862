//! The command line's shape: every verb, flag and help text.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use host::worker::Request;

use super::documents::{CompletionsArguments, ManArguments, SchemaArguments};
pub use super::image_args::{DiffArguments, InspectArguments, ShellArguments};

/// Builds bootable VM images from declarative recipes.
#[derive(Debug, Parser)]
#[command(name = "bootwright", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// Flags that every verb takes.
    #[command(flatten)]
    pub shared: Shared,
}

/// The documented exit codes, shown below `--help`.
const EXIT_CODES: &str = "Exit codes: 0 done · 1 failed · 2 wrong command line · 3 wrong recipe · 4 network or mirror · \
5 not what was signed for · 6 packages do not fit together · 7 a program in the image failed · 8 the host lacks \
something · 9 the guest did not do what was expected · 10 what was compared is different · 130/143 interrupted";

/// Flags that every verb takes.
#[derive(Debug, Clone, Args)]
pub struct Shared {
    /// When to colour what is printed
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// How progress is shown on stderr
    #[arg(long, global = true, value_enum, default_value_t = ProgressStyle::Auto, value_name = "STYLE")]
    pub progress: ProgressStyle,
    /// Where fetched packages are kept [default: $XDG_CACHE_HOME/bootwright]
    #[arg(long, global = true, value_name = "DIR", env = "BOOTWRIGHT_CACHE")]
    pub cache: Option<PathBuf>,
    /// Show more of what is done
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// A bar on a terminal, plain lines otherwise and when CI is set.
    Auto,
    /// A bar.
    Bar,
    /// Plain lines.
    Plain,
    /// JSON lines.
    Json,
    /// Nothing.
    Quiet,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Validate recipes; every error has file:line:column, the source line and a hint
    Check(CheckArguments),
    /// Show what would be built, without root and without network
    Plan(PlanArguments),
    /// Fix the exact packages that a recipe is built from, in a file beside it
    Lock(LockArguments),
    /// Build the image that a recipe describes
    Build(BuildArguments),
    /// Boot an image in QEMU; the image itself is not changed
    Boot(BootArguments),
    /// Show what is in an image: partitions, filesystems, boot set-up, packages
    Inspect(InspectArguments),
    /// Show what is different between two images
    Diff(DiffArguments),
    /// Open a shell in an image or in a recipe's tree, or run a command there
    Shell(ShellArguments),
    /// Write the disk of an image in another format; the new file appears when it is complete
    Convert(super::convert::ConvertArguments),
    /// Build the image, boot it, run the recipe's own tests in it and report
    Test(TestArguments),
    /// Build the image again, apart from everything that is kept, and name the first difference
    Verify(super::verify::VerifyArguments),
    /// Put an image into a cloud, once, verified; print what it is called there
    Upload(Box<super::upload::args::UploadArguments>),
    /// List, prune or verify what is kept for the next build
    Cache(super::cache::CacheArguments),
    /// Show and remove what killed builds have left
    Clean(super::clean::CleanArguments),
    /// Print the JSON Schema of recipes, for editors and validators
    Schema(SchemaArguments),
    /// Print a completion script for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write the pages of all verbs to a folder
    Man(ManArguments),
}

/// How a recipe is read.
#[derive(Debug, Clone, Args)]
pub struct RecipeArguments {
    /// Set a variable of the recipe (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = parse_assignment)]
    pub set: Vec<(String, String)>,
    /// Base address of the Debian archive, instead of the recipe's `mirror` (repeatable; each is tried when the one
    /// before it cannot be reached or lacks a file)
    #[arg(long, value_name = "URI", env = "BOOTWRIGHT_MIRROR", value_delimiter = ' ')]
    pub mirror: Vec<String>,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Recipes to validate, or documents for clones: cloud-config, network-config, network_data.json
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How the recipes are read
    #[command(flatten)]
    pub recipe: RecipeArguments,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArguments {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// How the recipe is read
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `lock`.
#[derive(Debug, Args)]
#[command(
    after_help = "The lock of dir/NAME.yaml is dir/NAME.lock: versions, sizes and digests of the image's packages and of the \
tools tree's, and the signed lists that they were chosen from. Keep it beside the recipe; `build --locked` obeys it."
)]
pub struct LockArguments {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// How the recipe is read
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Renew a lock that is there, and print on stdout what changes
    #[arg(long)]
    pub update: bool,
}

/// What is built, and how.
#[derive(Debug, Args)]
pub struct MakeArguments {
    /// The recipe
    #[arg(value_name = "RECIPE")]
    pub path: PathBuf,
    /// How the recipe is read
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// Build from the recipe's lock: exactly those packages, no list is fetched; a recipe that has changed is refused. What
    /// the mirrors have no more comes from Debian's archive of all that ever was (or BOOTWRIGHT_SNAPSHOT)
    #[arg(long)]
    pub locked: bool,
    /// Folder that the artifacts appear in
    #[arg(long, short, value_name = "DIR", default_value = "out")]
    pub output: PathBuf,
    /// How programs of the image are isolated from this machine
    #[arg(long, value_enum, default_value_t = IsolationLevel::Auto, value_name = "LEVEL")]
    pub isolation: IsolationLevel,
    /// The `firstboot` program to put into the image [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub firstboot: Option<PathBuf>,
}

/// Arguments of `build`.
#[derive(Debug, Args)]
pub struct BuildArguments {
    /// What is built, and how
    #[command(flatten)]
    pub make: MakeArguments,
    /// Tell of each stage whether the cache had its result, and else the first input that differs from the last time
    #[arg(long)]
    pub explain: bool,
    /// Make everything anew from packages; nothing that earlier builds made is used
    #[arg(long)]
    pub fresh: bool,
    /// Put the image into the clouds of the recipe's `upload` afterwards, and print what it is called there
    #[arg(long)]
    pub upload: bool,
    /// Sign the manifest with this OpenPGP secret key: NAME.manifest.json.asc. The password of a key that has one is taken
    /// from BOOTWRIGHT_SIGN_KEY_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// When a step fails, open a shell in the image's tree (on a terminal) and keep the tree until it ends
    #[arg(long)]
    pub keep: bool,
}

/// How programs of the image are isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IsolationLevel {
    /// The strongest that this user may have: for root `root`, `user` or `chroot`, for others `user`.
    Auto,
    /// Namespaces of the host's root.
    Root,
    /// A user namespace with subordinate ids.
    User,
    /// No namespace: root of a container without CAP_SYS_ADMIN. Programs have no /proc, and the container's network.
    Chroot,
}

impl IsolationLevel {
    /// Returns what is asked of the host.
    pub fn request(self) -> Request {
        match self {
            Self::Auto => Request::Auto,
            Self::Root => Request::Root,
            Self::User => Request::User,
            Self::Chroot => Request::Chroot,
        }
    }
}

/// Arguments of `boot`.
#[derive(Debug, Args)]
pub struct BootArguments {
    /// The image, raw or qcow2
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Firmware to boot with
    #[arg(long, value_enum, default_value_t = Firmware::Bios)]
    pub firmware: Firmware,
    /// Folder whose files become a disk labelled `cidata`
    #[arg(long, value_name = "DIR")]
    pub seed: Option<PathBuf>,
    /// End with success once this text is on the serial console
    #[arg(long, value_name = "TEXT")]
    pub expect: Option<String>,
    /// Forward a port of this machine's loopback to this port of the guest (repeatable)
    #[arg(long, value_name = "PORT")]
    pub forward: Vec<u16>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// How the processor is provided
    #[arg(long, value_enum, default_value_t = Accelerator::Auto, env = "BOOTWRIGHT_ACCELERATOR", value_name = "ACCEL")]
    pub accelerator: Accelerator,
    /// Let what the guest writes reach the image
    #[arg(long)]
    pub write: bool,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: u32,
    /// Processors of the guest
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub processors: u32,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// What is built, and how
    #[command(flatten)]
    pub build: BuildArguments,
    /// Test this image, which was built from the recipe, instead of building one
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<PathBuf>,
    /// Firmware to boot with (repeatable) [default: BIOS, or UEFI where the image boots by that only]
    #[arg(long, value_enum, value_name = "FIRMWARE")]
    pub firmware: Vec<TestFirmware>,
    /// Write a report in JUnit's XML to this file
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// How long the guest may take to report for the first time, before the limits of the tests count
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub boot_timeout: u64,
    /// How the processor is provided
    #[arg(long, value_enum, default_value_t = Accelerator::Auto, env = "BOOTWRIGHT_ACCELERATOR", value_name = "ACCEL")]
    pub accelerator: Accelerator,
    /// Memory of the guest in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub memory: u32,
    /// Processors of the guest
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub processors: u32,
}

/// Firmware to test with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TestFirmware {
    /// SeaBIOS.
    Bios,
    /// OVMF without Secure Boot.
    Uefi,
    /// OVMF with Microsoft's keys and Secure Boot on.
    Secure,
    /// Every way that the recipe's image boots.
    All,
}

/// Firmware of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    /// SeaBIOS.
    Bios,
    /// OVMF without Secure Boot.
    Uefi,
    /// OVMF with Microsoft's keys and Secure Boot on.
    Secure,
}

/// How the processor is provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accelerator {
    /// KVM with a short deadline, then TCG.
    Auto,
    /// KVM only.
    Kvm,
    /// QEMU's own translator.
    Tcg,
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, for example suite=trixie".to_owned()),
    }
}
