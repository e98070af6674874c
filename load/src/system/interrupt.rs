//! SIGINT and SIGTERM end a run early. The server is ended with it and its folder is removed.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::exit;
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use sealpost_programs::Failure;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::progress::say;

/// What an interrupted run must not leave behind.
pub(crate) struct Leftovers {
    pub(crate) server: Pid,
    pub(crate) folder: PathBuf,
}

/// Installs the signal handlers: from now on, a signal cleans up what was passed to [`note`].
pub(crate) fn watch() -> Result<(), Failure> {
    static WATCHED: Once = Once::new();
    let mut outcome = Ok(());
    WATCHED.call_once(|| outcome = start());
    outcome
}

/// Remembers what a signal must clean up; `None` once nothing is left.
pub(crate) fn note(leftovers: Option<Leftovers>) {
    *LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner) = leftovers;
}

fn start() -> Result<(), Failure> {
    let (mut signals, sender) = UnixStream::pair()?;
    let sender = OwnedFd::from(sender);
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, sender.try_clone()?)?;
    }
    thread::spawn(move || {
        if signals.read_exact(&mut [0]).is_ok() {
            say("interrupted");
            clean_up_and_exit();
        }
    });
    Ok(())
}

fn clean_up_and_exit() -> ! {
    // The lock is held until the process ends, so that no new server is started meanwhile.
    let leftovers = LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Leftovers { server, folder }) = &*leftovers {
        // A graceful stop would only store what is about to be removed.
        let _ = kill_process(*server, Signal::KILL);
        // The server may create a file while it dies, which makes the first attempt fail.
        let _ = fs::remove_dir_all(folder).or_else(|_| fs::remove_dir_all(folder));
    }
    exit(INTERRUPTED);
}

static LEFTOVERS: Mutex<Option<Leftovers>> = Mutex::new(None);
const INTERRUPTED: i32 = 1;
