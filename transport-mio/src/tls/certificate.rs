//! Certificates as an operator has them: PEM files.

use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
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

    /// The hosts for which the server's own certificate is: names, perhaps with a wildcard, and IP
    /// addresses.
    pub fn hosts(&self) -> Vec<String> {
        let own = self.0.first().and_then(|own| ParsedCertificate::try_from(own).ok());
        // Names that don't match are the only ones that rustls tells.
        let nobody = ServerName::try_from("host.invalid").ok();
        let verified = own.zip(nobody).map(|(own, nobody)| verify_server_name(&own, &nobody));
        match verified {
            Some(Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            }))) => hosts(&presented),
            Some(Ok(()) | Err(_)) | None => Vec::new(),
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

/// The hosts among the names of a certificate, which rustls gives as `DnsName("example.org")` and
/// `IpAddress(192.0.2.1)`.
pub(crate) fn hosts(presented: &[String]) -> Vec<String> {
    let inside = |name: &String| {
        let (_, inside) = name.split_once('(')?;
        Some(inside.trim_end_matches(')').trim_matches('"').to_owned())
    };
    presented.iter().filter_map(inside).collect()
}

/// Reads all certificates in a PEM file. Fails if there is none.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(TlsError::Pem)?;
    if found.is_empty() { Err(TlsError::NoCertificate) } else { Ok(found) }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "other errors of rustls share one sentence")]
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

#[cfg(test)]
mod tests {
    use super::super::{TlsClient, TlsServer};
    use super::*;
    use crate::certificates::{TestAuthority, TestCertificate, Validity};

    fn chain(pem: &str) -> Result<CertificateChain, TlsError> {
        CertificateChain::from_pem(pem.as_bytes())
    }

    fn server(certificate: &TestCertificate) -> Result<TlsServer, TlsError> {
        TlsServer::new(chain(&certificate.chain).unwrap(), certificate.key.as_bytes())
    }

    #[test]
    fn certificate_that_no_client_would_accept_is_refused() {
        let authority = TestAuthority::new();
        let [expired, future] = [Validity::Expired, Validity::Future]
            .map(|validity| server(&authority.issue_for(&["example.org"], validity)).unwrap_err());
        assert!(matches!(expired, TlsError::Expired(_)), "{expired}");
        assert!(matches!(future, TlsError::NotYetValid(_)), "{future}");
        let of_authority = chain(&authority.pem()).unwrap().check().unwrap_err();
        assert!(matches!(of_authority, TlsError::Unacceptable(_)), "{of_authority}");
    }

    #[test]
    fn key_must_be_that_of_the_certificate() {
        let authority = TestAuthority::new();
        let [good, other] = [(); 2].map(|()| authority.issue(&["example.org"]));
        server(&good).unwrap();
        let error = server(&TestCertificate { key: other.key, ..good.clone() }).unwrap_err();
        assert!(matches!(error, TlsError::OtherKey), "{error}");
        let error = server(&TestCertificate { key: good.chain.clone(), ..good }).unwrap_err();
        assert!(matches!(error, TlsError::NoKey), "{error}");
    }

    #[test]
    fn failed_replacement_keeps_the_present_certificate() {
        let authority = TestAuthority::new();
        let [first, second] = [(); 2].map(|()| authority.issue(&["example.org"]));
        let server = server(&first).unwrap();
        let before = server.clone();
        server.replace(chain(&second.chain).unwrap(), first.key.as_bytes()).unwrap_err();
        server.accept().unwrap();
        server.replace(chain(&second.chain).unwrap(), second.key.as_bytes()).unwrap();
        assert_eq!(server, before, "clones share the certificate");
    }

    #[test]
    fn expiry_is_told_beforehand() {
        let chain = chain(&TestAuthority::new().issue(&["example.org"]).chain).unwrap();
        let hour = Duration::from_hours(1);
        assert_eq!(chain.expiry_within(hour), None);
        let in_a_day = timestamp(UnixTime::now()).unix_secs() + 24 * 3_600;
        let told = chain.expiry_within(48 * hour).unwrap().unix_secs();
        assert!((in_a_day - 60..=in_a_day).contains(&told), "{told}");
    }

    #[test]
    fn hosts_are_told() {
        let names = ["example.org", "*.example.org", "192.0.2.1", "2001:db8::1"];
        let chain = chain(&TestAuthority::new().issue(&names).chain).unwrap();
        assert_eq!(chain.hosts(), names);
    }

    #[test]
    fn pem_must_have_what_is_asked_for() {
        let key = TestAuthority::new().issue(&["example.org"]).key;
        for pem in ["", "no PEM", &key] {
            assert!(matches!(chain(pem), Err(TlsError::NoCertificate)), "{pem}");
        }
        let cut = "-----BEGIN CERTIFICATE-----\nMIIB";
        assert!(matches!(chain(cut), Err(TlsError::Pem(_))));
        assert!(TlsClient::with_authorities("example.org", b"").is_err());
        let authorities = TestAuthority::new().pem();
        for (host, is_good) in
            [("example.org", true), ("192.0.2.1", true), ("fe80::1%eth0", true), ("a b", false)]
        {
            let client = TlsClient::with_authorities(host, authorities.as_bytes());
            assert_eq!(client.is_ok(), is_good, "{host}");
        }
    }
}
