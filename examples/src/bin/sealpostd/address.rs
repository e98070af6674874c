//! The address by which clients reach the server.

use std::net::{IpAddr, SocketAddr};

use sealpost_core::address::{Endpoint, ServerAddress, Transport};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::Profile;
use sealpost_programs::Failure;

use crate::config::{Config, PORT, Place};
use crate::data::PublicKeys;
use crate::tls::Certificate;

/// The address by which clients reach the server: the public one, or else the first TCP address
/// that it listens on, of which `bound` has the port and which may be that of a service manager. A
/// server with a certificate has the name for which that is made.
pub(crate) fn address(
    config: &Config,
    certificate: Option<&Certificate>,
    profile: Profile,
    bound: Option<SocketAddr>,
    fingerprint: Fingerprint,
) -> Result<ServerAddress, Failure> {
    let own = if certificate.is_some() { Transport::Tls } else { Transport::Tcp };
    if let Some(public) = &config.public_address {
        let transport = public.transport.unwrap_or(own);
        let endpoints = public.endpoints.clone();
        return Ok(ServerAddress::new(transport, profile, endpoints, fingerprint));
    }
    let configured = config.listen.iter().find_map(|listen| match &listen.place {
        Place::Tcp { host, port } => Some((host.clone(), *port)),
        Place::Unix { .. } | Place::ServiceManager => None,
    });
    let (local, port) = match (configured, bound) {
        (Some((host, 0)), Some(bound)) => (host, bound.port()),
        (Some(configured), _) => configured,
        (None, Some(bound)) => (bound.ip().to_string(), bound.port()),
        (None, None) => (ANY_HOST.to_owned(), PORT),
    };
    let named = certificate.and_then(|certificate| certificate.host(&local));
    let is_any = local.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let host = named.unwrap_or(if is_any { ANY_HOST } else { &local });
    let endpoints = Endpoint::new(host, port)?.into();
    Ok(ServerAddress::new(own, profile, endpoints, fingerprint))
}

/// Logs the server's address, and the old one while both work.
pub(crate) fn announce(address: &ServerAddress, keys: &PublicKeys) {
    if lacks_host(address) {
        tracing::info!("{address} (put this machine's name or address in place of HOST)");
    } else {
        tracing::info!("{address}");
    }
    if keys.successor.is_some() {
        let old = address.with_fingerprint(*keys.first.fingerprint());
        tracing::info!("{old} works as well, until the old key is retired");
    }
}

/// Whether an address has a placeholder for its host.
pub(crate) fn lacks_host(address: &ServerAddress) -> bool {
    address.endpoints().first().host() == ANY_HOST
}

/// Placeholder in an address for the name by which clients reach this machine.
const ANY_HOST: &str = "HOST";
