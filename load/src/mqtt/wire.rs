//! The packets of MQTT 3.1.1 that publishing and subscribing with QoS 1 takes. Numbers in brackets
//! are sections of the OASIS standard.
//!
//! They are written here because they are few: the crates with nothing but the wire format are no
//! longer maintained, and the others bring a client or an async runtime.

use sealpost_programs::Failure;

/// CONNACK: accepted, without an earlier session (3.2).
pub(super) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
/// SUBACK for [`subscribe`]: QoS 1 is granted (3.9).
pub(super) const SUBACK: [u8; 5] = [0x90, 3, 0, SUBSCRIPTION, 1];
/// PUBLISH with QoS 1, sent for the first time and not retained (3.3.1).
const PUBLISH: u8 = 0x32;
/// Packet identifier of the only SUBSCRIBE.
const SUBSCRIPTION: u8 = 1;

/// CONNECT with a clean session and without keep-alive (3.1).
pub(super) fn connect(client: &str) -> Result<Vec<u8>, Failure> {
    let mut body = string("MQTT")?;
    body.extend([4, 0x02, 0, 0]);
    body.extend(string(client)?);
    packet(0x10, &body)
}

/// SUBSCRIBE to one topic with QoS 1 (3.8).
pub(super) fn subscribe(topic: &str) -> Result<Vec<u8>, Failure> {
    let mut body = vec![0, SUBSCRIPTION];
    body.extend(string(topic)?);
    body.push(1);
    packet(0x82, &body)
}

/// PUBACK (3.4).
pub(super) const fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// A PUBLISH with QoS 1 (3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Publish<'a> {
    pub(super) topic: &'a str,
    pub(super) id: u16,
    pub(super) payload: &'a [u8],
}

impl<'a> Publish<'a> {
    pub(super) fn emit(self) -> Result<Vec<u8>, Failure> {
        let mut body = string(self.topic)?;
        body.extend(self.id.to_be_bytes());
        body.extend(self.payload);
        packet(PUBLISH, &body)
    }

    /// Parses one whole packet. `None` if it is another packet, was sent before, or is retained.
    pub(super) fn parse(packet: &'a [u8]) -> Option<Self> {
        let (&PUBLISH, rest) = packet.split_first()? else { return None };
        let (_, body) = split_remaining_length(rest).ok()??;
        let (&topic_len, body) = body.split_first_chunk()?;
        let (topic, body) = body.split_at_checked(u16::from_be_bytes(topic_len).into())?;
        let (&id, payload) = body.split_first_chunk()?;
        Some(Self { topic: str::from_utf8(topic).ok()?, id: u16::from_be_bytes(id), payload })
    }

    /// The length of the payload with which a packet to this topic has `len` bytes. `None` if no
    /// payload gives this length.
    pub(super) fn payload_len(topic: &str, len: usize) -> Option<usize> {
        let fits = |digits: usize| {
            let remaining = len.checked_sub(1 + digits)?;
            (remaining_length(remaining).ok()?.len() == digits).then_some(remaining)
        };
        (1..=DIGITS).find_map(fits)?.checked_sub(2 + topic.len() + 2)
    }
}

