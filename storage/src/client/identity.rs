//! The account and the server that a client's store belongs to.

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
    /// Network address of the server, `HOST:PORT`. The only field that may change.
    pub host_port: String,
}
