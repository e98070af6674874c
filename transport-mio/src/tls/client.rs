//! The client's side: which authorities it trusts, and the name that the certificate must have.

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, Error, RootCertStore};

use super::certificate::certificates;
use super::error::TlsError;
use super::session::TlsSession;
use super::{ALPN, provider};

/// How a client recognizes one host: by a certificate for its name, from an authority that the
/// client trusts.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    host: ServerName<'static>,
}

impl TlsClient {
    /// Trusts the authorities that the operating system trusts. `host` is a name or an IP address,
    /// IPv6 without brackets; a scope is ignored.
    pub fn with_system_authorities(host: &str) -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        // One of the system's files that can't be parsed leaves the others usable.
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let first = found.errors.first().map_or_else(String::new, ToString::to_string);
            return Err(TlsError::NoAuthorities(first));
        }
        Self::new(host, roots)
    }

    /// Trusts the authorities in a PEM file, and no others.
    pub fn with_authorities(host: &str, pem: &[u8]) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            roots.add(certificate).map_err(TlsError::Setup)?;
        }
        Self::new(host, roots)
    }

    fn new(host: &str, roots: RootCertStore) -> Result<Self, TlsError> {
        let unscoped = host.split_once('%').map_or(host, |(address, _)| address);
        let host = ServerName::try_from(unscoped.to_owned()).map_err(|_| TlsError::Host)?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .map_err(TlsError::Setup)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), host })
    }

    /// Begins a connection.
    pub(crate) fn connect(&self) -> Result<TlsSession, Error> {
        TlsSession::client(Arc::clone(&self.config), self.host.clone())
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient(…)")
    }
}
