//! Takes requests from other processes of the same user while the server runs.
//!
//! The socket is a file in the data folder, with mode 0600. Who connects is checked once more by the
//! kernel's word, so that a wrong mode lets nobody in. Connections, the length of a line and the
//! time that a peer takes are bounded.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sealpost_programs::Failure;

use super::place::Place;
use super::request::{Reply, Request};
use super::tasks;
use crate::data::DataFolder;
use crate::running::Running;

/// Name of the socket in the data folder.
pub(super) const SOCKET: &str = "admin.sock";

/// A socket that takes no requests yet. The file is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct AdminSocket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl AdminSocket {
    /// Creates the socket, in place of one that a server left behind that was killed. The caller
    /// must hold the folder's lock.
    pub(crate) fn bind(data: &DataFolder) -> Result<Self, Failure> {
        let path = data.path().join(SOCKET);
        let bound = remove_stale(&path).and_then(|()| {
            let listener = reachable(data.path(), |path| UnixListener::bind(path))?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        });
        let listener =
            bound.map_err(Failure::context(format!("can't listen on {}", path.display())))?;
        Ok(Self { listener, file: SocketFile(path) })
    }

    /// Takes requests on threads of its own, until the process ends. Keep what is returned until
    /// the server has stopped.
    pub(crate) fn serve(self, server: Running) -> Result<SocketFile, Failure> {
        let Self { listener, file } = self;
        let server = Arc::new(server);
        thread::Builder::new()
            .name("admin".into())
            .spawn(move || accept(&listener, &server))
            .map_err(Failure::context("can't start the thread for commands"))?;
        Ok(file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that can't be removed is replaced by the next server.
        let _ = fs::remove_file(&self.0);
    }
}

/// Connects to the socket in a folder.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    reachable(folder, |path| UnixStream::connect(path))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "another file has this name")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Calls `open` with a path of the socket in `folder` that is short enough: the kernel takes 107
/// bytes. Through the folder's file descriptor it is short in any folder.
fn reachable<T>(folder: &Path, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= PATH_MAX {
        return open(&path);
    }
    let folder = fs::File::open(folder)?;
    open(Path::new(&format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd())))
}

fn accept(listener: &UnixListener, server: &Arc<Running>) {
    // Each connection has a clone, so the count of references is that of connections and one.
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => admit(stream, server),
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection to the admin socket");
                thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Serves a connection on a thread of its own, or says why not.
fn admit(stream: UnixStream, server: &Arc<Running>) {
    let refusal = if let Err(error) = set_timeouts(&stream) {
        Some(format!("can't serve the connection: {error}"))
    } else if Arc::strong_count(server) > CONNECTIONS {
        Some(format!("{CONNECTIONS} commands are under way already: try again"))
    } else {
        peer_objection(&stream)
    };
    if let Some(refusal) = refusal {
        tracing::warn!(why = refusal, "refused a connection to the admin socket");
        // The peer may be gone already.
        let _ = reply(&stream, &Reply::Failed(refusal));
        return;
    }
    let server = Arc::clone(server);
    let serve = move || {
        if let Err(error) = converse(&stream, &server) {
            tracing::debug!(%error, "a connection to the admin socket broke");
        }
    };
    if let Err(error) = thread::Builder::new().name("admin-call".into()).spawn(serve) {
        tracing::warn!(%error, "can't start a thread for a command");
    }
}

fn set_timeouts(stream: &UnixStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PEER_TIMEOUT))?;
    stream.set_write_timeout(Some(PEER_TIMEOUT))
}

/// Why the peer is not admitted; `None` for a process of this user, or of root.
#[cfg(target_os = "linux")]
fn peer_objection(stream: &UnixStream) -> Option<String> {
    match rustix::net::sockopt::socket_peercred(stream) {
        Ok(peer) => objection(peer.uid.as_raw(), rustix::process::geteuid().as_raw()),
        Err(error) => Some(format!("can't tell who connects: {error}")),
    }
}

/// The mode of the socket keeps others out.
#[cfg(not(target_os = "linux"))]
fn peer_objection(_: &UnixStream) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn objection(peer: u32, user: u32) -> Option<String> {
    (peer != user && peer != 0).then(|| {
        format!("this server takes commands from the user with id {user}, not from {peer}")
    })
}

/// Answers the requests of one connection, until the peer ends it or is silent for too long.
fn converse(stream: &UnixStream, server: &Running) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") {
            let why = format!("a request is one line of at most {LINE_MAX} bytes");
            return reply(stream, &Reply::Failed(why));
        }
        reply(stream, &answer(&line, server))?;
    }
}

fn answer(line: &[u8], server: &Running) -> Reply {
    let request: Request = match serde_json::from_slice(line) {
        Ok(request) => request,
        Err(error) => return Reply::Failed(format!("not a request of this version: {error}")),
    };
    match tasks::perform(request, &Place::Running(server)) {
        Ok(answer) => Reply::Done(answer),
        Err(failure) => Reply::Failed(failure.to_string()),
    }
}

fn reply(mut stream: &UnixStream, reply: &Reply) -> io::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Most connections at once.
const CONNECTIONS: usize = 16;
/// Longest request in bytes, with the end of the line.
const LINE_MAX: u64 = 4_096;
/// How long a peer may take to send the rest of a request, or to read an answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Longest path of a socket in bytes.
const PATH_MAX: usize = 100;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_and_root_are_admitted() {
        for (peer, user) in [(1000, 1000), (0, 1000), (0, 0)] {
            assert_eq!(objection(peer, user), None, "{peer} at {user}");
        }
        for (peer, user) in [(1001, 1000), (1000, 0), (u32::MAX, 1000)] {
            assert!(objection(peer, user).is_some(), "{peer} at {user}");
        }
    }

    #[test]
    fn socket_in_a_folder_with_a_long_path_is_reached() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("long".repeat(50));
        fs::create_dir(&folder).unwrap();
        let listener = reachable(&folder, |path| UnixListener::bind(path)).unwrap();
        assert!(folder.join(SOCKET).exists());
        connect(&folder).unwrap().write_all(b"x").unwrap();
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn only_a_socket_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(SOCKET);
        remove_stale(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        remove_stale(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "precious").unwrap();
        assert_eq!(remove_stale(&path).unwrap_err().kind(), ErrorKind::AlreadyExists);
    }
}
