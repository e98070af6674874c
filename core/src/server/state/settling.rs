//! Acknowledged items that are being deleted from the store.

use alloc::vec::Vec;

use crate::frame::Verified;
use crate::ids::UserId;
use crate::wire::{ItemId, Packet};

/// Messages that their recipient acknowledged, and the receipt that is stored for their sender in
/// the same transaction.
#[derive(Debug)]
pub(in crate::server) struct Settling {
    pub(in crate::server) recipient: UserId,
    pub(in crate::server) delivered: Vec<ItemId>,
    pub(in crate::server) receipt: Verified<Packet>,
    pub(in crate::server) sender: UserId,
}

/// Receipts that their owner has taken.
#[derive(Debug)]
pub(in crate::server) struct DroppingReceipts {
    pub(in crate::server) owner: UserId,
    pub(in crate::server) receipts: Vec<ItemId>,
}

/// An operation that failed and is repeated until it succeeds: what was acknowledged must not be
/// delivered again.
#[derive(Debug)]
pub(in crate::server) enum Unfinished {
    Settle(Settling),
    DropReceipts(DroppingReceipts),
}

impl Unfinished {
    /// The user who acknowledged the items.
    pub(in crate::server) const fn owner(&self) -> UserId {
        match self {
            Self::Settle(settling) => settling.recipient,
            Self::DropReceipts(dropping) => dropping.owner,
        }
    }
}
