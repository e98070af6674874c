//! The stream of one connection, cut into headers and the rest of packets.

use sealpost_core::wire::{Packet, Profile, SIGNATURE_LEN};

use crate::line::Arrived;
use crate::names::Names;
use crate::packet::{Body, Head};

/// Cuts a stream in the way of the machine's deframer, without its gate: what the machine does not
/// admit is taken out all the same.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// The start of one packet.
    held: Vec<u8>,
    /// Length of that packet, once its header is complete.
    packet_len: Option<usize>,
    /// A header was none of the protocol. The machine reads no further.
    is_lost: bool,
}

impl Framer {
    /// Takes bytes, and returns the parts of packets that they complete.
    pub(crate) fn take(
        &mut self,
        profile: Profile,
        mut data: &[u8],
        names: &mut impl Names,
    ) -> Vec<Arrived> {
        let mut arrived = Vec::new();
        while !self.is_lost && self.fill(profile, &mut data) {
            if self.packet_len.take().is_none() {
                let Some(head) = Head::read(profile, &self.held, names) else { break };
                self.is_lost = !head.is_readable();
                let rest = usize::from(head.size) + SIGNATURE_LEN;
                self.packet_len = Some(profile.header_len() + rest);
                arrived.push(Arrived::Head(head));
            } else {
                let bytes = std::mem::take(&mut self.held).into();
                let Some(packet) = Packet::parse(profile, bytes) else { break };
                arrived.push(Arrived::Body(Body::read(&packet, names)));
            }
        }
        arrived
    }

    /// Bytes held of an incomplete packet.
    pub(crate) const fn held(&self) -> usize {
        self.held.len()
    }

    /// Moves bytes until a header, or a packet whose header is known, is complete. Returns whether
    /// it is.
    fn fill(&mut self, profile: Profile, data: &mut &[u8]) -> bool {
        let target = self.packet_len.unwrap_or_else(|| profile.header_len());
        let missing = target.saturating_sub(self.held.len());
        let (taken, rest) = data.split_at_checked(missing).unwrap_or((data, &[]));
        self.held.extend_from_slice(taken);
        *data = rest;
        self.held.len() >= target
    }
}

#[cfg(test)]
mod tests {
    use sealpost_core::ids::{MessageId, ReceiptId, UserId};
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::{Header, MessageHead, Op, Oversized, Receipt};

    use super::*;
    use crate::packet::{PacketRecord, Payload};
    use crate::pseudonyms::Pseudonyms;

    fn packet(op: Op, payload: &[u8]) -> Packet {
        let header = Header {
            sender: UserId::new(70),
            recipient: UserId::new(5),
            timestamp: Timestamp::from_unix_secs(1_795_437_296),
            op,
        };
        Packet::build(Profile::Compact, header, payload, |_| Ok::<_, Oversized>([9; 256])).unwrap()
    }

    fn message() -> Packet {
        let head = MessageHead { message_id: MessageId(17), suite: 1 };
        packet(Op::Message, &[head.emit(), b"sealed".to_vec()].concat())
    }

    fn names() -> Pseudonyms {
        Pseudonyms::new([1; 32].into())
    }

    /// Parts of packets in a stream that arrives in two pieces.
    fn parts(stream: &[u8], cut: usize) -> String {
        let (mut framer, mut names) = (Framer::default(), names());
        let (first, second) = stream.split_at(cut);
        let mut parts = framer.take(Profile::Compact, first, &mut names);
        parts.extend(framer.take(Profile::Compact, second, &mut names));
        serde_json::to_string(&parts).unwrap()
    }

    #[test]
    fn parts_are_the_same_wherever_the_stream_is_cut() {
        let receipt = Receipt { receipt_id: ReceiptId(3), message_ids: vec![MessageId(17)] };
        let receipt = packet(Op::DeliveryAck, &receipt.emit());
        let stream = [message().bytes().as_ref(), receipt.bytes()].concat();
        let whole = parts(&stream, 0);
        assert!(whole.contains(r#""message":{"id":17,"suite":1}"#), "{whole}");
        assert!(whole.contains(r#""receipt":{"id":3,"messages":[17]}"#), "{whole}");
        for cut in 0..=stream.len() {
            assert_eq!(parts(&stream, cut), whole, "cut after {cut} bytes");
        }
    }

    #[test]
    fn nothing_is_read_behind_a_header_that_is_none() {
        let mut garbage = message().bytes().to_vec();
        garbage[8] = b'x';
        garbage.extend_from_slice(message().bytes());
        let expected = r#"[{"head":{"from":1,"to":2,"date":null,"op":102,"size":15}}]"#;
        assert_eq!(parts(&garbage, 0), expected);
    }

    #[test]
    fn payloads_that_do_not_parse_are_taken_out_whole() {
        let contents = b"12345678 is no receipt";
        let read = |packet| PacketRecord::read(&packet, &mut names()).body.payload;
        assert_eq!(read(packet(Op::DeliveryAck, contents)), Payload::Opaque);
        assert_eq!(read(packet(Op::Message, b"123456781")), Payload::Opaque);
        assert_eq!(read(packet(Op::Confirm, contents)), Payload::Opaque);
        assert_eq!(read(packet(Op::RequestPublicKey, contents)), Payload::Opaque);
    }
}
