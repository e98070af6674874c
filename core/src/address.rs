//! Addresses of servers: `sealposts://HOST:PORT/FINGERPRINT` (PROTOCOL 1).

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::iter;
use core::net::Ipv6Addr;
use core::num::NonZeroUsize;
use core::str::FromStr;

use crate::ids::EndpointIndex;
use crate::keys::Fingerprint;
use crate::wire::{Invitation, Profile};

/// Address of a deployment: its transport and profile, the endpoints of its servers, and the
/// fingerprint of their key. A client needs nothing else to trust them.
///
/// The text is `sealpost://ENDPOINTS/FINGERPRINT` in the compact profile and `sealpost+wide://…` in
/// the wide one; `sealposts://…` and `sealposts+wide://…` over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    transport: Transport,
    profile: Profile,
    endpoints: Endpoints,
    fingerprint: Fingerprint,
}

/// Where the servers of a deployment can be reached: one to [`Endpoints::MAX`], each of which serves
/// the same users. The text is `HOST:PORT`, or several of them with commas between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    first: Endpoint,
    rest: Vec<Endpoint>,
}

/// Host and port of one server. In the text, `HOST:PORT`, an IPv6 host is in brackets. A link-local
/// one may name its scope, the interface to reach it by: `[fe80::1%eth0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// IPv6 without brackets, with its scope.
    host: String,
    /// Never 0.
    port: u16,
}

/// What carries the packets between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Nothing but TCP.
    Tcp,
    /// TLS 1.3 over TCP.
    Tls,
}

/// An invitation link: the address of a server, and the code of an invitation. The text is the
/// address, followed by `#` and the code. Whoever reads it may register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationLink {
    /// Address of the server.
    pub address: ServerAddress,
    /// Code of the invitation.
    pub invitation: Invitation,
}

/// The text is not the address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// The scheme is none of the four.
    #[error(
        "not a server address: it must begin with sealpost:// or sealposts://, or with \
         sealpost+wide:// or sealposts+wide://"
    )]
    Scheme,
    /// The text does not end with `/` and 64 lower-case hex digits.
    #[error(
        "not a server address: it must end with / and the 64 lower-case hex digits of a fingerprint"
    )]
    Fingerprint,
    /// The host is empty, has a character that no host name has, or is IPv6 without brackets.
    #[error(
        "not a server address: its host must be a name, an IPv4 address, or [IPv6], with %INTERFACE \
         only if it is link-local"
    )]
    Host,
    /// The port is missing, or not a number from 1 to 65535.
    #[error("not a server address: after the host it must have : and a port from 1 to 65535")]
    Port,
    /// There are more than [`Endpoints::MAX`] endpoints, or one of them is there twice.
    #[error("not a server address: of HOST:PORT it must have at most 8, and each of them once")]
    Endpoints,
    /// What follows the address is not `#` and the code of an invitation.
    #[error(
        "not an invitation link: after the address it must have # and 1 to 64 ASCII characters"
    )]
    Invitation,
}

impl ServerAddress {
    /// Makes an address from its parts.
    pub const fn new(
        transport: Transport,
        profile: Profile,
        endpoints: Endpoints,
        fingerprint: Fingerprint,
    ) -> Self {
        Self { transport, profile, endpoints, fingerprint }
    }

    /// The same address with the fingerprint of another key.
    #[must_use]
    pub fn with_fingerprint(&self, fingerprint: Fingerprint) -> Self {
        Self { fingerprint, ..self.clone() }
    }

    /// What carries the packets.
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// Profile of the deployment: the width of its user ids.
    pub const fn profile(&self) -> Profile {
        self.profile
    }

    /// Where the servers can be reached.
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Fingerprint of the servers' public key.
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }
}

impl FromStr for ServerAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (transport, profile, rest) = SCHEMES
            .into_iter()
            .find_map(|(transport, profile, scheme)| {
                Some((transport, profile, text.strip_prefix(scheme)?))
            })
            .ok_or(InvalidAddress::Scheme)?;
        let (endpoints, fingerprint) = rest.rsplit_once('/').ok_or(InvalidAddress::Fingerprint)?;
        let fingerprint = fingerprint.parse().map_err(|_| InvalidAddress::Fingerprint)?;
        Ok(Self::new(transport, profile, endpoints.parse()?, fingerprint))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_ours = |entry: &(Transport, Profile, &str)| {
            (entry.0, entry.1) == (self.transport, self.profile)
        };
        f.write_str(SCHEMES.into_iter().find(is_ours).map_or("", |(_, _, scheme)| scheme))?;
        write!(f, "{}/{}", self.endpoints, self.fingerprint)
    }
}

impl Endpoints {
    /// Largest count of endpoints: a deployment has few servers, and a link is one line.
    pub const MAX: usize = 8;

