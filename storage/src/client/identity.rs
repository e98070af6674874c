//! The account and the server that a client's store belongs to.

use sealpost_core::address::{Endpoints, ServerAddress, Transport};
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
    /// What carries the packets. May change, with `endpoints`.
    pub transport: Transport,
    /// Where the servers of the deployment can be reached. May change, with `transport`.
    pub endpoints: Endpoints,
}

impl Identity {
    /// Address of the deployment.
    pub fn address(&self) -> ServerAddress {
        ServerAddress::new(self.transport, self.profile, self.endpoints.clone(), self.server)
    }
}