/// Length of the first packet. `None` if its fixed header is not complete (2.2).
pub(super) fn packet_len(bytes: &[u8]) -> Result<Option<usize>, Failure> {
    let Some((_, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((remaining, behind)) = split_remaining_length(rest)? else { return Ok(None) };
    let len = bytes.len() - behind.len() + remaining;
    if len > LONGEST {
        return Err(Failure::new(format_args!("the broker sent a packet of {len} bytes")));
    }
    Ok(Some(len))
}

/// Splits off a remaining length (2.2.3). `None` if it is not complete.
fn split_remaining_length(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Failure> {
    let mut len = 0;
    for (index, byte) in bytes.iter().take(DIGITS).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(bytes.get(index + 1..).map(|behind| (len, behind)));
        }
    }
    if bytes.len() < DIGITS {
        return Ok(None);
    }
    Err(Failure::new("the broker sent a remaining length of more than four bytes"))
}

/// A packet with this first byte.
fn packet(first: u8, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packet = vec![first];
    packet.extend(remaining_length(body.len())?);
    packet.extend(body);
    Ok(packet)
}

/// A remaining length: seven bits a byte, the lowest first (2.2.3).
fn remaining_length(mut len: usize) -> Result<Vec<u8>, Failure> {
    if len >= 1 << (7 * DIGITS) {
        return Err(Failure::new(format_args!("{len} bytes are too many for an MQTT packet")));
    }
    let mut bytes = Vec::with_capacity(DIGITS);
    loop {
        let digit = u8::try_from(len & 0x7F)?;
        len >>= 7;
        if len == 0 {
            bytes.push(digit);
            return Ok(bytes);
        }
        bytes.push(digit | 0x80);
    }
}

/// A string, preceded by its length (1.5.3).
fn string(text: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = u16::try_from(text.len())?.to_be_bytes().to_vec();
    bytes.extend(text.bytes());
    Ok(bytes)
}

/// Most bytes of a remaining length.
const DIGITS: usize = 4;
/// The longest packet of a measurement.
pub(super) const LONGEST: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_has_the_variable_header_of_the_specification() {
        // Figure 3.6, but with a clean session alone (3.1.2.3) and without keep-alive.
        let header = [0, 4, b'M', b'Q', b'T', b'T', 4, 0b0000_0010, 0, 0];
        let packet = connect("c1").unwrap();
        assert_eq!(packet, [&[0x10, 14][..], &header, &[0, 2, b'c', b'1']].concat());
    }

    #[test]
    fn subscribe_has_the_payload_of_the_specification() {
        // Figure 3.23: topic filter `a/b` with QoS 1.
        let expected = [0x82, 8, 0, 1, 0, 3, b'a', b'/', b'b', 1];
        assert_eq!(subscribe("a/b").unwrap(), expected);
    }

    #[test]
    fn publish_has_the_variable_header_of_the_specification() {
        // Figure 3.11: topic `a/b`, packet identifier 10.
        let publish = Publish { topic: "a/b", id: 10, payload: b"x" };
        let packet = publish.emit().unwrap();
        assert_eq!(packet, [0x32, 8, 0, 3, b'a', b'/', b'b', 0, 10, b'x']);
        assert_eq!(Publish::parse(&packet), Some(publish));
        assert_eq!(puback(0x0A0B), [0x40, 2, 0x0A, 0x0B]);
    }

    #[test]
    fn publish_that_is_repeated_retained_or_cut_is_not_taken() {
        let packet = Publish { topic: "a/b", id: 10, payload: b"" }.emit().unwrap();
        // DUP, QoS 0, QoS 2 and RETAIN.
        for first in [0x3A, 0x30, 0x34, 0x33] {
            assert_eq!(Publish::parse(&[&[first], &packet[1..]].concat()), None);
        }
        for len in 0..packet.len() {
            assert_eq!(Publish::parse(&packet[..len]), None);
        }
    }

    #[test]
    fn remaining_lengths_have_the_bounds_of_the_specification() {
        // Table 2.4.
        for (len, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            assert_eq!(remaining_length(len).unwrap(), bytes);
            assert_eq!(split_remaining_length(bytes).unwrap(), Some((len, &[][..])));
            let cut = &bytes[..bytes.len() - 1];
            assert_eq!(split_remaining_length(cut).unwrap(), None);
        }
        assert!(remaining_length(268_435_456).is_err());
        assert!(split_remaining_length(&[0x80, 0x80, 0x80, 0x80]).is_err());
    }

    #[test]
    fn length_of_a_packet_counts_its_fixed_header() {
        assert_eq!(packet_len(&[]).unwrap(), None);
        assert_eq!(packet_len(&[0x40]).unwrap(), None);
        assert_eq!(packet_len(&puback(1)).unwrap(), Some(4));
        assert_eq!(packet_len(&[0x32, 0x80, 0x01]).unwrap(), Some(3 + 128));
        assert!(packet_len(&[0x32, 0xFF, 0xFF, 0x7F]).is_err());
    }

    #[test]
    fn payload_fills_a_packet_to_its_length() {
        for len in [11, 128, 131, 1_587, 16_388, LONGEST] {
            let payload = vec![7; Publish::payload_len("a/b", len).unwrap()];
            let packet = Publish { topic: "a/b", id: 1, payload: &payload }.emit().unwrap();
            assert_eq!(packet.len(), len);
        }
        // Too short for topic and identifier, or between two lengths of the fixed header.
        assert_eq!(Publish::payload_len("a/b", 8), None);
        assert_eq!(Publish::payload_len("a/b", 130), None);
    }
}
