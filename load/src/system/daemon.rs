//! The server under load: one started for this run, or one that is running already.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use sealpost_core::address::ServerAddress;
use sealpost_core::wire::Profile;
use sealpost_programs::Failure;
use tempfile::TempDir;

use crate::options::ServerArgs;
use crate::system::interrupt::{self, Leftovers};
use crate::system::process::Pid;

/// A server that accepts connections.
pub(crate) struct Daemon {
    address: ServerAddress,
    /// `None` for a server that was started elsewhere, unless the command line names the process.
    pid: Option<Pid>,
    /// Set if we started the server, and so must end it.
    own: Option<OwnServer>,
}

struct OwnServer {
    child: Child,
    folder: TempDir,
}

/// How fast a server lets its clients go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rates {
    /// As fast as the server can.
    Unlimited,
    /// The server's default limits.
    Default,
}

impl Daemon {
    /// Starts a server, or finds the one that the command line names.
    pub(crate) fn start(args: &ServerArgs) -> Result<Self, Failure> {
        if let Some(address) = &args.connect {
            if address.profile() != Profile::Compact {
                return Err(Failure::usage(
                    "the server uses the wide profile; sealpost-load supports only compact",
                ));
            }
            return Ok(Self { address: address.clone(), pid: args.pid.map(Pid), own: None });
        }
        let folder = match &args.data_dir {
            Some(parent) => TempDir::new_in(parent),
            None => TempDir::new(),
        }
        .map_err(Failure::context("can't make a folder for the server"))?;
        interrupt::watch()?;
        let child = spawn(folder.path(), args, Rates::Unlimited)?;
        // From here on, dropping `own` ends the server, whatever happens.
        OwnServer { child, folder }.started()
    }

    /// Stops the server gracefully and starts it again with the same data, on another port. A
    /// server that was started elsewhere stays as it is.
    pub(crate) fn restart(self, args: &ServerArgs, rates: Rates) -> Result<Self, Failure> {
        let Self { address, pid, own } = self;
        let Some(mut own) = own else { return Ok(Self { address, pid, own }) };
        own.end()?;
        own.child = spawn(own.folder.path(), args, rates)?;
        own.started()
    }

    /// The address and the fingerprint of the server's key.
    pub(crate) const fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The server's process, if known.
    pub(crate) const fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// The folder with the server's data, if we started the server.
    pub(crate) fn data(&self) -> Option<PathBuf> {
        self.own.as_ref().map(|own| own.folder.path().join(DATA))
    }

    /// What the server has logged since its latest start, if we started it.
    pub(crate) fn log(&self) -> Option<String> {
        std::fs::read_to_string(self.own.as_ref()?.folder.path().join(LOG)).ok()
    }

    /// Stops the server gracefully if we started it.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.own.as_mut().map_or(Ok(()), OwnServer::end)
    }
}

impl OwnServer {
    /// Takes note of the process, and waits until it accepts connections.
    fn started(mut self) -> Result<Daemon, Failure> {
        interrupt::note(Some(Leftovers {
            server: rustix::process::Pid::from_child(&self.child),
            folder: self.folder.path().to_owned(),
        }));
        let address = self.ready()?;
        Ok(Daemon { address, pid: Some(Pid(self.child.id())), own: Some(self) })
    }

    /// Waits for the line with which the server says that it accepts connections.
    fn ready(&mut self) -> Result<ServerAddress, Failure> {
        let stdout = self.child.stdout.take().ok_or_else(|| Failure::new("no standard output"))?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let &["ready", local, fingerprint] = words.as_slice() else {
            let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
            return Err(Failure::new(format_args!("the server did not start: {log}")));
        };
        let fingerprint = fingerprint.trim_start_matches("sha256:");
        Ok(format!("sealpost://{local}/{fingerprint}").parse()?)
    }

    /// Stops the server gracefully.
    fn end(&mut self) -> Result<(), Failure> {
        self.terminate();
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                // The process id may belong to another process from now on.
                interrupt::note(None);
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

fn spawn(folder: &Path, args: &ServerArgs, rates: Rates) -> Result<Child, Failure> {
    let program = args.server.clone().map_or_else(beside_us, Ok)?;
    let log = File::create(folder.join(LOG))?;
    let mut command = Command::new(&program);
    command
        .args(["--listen", "127.0.0.1:0", "--otp", "in-band", "--data"])
        .arg(folder.join(DATA))
        .args((rates == Rates::Unlimited).then_some("--no-limits"))
        .args(args.workers.map(|workers| format!("--workers={workers}")))
        .env_remove("SEALPOST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    command.spawn().map_err(Failure::context(program.display()))
}

/// The `sealpostd` in the folder of this program.
fn beside_us() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("sealpostd"))
}

const DATA: &str = "data";
const LOG: &str = "sealpostd.log";
/// Longer than the server allows itself for stopping.
const PATIENCE: Duration = Duration::from_secs(20);
