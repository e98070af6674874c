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
            match self.packet_len {
                None => {
                    let Some(head) = Head::read(profile, &self.held, names) else { break };
                    self.is_lost = !head.is_readable();
                    let rest = usize::from(head.size) + SIGNATURE_LEN;
                    self.packet_len = Some(profile.header_len() + rest);
                    arrived.push(Arrived::Head(head));
                }
                Some(_) => {
                    self.packet_len = None;
                    let bytes = std::mem::take(&mut self.held).into();
                    let Some(packet) = Packet::parse(profile, bytes) else { break };
                    arrived.push(Arrived::Body(Body::read(&packet, names)));
                }
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
