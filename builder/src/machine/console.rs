//! The verb `boot`: a machine on the terminal.

use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use host::terminal::{Interrupts, RawTerminal};

use super::serial::{Stripper, Waited};
use super::{Accelerator, Machine, MachineError, Running};

/// Ctrl-], which ends the machine from an interactive console.
const ESCAPE: u8 = 0x1d;

/// What `boot` does beside starting the machine.
#[derive(Debug, Clone, Default)]
pub struct BootOptions {
    /// End well once this text is on the console.
    pub expect: Option<String>,
    /// Give up after this time.
    pub timeout: Option<Duration>,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootEnd {
    /// The expected text came.
    Expected,
    /// The guest powered off; nothing was expected.
    PoweredOff,
    /// The user left the console.
    Left,
    /// This signal came.
    Interrupted(i32),
}

/// What ends the wait.
enum Event {
    Console(Waited),
    Left,
    Interrupted(i32),
}

/// Boots `machine` with its console on this process's terminal, and says on `say` what is worth knowing.
///
/// With a terminal on both sides and nothing expected, keys go to the guest as they are; Ctrl-] ends the machine.
/// Else the console is printed as plain text.
///
/// # Errors
///
/// When the machine does not start; a [`MachineError::Guest`] when what was expected does not come, or the time is over.
pub fn boot(machine: Machine, options: &BootOptions, say: &dyn Fn(&str)) -> Result<BootEnd, MachineError> {
    // Before any thread exists, so that all inherit it.
    let interrupts = Interrupts::block().map_err(MachineError::host("taking over signals"))?;
    let interactive = options.expect.is_none() && io::stdin().is_terminal() && io::stdout().is_terminal();
    let mirror: Box<dyn Write + Send> = if io::stdout().is_terminal() {
        Box::new(io::stdout())
    } else {
        Box::new(PlainOutput::new(io::stdout()))
    };
    let mut machine = machine.mirror(mirror);
    let (send, events) = channel();
    let signals = send.clone();
    thread::spawn(move || interrupts.wait().map(|signal| signals.send(Event::Interrupted(signal))));
    let keyboard = interactive.then(|| Keyboard::start(send.clone()));
    loop {
        match attempt(&machine, options, keyboard.as_ref(), &send, &events, say) {
            Err(error) if machine.falls_back(&error) => say("KVM gave the guest up; beginning again"),
            ended => return ended,
        }
    }
}

/// One boot, to its end.
fn attempt(
    machine: &Machine,
    options: &BootOptions,
    keyboard: Option<&Keyboard>,
    send: &Sender<Event>,
    events: &Receiver<Event>,
    say: &dyn Fn(&str),
) -> Result<BootEnd, MachineError> {
    let started = Instant::now();
    let deadline = options.timeout.map(|timeout| started + timeout);
    let mut running = machine.start()?;
    announce(&running, keyboard.is_some(), say);
    let raw = keyboard
        .map(|_| RawTerminal::enter())
        .transpose()
        .map_err(MachineError::host("setting up the terminal"))?;
    watch_console(&running, options, deadline, send.clone());
    if let Some(keyboard) = keyboard {
        keyboard.type_on(running.serial_input()?);
    }
    let event = events.recv().unwrap_or(Event::Console(Waited::Closed));
    drop(raw);
    // Ended first, so that what the guest said last is there before its line is.
    running.halt()?;
    if !running.serial_log().text().ends_with('\n') {
        println!();
    }
    conclude(running, &event, options, started, say)
}

fn announce(running: &Running, interactive: bool, say: &dyn Fn(&str)) {
    if let Some(reason) = running.note() {
        say(&format!("without KVM, which is slower: {reason}"));
    }
    let accelerator = match running.accelerator() {
        Accelerator::Kvm => "KVM",
        Accelerator::Tcg => "TCG",
    };
    tracing::info!("running under {accelerator}: {}", running.command());
    for (guest, host) in running.forwarded_ports() {
        say(&format!("port {guest} of the guest is 127.0.0.1:{host}"));
    }
    if interactive {
        say("the console is yours; Ctrl-] ends the machine");
    }
}

fn watch_console(running: &Running, options: &BootOptions, deadline: Option<Instant>, send: Sender<Event>) {
    let log = running.serial_log().clone();
    let expected = options.expect.clone();
    thread::spawn(move || {
        let waited = match expected {
            Some(text) => log.wait_for(&text, deadline),
            None => log.wait_for_end(deadline),
        };
        // Nobody listens any more when something else ended the boot first.
        let _ = send.send(Event::Console(waited));
    });
}

/// The user's keys, which go to the console of the attempt that runs.
struct Keyboard {
    console: Arc<Mutex<Option<UnixStream>>>,
}

impl Keyboard {
    /// Reads keys until Ctrl-] comes or there are no more.
    fn start(send: Sender<Event>) -> Self {
        let console = Arc::new(Mutex::new(None::<UnixStream>));
        let theirs = Arc::clone(&console);
        thread::spawn(move || {
            let mut keys = [0; 256];
            while let Ok(count @ 1..) = io::stdin().read(&mut keys) {
                let typed = &keys[..count];
                let escape = typed.iter().position(|key| *key == ESCAPE);
                let mut console = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                // A console that is gone is noticed by whoever watches the machine.
                let _ = console.as_mut().map(|console| console.write_all(&typed[..escape.unwrap_or(count)]));
                if escape.is_some() {
                    break;
                }
            }
            let _ = send.send(Event::Left);
        });
        Self { console }
    }

