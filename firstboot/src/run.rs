//! The verbs `run`, `plan` and `status`: gather, merge, determine who the machine is, do each step, report.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use contract::merge::{self, Merged};
use contract::state::Phase;

use crate::deferred;
use crate::machine::{Machine, paths};
use crate::quota;
use crate::rename;
use crate::report::{self, Located, Report, State, StepReport};
use crate::source::{self, Gathered, NetworkUse};
use crate::step::engine::{self, Journal, Outcome};
use crate::step::hostname::HostnameStep;
use crate::step::{self, Identity, Step, Target};

/// The exit codes, which never change. 2 is the command line's own.
mod exit {
    pub(super) const DONE: u8 = 0;
    pub(super) const FAILED: u8 = 1;
    pub(super) const NOT_FINISHED: u8 = 3;
    pub(super) const NEVER_RAN: u8 = 4;
}

/// Which part of the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// What needs no network, before it is up.
    Early,
    /// The rest.
    Final,
    /// Both.
    All,
}

/// What all verbs take.
#[derive(Debug, clap::Args)]
pub struct MachineArguments {
    /// The root folder of the machine
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// Asks this server instead of the cloud's usual one (for tests)
    #[arg(long, value_name = "ADDRESS:PORT", hide = true)]
    pub metadata_server: Option<SocketAddr>,
}

/// Configures the machine.
///
/// # Errors
///
/// When the machine cannot be read or written at all; a step that fails is in the report and the exit code.
pub fn run(arguments: &MachineArguments, stage: Stage, with_commands: bool) -> Result<ExitCode> {
    let machine = Machine::open(&arguments.root)?;
    machine.write(paths::RUNNING, b"", 0o644, (0, 0))?;
    let ran = run_stage(&machine, arguments.metadata_server, stage, with_commands);
    machine.remove(paths::RUNNING)?;
    let report = ran?;
    println!("{}", report.to_text());
    Ok(ExitCode::from(if report.has_failed() { exit::FAILED } else { exit::DONE }))
}

fn run_stage(
    machine: &Machine,
    server: Option<SocketAddr>,
    stage: Stage,
    with_commands: bool,
) -> Result<Report> {
    rename::recover(machine)?;
    let (gathered, merged) = gather(machine, server, stage);
    if let Some(cloud) = gathered.awaits_network {
        println!("firstboot: {cloud} is asked once the network is up");
    }
    let identity = Identity::determine(machine, &merged)?;
    if let Some(reason) = identity.is_new {
        println!("firstboot: this machine is new: {reason}");
    }
    let mut target = Target {
        machine,
        wanted: &merged,
        documents: &gathered.own_documents,
        identity: &identity,
        runs_commands: machine.is_live || with_commands,
        previews: false,
        keeps_name: false,
    };
    let mut journal = Journal::load(machine)?;
    target.keeps_name = engine::is_done(&HostnameStep, &target, &journal);
    let mut steps = earlier_steps(machine, stage)?;
    // Commands are for later; a record of them that cannot be read keeps nothing else from being done.
    let due = deferred::due(machine, &identity);
    let had_no_record = due.is_err();
    let deferred = due.unwrap_or_else(|error| {
        add_outcome(&mut steps, "deferred".into(), Outcome::Failed(format!("{error:#}")));
        Vec::new()
    });
    for step in step::all(&merged, deferred).iter().filter(|step| is_of(step.as_ref(), stage)) {
        if let Some(outcome) = engine::perform(step.as_ref(), &target, &mut journal) {
            add_outcome(&mut steps, step.name(), outcome);
        }
    }
    if let Some(result) = machine.is_live.then(|| quota::ensure(machine)).flatten() {
        let outcome =
            result.map_or_else(|error| Outcome::Failed(format!("{error:#}")), |()| Outcome::Unchanged);
        add_outcome(&mut steps, "quota".into(), outcome);
    }
    let report = make_report(machine, stage, gathered, merged, &identity, steps);
    report.save(machine)?;
    // Where the record cannot be read, a step has said so.
    if stage != Stage::Early && !had_no_record {
        deferred::forget_done(machine)?;
    }
    Ok(report)
}

fn gather(machine: &Machine, server: Option<SocketAddr>, stage: Stage) -> (Gathered, Merged) {
    let network = if stage == Stage::Early { NetworkUse::Never } else { NetworkUse::Allowed(server) };
    let gathered = source::gather(machine, network);
    let merged = merge::merge(&gathered.layers);
    (gathered, merged)
}

