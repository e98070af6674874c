//! Messages that arrive with another signature than before.

use sealpost_core::client::store::{IncomingMessage, ReceivedContent};
use sealpost_core::wire::RequestHash;

/// Whether a message that arrived is one that the inbox holds with another packet, or from the time
/// before the inbox kept hashes of packets. Both have the same phone number and message id.
///
/// A sender signs a message again if a user id has changed, and leaves everything else as it is, the
/// date included. So what is known of the message is compared: a receipt is signed again only for
/// something that the user could see, and nothing is shown twice.
pub(super) fn is_signed_again(arrived: &IncomingMessage, known: &IncomingMessage) -> bool {
    // Two messages that don't open can't be compared.
    let is_comparable = match known.content {
        ReceivedContent::Opened(_) => true,
        ReceivedContent::Undecryptable => known.packet_hash == UNHASHED,
    };
    is_comparable
        && arrived.sent_at == known.sent_at
        && arrived.previous == known.previous
        && arrived.content == known.content
}

/// Hash of a message that was received before the inbox kept hashes. No packet has it.
pub(super) const UNHASHED: RequestHash = RequestHash([0; 32]);
