//! Where the server listens, and where clients find it, as operators write it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use sealpost_core::address::{Endpoints, InvalidAddress, Transport};

/// A place to listen: `HOST:PORT`, `unix:PATH`, `unix:PATH?mode=660` or `systemd`; with `plain:`
/// before it, without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) place: Place,
    pub(crate) encryption: Encryption,
}

/// A place to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A host name or an IP address without brackets, and a port.
    Tcp { host: String, port: u16 },
    /// The path of a Unix socket, and its permissions.
    Unix { path: PathBuf, mode: u32 },
    /// The sockets that the service manager passes on.
    ServiceManager,
}

/// Whether connections are encrypted by TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// If there is a certificate.
    WithCertificate,
    /// Never.
    Plain,
}

/// A text says nowhere to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write HOST:PORT with the name or IP address of this machine ([::]:7465 for all addresses), \
     unix:/PATH with an absolute path, or systemd; plain: before it turns TLS off"
)]
pub(crate) struct NotAPlace;

/// Where clients find the server and others of its deployment: `HOST`, `HOST:PORT`, or several of
/// them with commas between; with `sealposts://` or `sealpost://` before all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicAddress {
    /// `None` means that of the server itself.
    pub(crate) transport: Option<Transport>,
    pub(crate) endpoints: Endpoints,
}

/// Port that Sealpost servers have by default.
pub(crate) const PORT: u16 = 7_465;

impl Listen {
    /// Whether only programs on this machine can connect. What a service manager passes on may be
    /// anything.
    pub(crate) fn is_local(&self) -> bool {
        match &self.place {
            Place::Tcp { host, .. } => {
                host == LOCALHOST
                    || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
            }
            Place::Unix { .. } => true,
            Place::ServiceManager => false,
        }
    }

    /// Whether connections are encrypted by TLS, if the server has a certificate.
    pub(crate) const fn takes_tls(&self) -> bool {
        matches!(self.encryption, Encryption::WithCertificate)
    }
}

impl FromStr for Listen {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        let (text, encryption) = match text.strip_prefix("plain:") {
            Some(text) => (text, Encryption::Plain),
            None => (text, Encryption::WithCertificate),
        };
        let place = if text == "systemd" {
            Place::ServiceManager
        } else if let Some(path) = text.strip_prefix("unix:") {
            unix(path)?
        } else {
            let (host, port) = text.rsplit_once(':').ok_or(NotAPlace)?;
            Place::Tcp { host: host_of(host)?, port: port.parse().map_err(|_| NotAPlace)? }
        };
        Ok(Self { place, encryption })
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp { host, port } => write!(f, "{host}:{port}"),
            Place::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Place::ServiceManager => f.write_str("the sockets of the service manager"),
        }
    }
}

impl FromStr for PublicAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let schemes = [("sealposts://", Transport::Tls), ("sealpost://", Transport::Tcp)];
        let given = schemes
            .iter()
            .find_map(|(scheme, transport)| Some((text.strip_prefix(scheme)?, *transport)));
        let (places, transport) = match given {
            Some((places, transport)) => (places, Some(transport)),
            None => (text, None),
        };
        let endpoint = |text: &str| {
            let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
            if has_port { text.parse() } else { format!("{text}:{PORT}").parse() }
        };
        let endpoints = places.split(',').map(endpoint).collect::<Result<_, _>>()?;
        Ok(Self { transport, endpoints: Endpoints::new(endpoints)? })
    }
}

fn unix(text: &str) -> Result<Place, NotAPlace> {
    let (path, mode) = match text.rsplit_once("?mode=") {
        Some((path, mode)) => (path, u32::from_str_radix(mode, 8).map_err(|_| NotAPlace)?),
        None => (text, MODE),
    };
    if !path.starts_with('/') || mode > 0o777 {
        return Err(NotAPlace);
    }
    Ok(Place::Unix { path: path.into(), mode })
}

/// A host without the brackets of IPv6.
fn host_of(text: &str) -> Result<String, NotAPlace> {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let is_ipv6 = text.contains([':', '[', ']']);
    match bracketed {
        Some(host) if host.contains(':') => Ok(host.to_owned()),
        None if !text.is_empty() && !is_ipv6 && !text.contains(['/', ' ']) => Ok(text.to_owned()),
        Some(_) | None => Err(NotAPlace),
    }
}

/// The name of this machine for itself (RFC 6761, 6.3).
pub(crate) const LOCALHOST: &str = "localhost";
/// Permissions of a Unix socket: its owner and group can connect.
const MODE: u32 = 0o660;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_people_write_them() {
        let tcp = |host: &str, port| Place::Tcp { host: host.into(), port };
        let unix = |path: &str, mode| Place::Unix { path: path.into(), mode };
        for (text, place, local) in [
            ("127.0.0.1:0", tcp("127.0.0.1", 0), true),
            ("localhost:7465", tcp("localhost", 7_465), true),
            ("chat.example.org:7465", tcp("chat.example.org", 7_465), false),
            ("[::]:7465", tcp("::", 7_465), false),
            ("[::1]:7465", tcp("::1", 7_465), true),
            ("[fe80::1%eth0]:1", tcp("fe80::1%eth0", 1), false),
            ("unix:/run/sealpost.sock", unix("/run/sealpost.sock", 0o660), true),
            ("unix:/run/a.sock?mode=600", unix("/run/a.sock", 0o600), true),
            ("systemd", Place::ServiceManager, false),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!((&listen.place, listen.is_local()), (&place, local), "{text}");
            assert!(listen.takes_tls());
            let plain: Listen = format!("plain:{text}").parse().unwrap();
            assert_eq!((&plain.place, plain.takes_tls()), (&place, false), "{text}");
        }
        for text in [
            "nowhere",
            ":7465",
            "::1:7465",
            "[127.0.0.1]:1",
            "a:65536",
            "a:-1",
            "unix:relative",
            "unix:/a?mode=888",
            "unix:/a?mode=1777",
            "tcp://a:1",
            "",
        ] {
            assert_eq!(text.parse::<Listen>(), Err(NotAPlace), "{text}");
        }
    }

    #[test]
    fn public_address_has_the_usual_port_and_transport_unless_it_says_otherwise() {
        for (text, transport, endpoints) in [
            ("chat.example.org", None, "chat.example.org:7465"),
            ("chat.example.org:443", None, "chat.example.org:443"),
            ("sealposts://[2001:db8::1]", Some(Transport::Tls), "[2001:db8::1]:7465"),
            ("sealpost://[2001:db8::1]:1", Some(Transport::Tcp), "[2001:db8::1]:1"),
            ("a,b:1,[::1]", None, "a:7465,b:1,[::1]:7465"),
            ("sealposts://a,b", Some(Transport::Tls), "a:7465,b:7465"),
        ] {
            let endpoints = endpoints.parse().unwrap();
            assert_eq!(text.parse(), Ok(PublicAddress { transport, endpoints }), "{text}");
        }
        for (text, error) in [
            ("", InvalidAddress::Host),
            ("a b", InvalidAddress::Host),
            ("a/b", InvalidAddress::Host),
            ("a:0", InvalidAddress::Port),
            ("http://a", InvalidAddress::Port),
            ("a,", InvalidAddress::Host),
            ("a, b", InvalidAddress::Host),
            ("a,sealposts://b", InvalidAddress::Port),
            ("a,a:7465", InvalidAddress::Endpoints),
        ] {
            assert_eq!(text.parse::<PublicAddress>(), Err(error), "{text}");
        }
    }
}
