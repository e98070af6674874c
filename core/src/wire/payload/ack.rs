//! The three forms of a 203: stored, delivered, receipts taken (PROTOCOL 6.1).

use alloc::vec::Vec;

use super::sealed::MAX_SEALED_PLAINTEXT;
use crate::ids::{MessageId, ReceiptId, UserId};
use crate::keys::Plaintext;
use crate::wire::{Malformed, Parser, VERSION, Write};

/// From reader to sender, in the clear because the server reads it:
/// `receipt_id u64 ‖ status u8 (2: delivered) ‖ count u16 ‖ count × message_id u64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The reader's number for it.
    pub receipt_id: ReceiptId,
    /// What was delivered: one at least, [`Receipt::MAX_ITEMS`] at most.
    pub message_ids: Vec<MessageId>,
}

impl Receipt {
    /// How many messages one receipt names at most.
    pub const MAX_ITEMS: usize = (u16::MAX as usize - (8 + 1 + 2)) / 8;

    /// Parses a payload. Nothing may follow the last id, and there must be one.
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

    /// The payload.
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

/// From the server to a sender, sealed:
/// `v ‖ status u8 (1: stored) ‖ count u16 ‖ count × (recipient_id u64 ‖ message_id u64)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAck {
    /// For whom, and which message of the one who is told; [`StoredAck::MAX_ITEMS`] at most.
    pub items: Vec<(UserId, MessageId)>,
}

impl StoredAck {
    /// How many messages one packet acknowledges at most.
    pub const MAX_ITEMS: usize = (MAX_SEALED_PLAINTEXT - (1 + 1 + 2)) / PAIR_LEN;

    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        expect_status(&mut parser, STORED)?;
        let items = pairs(&mut parser, MessageId)?;
        Ok(Self { items })
    }

    /// What is sealed.
    pub fn emit(&self) -> Plaintext {
        debug_assert!(self.items.len() <= Self::MAX_ITEMS);
        let mut out = Plaintext::default();
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

/// From a client to the server, sealed: which receipts the client has, so that the server may
/// forget them. `v ‖ count u16 ‖ count × (origin_id u64 ‖ receipt_id u64)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptsTaken {
    /// The reader who signed it, and the reader's number for it; [`ReceiptsTaken::MAX_ITEMS`] at
    /// most.
    pub items: Vec<(UserId, ReceiptId)>,
}

impl ReceiptsTaken {
    /// How many receipts one packet acknowledges at most.
    pub const MAX_ITEMS: usize = (MAX_SEALED_PLAINTEXT - (1 + 2)) / PAIR_LEN;

    /// Parses the opened payload.
    pub fn parse(plaintext: &[u8]) -> Result<Self, Malformed> {
        let mut parser = Parser::new(plaintext);
        parser.version()?;
        let items = pairs(&mut parser, ReceiptId)?;
        Ok(Self { items })
    }

    /// What is sealed.
    pub fn emit(&self) -> Plaintext {
        debug_assert!(self.items.len() <= Self::MAX_ITEMS);
        let mut out = Plaintext::default();
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

/// A u16 count, and that many items of `N` bytes: as many as there are, so that a count allocates
/// nothing by itself.
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
