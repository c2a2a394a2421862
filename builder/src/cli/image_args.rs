//! Arguments of the verbs that look into existing images: `inspect`, `diff`, `shell`.

use std::path::PathBuf;

use clap::Args;

use super::args::RecipeArguments;

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// The image, raw or qcow2
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
    /// Write a page for a browser instead of text; it is one file and loads nothing
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Print the bill of materials, an SPDX 2.3 document: the one beside the image if it describes these very bytes, else one
    /// made from the image's own list of packages
    #[arg(long, conflicts_with_all = ["json", "html"])]
    pub sbom: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_HELP)]
pub struct DiffArguments {
    /// The first image, raw or qcow2
    #[arg(value_name = "A")]
    pub a: PathBuf,
    /// The second image, raw or qcow2
    #[arg(value_name = "B")]
    pub b: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

const DIFF_HELP: &str = "Files are compared by kind, content, mode, owner, group, target, device number and extended \
attributes, not by times.\n\nExit codes: 0 no differences · 10 there are differences · others as for every verb; so a \
difference is never taken for a failure";

/// Arguments of `shell`.
#[derive(Debug, Args)]
#[command(after_help = SHELL_HELP)]
pub struct ShellArguments {
    /// The image, raw or qcow2; or a recipe (*.yaml), whose tree is built first
    #[arg(value_name = "IMAGE|RECIPE")]
    pub target: PathBuf,
    /// Let what is written reach the image (raw only); otherwise it is thrown away
    #[arg(long)]
    pub write: bool,
    /// Let programs inside use this machine's network
    #[arg(long)]
    pub network: bool,
    /// How a recipe is read
    #[command(flatten)]
    pub recipe: RecipeArguments,
    /// The `firstboot` program to put into a recipe's tree [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub firstboot: Option<PathBuf>,
    /// What to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
}

const SHELL_HELP: &str = "An image is mounted where only this process and what it starts see it: nothing stays, however \
it ends. An image needs root; a recipe does not.\n\nThe exit code is that of the shell or command, 128 + N if signal N \
ended it; before it starts, codes are as for every verb";
