//! A server process that we start, and end whatever happens.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use sealpost_programs::Failure;
use tempfile::TempDir;

use crate::system::interrupt::{self, Leftovers};
use crate::system::process::Pid;

/// A running server with a folder of its own. Both are gone after a drop or an interrupted run.
pub(super) struct OwnServer {
    child: Child,
    folder: TempDir,
}

impl OwnServer {
    /// Starts the server with the command that `command` makes for its folder.
    pub(super) fn start(
        folder: TempDir,
        command: impl FnOnce(&Path) -> Result<Command, Failure>,
    ) -> Result<Self, Failure> {
        interrupt::watch()?;
        let child = spawn(folder.path(), command)?;
        // From here on, dropping `own` ends the server, whatever happens.
        let own = Self { child, folder };
        own.note();
        Ok(own)
    }

    /// Stops the server gracefully, and starts it again in the same folder.
    pub(super) fn restart(
        &mut self,
        command: impl FnOnce(&Path) -> Result<Command, Failure>,
    ) -> Result<(), Failure> {
        self.end()?;
        self.child = spawn(self.folder.path(), command)?;
        self.note();
        Ok(())
    }

    pub(super) fn pid(&self) -> Pid {
        Pid(self.child.id())
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's standard output, once after each start.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout, Failure> {
        self.child.stdout.take().ok_or_else(|| Failure::new("no standard output"))
    }

    /// What the server has written to its standard error since its latest start. `None` if the file
    /// can't be read.
    pub(super) fn log(&self) -> Option<String> {
        fs::read_to_string(log_file(self.folder.path())).ok()
    }

    /// How the server has ended, or `None` if it is running.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            // The process id may belong to another process from now on.
            interrupt::note(None);
        }
        Ok(status)
    }

    /// Stops the server gracefully.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.terminate();
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.ended()? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(Failure::new(format_args!("the server ended with {status}")))
                };
            }
            thread::sleep(Duration::from_millis(5));
        }
        Err(Failure::new(format_args!("the server did not stop within {PATIENCE:?} of SIGTERM")))
    }

    fn terminate(&self) {
        // The child was not waited for yet, so the process id is still its own.
        let _ = kill_process(rustix::process::Pid::from_child(&self.child), Signal::TERM);
    }

    fn note(&self) {
        interrupt::note(Some(Leftovers {
            server: rustix::process::Pid::from_child(&self.child),
            folder: self.folder.path().to_owned(),
        }));
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Once the child was waited for, its process id may belong to another process.
        interrupt::note(None);
        // The child may have ended already.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn spawn(
    folder: &Path,
    command: impl FnOnce(&Path) -> Result<Command, Failure>,
) -> Result<Child, Failure> {
    let mut command = command(folder)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log_file(folder))?);
    command.spawn().map_err(Failure::context(command.get_program().display()))
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

/// Longer than the server allows itself for stopping.
const PATIENCE: Duration = Duration::from_secs(20);
