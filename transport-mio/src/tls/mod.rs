//! TLS 1.3 between client and server (PROTOCOL 1).
//!
//! TLS hides from the network what packets show: who writes to whom, when, and how much. What it
//! carries is the same as on plain TCP. aws-lc does the cryptography. The key exchange is hybrid,
//! X25519 with ML-KEM-768, if the peer can do it.
//!
//! There are neither tickets nor early data: connections last for hours, so resumption would save
//! little, and what is sent early can be repeated by an attacker.

mod certificate;
mod client;
mod error;
mod server;
mod session;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

pub use certificate::CertificateChain;
pub(crate) use certificate::hosts;
pub use client::TlsClient;
pub use error::TlsError;
pub use server::TlsServer;
pub(crate) use session::{PLAINTEXT_MAX, Stage, TlsSession};

/// Name of the protocol inside TLS (RFC 7301).
const ALPN: &[u8] = b"sealpost/1";

/// Passed explicitly: a default for the whole process belongs to the program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
