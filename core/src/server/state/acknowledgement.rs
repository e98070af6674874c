//! Acknowledgements by a mailbox's owner.

use alloc::vec::Vec;

use crate::frame::Verified;
use crate::ids::UserId;
use crate::wire::{ItemId, Packet};

/// A recipient's statement that it has taken items.
#[derive(Debug)]
pub(in crate::server) enum Acknowledgement {
    /// Messages of one sender, with the receipt that goes to it.
    Messages { items: Vec<ItemId>, receipt: Verified<Packet>, sender: UserId },
    /// Receipts.
    Receipts(Vec<ItemId>),
}

/// What an acknowledgement released.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Released {
    /// Count of items that were held in memory alone; they are gone.
    pub(in crate::server) from_memory: usize,
    /// Items that are to be deleted from the store; they count as settling from now.
    pub(in crate::server) stored: Vec<ItemId>,
}

impl Acknowledgement {
    pub(super) fn items(&self) -> &[ItemId] {
        match self {
            Self::Messages { items, .. } | Self::Receipts(items) => items,
        }
    }
}
