//! Why a client could not connect to its server.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use rustls::{AlertDescription, CertificateError};

use crate::tls::hosts;

/// Why a client could not connect to its server. The texts follow the server's `HOST:PORT` and a
/// colon; where there are several, all of them.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The host has no address, or its addresses can't be looked up.
    #[error("no such host, or no name server answers: {0}")]
    NoSuchHost(io::Error),
    /// No address of the host answers.
    #[error("{0}")]
    Unreachable(Attempts),
    /// The connection broke during the TLS handshake, or the system refused it.
    #[error("{0}")]
    Broken(io::Error),
    /// The server did not answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The server does not speak TLS.
    #[error("the server does not speak TLS: a sealpost:// address may be meant, or another port")]
    NoTls,
    /// The server speaks nothing but TLS, and this client was told not to.
    #[error("the server speaks TLS: a sealposts:// address is needed")]
    TlsNeeded,
    /// The server speaks TLS, but is not a Sealpost server.
    #[error("the server speaks TLS, but it is not a Sealpost server: is the port right?")]
    NoSealpost,
    /// The server's certificate is from an authority that the client does not trust.
    #[error(
        "the server's certificate is from an unknown authority: if the operator has one of its own, \
         pass its certificate with --ca"
    )]
    UnknownAuthority,
    /// The server's certificate names other hosts.
    #[error("the server's certificate is for {}, not for this host", names(.0))]
    OtherHost(Vec<String>),
    /// The server's certificate has expired, or this machine's clock is wrong.
    #[error("the server's certificate has expired, or the clock of this machine is wrong")]
    Expired,
    /// The server's certificate is for later, or this machine's clock is wrong.
    #[error("the server's certificate is not valid yet, or the clock of this machine is wrong")]
    NotYetValid,
    /// What failed at an endpoint, `HOST:PORT`, one of several.
    #[error("{0}: {1}")]
    At(String, Box<Self>),
    /// The TLS handshake failed for another reason.
    #[error("TLS failed: {0}")]
    Tls(rustls::Error),
}

impl DialError {
    /// Names the endpoint, where there are several.
    pub(crate) fn at(self, host_port: String) -> Self {
        Self::At(host_port, Box::new(self))
    }
}

/// The addresses of a host that were tried, and why each of them failed.
#[derive(Debug, Default)]
pub struct Attempts(Vec<(SocketAddr, io::Error)>);

impl Attempts {
    /// Adds an address that has failed.
    pub(crate) fn push(&mut self, address: SocketAddr, error: io::Error) {
        self.0.push((address, error));
    }

    /// Whether no address was tried.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Attempts {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most errors of the system share one sentence"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (address, error)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match error.kind() {
                io::ErrorKind::ConnectionRefused => write!(f, "{address} refused the connection"),
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    write!(f, "no route to {address}")
                }
                io::ErrorKind::TimedOut => write!(f, "no answer from {address} in time"),
                _ => write!(f, "{address}: {error}"),
            }?;
        }
        Ok(())
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        // A blocking read whose time is over would block.
        if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
            Self::TimedOut
        } else {
            Self::Broken(error)
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "most errors of rustls share one sentence")]
impl From<rustls::Error> for DialError {
    fn from(error: rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidMessage(_) => Self::NoTls,
            rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
                Self::NoSealpost
            }
            // The signature is bad if a trusted authority has only the name of the issuer.
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => Self::UnknownAuthority,
            rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
                presented,
                ..
            }) => Self::OtherHost(hosts(&presented)),
            rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Self::Expired,
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
            ) => Self::NotYetValid,
            error => Self::Tls(error),
        }
    }
}

/// The names of a certificate, or as many as help.
fn names(hosts: &[String]) -> String {
    match hosts {
        [] => "no host".into(),
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [first, rest @ ..] => format!("{first} and {} other hosts", rest.len()),
    }
}
