//! SIGTERM and SIGINT: the first one stops the host gracefully, the second one ends the process.
//! A daemon also reloads its settings at SIGHUP, and logs and ignores signals that would end it
//! without a graceful stop.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::{flag, low_level};

use crate::config::SignalHandling;
use crate::error::Error;

/// The reading end of a pipe into which the signal handlers write. Dropping it restores what the
/// signals did before.
#[derive(Debug)]
pub(super) struct SignalPipe {
    pipe: UnixStream,
    /// A signal to stop arrived that [`SignalPipe::take`] has not reported yet.
    stop: Arc<AtomicBool>,
    /// SIGHUP arrived and [`SignalPipe::take`] has not reported it yet.
    reload: Arc<AtomicBool>,
    /// Signals to ignore that arrived and are not logged yet.
    ignored: Vec<(IgnoredSignal, Arc<AtomicBool>)>,
    registered: Vec<SigId>,
}

/// What signals have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// To reload the settings.
    pub(super) reload: bool,
    /// To stop the host.
    pub(super) stop: bool,
}

/// A signal that is logged and otherwise ignored.
#[derive(Clone, Copy, Debug)]
struct IgnoredSignal {
    signal: i32,
    /// The line to log.
    line: &'static str,
}

impl SignalPipe {
    /// Installs the handlers, those of a daemon if `handling` says so, and has the poll report signals
    /// under `token`.
    pub(super) fn start(
        registry: &Registry,
        token: Token,
        handling: SignalHandling,
    ) -> Result<Self, Error> {
        Self::listen(registry, token, handling).map_err(Error::system("install signal handlers"))
    }

    /// What the signals since the last call ask for. Logs those that are ignored.
    pub(super) fn take(&mut self) -> Asked {
        self.empty_pipe();
        for (IgnoredSignal { line, .. }, arrived) in &self.ignored {
            if arrived.swap(false, Ordering::SeqCst) {
                tracing::info!("{line}");
            }
        }
        Asked {
            reload: self.reload.swap(false, Ordering::SeqCst),
            stop: self.stop.swap(false, Ordering::SeqCst),
        }
    }

    fn empty_pipe(&mut self) {
        let mut bytes = [0; 64];
        loop {
            match self.pipe.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn listen(
        registry: &Registry,
        token: Token,
        handling: SignalHandling,
    ) -> std::io::Result<Self> {
        let (mut pipe, sender) = UnixStream::pair()?;
        let sender = OwnedFd::from(sender);
        registry.register(&mut pipe, token, Interest::READABLE)?;
        let stop = Arc::new(AtomicBool::new(false));
        let reload = Arc::new(AtomicBool::new(false));
        let mut signals = Self {
            pipe,
            stop: Arc::clone(&stop),
            reload: Arc::clone(&reload),
            ignored: Vec::new(),
            registered: Vec::new(),
        };
        let stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // Handlers run in the order of registration: the first signal finds the flag clear and
            // only sets it. The second one finds it set and ends the process from within the
            // handler, so it works even if the reactor hangs.
            let hooks = [
                flag::register_conditional_default(signal, Arc::clone(&stopping))?,
                flag::register(signal, Arc::clone(&stopping))?,
                // Before the pipe, so that the flag is set by the time the poll reports the signal.
                flag::register(signal, Arc::clone(&stop))?,
                low_level::pipe::register(signal, sender.try_clone()?)?,
            ];
            signals.registered.extend(hooks);
        }
        if handling == SignalHandling::Daemon {
            signals.watch(SIGHUP, &reload, &sender)?;
            for ignored in IGNORED_BY_DAEMONS {
                let arrived = Arc::new(AtomicBool::new(false));
                signals.watch(ignored.signal, &arrived, &sender)?;
                signals.ignored.push((ignored, arrived));
            }
        }
        Ok(signals)
    }

    /// Has a signal set a flag and wake the poll.
    fn watch(
        &mut self,
        signal: i32,
        arrived: &Arc<AtomicBool>,
        sender: &OwnedFd,
    ) -> std::io::Result<()> {
        self.registered.push(flag::register(signal, Arc::clone(arrived))?);
        self.registered.push(low_level::pipe::register(signal, sender.try_clone()?)?);
        Ok(())
    }
}

impl Drop for SignalPipe {
    fn drop(&mut self) {
        for hook in self.registered.drain(..) {
            low_level::unregister(hook);
        }
    }
}

/// Signals whose default ends the process at once, and which operators send to daemons.
const IGNORED_BY_DAEMONS: [IgnoredSignal; 2] = [
    IgnoredSignal { signal: SIGUSR1, line: "SIGUSR1 ignored: it has no meaning here" },
    IgnoredSignal { signal: SIGUSR2, line: "SIGUSR2 ignored: it has no meaning here" },
];
