//! Messages that were received before the inbox kept hashes of packets.

use sealpost_core::client::store::IncomingMessage;
use sealpost_core::wire::RequestHash;

/// Hash of such a message. No packet has it.
pub(super) const UNHASHED: RequestHash = RequestHash([0; 32]);

/// Whether a message that arrived repeats one whose packet is not known. What is known of it is
/// compared: date, previous message and content. So a receipt is signed again only for something
/// that the user could see, and a message whose receipt was lost just before the hashes came is not
/// shown twice.
pub(super) fn is_repeat_of_unhashed(arrived: &IncomingMessage, known: &IncomingMessage) -> bool {
    known.packet_hash == UNHASHED
        && arrived.sent_at == known.sent_at
        && arrived.previous == known.previous
        && arrived.content == known.content
}
