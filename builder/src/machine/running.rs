//! A machine that runs, and everything that may be asked of it.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;

use super::launch::{Launch, Sockets};
use super::qmp::{NetworkRow, Qmp};
use super::serial::{SerialLog, Waited};
use super::watch::Watch;
use super::{Accelerator, MachineError};

/// How much of QEMU's stderr is kept for errors.
const KEPT_STDERR: usize = 8192;

/// A running virtual machine. It ends with this value, and with the thread that started it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    command: String,
    monitor: Arc<Mutex<Qmp>>,
    /// Notices when KVM gives up; none under TCG.
    watch: Option<Watch>,
    serial: SerialLog,
    serial_input: UnixStream,
    report: Option<UnixStream>,
    said: Arc<Mutex<Vec<u8>>>,
    threads: Vec<JoinHandle<()>>,
    accelerator: Accelerator,
    note: Option<String>,
    ports: Vec<(u16, u16)>,
}

/// What a start needs beside the command line.
pub(super) struct Start {
    /// The command line; its sockets are filled in here.
    pub launch: Launch,
    /// Descriptors that the command line names.
    pub inherited: Vec<OwnedFd>,
    /// Gets what comes on the console, as it comes.
    pub mirror: Option<Box<dyn Write + Send>>,
    /// Whether there is a port for a report.
    pub with_report: bool,
}

/// Starts QEMU and waits until it answers.
pub(super) fn start(start: Start) -> Result<Running, MachineError> {
    let Start { mut launch, mut inherited, mirror, with_report } = start;
    let pair = || UnixStream::pair().map_err(MachineError::host("making a pair of sockets"));
    let (serial, their_serial) = pair()?;
    let (monitor, their_monitor) = pair()?;
    let (report, their_report) =
        if with_report { pair().map(|(a, b)| (Some(a), Some(b)))? } else { (None, None) };
    launch.sockets = Sockets {
        serial: their_serial.as_raw_fd(),
        monitor: their_monitor.as_raw_fd(),
        report: their_report.as_ref().map(AsRawFd::as_raw_fd),
    };
    inherited.extend([their_serial, their_monitor].into_iter().chain(their_report).map(OwnedFd::from));
    let mut command = Command::new(&launch.qemu);
    // Its own group: Ctrl-C on the terminal is for us, and we end it.
    command
        .args(launch.arguments())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    host::child::inherit(&mut command, inherited);
    let mut child =
        host::child::die_with_parent(&mut command).spawn().map_err(MachineError::host("starting QEMU"))?;
    // Closes our copies of the child's ends, so that its end is seen on ours.
    drop(command);
    let said = Arc::new(Mutex::new(Vec::new()));
    let stderr_thread = keep_tail(child.stderr.take(), Arc::clone(&said));
    let copied = serial.try_clone().map_err(MachineError::host("copying a socket"))?;
    let (log, serial_thread) = SerialLog::collect(copied, mirror);
    let monitor = match Qmp::negotiate(monitor) {
        Ok(monitor) => monitor,
        Err(error) => {
            return Err(failed_start(&mut child, stderr_thread, &said, &launch, &error));
        }
    };
    let monitor = Arc::new(Mutex::new(monitor));
    let watch = (launch.accelerator == Accelerator::Kvm).then(|| Watch::start(Arc::clone(&monitor)));
    let mut running = Running {
        child,
        command: launch.shown(),
        monitor,
        watch,
        serial: log,
        serial_input: serial,
        report,
        said,
        threads: vec![stderr_thread, serial_thread],
        accelerator: launch.accelerator,
        note: None,
        ports: Vec::new(),
    };
    if !launch.forwards.is_empty() {
        running.ports = running
            .network()?
            .into_iter()
            .filter(|row| row.state == "HOST_FORWARD")
            .map(|row| (row.guest_port, row.host_port))
            .collect();
    }
    Ok(running)
}

/// QEMU did not greet: it ended, most likely, and said why.
fn failed_start(
    child: &mut Child,
    stderr: JoinHandle<()>,
    said: &Mutex<Vec<u8>>,
    launch: &Launch,
    error: &io::Error,
) -> MachineError {
    let killed = child.kill().and_then(|()| child.wait());
    let joined = stderr.join();
    tracing::debug!("QEMU ended: {killed:?}, {joined:?}");
    MachineError::Qemu {
        what: format!("did not start ({error})"),
        command: launch.shown(),
        said: String::from_utf8_lossy(&said.lock().unwrap_or_else(PoisonError::into_inner)).trim().to_owned(),
    }
}

fn keep_tail(source: Option<impl Read + Send + 'static>, tail: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let Some(mut source) = source else { return };
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            tail.extend_from_slice(&buffer[..count]);
            let excess = tail.len().saturating_sub(KEPT_STDERR);
            tail.drain(..excess);
        }
    })
}

/// Returns `wanted` when it is free on loopback and may be bound, else 0: the system chooses.
pub(super) fn preferred_port(wanted: u16) -> u16 {
    match TcpListener::bind(("127.0.0.1", wanted)) {
        Ok(_) => wanted,
        Err(_) => 0,
    }
}