    /// Takes endpoints in the order in which they are written.
    ///
    /// # Errors
    /// [`InvalidAddress::Endpoints`] for none, too many, or one that is there twice.
    pub fn new(endpoints: Vec<Endpoint>) -> Result<Self, InvalidAddress> {
        let is_repeated = |(index, endpoint): (usize, &Endpoint)| {
            endpoints.iter().take(index).any(|before| before == endpoint)
        };
        if endpoints.len() > Self::MAX || endpoints.iter().enumerate().any(is_repeated) {
            return Err(InvalidAddress::Endpoints);
        }
        let mut endpoints = endpoints.into_iter();
        let first = endpoints.next().ok_or(InvalidAddress::Endpoints)?;
        Ok(Self { first, rest: endpoints.collect() })
    }

    /// Count of endpoints.
    pub const fn count(&self) -> NonZeroUsize {
        NonZeroUsize::MIN.saturating_add(self.rest.len())
    }

    /// The endpoint that is written first.
    pub const fn first(&self) -> &Endpoint {
        &self.first
    }

    /// The endpoint at an index, if there is one.
    pub fn at(&self, index: EndpointIndex) -> Option<&Endpoint> {
        self.iter().nth(index.0)
    }

    /// The endpoints in the order in which they are written.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        iter::once(&self.first).chain(&self.rest)
    }
}

impl From<Endpoint> for Endpoints {
    fn from(only: Endpoint) -> Self {
        Self { first: only, rest: Vec::new() }
    }
}

impl FromStr for Endpoints {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        // No host has a comma.
        Self::new(text.split(',').map(str::parse).collect::<Result<_, _>>()?)
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.rest.iter().try_for_each(|endpoint| write!(f, ",{endpoint}"))
    }
}

impl Endpoint {
    /// Makes an endpoint from its parts. An IPv6 host is given without brackets.
    ///
    /// # Errors
    /// [`InvalidAddress::Host`] or [`InvalidAddress::Port`].
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidAddress> {
        if !is_name(host) && !is_ipv6(host) {
            return Err(InvalidAddress::Host);
        }
        if port == 0 {
            return Err(InvalidAddress::Port);
        }
        Ok(Self { host: host.to_owned(), port })
    }

    /// Host: a name, an IPv4 address, or an IPv6 address without brackets, with its scope.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Endpoint {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (host, port) = split_host_port(text)?;
        let decimal = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| decimal).ok_or(InvalidAddress::Port)?;
        Self::new(host, port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl FromStr for InvitationLink {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (address, code) = text.split_once('#').ok_or(InvalidAddress::Invitation)?;
        let invitation = code.parse().map_err(|_| InvalidAddress::Invitation)?;
        Ok(Self { address: address.parse()?, invitation })
    }
}

impl fmt::Display for InvitationLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.address, self.invitation.code())
    }
}

/// Splits `HOST:PORT`. An IPv6 host loses its brackets.
fn split_host_port(text: &str) -> Result<(&str, &str), InvalidAddress> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(InvalidAddress::Host)?;
        if !is_ipv6(host) {
            return Err(InvalidAddress::Host);
        }
        return Ok((host, rest.strip_prefix(':').ok_or(InvalidAddress::Port)?));
    }
    let (host, port) = text.split_once(':').ok_or(InvalidAddress::Port)?;
    if !is_name(host) || port.contains(':') {
        return Err(InvalidAddress::Host);
    }
    Ok((host, port))
}

/// Whether the text can be a host name or an IPv4 address.
fn is_name(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=253).contains(&host.len()) && host.bytes().all(fits)
}

/// Whether the text is an IPv6 address, with a scope (RFC 4007) only if it is link-local.
fn is_ipv6(host: &str) -> bool {
    let Some((address, scope)) = host.split_once('%') else {
        return host.parse::<Ipv6Addr>().is_ok();
    };
    let is_link_local = |address: Ipv6Addr| address.is_unicast_link_local();
    is_scope(scope) && address.parse().is_ok_and(is_link_local)
}

/// Whether the text can be the name or number of a network interface.
fn is_scope(scope: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    (1..=SCOPE_MAX_LEN).contains(&scope.len()) && scope.bytes().all(fits)
}

/// Linux allows interface names of 15 bytes.
const SCOPE_MAX_LEN: usize = 15;

