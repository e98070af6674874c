//! Where accounts and messages are, if not in the data folder, as operators write it.
#![cfg_attr(
    not(feature = "jetstream"),
    expect(dead_code, reason = "a build that can't use NATS still reads its options, and says so")
)]

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;

use super::listen::LOCALHOST;

/// Servers of one NATS: `nats://HOST[:PORT],…`, or `tls://…` with TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreAddress {
    scheme: Scheme,
    /// Host names, or IP addresses without brackets, and ports.
    servers: Vec<(String, u16)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Nats,
    Tls,
}

/// A text is not the address of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAStore {
    #[error(
        "write nats://HOST:PORT, or tls://HOST:PORT for a connection with TLS; servers of the same \
         NATS are separated by commas: nats://a:4222,b:4222,c:4222"
    )]
    Form,
    #[error(
        "a user or password does not belong in the address: set nats.user and nats.password_file"
    )]
    Secret,
}

/// The section `[nats]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nats {
    pub(crate) deployment: String,
    pub(crate) shards: u16,
    pub(crate) replicas: usize,
    pub(crate) user: Option<String>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) system_user: Option<String>,
    pub(crate) system_password_file: Option<PathBuf>,
    pub(crate) trust_sync: bool,
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Nats {
    /// The user of the deployment's account, and the file with the password.
    pub(crate) fn login(&self) -> Option<(&String, &PathBuf)> {
        self.user.as_ref().zip(self.password_file.as_ref())
    }

    /// The user of the system account, and the file with the password.
    pub(crate) fn system_login(&self) -> Option<(&String, &PathBuf)> {
        self.system_user.as_ref().zip(self.system_password_file.as_ref())
    }

    /// The server's own certificate, and its key.
    pub(crate) fn identity(&self) -> Option<(&PathBuf, &PathBuf)> {
        self.certificate.as_ref().zip(self.key.as_ref())
    }
}

impl StoreAddress {
    /// Whether connections use TLS, even if a server does not ask for it.
    pub(crate) const fn is_encrypted(&self) -> bool {
        matches!(self.scheme, Scheme::Tls)
    }

    /// Whether all servers are on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_local = |host: &str| {
            host == LOCALHOST
                || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
        };
        self.servers.iter().all(|(host, _)| is_local(host))
    }

    /// The address of each server.
    pub(crate) fn servers(&self) -> Vec<String> {
        let scheme = self.scheme.name();
        self.hosts().map(|host| format!("{scheme}://{host}")).collect()
    }

    fn hosts(&self) -> impl Iterator<Item = String> {
        self.servers.iter().map(|(host, port)| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        })
    }
}

impl Scheme {
    const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Tls => "tls",
        }
    }
}

impl FromStr for StoreAddress {
    type Err = NotAStore;

    fn from_str(text: &str) -> Result<Self, NotAStore> {
        let (scheme, servers) = match text.split_once("://").ok_or(NotAStore::Form)? {
            ("nats", servers) => (Scheme::Nats, servers),
            ("tls", servers) => (Scheme::Tls, servers),
            _ => return Err(NotAStore::Form),
        };
        if servers.contains('@') {
            return Err(NotAStore::Secret);
        }
        let prefix = format!("{}://", scheme.name());
        let each = servers.split(',').map(|server| {
            let server = server.trim();
            // Repeating the scheme is how others write such a list.
            server_of(server.strip_prefix(&prefix).unwrap_or(server))
        });
        Ok(Self { scheme, servers: each.collect::<Result<_, _>>()? })
    }
}

/// The host and port of `HOST`, `HOST:PORT`, or an IPv6 address in brackets.
fn server_of(text: &str) -> Result<(String, u16), NotAStore> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').ok_or(NotAStore::Form)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    let is_name = !host.is_empty() && host.chars().all(is_part);
    let is_host = if text.starts_with('[') { host.parse::<Ipv6Addr>().is_ok() } else { is_name };
    if !is_host {
        return Err(NotAStore::Form);
    }
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(NotAStore::Form)?,
        None if rest.is_empty() => PORT,
        None => return Err(NotAStore::Form),
    };
    Ok((host.to_owned(), port))
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.hosts().collect();
        write!(f, "{}://{}", self.scheme.name(), hosts.join(","))
    }
}

/// Port of NATS.
const PORT: u16 = 4_222;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> StoreAddress {
        text.parse().unwrap()
    }

    #[test]
    fn servers_are_separated_by_commas_and_have_a_default_port() {
        let address = parsed("nats://a,b.example:4333, nats://[::1]");
        assert_eq!(
            address.servers(),
            ["nats://a:4222", "nats://b.example:4333", "nats://[::1]:4222"]
        );
        assert_eq!(address.to_string(), "nats://a:4222,b.example:4333,[::1]:4222");
        assert!(!address.is_encrypted() && !address.is_local());
        let address = parsed("tls://127.0.0.1,localhost,[::1]:1");
        assert!(address.is_encrypted() && address.is_local());
        assert_eq!(address.servers()[0], "tls://127.0.0.1:4222");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "nats://",
            "a:4222",
            "http://a",
            "nats://a:0",
            "nats://a:99999",
            "nats://a:x",
            "nats://a,",
            "nats://a,tls://b",
            "nats://[::1",
            "nats://[a]",
            "nats://a/b",
            "nats://[::1]4222",
        ] {
            assert_eq!(text.parse::<StoreAddress>(), Err(NotAStore::Form), "{text}");
        }
        assert_eq!("nats://user:password@a".parse::<StoreAddress>(), Err(NotAStore::Secret));
    }
}
