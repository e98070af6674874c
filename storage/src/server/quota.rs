//! How much a mailbox and the whole store may hold.

use std::sync::{Arc, Mutex, PoisonError};

use sealpost_core::server::store::Appended;

use super::usage::Usage;

/// Capacity of mailboxes and of the store, for messages. Receipts always fit: refusing one would
/// keep messages that were delivered in the mailbox of the user who acknowledged them. The machine
/// bounds them by refusing messages of users who do not take their receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Maximum number of messages in one mailbox.
    pub messages: u64,
    /// Maximum size of their packets, in bytes.
    pub bytes: u64,
    /// Whether one sender may fill a mailbox.
    pub shares: Shares,
    /// Maximum size of the packets in all mailboxes, receipts included, in bytes. Rows and indexes
    /// take about a third more on disk, and the write-ahead log up to 64 MiB.
    pub store_bytes: u64,
    /// Free space on the disk, in bytes, that is left to receipts, settlements and sessions: with
    /// less, messages and new accounts are refused. Ignored by a store without a disk.
    pub disk_reserve_bytes: u64,
}

/// The quota of a store that is in use. Clones are the same quota: whoever has one can change it, and
/// the store's next transaction is bound by the new one. What is stored already stays.
#[derive(Clone, Debug, Default)]
pub struct SharedQuota(Arc<Mutex<Quota>>);

impl SharedQuota {
    /// A quota to share.
    pub fn new(quota: Quota) -> Self {
        Self(Arc::new(Mutex::new(quota)))
    }

    /// Replaces the quota.
    pub fn set(&self, quota: Quota) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = quota;
    }

    /// The quota at this moment.
    pub fn current(&self) -> Quota {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a mailbox a sender may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shares {
    /// A sender whom the owner has not answered gets a quarter, and nothing of the last quarter of
    /// the mailbox, which is kept for those whom the owner has answered. These get three quarters
    /// each. So no user alone closes another's mailbox, and no number of strangers closes it to
    /// people whom the owner knows.
    Limited,
    /// Anyone may fill it.
    Unlimited,
}

/// What a sender has in one mailbox, and whether its owner has written to the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Correspondent {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) answered: bool,
}

/// People whom one user has answered that are remembered. The next one keeps a stranger's share.
pub(super) const MAX_ANSWERED: u32 = 1_000;

/// Undeliverable messages that are remembered for one sender. Of further ones, the sender is not
/// told: they stay *stored* until the client gives them up.
pub(super) const MAX_UNDELIVERABLE: u32 = 1_000;

impl Default for Quota {
    /// 10,000 messages and 64 MiB in a mailbox: an absent recipient takes no more disk than a photo
    /// album. 16 GiB in all.
    fn default() -> Self {
        Self {
            messages: 10_000,
            bytes: 64 << 20,
            shares: Shares::Limited,
            store_bytes: 16 << 30,
            disk_reserve_bytes: 256 << 20,
        }
    }
}

/// What decides whether a message fits.
pub(super) struct Occupancy {
    /// Usage of the mailbox.
    pub(super) mailbox: Usage,
    /// Bytes in the whole store.
    pub(super) store_bytes: u64,
    /// Free space on the disk, in bytes; `None` if there is no disk, or it does not tell.
    pub(super) disk_free_bytes: Option<u64>,
}

impl Quota {
    /// Checks whether a message with a packet of `len` bytes fits. `sender` is asked only if the
    /// mailbox holds enough for the answer to matter.
    pub(super) fn admit<E>(
        self,
        occupancy: &Occupancy,
        len: u64,
        sender: impl FnOnce() -> Result<Correspondent, E>,
    ) -> Result<Result<(), Appended>, E> {
        if self.is_disk_full(occupancy.disk_free_bytes)
            || occupancy.store_bytes.saturating_add(len) > self.store_bytes
        {
            return Ok(Err(Appended::StoreFull));
        }
        let mailbox = (occupancy.mailbox.messages, occupancy.mailbox.bytes);
        let fits = self.fits(mailbox, len, WHOLE) && self.fits_shares(mailbox, len, sender)?;
        Ok(if fits { Ok(()) } else { Err(Appended::MailboxFull) })
    }

    /// Whether so little of the disk is free that the rest is kept for receipts, settlements and
    /// sessions.
    pub(super) fn is_disk_full(self, free_bytes: Option<u64>) -> bool {
        free_bytes.is_some_and(|free| free < self.disk_reserve_bytes)
    }

    fn fits_shares<E>(
        self,
        mailbox: (u64, u64),
        len: u64,
        sender: impl FnOnce() -> Result<Correspondent, E>,
    ) -> Result<bool, E> {
        let is_small = self.fits(mailbox, len, STRANGER);
        if self.shares == Shares::Unlimited || is_small {
            return Ok(true);
        }
        let sender = sender()?;
        let share = (sender.messages, sender.bytes);
        Ok(if sender.answered {
            self.fits(share, len, ALL_BUT_A_QUARTER)
        } else {
            self.fits(share, len, STRANGER) && self.fits(mailbox, len, ALL_BUT_A_QUARTER)
        })
    }

    /// Whether one more message fits in this many quarters of a mailbox, of which messages and
    /// bytes are taken.
    const fn fits(self, (messages, bytes): (u64, u64), len: u64, quarters: u64) -> bool {
        messages < part(self.messages, quarters)
            && bytes.saturating_add(len) <= part(self.bytes, quarters)
    }
}

const fn part(whole: u64, quarters: u64) -> u64 {
    whole / 4 * quarters + whole % 4 * quarters / 4
}

const STRANGER: u64 = 1;
const ALL_BUT_A_QUARTER: u64 = 3;
const WHOLE: u64 = 4;

impl Correspondent {
    /// Counts in messages with packets of `bytes` bytes together.
    pub(super) const fn add(&mut self, messages: u64, bytes: u64) {
        self.messages = self.messages.saturating_add(messages);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Whether there is nothing to remember.
    pub(super) const fn is_forgettable(self) -> bool {
        self.messages == 0 && !self.answered
    }
}
