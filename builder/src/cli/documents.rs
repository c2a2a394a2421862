//! The verbs that print what is generated: JSON Schema, reference, completions and manual pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::aot::{Shell, generate};
use clap_mangen::Man;

use super::args::Arguments;
use crate::error::ExitCode;
use crate::recipe::{Coverage, json_schema, reference};

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Print the schema of files that recipes include, which may leave out every key
    #[arg(long)]
    pub fragment: bool,
    /// Print all keys as a page for people instead, in Markdown
    #[arg(long, conflicts_with = "fragment")]
    pub markdown: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell to complete in
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: CompletionShell,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// GNU bash: /usr/share/bash-completion/completions/bootwright.
    Bash,
    /// Z shell: /usr/share/zsh/vendor-completions/_bootwright.
    Zsh,
    /// fish: /usr/share/fish/vendor_completions.d/bootwright.fish.
    Fish,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// Folder to write bootwright.1 and a page for each verb to [default: bootwright.1 on stdout]
    #[arg(value_name = "DIR")]
    pub folder: Option<PathBuf>,
}

/// Prints the JSON Schema of recipes, or the page `docs/recipe.md`.
pub fn schema(arguments: &SchemaArguments) -> Result<u8> {
    if arguments.markdown {
        return print_all(reference().as_bytes());
    }
    let coverage = if arguments.fragment { Coverage::Fragment } else { Coverage::Recipe };
    print_all(format!("{:#}\n", json_schema(coverage)).as_bytes())
}

/// Prints a completion script.
pub fn completions(arguments: &CompletionsArguments) -> Result<u8> {
    let shell = match arguments.shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Arguments::command(), "bootwright", &mut script);
    print_all(&script)
}

/// Prints the manual page, or writes one for the program and one for each verb.
pub fn man(arguments: &ManArguments) -> Result<u8> {
    let mut program = Arguments::command();
    program.build();
    let Some(folder) = &arguments.folder else {
        return print_all(&page(&program, "bootwright")?);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("making the folder '{}'", folder.display()))?;
    write_page(folder, &program, "bootwright")?;
    for verb in program.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        write_page(folder, verb, &format!("bootwright-{}", verb.get_name()))?;
    }
    Ok(ExitCode::Success as u8)
}

fn write_page(folder: &Path, command: &Command, name: &str) -> Result<()> {
    let path = folder.join(format!("{name}.1"));
    std::fs::write(&path, page(command, name)?).with_context(|| format!("writing '{}'", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn page(command: &Command, name: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let source = format!("bootwright {}", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone())
        .title(name.to_uppercase())
        .source(source)
        .manual("Bootwright")
        .render(&mut text)?;
    Ok(text)
}

/// Writes to stdout. A reader that closes early, as `head` does, is no failure.
fn print_all(bytes: &[u8]) -> Result<u8> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ => Ok(ExitCode::Success as u8),
    }
}
