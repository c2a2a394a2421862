//! `firstboot` runs inside an image and acts only on what the image's recipe and the machine's own sources ask for.

use std::process::ExitCode;

mod cli;
mod deferred;
mod machine;
mod network;
mod partition;
mod quota;
mod rename;
mod report;
mod run;
mod source;
mod step;
mod superblock;
mod test_bundle;
mod volume;

fn main() -> ExitCode {
    match cli::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("firstboot: {error:#}");
            ExitCode::FAILURE
        }
    }
}
