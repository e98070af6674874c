//! Settings that a client gets at its start, beside the content of its store.

use core::num::NonZeroUsize;

use super::limits::Limits;
use crate::keys::PublicKey;
use crate::wire::Profile;

/// The settings of one client.
#[derive(Clone, Debug)]
pub struct Config {
    /// Wire profile of the deployment, from the server's address.
    pub profile: Profile,
    /// The user's public key. The private key is durable on the host before the client exists, and
    /// signs in the host's jobs.
    pub public_key: PublicKey,
    /// Count of endpoints in the server's address. [`Action::Dial`](crate::frame::Action::Dial) names
    /// one of them; they take turns.
    pub endpoints: NonZeroUsize,
    /// Every bound. [`Client::new`](super::Client::new) rejects limits that it can't work with.
    pub limits: Limits,
}
