//! The deframer, which cuts a stream of bytes into packets.

use alloc::vec::Vec;
use core::{fmt, mem};

use bytes::Bytes;

use super::{Gate, Header, Op, Packet, Profile, SIGNATURE_LEN, Violation};

/// Finds the packets in a stream that may be cut anywhere.
///
/// A whole packet is copied once, into [`Bytes`] of its own length. Only an incomplete packet at
/// the end is kept. Its buffer grows with the bytes that have arrived, not with the size that the
/// header announces, so announcing a large packet reserves no memory. The buffer becomes the packet
/// when it is complete; between packets no memory is held.
pub struct Deframer {
    profile: Profile,
    /// The start of one packet, shorter than that packet.
    tail: Vec<u8>,
}

impl Deframer {
    /// Makes a deframer at the start of a stream.
    pub const fn new(profile: Profile) -> Self {
        Self { profile, tail: Vec::new() }
    }

    /// Takes the next packet off the front of `data`. `None` means that the rest was the start of a
    /// packet: it is kept, and `data` is empty.
    ///
    /// `gate` checks size and op code as soon as the header is complete, then the timestamp is
    /// parsed. No byte of the payload is buffered before that. The gate is asked again in every
    /// call, because a session may have begun while the packet was arriving: a returned packet has
    /// always passed the gate of that very call.
    ///
    /// # Errors
    /// The [`Violation`] of the header at the front. Nothing is skipped, so the same call fails
    /// again.
    pub fn next(&mut self, data: &mut &[u8], gate: Gate) -> Result<Option<Packet>, Violation> {
        if !self.tail.is_empty() {
            self.keep(data, self.profile.header_len());
        }
        let front = if self.tail.is_empty() { *data } else { self.tail.as_slice() };
        let Some((header, packet_len)) = frame(self.profile, front, gate)? else {
            self.keep(data, self.profile.header_len());
            return Ok(None);
        };
        if self.tail.is_empty()
            && let Some((packet, rest)) = data.split_at_checked(packet_len)
        {
            *data = rest;
            return Ok(Some(Packet::framed(self.profile, header, Bytes::copy_from_slice(packet))));
        }
        self.keep(data, packet_len);
        if self.tail.len() < packet_len {
            return Ok(None);
        }
        Ok(Some(Packet::framed(self.profile, header, mem::take(&mut self.tail).into())))
    }

    /// Whether no incomplete packet is held, and so no memory.
    pub const fn is_empty(&self) -> bool {
        self.tail.is_empty()
    }

    /// Count of the bytes held of an incomplete packet.
    pub const fn buffered_len(&self) -> usize {
        self.tail.len()
    }

    /// Bytes of memory held for an incomplete packet.
    pub const fn capacity(&self) -> usize {
        self.tail.capacity()
    }

    /// Moves bytes from `data` to the tail until the tail has `target` bytes. The tail's capacity
    /// doubles, but stops at `target`: a complete tail has no slack, so it becomes [`Bytes`]
    /// without another copy.
    fn keep(&mut self, data: &mut &[u8], target: usize) {
        let missing = target.saturating_sub(self.tail.len());
        let (head, rest) = data.split_at_checked(missing).unwrap_or((data, &[]));
        let needed = self.tail.len() + head.len();
        if needed > self.tail.capacity() {
            let capacity = needed.max(2 * self.tail.capacity()).min(target);
            self.tail.reserve_exact(capacity - self.tail.len());
        }
        self.tail.extend_from_slice(head);
        *data = rest;
    }
}

impl fmt::Debug for Deframer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Deframer({:?}, {} bytes held)", self.profile, self.buffered_len())
    }
}

/// Returns the header at the front of `bytes` and the length of its packet; `None` if the header is
/// incomplete.
fn frame(profile: Profile, bytes: &[u8], gate: Gate) -> Result<Option<(Header, usize)>, Violation> {
    let Some((code, payload_len)) = Header::peek(profile, bytes) else {
        return Ok(None);
    };
    let op = Op::from_code(code).ok_or(Violation::Malformed)?;
    gate.admit(op, payload_len)?;
    let (header, _) = Header::parse(profile, bytes).ok_or(Violation::Malformed)?;
    Ok(Some((header, profile.header_len() + payload_len + SIGNATURE_LEN)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use core::iter;

    const GATE: Gate = Gate::InSession;

    fn message(payload_len: u16) -> Vec<u8> {
        let mut packet = b"\x07\0\x09\x002026-11-23 12:34:56\x66".to_vec();
        packet.extend(payload_len.to_le_bytes());
        packet.extend(iter::repeat_n(0x5a, usize::from(payload_len) + SIGNATURE_LEN));
        packet
    }

    #[test]
    fn a_header_that_announces_a_large_payload_reserves_no_memory() {
        let stream = message(u16::MAX);
        let mut deframer = Deframer::new(Profile::Compact);
        for piece in stream.get(..10_000).unwrap().chunks(7) {
            assert_eq!(deframer.next(&mut &*piece, GATE), Ok(None));
            assert!(deframer.tail.capacity() <= 2 * deframer.tail.len());
        }
    }

    #[test]
    fn a_packet_in_single_bytes_reallocates_a_logarithmic_number_of_times() {
        let stream = message(u16::MAX);
        let mut deframer = Deframer::new(Profile::Compact);
        let mut capacities = vec![0];
        for byte in stream.split_last().unwrap().1 {
            assert_eq!(deframer.next(&mut [*byte].as_slice(), GATE), Ok(None));
            assert!(deframer.tail.capacity() <= stream.len());
            if capacities.last() != Some(&deframer.tail.capacity()) {
                capacities.push(deframer.tail.capacity());
            }
        }
        assert!(capacities.len() < 20, "{capacities:?}");
    }

    #[test]
    fn a_packet_owns_exactly_its_length_and_no_memory_is_held_after_it() {
        let stream = message(1_000);
        for cut in 0..stream.len() {
            let (mut first, mut second) = stream.split_at(cut);
            let mut deframer = Deframer::new(Profile::Compact);
            assert_eq!(deframer.next(&mut first, GATE), Ok(None));
            let packet = deframer.next(&mut second, GATE).unwrap().unwrap();
            assert!(packet.bytes().is_unique());
            assert_eq!(Vec::from(packet.bytes().clone()).capacity(), stream.len());
            assert_eq!(deframer.tail.capacity(), 0);
        }
    }
}