/// The final stage does all that the early one could not.
fn is_of(step: &dyn Step, stage: Stage) -> bool {
    match (stage, step.phase()) {
        (Stage::Early, Phase::Final) => false,
        // What only the network could tell is done late; what was done early is known to be done.
        _ => true,
    }
}

/// Puts a step's outcome in the place of an earlier one of this boot, unless that tells more.
fn add_outcome(steps: &mut Vec<StepReport>, name: String, outcome: Outcome) {
    let tells_more = |earlier: &Outcome| match outcome {
        Outcome::Unchanged => !matches!(earlier, Outcome::Failed(_)),
        Outcome::Skipped(_) => true,
        Outcome::Changed(_) | Outcome::Failed(_) => false,
    };
    match steps.iter_mut().find(|earlier| earlier.name == name) {
        Some(earlier) if tells_more(&earlier.outcome) => {}
        Some(earlier) => earlier.outcome = outcome,
        None => steps.push(StepReport { name, outcome }),
    }
}

/// The final stage's report tells of this boot's early stage as well.
fn earlier_steps(machine: &Machine, stage: Stage) -> Result<Vec<StepReport>> {
    let early = Report::load(machine)?.filter(|report| {
        stage == Stage::Final && report.state == State::Early && report.boot_id == report::boot_id(machine)
    });
    Ok(early.map(|report| report.steps).unwrap_or_default())
}

fn make_report(
    machine: &Machine,
    stage: Stage,
    gathered: Gathered,
    merged: Merged,
    identity: &Identity,
    steps: Vec<StepReport>,
) -> Report {
    let locate = |layer: merge::Layer| {
        let origin = layer.origin;
        layer.reading.findings.into_iter().map(move |finding| Located { origin: origin.clone(), finding })
    };
    let mut report = Report {
        version: report::VERSION,
        boot_id: report::boot_id(machine),
        state: if stage == Stage::Early { State::Early } else { State::Done },
        instance: identity.key.clone(),
        sources: gathered.sources,
        steps,
        findings: gathered.layers.into_iter().flat_map(locate).collect(),
        provenance: merged.provenance,
    };
    if stage != Stage::Early && report.has_failed() {
        report.state = State::Failed;
    }
    report
}

/// Says what a run would change, and changes nothing.
///
/// # Errors
///
/// When the machine cannot be read.
pub fn plan(arguments: &MachineArguments) -> Result<ExitCode> {
    let machine = Machine::open(&arguments.root)?;
    let (gathered, merged) = gather(&machine, arguments.metadata_server, Stage::All);
    let identity = Identity::determine(&machine, &merged)?;
    let mut target = Target {
        machine: &machine,
        wanted: &merged,
        documents: &gathered.own_documents,
        identity: &identity,
        runs_commands: false,
        previews: true,
        keeps_name: false,
    };
    let journal = Journal::load(&machine)?;
    target.keeps_name = engine::is_done(&HostnameStep, &target, &journal);
    for source in &gathered.sources {
        println!("source: {source}");
    }
    let mut failed = false;
    for step in step::all(&merged, deferred::due(&machine, &identity)?) {
        match engine::preview(step.as_ref(), &target, &journal) {
            Ok(changes) => {
                for change in changes.unwrap_or_default() {
                    println!("{}: {}", step.name(), change.describe());
                }
            }
            Err(error) => {
                failed = true;
                println!("{}: cannot be done: {error:#}", step.name());
            }
        }
    }
    for layer in &gathered.layers {
        for finding in &layer.reading.findings {
            println!("note: {}: {finding}", layer.origin);
        }
    }
    Ok(ExitCode::from(if failed { exit::FAILED } else { exit::DONE }))
}

/// Shows the report of the last run.
///
/// # Errors
///
/// When it cannot be read.
pub fn status(arguments: &MachineArguments, wait: Option<u64>, json: bool) -> Result<ExitCode> {
    let machine = Machine::open(&arguments.root)?;
    let report = Report::wait(&machine, Duration::from_secs(wait.unwrap_or(0)))?;
    let Some(report) = report else {
        if json {
            println!("{{\"version\":{},\"state\":\"never-ran\"}}", report::VERSION);
        } else {
            println!("state: never ran");
        }
        return Ok(ExitCode::from(exit::NEVER_RAN));
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{}", report.to_text());
    }
    Ok(ExitCode::from(match report.state {
        _ if !report.is_final(&machine) => exit::NOT_FINISHED,
        State::Failed => exit::FAILED,
        State::Early | State::Done => exit::DONE,
    }))
}
