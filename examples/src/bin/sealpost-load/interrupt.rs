//! SIGINT and SIGTERM end a run before its time: the server goes with it, and so does its folder.

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

/// What a run must not leave behind.
pub(crate) struct Leftovers {
    pub(crate) server: Pid,
    pub(crate) folder: PathBuf,
}

/// Has a signal clean up what is noted here, from now on.
pub(crate) fn watch() -> Result<(), Failure> {
    static WATCHED: Once = Once::new();
    let mut outcome = Ok(());
    WATCHED.call_once(|| outcome = start());
    outcome
}

/// Notes what is to be cleaned up; `None` once it is.
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
    // Held until the process ends, so that nothing new is begun meanwhile.
    let leftovers = LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Leftovers { server, folder }) = &*leftovers {
        // What it would have stored is about to be removed.
        let _ = kill_process(*server, Signal::KILL);
        // It may write while it dies.
        let _ = fs::remove_dir_all(folder).or_else(|_| fs::remove_dir_all(folder));
    }
    exit(INTERRUPTED);
}

static LEFTOVERS: Mutex<Option<Leftovers>> = Mutex::new(None);
const INTERRUPTED: i32 = 1;
