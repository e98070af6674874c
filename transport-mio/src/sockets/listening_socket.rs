//! Sockets on which a host accepts connections.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};

use super::connection::set_options;
use super::socket::Socket;
use crate::error::Error;

/// A socket on which a host accepts connections. From its creation on, the system queues them.
#[derive(Debug)]
pub struct ListeningSocket {
    kind: Kind,
    address: LocalAddress,
    encryption: Encryption,
    /// The file that this process has created, if it has.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Where a host listens. The text of a TCP address is `IP:PORT`, that of a Unix socket `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Whether accepted connections speak TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// If the host has a certificate.
    OfHost,
    /// Never.
    Plain,
}

impl ListeningSocket {
    /// Listens on a TCP address. The address `[::]` takes IPv4 too.
    pub fn tcp(address: SocketAddr) -> Result<Self, Error> {
        let bound = bind_tcp(address).and_then(TryFrom::try_from);
        bound.map_err(failed(&LocalAddress::Tcp(address)))
    }

    /// Listens on a Unix socket. Its file gets these permissions, and is removed when the socket is
    /// dropped. A file that a killed process has left behind is replaced.
    ///
    /// # Errors
    /// [`Error::AddressInUse`] if another process accepts connections there. Any file that is not a
    /// socket is left alone, with an error.
    pub fn unix(path: &Path, mode: u32) -> Result<Self, Error> {
        let address = LocalAddress::Unix(path.to_owned());
        let bound = remove_stale(path).and_then(|()| bind_unix(path, mode));
        let (listener, file) = bound.map_err(failed(&address))?;
        Ok(Self { _file: Some(file), ..Self::new(Kind::Unix(listener), address) })
    }

    const fn new(kind: Kind, address: LocalAddress) -> Self {
        Self { kind, address, encryption: Encryption::OfHost, _file: None }
    }

    /// Accepts connections without TLS, even if the host has a certificate.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { encryption: Encryption::Plain, ..self }
    }

    /// Where it listens, with the port that the system chose if 0 was requested.
    pub const fn local_address(&self) -> &LocalAddress {
        &self.address
    }

    /// Whether accepted connections speak TLS.
    pub(super) const fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Accepts a connection. A peer on a Unix socket has the address 127.0.0.1: it is a program on
    /// this machine, like one that connects over the loopback interface.
    pub(super) fn accept(&self) -> io::Result<(Socket, IpAddr)> {
        match &self.kind {
            Kind::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                set_options(&stream);
                Ok((std::net::TcpStream::from(stream).into(), peer.ip().to_canonical()))
            }
            Kind::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((StdUnixStream::from(stream).into(), Ipv4Addr::LOCALHOST.into()))
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.kind {
            Kind::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Kind::Unix(listener) => listener.register(registry, token, Interest::READABLE),
        }
    }
}

/// Takes over a socket that listens already, from a service manager for instance.
impl TryFrom<std::net::TcpListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = LocalAddress::Tcp(listener.local_addr()?);
        Ok(Self::new(Kind::Tcp(TcpListener::from_std(listener)), address))
    }
}

/// Takes over a socket that listens already. Its file, which another process has created, stays.
impl TryFrom<StdUnixListener> for ListeningSocket {
    type Error = io::Error;

    fn try_from(listener: StdUnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let path = listener.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
        Ok(Self::new(Kind::Unix(UnixListener::from_std(listener)), LocalAddress::Unix(path)))
    }
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The file of a Unix socket. It is removed when this is dropped, unless another file has taken its
/// place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| id(&found) == self.id) {
            // A file that can't be removed is replaced by the next server.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn failed(address: &LocalAddress) -> impl FnOnce(io::Error) -> Error {
    let address = address.clone();
    move |source| {
        if source.kind() == ErrorKind::AddrInUse {
            Error::AddressInUse(address)
        } else {
            Error::Listen { address, source }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server can take its port again while old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        // Whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile { path: path.to_owned(), id: id(&fs::symlink_metadata(path)?) };
    // Nobody can connect before the socket listens: until then its mode does not matter.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok((UnixListener::from_std(socket.into()), file))
}

/// Removes the file of a socket on which nobody accepts connections any more.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => match StdUnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
            Ok(_) => Err(ErrorKind::AddrInUse.into()),
        },
        Ok(_) => Err(io::Error::new(ErrorKind::AlreadyExists, "another file has this name")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Connections that the system queues for us: all clients reconnect at once after a restart.
const BACKLOG: i32 = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_port_is_named() {
        let any = "127.0.0.1:0".parse().unwrap();
        let first = ListeningSocket::tcp(any).unwrap();
        let LocalAddress::Tcp(taken) = *first.local_address() else { panic!("{first:?}") };
        let error = ListeningSocket::tcp(taken).unwrap_err();
        assert!(
            matches!(&error, Error::AddressInUse(address) if address == first.local_address()),
            "{error}"
        );
    }

    #[test]
    fn file_of_a_socket_is_there_as_long_as_the_socket_and_has_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = ListeningSocket::unix(&path, 0o600).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(socket.local_address().to_string(), format!("unix:{}", path.display()));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn socket_that_answers_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let socket = ListeningSocket::unix(&path, 0o600).unwrap();
        let error = ListeningSocket::unix(&path, 0o600).unwrap_err();
        assert!(matches!(error, Error::AddressInUse(_)), "{error}");
        StdUnixStream::connect(&path).unwrap();
        drop(socket);
        fs::write(&path, "letters").unwrap();
        assert!(ListeningSocket::unix(&path, 0o600).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"letters");
    }

    #[test]
    fn socket_that_was_left_behind_is_replaced_and_the_newer_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let stale = StdUnixListener::bind(&path).unwrap();
        drop(stale);
        let replaced = ListeningSocket::unix(&path, 0o600).unwrap();
        fs::remove_file(&path).unwrap();
        let newer = StdUnixListener::bind(&path).unwrap();
        drop(replaced);
        assert!(path.exists());
        drop(newer);
    }
}
