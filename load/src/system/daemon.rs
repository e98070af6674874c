//! The server under load: one started for this run, or one that is running already.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use sealpost_core::address::ServerAddress;
use sealpost_core::wire::Profile;
use sealpost_programs::Failure;
use tempfile::TempDir;

use crate::options::ServerArgs;
use crate::system::own_server::OwnServer;
use crate::system::process::Pid;

/// A server that accepts connections.
pub(crate) struct Daemon {
    address: ServerAddress,
    /// `None` for a server that was started elsewhere, unless the command line names the process.
    pid: Option<Pid>,
    /// Set if we started the server, and so must end it.
    own: Option<OwnServer>,
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
        started(OwnServer::start(folder, |folder| command(folder, args, Rates::Unlimited))?)
    }

    /// Stops the server gracefully and starts it again with the same data, on another port. A
    /// server that was started elsewhere stays as it is.
    pub(crate) fn restart(self, args: &ServerArgs, rates: Rates) -> Result<Self, Failure> {
        let Self { address, pid, own } = self;
        let Some(mut own) = own else { return Ok(Self { address, pid, own }) };
        own.restart(|folder| command(folder, args, rates))?;
        started(own)
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
        self.own.as_ref().map(|own| own.folder().join(DATA))
    }

    /// What the server has logged since its latest start, if we started it.
    pub(crate) fn log(&self) -> Option<String> {
        self.own.as_ref()?.log()
    }

    /// Stops the server gracefully if we started it.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.own.as_mut().map_or(Ok(()), OwnServer::end)
    }
}

/// Waits until a server that we started accepts connections.
fn started(mut own: OwnServer) -> Result<Daemon, Failure> {
    let address = ready(&mut own)?;
    Ok(Daemon { address, pid: Some(own.pid()), own: Some(own) })
}

/// Waits for the line with which the server says that it accepts connections.
fn ready(own: &mut OwnServer) -> Result<ServerAddress, Failure> {
    let mut line = String::new();
    BufReader::new(own.stdout()?).read_line(&mut line)?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let &["ready", local, fingerprint] = words.as_slice() else {
        let log = own.log().unwrap_or_default();
        return Err(Failure::new(format_args!("the server did not start: {log}")));
    };
    let fingerprint = fingerprint.trim_start_matches("sha256:");
    Ok(format!("sealpost://{local}/{fingerprint}").parse()?)
}

fn command(folder: &Path, args: &ServerArgs, rates: Rates) -> Result<Command, Failure> {
    let mut command = Command::new(args.server.clone().map_or_else(beside_us, Ok)?);
    command
        .args(["--init", "--listen", "127.0.0.1:0", "--otp", "in-band", "--data"])
        .arg(folder.join(DATA))
        .args((rates == Rates::Unlimited).then_some("--no-limits"))
        .args(args.workers.map(|workers| format!("--workers={workers}")))
        .args(args.verify.map(|verify| format!("--verify={verify}")));
    // Nothing but these arguments configures the server.
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("SEALPOST_")) {
        command.env_remove(name);
    }
    Ok(command)
}

/// The `sealpostd` in the folder of this program.
fn beside_us() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("sealpostd"))
}

const DATA: &str = "data";
