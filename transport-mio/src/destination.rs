//! Where a client finds a server.

use crate::tls::TlsClient;

/// `HOST:PORT` of a server, and how to recognize it by TLS.
#[derive(Clone, Debug)]
pub struct Destination {
    pub(crate) host_port: String,
    /// `None` means plain TCP.
    pub(crate) tls: Option<TlsClient>,
}

impl Destination {
    /// A server that speaks TLS.
    pub const fn over_tls(host_port: String, tls: TlsClient) -> Self {
        Self { host_port, tls: Some(tls) }
    }
}

/// A server at `HOST:PORT` that speaks plain TCP.
impl From<String> for Destination {
    fn from(host_port: String) -> Self {
        Self { host_port, tls: None }
    }
}