impl Running {
    /// Returns how the processor is provided.
    pub fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    /// Returns why KVM is not used, when that was not the caller's choice.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    pub(super) fn set_note(&mut self, note: Option<String>) {
        self.note = note;
    }

    /// Waits until `text` is on the serial console, control sequences not counted.
    ///
    /// # Errors
    ///
    /// A [`MachineError::Guest`] with the console's last lines, when the deadline passes or the machine ends.
    pub fn wait_for(&self, text: &str, deadline: Option<Instant>) -> Result<(), MachineError> {
        let started = Instant::now();
        match self.serial.wait_for(text, deadline) {
            Waited::Found => Ok(()),
            Waited::TimedOut => {
                let seconds = started.elapsed().as_secs();
                Err(self.guest_error(format!("the guest did not print '{text}' within {seconds} s")))
            }
            Waited::Closed => {
                Err(self.guest_error(format!("the machine ended before the guest printed '{text}'")))
            }
        }
    }

    /// Tells whether KVM gave the guest up.
    pub(super) fn kvm_failed(&self) -> bool {
        self.watch.as_ref().is_some_and(Watch::failed)
    }

    /// Returns an error of the guest with the end of its console, or that KVM gave the guest up where it did.
    pub fn guest_error(&self, what: String) -> MachineError {
        let said = String::from_utf8_lossy(&self.said.lock().unwrap_or_else(PoisonError::into_inner))
            .trim()
            .to_owned();
        if self.kvm_failed() {
            return MachineError::KvmFailed { said, serial: self.serial.tail() };
        }
        let what = if said.is_empty() { what } else { format!("{what}; QEMU said: {said}") };
        MachineError::Guest { what, serial: self.serial.tail() }
    }

    /// Returns what the serial console said so far.
    pub fn serial_log(&self) -> &SerialLog {
        &self.serial
    }

    /// Returns a writer that types on the serial console.
    ///
    /// # Errors
    ///
    /// When the socket cannot be copied.
    pub fn serial_input(&self) -> Result<UnixStream, MachineError> {
        self.serial_input.try_clone().map_err(MachineError::host("copying a socket"))
    }

    /// Takes the port that tests report to; it is there once, and only with a test bundle.
    pub(super) fn take_report(&mut self) -> Option<UnixStream> {
        self.report.take()
    }

    /// Returns the port of this machine's loopback that leads to `guest`.
    pub fn forwarded_port(&self, guest: u16) -> Option<u16> {
        self.ports.iter().find(|(of, _)| *of == guest).map(|(_, host)| *host)
    }

    /// Returns all forwarded ports, guest and host.
    pub fn forwarded_ports(&self) -> &[(u16, u16)] {
        &self.ports
    }

    fn monitor(&self) -> MutexGuard<'_, Qmp> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns forwarded listeners and connections.
    pub(super) fn network(&mut self) -> Result<Vec<NetworkRow>, MachineError> {
        let answer = self.monitor().network();
        answer.map_err(|error| match self.kvm_failed() {
            true => self.guest_error(String::new()),
            false => MachineError::host("asking QEMU about its network")(error),
        })
    }

    /// Returns the command line in a form to copy.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Returns the exit status if the machine ended.
    ///
    /// # Errors
    ///
    /// When the process cannot be waited for.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, MachineError> {
        self.child.try_wait().map_err(MachineError::host("waiting for QEMU"))
    }

    /// Waits for the machine to end by itself.
    ///
    /// # Errors
    ///
    /// A [`MachineError::Guest`] when the deadline passes.
    pub fn wait(&mut self, deadline: Option<Instant>) -> Result<ExitStatus, MachineError> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(self.guest_error("the guest did not power off in time".to_owned()));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses the power button and waits for the guest to shut down.
    ///
    /// # Errors
    ///
    /// When it does not within `patience`; it runs on then, until the value is dropped.
    pub fn power_off(&mut self, patience: Duration) -> Result<(), MachineError> {
        let pressed = self.monitor().execute("system_powerdown", json!({}));
        if let Err(error) = pressed
            && self.ended()?.is_none()
        {
            return Err(MachineError::Host { doing: "pressing the power button", source: error });
        }
        self.wait(Some(Instant::now() + patience)).map(|_| ())
    }

    /// Ends the machine at once, as a power cut would.
    ///
    /// # Errors
    ///
    /// When the process cannot be killed or waited for.
    pub fn stop(mut self) -> Result<(), MachineError> {
        self.halt()
    }

    /// As [`Running::stop`]; what the console said is complete then, and may still be asked for.
    pub(super) fn halt(&mut self) -> Result<(), MachineError> {
        self.end().map_err(MachineError::host("ending QEMU"))
    }

    fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                return Err(io::Error::other("a thread that reads from QEMU failed"));
            }
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::debug!("ending QEMU: {error}");
        }
    }
}
