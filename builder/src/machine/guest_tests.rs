//! Runs tests in the guest and hears what came of them.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use contract::report::{self, ScriptResult, SystemState, TestEvent};

use super::bundle::{self, Split};
use super::{Machine, MachineError, Running};
use crate::plan::GuestTest;

/// How much longer than its own limit a step of the guest may take to be reported: a slow host reports late.
const REPORT_SLACK: Duration = Duration::from_secs(30);

/// How long to wait before a refused port is tried again.
const PORT_PAUSE: Duration = Duration::from_millis(500);

/// How long one connection may stay undecided.
const PORT_ATTEMPT: Duration = Duration::from_secs(5);

/// What came of all tests.
#[derive(Debug)]
pub struct TestReport {
    /// What the guest's system manager said before the first test.
    pub system: SystemState,
    /// One result per test, in the order given.
    pub results: Vec<TestResult>,
    /// What the serial console said.
    pub serial_log: String,
}

impl TestReport {
    /// Tells whether every test passed.
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| result.outcome.passed())
    }
}

/// What came of one test.
#[derive(Debug)]
pub struct TestResult {
    /// The test's name.
    pub name: String,
    /// How long it took.
    pub elapsed: Duration,
    /// What came of it.
    pub outcome: TestOutcome,
}

/// What came of a test, by kind.
#[derive(Debug)]
pub enum TestOutcome {
    /// A script ran, or was tried.
    Script(ScriptResult),
    /// A port was tried: none when it answered, else why not.
    Port(Option<String>),
}

impl TestOutcome {
    /// Tells whether the test passed.
    pub fn passed(&self) -> bool {
        match self {
            Self::Script(result) => result.ending.is_success(),
            Self::Port(refused) => refused.is_none(),
        }
    }

    /// Returns why the test failed, or none when it passed.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::Script(result) if result.ending.is_success() => None,
            Self::Script(result) => Some(result.ending.to_string()),
            Self::Port(refused) => refused.clone(),
        }
    }
}

/// Boots `machine`, runs `tests` in it, and returns what came of them together with the machine, which still runs.
///
/// `boot_limit` is the time until the guest reports for the first time; `settle_limit` is how long its system may
/// then take to finish starting. The image must have been built with tests, or nothing in it listens.
///
/// # Errors
///
/// When the machine does not start, or the guest does not report in time: not when a test fails.
pub fn run_tests(
    machine: Machine,
    tests: &[GuestTest],
    boot_limit: Duration,
    settle_limit: Duration,
) -> Result<(TestReport, Running), MachineError> {
    let (bundle, split) = bundle::split(tests, settle_limit.as_secs());
    let mut machine =
        split.ports.iter().fold(machine.bundle(bundle), |machine, (_, port)| machine.forward(*port));
    loop {
        match attempt_tests(&machine, tests, &split, boot_limit, settle_limit) {
            Err(error) if machine.falls_back(&error) => {
                tracing::info!("beginning again without KVM: {error}");
            }
            ended => return ended,
        }
    }
}

/// One boot with all its tests.
fn attempt_tests(
    machine: &Machine,
    tests: &[GuestTest],
    split: &Split,
    boot_limit: Duration,
    settle_limit: Duration,
) -> Result<(TestReport, Running), MachineError> {
    let mut running = machine.start()?;
    let Some(port) = running.take_report() else {
        return Err(running.guest_error("the machine has no port for a report".to_owned()));
    };
    let mut conversation = Conversation { reader: BufReader::new(port), pending: Vec::new(), running };
    let system = conversation.hear_start(boot_limit, settle_limit)?;
    let mut results: Vec<Option<TestResult>> = tests.iter().map(|_| None).collect();
    conversation.hear_scripts(tests, split, &mut results)?;
    let mut running = conversation.running;
    for &(place, port) in &split.ports {
        results[place] = Some(try_port(&mut running, &tests[place], port)?);
    }
    let serial_log = running.serial_log().text();
    let report = TestReport { system, results: results.into_iter().flatten().collect(), serial_log };
    Ok((report, running))
}

/// The guest's report as it comes.
struct Conversation {
    reader: BufReader<UnixStream>,
    /// The beginning of a line whose end has not come yet.
    pending: Vec<u8>,
    running: Running,
}

