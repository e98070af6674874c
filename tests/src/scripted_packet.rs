//! Packets of scripted parties.

use sealpost_core::crypto::{Crypto, Draft, Job, Outcome};
use sealpost_core::wire::Packet;

/// Seals and signs a draft with a party's own key.
pub(crate) fn emit(crypto: &mut Crypto, draft: Draft) -> Packet {
    match crypto.run(Job::Emit(Box::new(draft))) {
        Outcome::Emitted(packet) => packet.unwrap(),
        other => panic!("{other:?}"),
    }
}
