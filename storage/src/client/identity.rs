//! The account and the server that a client's store belongs to.

use sealpost_core::address::Transport;
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::Profile;

/// Identity with which a client's store is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Our phone number.
    pub phone: Phone,
    /// Fingerprint of the server's key.
    pub server: Fingerprint,
    /// Profile of the deployment: the width of its ids.
    pub profile: Profile,
    /// What carries the packets. May change, with `host_port`.
    pub transport: Transport,
    /// Network address of the server, `HOST:PORT`. May change, with `transport`.
    pub host_port: String,
}

impl Identity {
    /// Splits the network address of the server into its host, without brackets, and its port.
    pub fn split_place(&self) -> (&str, &str) {
        let (host, port) = self.host_port.rsplit_once(':').unwrap_or((&self.host_port, ""));
        (host.trim_start_matches('[').trim_end_matches(']'), port)
    }
}