impl Conversation {
    fn hear_start(
        &mut self,
        boot_limit: Duration,
        settle_limit: Duration,
    ) -> Result<SystemState, MachineError> {
        match self.hear(boot_limit, "start of the tests")? {
            TestEvent::Started { version: report::VERSION, .. } => {}
            TestEvent::Started { version, firstboot, .. } => {
                let ours = report::VERSION;
                return Err(self.running.guest_error(format!(
                    "the guest's firstboot {firstboot} reports in version {version}; this program reads version {ours}"
                )));
            }
            other => return Err(self.unexpected(&other)),
        }
        match self.hear(settle_limit + REPORT_SLACK, "end of the system's start")? {
            TestEvent::Settled(state) => Ok(state),
            other => Err(self.unexpected(&other)),
        }
    }

    fn hear_scripts(
        &mut self,
        tests: &[GuestTest],
        split: &Split,
        results: &mut [Option<TestResult>],
    ) -> Result<(), MachineError> {
        let mut limit = REPORT_SLACK;
        loop {
            match self.hear(limit, "next event of the tests")? {
                TestEvent::TestStarted { index } => {
                    let place = split.inside.get(index).copied();
                    limit =
                        place.map_or(limit, |place| Duration::from_secs(tests[place].timeout) + REPORT_SLACK);
                }
                TestEvent::TestFinished { index, result } => {
                    limit = REPORT_SLACK;
                    let Some(place) = split.inside.get(index).copied() else { continue };
                    let elapsed = Duration::try_from_secs_f64(result.seconds).unwrap_or_default();
                    let name = tests[place].name.clone();
                    results[place] = Some(TestResult { name, elapsed, outcome: TestOutcome::Script(result) });
                }
                TestEvent::Finished => break,
                other => return Err(self.unexpected(&other)),
            }
        }
        match split.inside.iter().find(|place| results[**place].is_none()) {
            None => Ok(()),
            Some(place) => {
                let name = &tests[*place].name;
                Err(self
                    .running
                    .guest_error(format!("the guest ended its report without a word on test '{name}'")))
            }
        }
    }

    /// Returns the next event. A line that is none is skipped: a port may deliver what was meant for another reader.
    fn hear(&mut self, limit: Duration, awaited: &str) -> Result<TestEvent, MachineError> {
        let deadline = Instant::now() + limit;
        loop {
            let line = self.read_line(deadline, limit, awaited)?;
            match report::parse_line(&line) {
                Ok(event) => return Ok(event),
                Err(error) => tracing::debug!("the guest reported a line that is no event ({error}): {line}"),
            }
        }
    }

    fn read_line(
        &mut self,
        deadline: Instant,
        limit: Duration,
        awaited: &str,
    ) -> Result<String, MachineError> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seconds = limit.as_secs();
                return Err(self.running.guest_error(format!(
                    "the guest did not report the {awaited} within {seconds} s (was the image built with tests?)"
                )));
            }
            let set = self.reader.get_ref().set_read_timeout(Some(left));
            set.map_err(MachineError::host("setting a time limit on a socket"))?;
            match self.reader.read_until(b'\n', &mut self.pending) {
                Ok(0) => {
                    return Err(self.running.guest_error(format!("the machine ended before the {awaited}")));
                }
                Ok(_) if self.pending.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.pending);
                    return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
                }
                Ok(_) => {}
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(source) => {
                    return Err(MachineError::Host { doing: "reading the guest's report", source });
                }
            }
        }
    }

    fn unexpected(&self, event: &TestEvent) -> MachineError {
        self.running.guest_error(match event {
            TestEvent::Refused { reason } => format!("the guest refused the tests: {reason}"),
            other => format!("the guest reported out of order: {other:?}"),
        })
    }
}

/// Tries a port until it answers or its time is over.
fn try_port(running: &mut Running, test: &GuestTest, port: u16) -> Result<TestResult, MachineError> {
    let started = Instant::now();
    let deadline = started + Duration::from_secs(test.timeout);
    let Some(host_port) = running.forwarded_port(port) else {
        return Err(running.guest_error(format!("port {port} is not forwarded")));
    };
    let outcome = loop {
        let refused = match attempt(running, host_port, port, deadline)? {
            Attempt::Answered => break None,
            Attempt::Refused(reason) => reason,
        };
        if Instant::now() + PORT_PAUSE >= deadline {
            break Some(format!(
                "port {port} did not accept a connection within {} s: {refused}",
                test.timeout
            ));
        }
        std::thread::sleep(PORT_PAUSE);
    };
    Ok(TestResult {
        name: test.name.clone(),
        elapsed: started.elapsed(),
        outcome: TestOutcome::Port(outcome),
    })
}

