//! Users under measurement: they register, send, receive and acknowledge as every client must.

pub(crate) mod fleet;
pub(crate) mod flow;
pub(crate) mod link;
pub(crate) mod pair;
pub(crate) mod recipient;
pub(crate) mod registration;
pub(crate) mod ring;
pub(crate) mod sender;
pub(crate) mod signed_packets;
pub(crate) mod timer;
pub(crate) mod user;

use sealpost_core::wire::Profile;

/// The profile that is measured. Packets of the other one are 12 bytes longer.
pub(crate) const PROFILE: Profile = Profile::Compact;
