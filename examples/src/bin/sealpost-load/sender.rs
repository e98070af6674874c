//! One who writes to a reader that is away, and later gets the receipts.

use sealpost_core::keys::SymmetricKey;
use sealpost_core::wire::{Op, Packet, StoredAck};
use sealpost_programs::{CryptoName, Failure};

use crate::letters::Letters;
use crate::link::Link;
use crate::pair::unexpected;
use crate::user::User;

/// A sender with its letters.
pub(crate) struct Sender {
    user: User,
    link: Link,
    letters: Letters,
    window: u64,
    sent: u64,
    /// Which messages are stored.
    stored: Vec<bool>,
    stored_count: u64,
    /// The server's words, for a check of their signatures.
    acks: Vec<Packet>,
    receipts: usize,
}

impl Sender {
    pub(crate) fn new(user: User, link: Link, letters: Letters, window: u64) -> Self {
        let stored = vec![false; letters.messages.len()];
        let (sent, stored_count, receipts) = (0, 0, 0);
        Self { user, link, letters, window, sent, stored, stored_count, acks: Vec::new(), receipts }
    }

    pub(crate) const fn letters(&self) -> &Letters {
        &self.letters
    }

    pub(crate) fn packet_len(&self) -> usize {
        self.letters.messages.first().map_or(0, bytes::Bytes::len)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.letters.messages.len() as u64
    }

    /// Messages that the server says it has stored.
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
        self.receipts == self.letters.receipts.len()
    }

    /// Sends what the window lets through.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        while self.sent < self.stored_count + self.window
            && let Some(message) =
                usize::try_from(self.sent).ok().and_then(|n| self.letters.messages.get(n))
        {
            self.link.queue(message);
            self.sent += 1;
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.link.flush()
    }

    /// What has come: the server's word that messages are stored, each once; receipts, in order.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Self { user, link, letters, stored, stored_count, acks, receipts, .. } = self;
        let before = *receipts;
        link.read(buffer, |frame, _| {
            if frame.is_from_server() && frame.op() == Some(Op::DeliveryAck) {
                let packet = frame.packet()?;
                for (_, id) in open(&user.session_key, &packet)?.items {
                    let index = usize::try_from(id.0).ok().and_then(|id| id.checked_sub(1));
                    let stored = index.and_then(|index| stored.get_mut(index));
                    if stored.is_none_or(|stored| std::mem::replace(stored, true)) {
                        return Err(Failure::new(
                            "a message is said to be stored twice, or never was",
                        ));
                    }
                    *stored_count += 1;
                }
                acks.push(packet);
                return Ok(());
            }
            if letters.receipts.get(*receipts).is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a sender", "its next receipt"));
            }
            *receipts += 1;
            Ok(())
        })?;
        for count in before + 1..=*receipts {
            if let Some(taken) = letters.taken_after(count) {
                link.queue(taken);
            }
        }
        Ok(())
    }

    /// Checks the signatures of the server's words.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.acks.iter().try_for_each(|packet| self.user.opened(packet.clone()).map(drop))
    }
}

/// Opens the server's word; its signature is checked later.
fn open(session_key: &SymmetricKey, packet: &Packet) -> Result<StoredAck, Failure> {
    let (iv, ciphertext) = packet
        .payload()
        .split_first_chunk()
        .ok_or_else(|| Failure::new("a 203 of the server's is too short"))?;
    let opened = CryptoName::AwsLc.provider().cbc_open(session_key, iv, ciphertext)?;
    Ok(StoredAck::parse(opened.expose())?)
}
