//! What a guest tells about the tests it ran: one JSON object per line.

use serde::{Deserialize, Serialize};

/// Version of this format.
pub const VERSION: u32 = 1;

/// Most bytes of one stream of one test that are reported; of a longer one, the end.
pub const MAXIMUM_OUTPUT: usize = 4 << 20;

/// One line of the report, in this order: `started`, `settled`, per test `test-started` and `test-finished`, `finished`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TestEvent {
    /// The bundle was read.
    Started {
        /// Version of the report's format.
        version: u32,
        /// Version of the reporting program.
        firstboot: String,
        /// Number of tests.
        tests: usize,
    },
    /// The system finished its start, or the time for that was over.
    Settled(SystemState),
    /// A test began.
    TestStarted {
        /// Place of the test in the bundle.
        index: usize,
    },
    /// A test ended.
    TestFinished {
        /// Place of the test in the bundle.
        index: usize,
        /// What came of it.
        result: ScriptResult,
    },
    /// Nothing follows.
    Finished,
    /// The bundle could not be run; nothing follows.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What the system manager says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemState {
    /// The word of `systemctl is-system-running`, for example `running` or `degraded`.
    pub state: String,
    /// Units that failed.
    pub failed_units: Vec<String>,
    /// How long the wait for it took.
    pub seconds: f64,
}

/// What came of one script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptResult {
    /// How it ended.
    pub ending: Ending,
    /// How long it ran.
    pub seconds: f64,
    /// What it wrote to its standard output.
    pub stdout: Captured,
    /// What it wrote to its standard error.
    pub stderr: Captured,
}

/// How a script ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// A signal of this number killed it.
    Killed(i32),
    /// It ran longer than this many seconds and was killed.
    TimedOut(u64),
    /// It could not be started, for this reason.
    NotStarted(String),
}

impl Ending {
    /// Tells whether the script exited with 0.
    pub fn is_success(&self) -> bool {
        self.code() == Some(0)
    }

    /// Returns the exit code, if the script exited by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Exited(code) => Some(*code),
            Self::Killed(_) | Self::TimedOut(_) | Self::NotStarted(_) => None,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut(seconds) => write!(f, "still running after {seconds} s, killed"),
            Self::NotStarted(reason) => write!(f, "not started: {reason}"),
        }
    }
}

/// What a script wrote to one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Captured {
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
    /// How many bytes before it were dropped.
    pub dropped: u64,
}

/// Parses one line.
///
/// # Errors
///
/// When it is not an event of this format.
pub fn parse_line(line: &str) -> Result<TestEvent, serde_json::Error> {
    serde_json::from_str(line)
}

/// Returns the event as one line, its end included.
///
/// # Errors
///
/// Never for the events of this module; the serialiser's own type says otherwise.
pub fn render_line(event: &TestEvent) -> Result<String, serde_json::Error> {
    serde_json::to_string(event).map(|line| line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_survives_a_line() {
        let result = ScriptResult {
            ending: Ending::TimedOut(3),
            seconds: 3.25,
            stdout: Captured { text: "two\nlines\n".into(), dropped: 7 },
            stderr: Captured::default(),
        };
        let state =
            SystemState { state: "degraded".into(), failed_units: vec!["a.service".into()], seconds: 1.5 };
        for event in [
            TestEvent::Started { version: VERSION, firstboot: "0.1.0".into(), tests: 2 },
            TestEvent::Settled(state),
            TestEvent::TestStarted { index: 1 },
            TestEvent::TestFinished { index: 1, result },
            TestEvent::Finished,
            TestEvent::Refused { reason: "no marker".into() },
        ] {
            let line = render_line(&event).expect("events render");
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert_eq!(parse_line(&line).expect("our own line"), event);
        }
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "{}", r#"{"event":"other"}"#, r#"{"event":"test-started","index":0,"more":1}"#] {
            assert!(parse_line(line).is_err(), "{line}");
        }
    }

    #[test]
    fn endings_read_well() {
        assert!(Ending::Exited(0).is_success() && !Ending::Exited(1).is_success());
        assert_eq!(Ending::TimedOut(5).to_string(), "still running after 5 s, killed");
    }
}