    /// Types on this console from now on.
    fn type_on(&self, console: UnixStream) {
        *self.console.lock().unwrap_or_else(PoisonError::into_inner) = Some(console);
    }
}

fn conclude(
    running: Running,
    event: &Event,
    options: &BootOptions,
    started: Instant,
    say: &dyn Fn(&str),
) -> Result<BootEnd, MachineError> {
    let seconds = started.elapsed().as_secs_f64();
    let end = match (event, &options.expect) {
        (Event::Console(Waited::Found), _) => {
            say(&format!("the expected text came after {seconds:.1} s"));
            BootEnd::Expected
        }
        (Event::Console(Waited::Closed), None) if running.kvm_failed() => {
            return Err(running.guest_error(String::new()));
        }
        (Event::Console(Waited::Closed), None) => BootEnd::PoweredOff,
        (Event::Console(Waited::Closed), Some(text)) => {
            return Err(running.guest_error(format!("the machine ended before the guest printed '{text}'")));
        }
        (Event::Console(Waited::TimedOut), Some(text)) => {
            return Err(
                running.guest_error(format!("the guest did not print '{text}' within {seconds:.0} s"))
            );
        }
        (Event::Console(Waited::TimedOut), None) => {
            return Err(running.guest_error(format!("the guest was still running after {seconds:.0} s")));
        }
        (Event::Left, _) => BootEnd::Left,
        (Event::Interrupted(signal), _) => {
            say("interrupted; the machine is ended and the image is as it was");
            BootEnd::Interrupted(*signal)
        }
    };
    running.stop()?;
    Ok(end)
}

/// Writes console text without control sequences.
struct PlainOutput<W> {
    inner: W,
    stripper: Stripper,
}

impl<W: Write> PlainOutput<W> {
    fn new(inner: W) -> Self {
        Self { inner, stripper: Stripper::default() }
    }
}

impl<W: Write> Write for PlainOutput<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = Vec::with_capacity(bytes.len());
        self.stripper.feed(bytes, &mut text);
        self.inner.write_all(&text)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_terminal_gets_plain_text() {
        let mut output = PlainOutput::new(Vec::new());
        output.write_all(b"\x1b[1mde").expect("a vector takes all");
        output.write_all(b"bian\x1b[0m\r\n").expect("a vector takes all");
        assert_eq!(output.inner, b"debian\n");
    }
}