const SCHEMES: [(Transport, Profile, &str); 4] = [
    (Transport::Tcp, Profile::Compact, "sealpost://"),
    (Transport::Tcp, Profile::Wide, "sealpost+wide://"),
    (Transport::Tls, Profile::Compact, "sealposts://"),
    (Transport::Tls, Profile::Wide, "sealposts+wide://"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn scheme_names_transport_and_profile() {
        for (scheme, transport, profile) in [
            ("sealpost", Transport::Tcp, Profile::Compact),
            ("sealpost+wide", Transport::Tcp, Profile::Wide),
            ("sealposts", Transport::Tls, Profile::Compact),
            ("sealposts+wide", Transport::Tls, Profile::Wide),
        ] {
            let text = format!("{scheme}://example.org:7465/{HEX}");
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!((address.transport(), address.profile()), (transport, profile));
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn addresses_round_trip() {
        for (text, profile, host, port) in [
            (format!("sealpost://example.org:7465/{HEX}"), Profile::Compact, "example.org", 7465),
            (format!("sealpost+wide://127.0.0.1:1/{HEX}"), Profile::Wide, "127.0.0.1", 1),
            (format!("sealpost://[::1]:65535/{HEX}"), Profile::Compact, "::1", 65_535),
            (format!("sealpost://[fe80::1%eth0]:1/{HEX}"), Profile::Compact, "fe80::1%eth0", 1),
            (format!("sealpost://[fe80::1%2]:1/{HEX}"), Profile::Compact, "fe80::1%2", 1),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let endpoint = Endpoint::new(host, port).unwrap();
            assert_eq!((address.profile(), address.endpoints()), (profile, &endpoint.into()));
            assert_eq!(address.fingerprint().to_string(), HEX);
        }
    }

    #[test]
    fn address_of_several_servers_keeps_their_order() {
        let text = format!("sealposts://b.example.org:7465,[::1]:1,a.example.org:7465/{HEX}");
        let address: ServerAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        let hosts: Vec<_> = address.endpoints().iter().map(Endpoint::host).collect();
        assert_eq!(hosts, ["b.example.org", "::1", "a.example.org"]);
        assert_eq!(address.endpoints().count().get(), 3);
        assert_eq!(address.endpoints().at(EndpointIndex(1)), Endpoint::new("::1", 1).ok().as_ref());
        assert_eq!(address.endpoints().at(EndpointIndex(3)), None);
        let link: InvitationLink = format!("{text}#SPRING-2026").parse().unwrap();
        assert_eq!(link.address, address);
    }

    #[test]
    fn address_has_at_most_eight_endpoints_and_each_once() {
        let parse = |count: u16| {
            let endpoints: Vec<_> = (1..=count).map(|port| format!("h:{port}")).collect();
            format!("sealpost://{}/{HEX}", endpoints.join(",")).parse::<ServerAddress>()
        };
        assert!(parse(8).is_ok());
        assert_eq!(parse(9), Err(InvalidAddress::Endpoints));
        assert_eq!(Endpoints::new(Vec::new()), Err(InvalidAddress::Endpoints));
        for (endpoints, error) in [
            ("h:1,h:2,h:1", InvalidAddress::Endpoints),
            ("h:1,", InvalidAddress::Port),
            (",h:1", InvalidAddress::Port),
            ("h:1,,h:2", InvalidAddress::Port),
            ("h:1, h:2", InvalidAddress::Host),
            ("h,i:1", InvalidAddress::Port),
        ] {
            let text = format!("sealpost://{endpoints}/{HEX}");
            assert_eq!(text.parse::<ServerAddress>(), Err(error), "{text}");
        }
    }

    #[test]
    fn invitation_links_round_trip() {
        let text = format!("sealpost://example.org:7465/{HEX}#SPRING-2026");
        let link: InvitationLink = text.parse().unwrap();
        assert_eq!(link.to_string(), text);
        assert_eq!(link.address.to_string(), text.strip_suffix("#SPRING-2026").unwrap());
        assert_eq!(link.invitation.code(), "SPRING-2026");
        assert!(!format!("{link:?}").contains("SPRING"));
        for (text, error) in [
            (format!("sealpost://h:1/{HEX}"), InvalidAddress::Invitation),
            (format!("sealpost://h:1/{HEX}#"), InvalidAddress::Invitation),
            (format!("sealpost://h:1/{HEX}#{}", "x".repeat(65)), InvalidAddress::Invitation),
            (format!("sealpost://h:1/{HEX}/#SPRING"), InvalidAddress::Fingerprint),
        ] {
            assert_eq!(text.parse::<InvitationLink>(), Err(error), "{text}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, error) in [
            (format!("http://example.org:7465/{HEX}"), InvalidAddress::Scheme),
            (format!("sealpost+tls://example.org:7465/{HEX}"), InvalidAddress::Scheme),
            (format!("SEALPOST://example.org:7465/{HEX}"), InvalidAddress::Scheme),
            ("sealpost://example.org:7465".into(), InvalidAddress::Fingerprint),
            ("sealpost://example.org:7465/00".into(), InvalidAddress::Fingerprint),
            (format!("sealpost://h:1/{}", HEX.to_uppercase()), InvalidAddress::Fingerprint),
            (format!("sealpost://h:1/{HEX}/"), InvalidAddress::Fingerprint),
            (format!("sealpost://example.org/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://example.org:/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://example.org:0/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://example.org:+80/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://example.org:65536/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://[::1]/{HEX}"), InvalidAddress::Port),
            (format!("sealpost://:7465/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://::1:7465/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[::1:7465/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[example.org]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[2001:db8::1%eth0]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[fe80::1%]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[fe80::1%a b]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[fe80::1%eth0%1]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://[fe80::1%interface-too-long]:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://user@example.org:1/{HEX}"), InvalidAddress::Host),
            (format!("sealpost://example org:1/{HEX}"), InvalidAddress::Host),
        ] {
            assert_eq!(text.parse::<ServerAddress>(), Err(error), "{text}");
        }
    }
}
