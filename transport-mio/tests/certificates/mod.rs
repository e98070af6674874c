//! Certificates for tests of TLS, from an authority of their own.
#![allow(dead_code, unreachable_pub, reason = "each suite uses a part")]

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

/// A certificate authority that exists for one test.
pub struct TestAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its private key, as PEM.
#[derive(Clone, Debug)]
pub struct TestCertificate {
    pub chain: String,
    pub key: String,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From yesterday until tomorrow.
    Now,
    /// Until yesterday.
    Expired,
    /// From tomorrow.
    Future,
    /// From yesterday, for some seconds more.
    Briefly,
}

impl TestAuthority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// The authority's own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Issues a certificate for names or IP addresses.
    pub fn issue(&self, names: &[&str]) -> TestCertificate {
        self.issue_for(names, Validity::Now)
    }

    pub fn issue_for(&self, names: &[&str], validity: Validity) -> TestCertificate {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        // A server shows one to NATS, of which it is a client.
        let usages = [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.extended_key_usages.extend(usages);
        let now = SystemTime::now();
        let (from, until) = match validity {
            Validity::Now => (now - DAY, now + DAY),
            Validity::Expired => (now - 2 * DAY, now - DAY),
            Validity::Future => (now + DAY, now + 2 * DAY),
            Validity::Briefly => (now - DAY, now + BRIEFLY),
        };
        (params.not_before, params.not_after) = (from.into(), until.into());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TestCertificate { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

const DAY: Duration = Duration::from_hours(24);
/// Long enough for a server to start with a certificate, and short enough to wait for its end.
const BRIEFLY: Duration = Duration::from_secs(10);
