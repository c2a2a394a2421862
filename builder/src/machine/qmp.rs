//! QEMU's monitor protocol, as far as it is needed: one command at a time, events skipped.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

/// How long QEMU may take to answer; it answers while the guest runs.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// A connection to a running QEMU.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
}

/// One forwarded connection or listener of the user network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRow {
    /// For example `HOST_FORWARD` or `ESTABLISHED`.
    pub state: String,
    /// Port of this machine's loopback.
    pub host_port: u16,
    /// Port of the guest.
    pub guest_port: u16,
}

impl Qmp {
    /// Takes the greeting and enters command mode.
    pub fn negotiate(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER_PATIENCE))?;
        let mut qmp = Self { reader: BufReader::new(stream) };
        let greeting = qmp.read()?;
        if greeting.get("QMP").is_none() {
            return Err(unexpected(&greeting));
        }
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: Value) -> io::Result<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        self.reader.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut answer = self.read()?;
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            if answer.get("event").is_none() {
                return Err(unexpected(&answer));
            }
        }
    }

    /// Returns the run state, for example `running` or `internal-error`.
    pub fn status(&mut self) -> io::Result<String> {
        let answer = self.execute("query-status", json!({}))?;
        answer["status"].as_str().map(str::to_owned).ok_or_else(|| unexpected(&answer))
    }

    /// Returns the rows of the user network that concern forwarded ports.
    pub fn network(&mut self) -> io::Result<Vec<NetworkRow>> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": "info usernet" }))?;
        answer.as_str().map(parse_network).ok_or_else(|| unexpected(&answer))
    }

    fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

fn unexpected(answer: &Value) -> io::Error {
    io::Error::other(format!("QEMU's monitor answered {answer}"))
}

/// Reads `info usernet`: `TCP[STATE] FD SOURCE PORT DESTINATION PORT …`, for connections from the host.
fn parse_network(text: &str) -> Vec<NetworkRow> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let state = words.next()?.strip_prefix("TCP[")?.strip_suffix(']')?.to_owned();
        let host_port = words.nth(2)?.parse().ok()?;
        let guest_port = words.nth(1)?.parse().ok()?;
        Some(NetworkRow { state, host_port, guest_port })
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_network_is_read() {
        let text = "Hub -1 (net0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
                    TCP[ESTABLISHED]   33       127.0.0.1 37321       10.0.2.15    22     0     0\r\n  \
                    TCP[HOST_FORWARD]  12       127.0.0.1 37321       10.0.2.15    22     0     0\r\n  \
                    UDP[236 sec]       36       10.0.2.15 46811    10.0.2.3    53     0     0\r\n";
        let row = |state: &str| NetworkRow { state: state.into(), host_port: 37321, guest_port: 22 };
        assert_eq!(parse_network(text), [row("ESTABLISHED"), row("HOST_FORWARD")]);
        assert!(parse_network("").is_empty());
    }

    #[test]
    fn events_are_skipped_and_errors_are_told() {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let lines = [
            r#"{"QMP": {"version": {}, "capabilities": []}}"#,
            r#"{"return": {}}"#,
            r#"{"event": "RESUME", "timestamp": {}}"#,
            r#"{"return": {"status": "internal-error", "running": false}}"#,
            r#"{"error": {"class": "GenericError", "desc": "no such thing"}}"#,
        ];
        (&theirs).write_all((lines.join("\n") + "\n").as_bytes()).expect("writing answers");
        let mut qmp = Qmp::negotiate(ours).expect("a greeting");
        assert_eq!(qmp.status().expect("a status"), "internal-error");
        let error = qmp.execute("nonsense", json!({})).expect_err("an error").to_string();
        assert!(error.contains("no such thing"), "{error}");
    }
}
