//! The three forms of a 203: stored, delivered, receipts taken (PROTOCOL 6.1).

use alloc::vec::Vec;

use super::sealed::MAX_SEALED_PLAINTEXT;
use crate::ids::{MessageId, ReceiptId, UserId};
use crate::keys::Plaintext;
use crate::wire::{Malformed, Parser, VERSION, Write};

/// Receipt from the recipient of messages to their sender, in the clear because the server reads
/// it: `receipt_id u64 ‖ status u8 (2: delivered) ‖ count u16 ‖ count × message_id u64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Number that the recipient gave the receipt.
    pub receipt_id: ReceiptId,
    /// Messages that were delivered: at least one, at most [`Receipt::MAX_ITEMS`].
    pub message_ids: Vec<MessageId>,
}

impl Receipt {
    /// Most messages that one receipt can name.
    pub const MAX_ITEMS: usize = (u16::MAX as usize - (8 + 1 + 2)) / 8;

    /// Parses a payload. It must name at least one message, and nothing may follow the last.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(payload);
        let receipt_id = ReceiptId(parser.u64()?);
        expect_status(&mut parser, DELIVERED)?;
        let message_ids: Vec<_> = items(&mut parser)?
            .iter()
            .map(|bytes: &[u8; 8]| MessageId(u64::from_le_bytes(*bytes)))
            .collect();
        parser.end()?;
        if message_ids.is_empty() { Err(Malformed) } else { Ok(Self { receipt_id, message_ids }) }
    }

    /// Returns the payload.
    pub fn emit(&self) -> Vec<u8> {
        debug_assert!((1..=Self::MAX_ITEMS).contains(&self.message_ids.len()));
        let mut out = Vec::with_capacity(8 + 1 + 2 + 8 * self.message_ids.len());
        out.put_u64(self.receipt_id.0);
        out.put_u8(DELIVERED);
        put_count(&mut out, self.message_ids.len());
        for id in &self.message_ids {
            out.put_u64(id.0);
        }
        out
    }
}

/// Acknowledgement from the server to a sender that messages are stored, sealed:
/// `v ‖ status u8 (1: stored) ‖ count u16 ‖ count × (recipient_id u64 ‖ message_id u64)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAck {
    /// Recipient and number of each stored message; at most [`StoredAck::MAX_ITEMS`].
    pub items: Vec<(UserId, MessageId)>,
}

impl StoredAck {
    /// Most messages that one packet can acknowledge.
    pub const MAX_ITEMS: usize = (MAX_SEALED_PLAINTEXT - (1 + 1 + 2)) / PAIR_LEN;

    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        expect_status(&mut parser, STORED)?;
        let items = pairs(&mut parser, MessageId)?;
        Ok(Self { items })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        debug_assert!(self.items.len() <= Self::MAX_ITEMS);
        let mut out = Plaintext::with_capacity(1 + 1 + 2 + 16 * self.items.len());
        out.put_u8(VERSION);
        out.put_u8(STORED);
        put_count(&mut out, self.items.len());
        for (recipient, message) in &self.items {
            out.put_u64(recipient.value());
            out.put_u64(message.0);
        }
        out
    }
}

/// Acknowledgement from a client to the server that it has receipts, so that the server may delete
/// them, sealed: `v ‖ count u16 ‖ count × (origin_id u64 ‖ receipt_id u64)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptsTaken {
    /// For each receipt, the user who signed it and the number that this user gave it; at most
    /// [`ReceiptsTaken::MAX_ITEMS`].
    pub items: Vec<(UserId, ReceiptId)>,
}

impl ReceiptsTaken {
    /// Most receipts that one packet can acknowledge.
    pub const MAX_ITEMS: usize = (MAX_SEALED_PLAINTEXT - (1 + 2)) / PAIR_LEN;

    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        let items = pairs(&mut parser, ReceiptId)?;
        Ok(Self { items })
    }

    /// Returns the plaintext to be sealed.
    pub fn emit(&self) -> Plaintext {
        debug_assert!(self.items.len() <= Self::MAX_ITEMS);
        let mut out = Plaintext::with_capacity(1 + 2 + 16 * self.items.len());
        out.put_u8(VERSION);
        put_count(&mut out, self.items.len());
        for (origin, receipt) in &self.items {
            out.put_u64(origin.value());
            out.put_u64(receipt.0);
        }
        out
    }
}

fn expect_status(parser: &mut Parser<'_>, status: u8) -> Result<(), Malformed> {
    if parser.u8()? == status { Ok(()) } else { Err(Malformed) }
}

/// Takes a u16 count and that number of items of `N` bytes. The items are borrowed from the
/// payload, so a large count in a short payload allocates nothing.
fn items<'a, const N: usize>(parser: &mut Parser<'a>) -> Result<&'a [[u8; N]], Malformed> {
    let count = usize::from(parser.u16()?);
    let (items, _) = parser.bytes(count * N)?.as_chunks();
    Ok(items)
}

fn pairs<T>(parser: &mut Parser<'_>, id: impl Fn(u64) -> T) -> Result<Vec<(UserId, T)>, Malformed> {
    let pair = |bytes: &[u8; PAIR_LEN]| {
        let mut parser = Parser::new(bytes);
        Ok((parser.user_id()?, id(parser.u64()?)))
    };
    items(parser)?.iter().map(pair).collect()
}

fn put_count(out: &mut impl Write, count: usize) {
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

/// Statuses of a 203.
const STORED: u8 = 1;
const DELIVERED: u8 = 2;

/// A user's id and a number.
const PAIR_LEN: usize = 8 + 8;
