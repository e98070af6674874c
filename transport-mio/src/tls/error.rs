//! Why TLS could not be set up.

use rustls::pki_types::pem;
use sealpost_core::time::Timestamp;

/// A certificate, a key, a host name or a list of authorities that can't be used. The texts complete
/// a sentence that begins with the file or the host.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file is damaged.
    #[error("not valid PEM: {0:?}")]
    Pem(pem::Error),
    /// A PEM file has no certificate.
    #[error("no certificate in it: PEM with BEGIN CERTIFICATE is expected")]
    NoCertificate,
    /// A PEM file has no private key.
    #[error("no private key in it: PEM with BEGIN PRIVATE KEY is expected, without a passphrase")]
    NoKey,
    /// The private key has a type or size that TLS 1.3 can't use.
    #[error("unusable private key: {0}")]
    UnusableKey(rustls::Error),
    /// The private key is another certificate's.
    #[error("the private key does not belong to the certificate")]
    OtherKey,
    /// The server's certificate, or one that it depends on, has expired.
    #[error("the certificate expired on {0} UTC")]
    Expired(Timestamp),
    /// The server's certificate, or one that it depends on, is for later.
    #[error("the certificate is not valid before {0} UTC")]
    NotYetValid(Timestamp),
    /// No client would accept the server's certificate.
    #[error("no client would accept the certificate: {0}")]
    Unacceptable(rustls::Error),
    /// The host of a server is neither a name nor an IP address that can be in a certificate.
    #[error("no certificate can name this host")]
    Host,
    /// There is no certificate authority that a client could trust.
    #[error("the operating system has no certificate authorities: {0}")]
    NoAuthorities(String),
    /// TLS could not be set up for another reason.
    #[error("can't set up TLS: {0}")]
    Setup(rustls::Error),
}