enum Attempt {
    Answered,
    Refused(String),
}

/// Connects once. QEMU accepts in the guest's place, so only what comes after that tells of the guest: a byte, or
/// the state that QEMU's own side of the connection reaches.
fn attempt(
    running: &mut Running,
    host_port: u16,
    port: u16,
    limit: Instant,
) -> Result<Attempt, MachineError> {
    let connected = TcpStream::connect(("127.0.0.1", host_port));
    let mut stream = connected.map_err(MachineError::host("connecting to a forwarded port"))?;
    let poll = Some(Duration::from_millis(100));
    stream.set_read_timeout(poll).map_err(MachineError::host("setting a time limit on a socket"))?;
    let deadline = limit.min(Instant::now() + PORT_ATTEMPT);
    let mut byte = [0];
    while Instant::now() < deadline {
        match stream.read(&mut byte) {
            Ok(1..) => return Ok(Attempt::Answered),
            Ok(0) => return Ok(Attempt::Refused("the guest refused it".to_owned())),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Ok(Attempt::Refused(format!("the guest refused it ({error})"))),
        }
        let established = running
            .network()?
            .iter()
            .any(|row| row.state == "ESTABLISHED" && row.guest_port == port && row.host_port == host_port);
        if established {
            // A failure to close tells nothing about the guest.
            let _ = stream.shutdown(Shutdown::Both);
            return Ok(Attempt::Answered);
        }
    }
    Ok(Attempt::Refused("the guest did not answer".to_owned()))
}

impl TestReport {
    /// Returns one line per test and, for those that failed, the end of what they wrote.
    pub fn render(&self) -> String {
        let mut text = format!("system: {} after {:.1} s", self.system.state, self.system.seconds);
        if !self.system.failed_units.is_empty() {
            text.push_str(&format!("; failed units: {}", self.system.failed_units.join(", ")));
        }
        text.push('\n');
        for result in &self.results {
            let seconds = result.elapsed.as_secs_f64();
            match result.outcome.failure() {
                None => text.push_str(&format!("pass  {} ({seconds:.1} s)\n", result.name)),
                Some(reason) => {
                    text.push_str(&format!("FAIL  {} ({seconds:.1} s): {reason}\n", result.name));
                    if let TestOutcome::Script(script) = &result.outcome {
                        text.push_str(&quote("stdout", &script.stdout.text));
                        text.push_str(&quote("stderr", &script.stderr.text));
                    }
                }
            }
        }
        text
    }
}

/// Shows the last lines of a stream, indented.
fn quote(stream: &str, text: &str) -> String {
    const LINES: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LINES);
    lines[from..].iter().map(|line| format!("      {stream} | {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use contract::report::{Captured, Ending};

    use super::*;

    #[test]
    fn a_report_shows_what_failed_and_why() {
        let script = |ending, stderr: &str| {
            TestOutcome::Script(ScriptResult {
                ending,
                seconds: 1.0,
                stdout: Captured::default(),
                stderr: Captured { text: stderr.into(), dropped: 0 },
            })
        };
        let result =
            |name: &str, outcome| TestResult { name: name.into(), elapsed: Duration::from_secs(1), outcome };
        let report = TestReport {
            system: SystemState {
                state: "degraded".into(),
                failed_units: vec!["x.service".into()],
                seconds: 4.0,
            },
            results: vec![
                result("good", script(Ending::Exited(0), "not shown")),
                result("bad", script(Ending::TimedOut(3), "why\n")),
                result("port", TestOutcome::Port(Some("port 22 did not accept".into()))),
            ],
            serial_log: String::new(),
        };
        assert!(!report.passed());
        assert_eq!(
            report.render(),
            "system: degraded after 4.0 s; failed units: x.service\npass  good (1.0 s)\n\
             FAIL  bad (1.0 s): still running after 3 s, killed\n      stderr | why\n\
             FAIL  port (1.0 s): port 22 did not accept\n"
        );
    }
}
