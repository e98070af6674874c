//! What a client is told at its start, beside its store.

use super::Limits;
use crate::keys::PublicKey;
use crate::wire::Profile;

/// The constants of one client.
#[derive(Clone, Debug)]
pub struct Config {
    /// The deployment's, from the server's address.
    pub profile: Profile,
    /// Our key. The private half is durable on the host before the client exists, and signs in the
    /// host's jobs.
    pub public_key: PublicKey,
    /// Bounds.
    pub limits: Limits,
}
