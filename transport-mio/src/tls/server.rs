//! The server's side: its certificate, which can be replaced while connections are open.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{Error, InconsistentKeys, ServerConfig};

use super::certificate::CertificateChain;
use super::error::TlsError;
use super::session::TlsSession;
use super::{ALPN, provider};

/// The certificate and private key of a server. All clones share them: after
/// [`TlsServer::replace`], new connections use the new ones, and open connections keep what they
/// have.
#[derive(Clone)]
pub struct TlsServer {
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl TlsServer {
    /// Prepares to serve with a certificate and its private key, which is PEM.
    ///
    /// # Errors
    /// Fails if no client would accept the certificate now, as [`CertificateChain::check`] says, and
    /// if the key is unusable or another certificate's.
    pub fn new(chain: CertificateChain, key_pem: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { current: Arc::new(RwLock::new(config(chain, key_pem)?)) })
    }

    /// Uses another certificate for new connections. After an error, the present one stays.
    pub fn replace(&self, chain: CertificateChain, key_pem: &[u8]) -> Result<(), TlsError> {
        let newer = config(chain, key_pem)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = newer;
        Ok(())
    }

    /// Begins a connection.
    pub(crate) fn accept(&self) -> Result<TlsSession, Error> {
        let config = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        TlsSession::server(config)
    }
}

/// Two are equal if they share one certificate.
impl PartialEq for TlsServer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.current, &other.current)
    }
}

impl Eq for TlsServer {}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsServer(…)")
    }
}

fn config(chain: CertificateChain, key_pem: &[u8]) -> Result<Arc<ServerConfig>, TlsError> {
    chain.check()?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            TlsError::NoKey
        } else {
            TlsError::Pem(error)
        }
    })?;
    let provider = provider();
    let key = CertifiedKey::from_der(chain.into_der(), key, &provider).map_err(|error| {
        if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            TlsError::OtherKey
        } else {
            TlsError::UnusableKey(error)
        }
    })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(TlsError::Setup)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
