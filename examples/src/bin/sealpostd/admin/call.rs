//! The command line's side: asks the running server, or carries the request out itself if none
//! runs.

use std::fs::{self, Metadata};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;
use sealpost_programs::Failure;

use super::place::Place;
use super::request::{Answer, Reply, Request};
use super::socket::{self, SOCKET};
use super::tasks;
use crate::data::DataFolder;
use crate::site::Site;

/// Has a request carried out, by the server if one runs. The folder stays locked meanwhile.
pub(super) fn perform(site: &Site, request: Request) -> Result<Answer, Failure> {
    let lock = site.data().try_lock()?;
    if lock.is_some() {
        return tasks::perform(request, &Place::Stopped(site));
    }
    Call::required(site.data())?.ask(&request)
}

/// Has a request carried out that changes nothing. It keeps no server from starting.
pub(super) fn look(site: &Site, request: Request) -> Result<Answer, Failure> {
    match Call::connect(site.data())? {
        Some(mut call) => call.ask(&request),
        None => tasks::perform(request, &Place::Stopped(site)),
    }
}

/// A connection to the running server.
#[derive(Debug)]
pub(super) struct Call {
    stream: BufReader<UnixStream>,
}

impl Call {
    /// Connects to the server that runs on a folder; `None` if nothing listens.
    ///
    /// # Errors
    /// Fails if what listens may be another user's.
    pub(super) fn connect(data: &DataFolder) -> Result<Option<Self>, Failure> {
        let path = data.path().join(SOCKET);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreachable(&path)(error)),
        };
        if let Some(objection) = objection(&found, geteuid().as_raw()) {
            return Err(Failure::new(format_args!("{} {objection}", path.display())));
        }
        let stream = match socket::connect(data.path()) {
            Ok(stream) => stream,
            // The server was killed, or ended just now.
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(unreachable(&path)(error)),
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(unreachable(&path))?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(unreachable(&path))?;
        Ok(Some(Self { stream: BufReader::new(stream) }))
    }

    /// Connects to the server that runs on a folder, and fails if nothing listens.
    pub(super) fn required(data: &DataFolder) -> Result<Self, Failure> {
        Self::connect(data)?.ok_or_else(|| {
            Failure::new(format_args!(
                "a server or a command is using {}, but nothing listens on {SOCKET} in it: it is \
                 starting or stopping, try again; if the server's log says that it takes no \
                 commands, stop it first",
                data.path().display()
            ))
        })
    }

    /// Sends a request, and waits for its answer.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let mut line = serde_json::to_string(request)?;
        line.push('\n');
        let mut answer = String::new();
        let sent = self.stream.get_mut().write_all(line.as_bytes());
        // A server that refuses the connection has said why before it closed.
        let read = self.stream.by_ref().take(ANSWER_MAX).read_line(&mut answer);
        match read.and_then(|read| if read == 0 { sent.map(|()| 0) } else { Ok(read) }) {
            Ok(0) => Err(unanswered()),
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) =>
            {
                Err(unanswered())
            }
            Ok(_) => match serde_json::from_str(&answer) {
                Ok(Reply::Done(answer)) => Ok(answer),
                Ok(Reply::Failed(why)) => Err(Failure::new(why)),
                Err(error) => Err(Failure::new(format_args!(
                    "the server's answer is not understood ({error}): it is of another version"
                ))),
            },
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Failure::new(format_args!(
                    "the server has not answered within {} s: its log may say why",
                    PATIENCE.as_secs()
                )))
            }
            Err(error) => Err(Failure::context("the connection to the server broke")(error)),
        }
    }

    /// Waits until the server has ended.
    pub(super) fn wait_for_end(&mut self) -> Result<(), Failure> {
        self.stream.read_line(&mut String::new()).map_err(Failure::context(
            "the server stops, but has not ended yet: its log may say why",
        ))?;
        Ok(())
    }
}

/// What is wrong with the socket, for the user with this id: what listens there could be anything.
fn objection(found: &Metadata, user: u32) -> Option<String> {
    if !found.file_type().is_socket() {
        return Some("is not a socket: remove it, and start the server again".into());
    }
    let owner = found.uid();
    (owner != user).then(|| {
        format!(
            "belongs to the user with id {owner}, and this program runs as {user}: run it as that \
             user"
        )
    })
}

/// The failure of a command during which the server ended.
fn unanswered() -> Failure {
    Failure::new("the server ended the connection before it answered: check what has been done")
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound)
}

fn unreachable(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    Failure::context(format!("can't reach the server at {}", path.display()))
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Longest answer in bytes.
const ANSWER_MAX: u64 = 1 << 20;
