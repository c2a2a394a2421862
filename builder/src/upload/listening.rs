//! A connection that still listens when it cannot be spoken to.
//!
//! A server that refuses a large body (too large, token ended) answers and hangs up while the body is being sent. The
//! HTTP library takes the broken pipe for the end and never reads the answer, which says why. Here a broken pipe only
//! stops the sending; the answer, which the kernel has kept, is read. This uses the library's `unversioned`
//! interface, which may change with its minor versions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// Wraps connections; `cut` is raised when one of them was hung up on.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) cut: Arc<AtomicBool>,
}

impl<In: Transport> Connector<In> for Listening {
    type Out = Listener<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Listener { inner, broken: None, cut: self.cut.clone() }))
    }
}

/// A wrapped connection.
#[derive(Debug)]
pub(super) struct Listener<T> {
    inner: T,
    /// Why nothing can be sent any more.
    broken: Option<io::Error>,
    cut: Arc<AtomicBool>,
}

impl<T: Transport> Transport for Listener<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if self.broken.is_some() {
            return Ok(());
        }
        match self.inner.transmit_output(amount, timeout) {
            Err(Error::Io(error)) if is_hang_up(&error) => {
                self.cut.store(true, Ordering::Relaxed);
                self.broken = Some(error);
                Ok(())
            }
            other => other,
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let came = self.inner.await_input(timeout);
        match (came, &self.broken) {
            (Ok(true), _) => Ok(true),
            // The first cause, not what followed from it.
            (_, Some(broken)) => Err(Error::Io(io::Error::new(broken.kind(), broken.to_string()))),
            (came, None) => came,
        }
    }

    fn is_open(&mut self) -> bool {
        self.broken.is_none() && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted)
}
