//! SIGTERM and SIGINT: the first one stops in order, the second one at once.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::error::Error;

/// The end of a pipe into which signals write. Dropped, signals do what they did before.
#[derive(Debug)]
pub(crate) struct SignalPipe {
    pipe: UnixStream,
    registered: Vec<SigId>,
}

impl SignalPipe {
    /// Listens to signals from now on, and has the poll report them under `token`.
    pub(crate) fn start(registry: &Registry, token: Token) -> Result<Self, Error> {
        Self::listen(registry, token).map_err(Error::system("listen to signals"))
    }

    /// Whether a signal came since the last call.
    pub(crate) fn take(&mut self) -> bool {
        let mut came = false;
        let mut bytes = [0; 64];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(0) => return came,
                Ok(_) => came = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return came,
            }
        }
    }

    fn listen(registry: &Registry, token: Token) -> std::io::Result<Self> {
        let (mut pipe, sender) = UnixStream::pair()?;
        let sender = OwnedFd::from(sender);
        registry.register(&mut pipe, token, Interest::READABLE)?;
        let mut signals = Self { pipe, registered: Vec::new() };
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order, a first signal finds the flag down, and raises it. The second one
            // ends the process from the handler, even if the reactor hangs.
            let hooks = [
                flag::register_conditional_default(signal, Arc::clone(&asked))?,
                flag::register(signal, Arc::clone(&asked))?,
                low_level::pipe::register(signal, sender.try_clone()?)?,
            ];
            signals.registered.extend(hooks);
        }
        Ok(signals)
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        for hook in self.registered.drain(..) {
            low_level::unregister(hook);
        }
    }
}
