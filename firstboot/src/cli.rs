//! argv → verb.

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cluster::cli as cluster_verbs;

use crate::run::{self, MachineArguments, Stage};
use crate::{deferred, network, quota, rename, test_bundle};

/// Configures each clone of an image by itself.
#[derive(Debug, Parser)]
#[command(name = "firstboot", version, about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Configure this machine as its sources say; what is done already is not done again
    ///
    /// Exit codes: 0 everything is done, 1 a step failed.
    Run {
        #[command(flatten)]
        machine: MachineArguments,
        /// The part of the work
        #[arg(long, value_enum, default_value = "all")]
        stage: Stage,
        /// Runs commands although the root is not `/`: they run on this machine (for tests)
        #[arg(long, hide = true)]
        with_commands: bool,
    },
    /// Say what `run` would change
    ///
    /// Exit codes: 0 everything can be done, 1 something cannot.
    Plan {
        #[command(flatten)]
        machine: MachineArguments,
    },
    /// Show what came of the run of this boot
    ///
    /// Exit codes: 0 done, 1 a step failed, 3 not finished yet, 4 never ran.
    Status {
        #[command(flatten)]
        machine: MachineArguments,
        /// Wait up to this many seconds for the run to end
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
        /// Print the whole report as JSON, with the origin of each value
        #[arg(long)]
        json: bool,
        /// Show the whole cluster: 0 every node lives and every role works, 1 not
        #[arg(long)]
        all: bool,
    },
    /// Begin, join and leave a cluster
    Node {
        #[command(subcommand)]
        verb: cluster_verbs::node::Verb,
    },
    /// Make and take back tokens, by which machines join a cluster
    Token {
        #[command(subcommand)]
        verb: cluster_verbs::token::Verb,
    },
    /// Show and change what this node is in its cluster
    Role {
        #[command(subcommand)]
        verb: cluster_verbs::role::Verb,
    },
    /// Import and show the certificate that roles show under the cluster's name
    Certificate {
        #[command(subcommand)]
        verb: cluster_verbs::certificate::Verb,
    },
    /// Serve the nodes of a cluster; started by firstboot-cored.service
    #[command(hide = true)]
    Cored {
        #[command(flatten)]
        place: cluster::place::PlaceArguments,
    },
    /// Give this machine another name, whole or not at all
    Rename {
        /// The full name, or the host name alone
        #[arg(value_name = "FQDN")]
        name: String,
        #[command(flatten)]
        machine: MachineArguments,
        /// Leave services alone, and say which of them still have the old name
        #[arg(long)]
        no_restart: bool,
    },
    /// Let a command wait for the first boot of each clone of this machine
    Defer {
        /// A line for /bin/sh, run by root when everything else is done
        #[arg(value_name = "COMMAND", required_unless_present = "list")]
        command: Option<String>,
        /// Run it on this machine's next boot instead, once
        #[arg(long)]
        next_boot: bool,
        /// Show what waits
        #[arg(long, conflicts_with_all = ["command", "next_boot"])]
        list: bool,
        #[command(flatten)]
        machine: MachineArguments,
    },
    /// Show and set this machine's network
    Net {
        #[command(subcommand)]
        verb: network::cli::Verb,
    },
    /// Set and show limits on what users, groups and projects store
    Quota {
        #[command(subcommand)]
        verb: quota::cli::Verb,
    },
    /// Run the tests on the disk that the host attached; started by firstboot-test.service
    #[command(hide = true)]
    TestBundle,
}

/// Does what the command line says.
///
/// # Errors
///
/// When the verb cannot do its work at all.
pub fn run() -> anyhow::Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Run { machine, stage, with_commands } => run::run(&machine, stage, with_commands),
        Verb::Plan { machine } => run::plan(&machine),
        Verb::Status { machine, wait, json, all: false } => run::status(&machine, wait, json),
        Verb::Status { machine, wait, json, all: true } => {
            cluster_verbs::show::status(&cluster::place::Place::at(&machine.root)?, wait, json)
        }
        Verb::Node { verb } => cluster_verbs::node::run(verb),
        Verb::Token { verb } => cluster_verbs::token::run(verb),
        Verb::Role { verb } => cluster_verbs::role::run(verb),
        Verb::Certificate { verb } => cluster_verbs::certificate::run(verb),
        Verb::Cored { place } => cluster_verbs::cored(&place),
        Verb::Rename { name, machine, no_restart } => rename::run(&machine, &name, !no_restart),
        Verb::Defer { command: Some(line), next_boot, machine, .. } => {
            deferred::defer(&machine, &line, next_boot)
        }
        Verb::Defer { command: None, machine, .. } => deferred::list(&machine),
        Verb::Net { verb } => network::cli::run(verb).map(|()| ExitCode::SUCCESS),
        Verb::Quota { verb } => quota::cli::run(verb).map(|()| ExitCode::SUCCESS),
        Verb::TestBundle => test_bundle::run(Path::new("/")).map(|()| ExitCode::SUCCESS),
    }
}
