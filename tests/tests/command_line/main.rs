//! What the command line prints beside its work: help, schema, completions, manual pages, progress, examples.

mod ci;
mod documents;
mod help;
mod progress;
