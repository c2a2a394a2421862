//! argv → verb → exit code. Only this folder knows the terminal.

use std::process::ExitCode as ProcessCode;

use clap::Parser;

pub mod args;
mod build;
mod cache;
pub mod check;
pub mod clean;
pub mod convert;
mod diff;
mod documents;
mod exit;
mod image_args;
mod inspect;
mod lock;
pub mod plan;
mod reading;
mod shell;
pub mod terminal;
mod test;
mod upload;
mod verbs;
mod verify;

use args::{Arguments, Verb};

use crate::error::ExitCode;

/// Parses the command line, does what it says and returns the exit code.
pub fn run() -> ProcessCode {
    let arguments = Arguments::parse();
    terminal::choose_style(&arguments.shared);
    init_log(arguments.shared.verbose);
    let outcome = match &arguments.verb {
        Verb::Check(verb) => verbs::check_recipes(verb, &arguments.shared),
        Verb::Plan(verb) => verbs::show_plan(verb, &arguments.shared),
        Verb::Lock(verb) => lock::lock(verb, &arguments.shared),
        Verb::Build(verb) => build::build(verb, &arguments.shared),
        Verb::Boot(verb) => verbs::boot(verb, &arguments.shared),
        Verb::Inspect(verb) => inspect::inspect(verb, &arguments.shared),
        Verb::Diff(verb) => diff::diff(verb, &arguments.shared),
        Verb::Shell(verb) => shell::shell(verb, &arguments.shared),
        Verb::Convert(verb) => convert::run(verb, &arguments.shared),
        Verb::Test(verb) => test::test(verb, &arguments.shared),
        Verb::Verify(verb) => verify::verify(verb, &arguments.shared),
        Verb::Upload(verb) => upload::upload(verb, &arguments.shared),
        Verb::Cache(verb) => cache::cache(verb, &arguments.shared),
        Verb::Clean(verb) => clean::clean(verb, &arguments.shared),
        Verb::Schema(verb) => documents::schema(verb),
        Verb::Completions(verb) => documents::completions(verb),
        Verb::Man(verb) => documents::man(verb),
    };
    match outcome {
        Ok(code) => ProcessCode::from(code),
        Err(error) => {
            report(&error, terminal::color(arguments.shared.color));
            ProcessCode::from(exit::exit_code(&error) as u8)
        }
    }
}

/// Prints an error: the first cause on the first line, what led to it below.
pub(crate) fn report(error: &anyhow::Error, color: bool) {
    if terminal::is_json() {
        return fail(exit::exit_code(error), &error_causes(error));
    }
    let word = if color { "\x1b[1;31merror\x1b[0m" } else { "error" };
    eprintln!("{word}: {}", error_causes(error).join("\n  because: "));
}

/// Returns what happened, and then what led to it.
fn error_causes(error: &anyhow::Error) -> Vec<String> {
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    // A transparent wrapper repeats its source; once is enough.
    causes.dedup();
    causes
}

/// Prints an error that no stage has: what, and what to do.
pub(crate) fn complain(code: ExitCode, message: &str, hint: &str, color: bool) -> u8 {
    if terminal::is_json() {
        fail(code, &[message.to_owned(), hint.to_owned()]);
    } else {
        let word = if color { "\x1b[1;31merror\x1b[0m" } else { "error" };
        eprintln!("{word}: {message}\n  hint: {hint}");
    }
    code as u8
}

/// Writes the event that a failed verb ends with.
fn fail(code: ExitCode, causes: &[String]) {
    let (message, causes) =
        causes.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    terminal::event(serde_json::json!({
        "event": "failed", "exit_code": code as u8, "message": message, "causes": causes,
    }));
}

/// `BOOTWRIGHT_LOG` takes tracing's filter syntax; `--verbose` means `info`.
fn init_log(verbose: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("BOOTWRIGHT_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(match (terminal::is_json(), verbose) {
            // Lines of the log are no JSON.
            (true, _) => "off",
            (false, true) => "bootwright=info",
            (false, false) => "error",
        })
    });
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time();
    if subscriber.try_init().is_err() {
        eprintln!("warning: the log is set up already");
    }
}
