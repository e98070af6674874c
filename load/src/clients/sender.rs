//! A sender that writes to an absent recipient and later gets the receipts.

use std::sync::Arc;

use sealpost_core::crypto::Provider;
use sealpost_core::keys::SymmetricKey;
use sealpost_core::wire::{Op, Packet, StoredAck};
use sealpost_programs::{CryptoName, Failure, Verify};

use crate::clients::link::Link;
use crate::clients::pair::unexpected;
use crate::clients::signed_packets::SignedPackets;
use crate::clients::user::User;

/// A sender with its packets.
pub(crate) struct Sender {
    user: User,
    link: Link,
    packets: SignedPackets,
    window: u64,
    sent: u64,
    /// Whether each message is stored.
    stored: Vec<bool>,
    stored_count: u64,
    /// The server's acknowledgements, kept to verify their signatures later.
    acks: Vec<Packet>,
    /// Opens acknowledgements.
    provider: Arc<dyn Provider>,
    receipts: usize,
}

impl Sender {
    pub(crate) fn new(user: User, link: Link, packets: SignedPackets, window: u64) -> Self {
        let stored = vec![false; packets.messages.len()];
        Self {
            user,
            link,
            packets,
            window,
            sent: 0,
            stored,
            stored_count: 0,
            acks: Vec::new(),
            provider: CryptoName::AwsLc.provider(Verify::AwsLc),
            receipts: 0,
        }
    }

    pub(crate) const fn packets(&self) -> &SignedPackets {
        &self.packets
    }

    pub(crate) fn packet_len(&self) -> usize {
        self.packets.messages.first().map_or(0, bytes::Bytes::len)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.packets.messages.len() as u64
    }

    /// The number of messages that the server reported as stored.
    pub(crate) const fn stored(&self) -> u64 {
        self.stored_count
    }

    pub(crate) fn stored_acks(&self) -> u64 {
        self.acks.len() as u64
    }

    pub(crate) const fn receipts(&self) -> u64 {
        self.receipts as u64
    }

    pub(crate) fn all_stored(&self) -> bool {
        self.stored_count == self.messages()
    }

    pub(crate) fn all_receipted(&self) -> bool {
        self.receipts == self.packets.receipts.len()
    }

    /// Sends as many messages as the window allows.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        while self.sent < self.stored_count + self.window
            && let Some(message) =
                usize::try_from(self.sent).ok().and_then(|n| self.packets.messages.get(n))
        {
            self.link.queue(message);
            self.sent += 1;
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.link.flush()
    }

    /// Reads what has arrived: acknowledgements that messages are stored, each once, and receipts,
    /// in order.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Self { user, link, packets, stored, stored_count, acks, provider, receipts, .. } = self;
        let before = *receipts;
        link.read(buffer, |frame, _| {
            if frame.is_from_server() && frame.op() == Some(Op::DeliveryAck) {
                let packet = frame.packet()?;
                for (_, id) in open(&**provider, &user.session_key, &packet)?.items {
                    let index = usize::try_from(id.0).ok().and_then(|id| id.checked_sub(1));
                    let stored = index.and_then(|index| stored.get_mut(index));
                    if stored.is_none_or(|stored| std::mem::replace(stored, true)) {
                        return Err(Failure::new(
                            "the server acknowledged a message twice, or one that was never sent",
                        ));
                    }
                    *stored_count += 1;
                }
                acks.push(packet);
                return Ok(());
            }
            if packets.receipts.get(*receipts).is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a sender", "its next receipt"));
            }
            *receipts += 1;
            Ok(())
        })?;
        for count in before + 1..=*receipts {
            if let Some(taken) = packets.taken_after(count) {
                link.queue(taken);
            }
        }
        Ok(())
    }

    /// Verifies the server's acknowledgements.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.user.check_all(&self.acks)
    }
}

/// Opens an acknowledgement of the server. Its signature is verified later.
fn open(
    provider: &dyn Provider,
    session_key: &SymmetricKey,
    packet: &Packet,
) -> Result<StoredAck, Failure> {
    let (iv, ciphertext) = packet
        .payload()
        .split_first_chunk()
        .ok_or_else(|| Failure::new("a 203 from the server is too short"))?;
    let opened = provider.cbc_open(session_key, iv, ciphertext)?;
    Ok(StoredAck::parse(opened.expose())?)
}
