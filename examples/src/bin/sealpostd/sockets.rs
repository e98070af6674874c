//! Opens the sockets on which the server listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use sealpost_mio::{Error, ListeningSocket, LocalAddress};
use sealpost_programs::Failure;

use crate::config::{LOCALHOST, Listen, Place};

/// Opens all sockets: several for a name with several addresses, or for a service manager that
/// passes several.
pub(crate) fn open(places: &[Listen]) -> Result<Vec<ListeningSocket>, Failure> {
    let mut sockets = Vec::new();
    for listen in places {
        let opened = match &listen.place {
            Place::Tcp { host, port } => open_tcp(host, *port)?,
            Place::Unix { path, mode } => vec![ListeningSocket::unix(path, *mode)?],
            Place::ServiceManager => inherited()?,
        };
        let encrypted = |socket: ListeningSocket| {
            if listen.takes_tls() { socket } else { socket.plain() }
        };
        sockets.extend(opened.into_iter().map(encrypted));
    }
    Ok(sockets)
}

/// The first TCP address of these sockets.
pub(crate) fn first_address(sockets: &[ListeningSocket]) -> Option<SocketAddr> {
    sockets.iter().find_map(|socket| match socket.local_address() {
        LocalAddress::Tcp(address) => Some(*address),
        LocalAddress::Unix(_) => None,
    })
}

/// The folders in which files are removed when the server stops.
pub(crate) fn folders(places: &[Listen]) -> Vec<PathBuf> {
    let folder = |listen: &Listen| match &listen.place {
        Place::Unix { path, .. } => path.parent().map(Path::to_owned),
        Place::Tcp { .. } | Place::ServiceManager => None,
    };
    places.iter().filter_map(folder).collect()
}

/// Listens on all addresses of a host. Addresses that this machine does not have are left out if it
/// has another one: `localhost` is IPv6 too on machines without IPv6.
fn open_tcp(host: &str, port: u16) -> Result<Vec<ListeningSocket>, Failure> {
    let mut sockets = Vec::new();
    let mut missing = None;
    for address in addresses(host, port)
        .map_err(Failure::context(format!("can't listen on {host}: looking up the name failed")))?
    {
        match ListeningSocket::tcp(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_elsewhere(&error) => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if sockets.is_empty() => Err(error.into()),
        Some(_) | None => Ok(sockets),
    }
}

/// Whether this machine does not have the address.
fn is_elsewhere(error: &Error) -> bool {
    match error {
        Error::Listen { source, .. } => source.kind() == io::ErrorKind::AddrNotAvailable,
        Error::AddressInUse(_) | Error::System { .. } => false,
    }
}

fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host == LOCALHOST {
        let both: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        return Ok(both.map(|ip| (ip, port).into()).into());
    }
    // A resolver may name an address twice.
    let mut addresses: Vec<_> = Vec::new();
    for address in (host, port).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

/// The sockets that the service manager has opened (`sd_listen_fds(3)`).
fn inherited() -> Result<Vec<ListeningSocket>, Failure> {
    let mut passed = ListenFd::from_env();
    let sockets: Result<Vec<_>, io::Error> =
        (0..passed.len()).filter_map(|index| take(&mut passed, index).transpose()).collect();
    let sockets = sockets.map_err(Failure::context(
        "the service manager passes something that is not a listening TCP or Unix stream socket",
    ))?;
    if sockets.is_empty() {
        return Err(Failure::new(
            "the service manager passes no socket: start the server with its socket unit, or \
             listen on an address",
        ));
    }
    Ok(sockets)
}

fn take(passed: &mut ListenFd, index: usize) -> io::Result<Option<ListeningSocket>> {
    match passed.take_tcp_listener(index) {
        Ok(listener) => listener.map(TryFrom::try_from).transpose(),
        Err(_) => passed.take_unix_listener(index)?.map(TryFrom::try_from).transpose(),
    }
}
