//! Certificates as an operator has them: PEM files.

use std::time::Duration;

use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use sealpost_core::time::Timestamp;

use super::error::TlsError;
use super::provider;

/// The certificate of a server, then those that lead to an authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateChain(Vec<CertificateDer<'static>>);

impl CertificateChain {
    /// Reads a chain as certificate authorities deliver it, the server's own certificate first.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TlsError> {
        certificates(pem).map(Self)
    }

    /// Fails if no client would accept the certificate now, whatever authorities it trusts and
    /// whatever the name of the host is.
    pub fn check(&self) -> Result<(), TlsError> {
        self.check_at(UnixTime::now())
    }

    /// When the chain expires, if it does within `time`.
    pub fn expiry_within(&self, time: Duration) -> Option<Timestamp> {
        let then = UnixTime::now().as_secs().saturating_add(time.as_secs());
        match self.check_at(UnixTime::since_unix_epoch(Duration::from_secs(then))) {
            Err(TlsError::Expired(at)) => Some(at),
            Ok(()) | Err(_) => None,
        }
    }

    pub(super) fn into_der(self) -> Vec<CertificateDer<'static>> {
        self.0
    }

    fn check_at(&self, time: UnixTime) -> Result<(), TlsError> {
        let Some((own, intermediates)) = self.0.split_first() else {
            return Err(TlsError::NoCertificate);
        };
        let own = ParsedCertificate::try_from(own).map_err(TlsError::Unacceptable)?;
        // Without any authority, everything but the authority is checked.
        let verified = verify_server_cert_signed_by_trust_anchor(
            &own,
            &RootCertStore::empty(),
            intermediates,
            time,
            provider().signature_verification_algorithms.all,
        );
        match verified {
            Ok(()) | Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => Ok(()),
            Err(error) => Err(objection(error)),
        }
    }
}

/// Reads all certificates in a PEM file. Fails if there is none.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(TlsError::Pem)?;
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}

fn objection(error: Error) -> TlsError {
    match error {
        Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
            TlsError::Expired(timestamp(not_after))
        }
        Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. }) => {
            TlsError::NotYetValid(timestamp(not_before))
        }
        error => TlsError::Unacceptable(error),
    }
}

fn timestamp(time: UnixTime) -> Timestamp {
    Timestamp::from_unix_secs(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
