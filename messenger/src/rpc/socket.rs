//! The socket in a home. It has mode 0600, and whoever connects is checked once more by the kernel's
//! word, so that a wrong mode lets nobody in.

use std::fs::{self, Permissions};
use std::io::{self, BufReader, ErrorKind as IoKind, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::message;
use super::serve::{Output, serve};
use crate::api::ErrorKind;
use crate::engine::Door;

/// Serves an engine on a socket, until it is closed.
pub struct Listener {
    shared: Arc<Shared>,
    file: Mutex<Option<SocketFile>>,
    home: PathBuf,
}

struct Shared {
    connections: Mutex<Vec<Connection>>,
    is_closed: AtomicBool,
}

struct Connection {
    stream: UnixStream,
    output: Arc<Output>,
}

/// The file of a socket, which is removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Listener {
    /// Creates the socket in a home, in place of one that a process left behind that was killed, and
    /// serves it on threads of its own. The caller must have the home's lock.
    pub fn bind(home: &Path, door: Door) -> io::Result<Self> {
        let path = home.join(SOCKET);
        remove_stale(&path)?;
        let listener = reachable(home, |path| UnixListener::bind(path))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Self::start(home, listener, door, Some(SocketFile(path)))
    }

    /// Serves a socket that the service manager made.
    pub fn adopt(home: &Path, listener: UnixListener, door: Door) -> io::Result<Self> {
        Self::start(home, listener, door, None)
    }

    fn start(
        home: &Path,
        listener: UnixListener,
        door: Door,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        let shared =
            Arc::new(Shared { connections: Mutex::default(), is_closed: AtomicBool::new(false) });
        let ours = Arc::clone(&shared);
        thread::Builder::new()
            .name("socket".into())
            .spawn(move || ours.accept(&listener, &door))?;
        Ok(Self { shared, file: Mutex::new(file), home: home.into() })
    }

    /// Takes no more connections, lets requests that wait be answered for at most `patience`, and ends
    /// the connections. Further calls have no effect.
    pub fn close(&self, patience: Duration) {
        if self.shared.is_closed.swap(true, Ordering::SeqCst) {
            return;
        }
        // Wakes the thread that accepts, which then takes no more.
        let _ = connect(&self.home);
        drop(self.file.lock().unwrap_or_else(PoisonError::into_inner).take());
        let deadline = Instant::now() + patience;
        while self.shared.is_answering() && Instant::now() < deadline {
            thread::sleep(CLOSE_PAUSE);
        }
        for connection in self.shared.lock().drain(..) {
            // The peer may have ended it already.
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &UnixListener, door: &Door) {
        for stream in listener.incoming() {
            if self.is_closed.load(Ordering::SeqCst) {
                return;
            }
            match stream {
                Ok(stream) => self.admit(stream, door),
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection to the home's socket");
                    thread::sleep(ACCEPT_PAUSE);
                }
            }
        }
    }

    /// Serves a connection on a thread of its own, or says why not.
    fn admit(self: &Arc<Self>, stream: UnixStream, door: &Door) {
        let refusal = peer_objection(&stream).or_else(|| {
            (self.lock().len() >= CONNECTIONS_MAX)
                .then(|| format!("{CONNECTIONS_MAX} connections are open already: close one"))
        });
        if let Some(why) = refusal {
            tracing::warn!(why, "refused a connection to the home's socket");
            let error = ErrorKind::Busy.error(why).with_retry_after(1);
            // The peer may be gone already, and must not hold us up.
            let _ = stream.set_write_timeout(Some(REFUSAL_TIMEOUT));
            let _ = (&stream).write_all(message::answer(&Value::Null, &Err(error)).as_bytes());
            return;
        }
        if let Err(error) = self.begin(stream, door.clone()) {
            tracing::warn!(%error, "can't serve a connection to the home's socket");
        }
    }

    fn begin(self: &Arc<Self>, stream: UnixStream, door: Door) -> io::Result<()> {
        let output = Output::new(stream.try_clone()?);
        let (kept, hang_up) = (stream.try_clone()?, stream.try_clone()?);
        self.lock().push(Connection { stream: kept, output: Arc::clone(&output) });
        let shared = Arc::clone(self);
        let served = Arc::clone(&output);
        let run = move || {
            let (access, notifications) = door.open();
            let hang_up = move || {
                let _ = hang_up.shutdown(Shutdown::Both);
            };
            if let Err(error) =
                serve(BufReader::new(&stream), &served, access, notifications, hang_up)
            {
                tracing::debug!(%error, "a connection to the home's socket broke");
            }
            shared.lock().retain(|connection| !Arc::ptr_eq(&connection.output, &served));
        };
        let started = thread::Builder::new().name("connection".into()).spawn(run);
        if started.is_err() {
            self.lock().retain(|connection| !Arc::ptr_eq(&connection.output, &output));
        }
        started.map(drop)
    }

    fn is_answering(&self) -> bool {
        self.lock().iter().any(|connection| connection.output.waiting() > 0)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that can't be removed is replaced by the next owner of the home.
        let _ = fs::remove_file(&self.0);
    }
}

/// Connects to the socket in a home.
pub fn connect(home: &Path) -> io::Result<UnixStream> {
    reachable(home, |path| UnixStream::connect(path))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(
            IoKind::AlreadyExists,
            format!("{} is another file: move it away", path.display()),
        )),
        Err(error) if error.kind() == IoKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Calls `open` with a path of the socket in `home` that is short enough: the kernel takes 107 bytes.
/// Through the folder's file descriptor it is short in any folder.
fn reachable<T>(home: &Path, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = home.join(SOCKET);
    if path.as_os_str().len() <= PATH_MAX {
        return open(&path);
    }
    let home = fs::File::open(home)?;
    open(Path::new(&format!("/proc/self/fd/{}/{SOCKET}", home.as_raw_fd())))
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
    (peer != user && peer != 0)
        .then(|| format!("this home belongs to the user with id {user}, not to {peer}"))
}

/// Name of the socket in a home.
const SOCKET: &str = "socket";
/// Most connections at once.
const CONNECTIONS_MAX: usize = 64;
/// Longest path of a socket in bytes.
const PATH_MAX: usize = 100;
/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between two looks whether requests still wait.
const CLOSE_PAUSE: Duration = Duration::from_millis(10);
/// How long a peer may take to read why it is not admitted.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::io::Read;

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
        let home = root.path().join("long".repeat(50));
        fs::create_dir(&home).unwrap();
        let listener = reachable(&home, |path| UnixListener::bind(path)).unwrap();
        assert!(home.join(SOCKET).exists());
        connect(&home).unwrap().write_all(b"x").unwrap();
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
        assert_eq!(remove_stale(&path).unwrap_err().kind(), IoKind::AlreadyExists);
    }
}
