//! SIGTERM and SIGINT: the first one stops the host gracefully, the second one ends the process.

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

/// The reading end of a pipe into which the signal handlers write. Dropping it restores what the
/// signals did before.
#[derive(Debug)]
pub(super) struct SignalPipe {
    pipe: UnixStream,
    registered: Vec<SigId>,
}

impl SignalPipe {
    /// Installs the handlers, and has the poll report signals under `token`.
    pub(super) fn start(registry: &Registry, token: Token) -> Result<Self, Error> {
        Self::listen(registry, token).map_err(Error::system("install signal handlers"))
    }

    /// Whether a signal arrived since the last call.
    pub(super) fn take(&mut self) -> bool {
        let mut arrived = false;
        let mut bytes = [0; 64];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(0) => return arrived,
                Ok(_) => arrived = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return arrived,
            }
        }
    }

    fn listen(registry: &Registry, token: Token) -> std::io::Result<Self> {
        let (mut pipe, sender) = UnixStream::pair()?;
        let sender = OwnedFd::from(sender);
        registry.register(&mut pipe, token, Interest::READABLE)?;
        let mut signals = Self { pipe, registered: Vec::new() };
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // Handlers run in the order of registration: the first signal finds the flag clear and
            // only sets it. The second one finds it set and ends the process from within the
            // handler, so it works even if the reactor hangs.
            let hooks = [
                flag::register_conditional_default(signal, Arc::clone(&stopping))?,
                flag::register(signal, Arc::clone(&stopping))?,
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
