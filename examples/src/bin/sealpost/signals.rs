//! Stopping in order on a signal, for a command that another process works for.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

/// Whether a signal has arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stopped(Arc<AtomicBool>);

impl Stopped {
    /// Calls `stop` on another thread when SIGINT or SIGTERM arrives.
    pub(crate) fn on_signals(&self, stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let (mut reader, writer) = UnixStream::pair()?;
        pipe::register(SIGINT, writer.try_clone()?)?;
        pipe::register(SIGTERM, writer)?;
        let stopped = Arc::clone(&self.0);
        thread::Builder::new().name("signals".into()).spawn(move || {
            if reader.read_exact(&mut [0]).is_ok() {
                stopped.store(true, Ordering::SeqCst);
                stop();
            }
        })?;
        Ok(())
    }

    /// Whether a signal has arrived.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
