//! Progress of the drain of a mailbox.

use super::in_flight::InFlight;
use super::sharing::Moment;
use crate::ids::ConnId;
use crate::server::limits::Limits;
use crate::server::store::{PageLimit, Seq};

/// The stored items of one mailbox on their way to its owner, page by page.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(super) struct Drain {
    pub(super) conn: ConnId,
    /// Everything up to here was read and sent.
    pub(super) cursor: Seq,
    /// A page is being read.
    pub(super) reading: bool,
    /// The store may hold something behind the cursor that no page under way will bring.
    pub(super) more: bool,
    /// The next item is a repeat that was stored while its original is being deleted. It goes out
    /// after the deletion.
    pub(super) blocked: bool,
    /// The owner's connection is congested.
    pub(super) stalled: bool,
    /// Count of items that were read from the store and sent.
    pub(super) drained: u32,
    pub(super) finale: Finale,
    /// What was stored before then, by whichever server, will have been read when the drain ends.
    pub(super) since: Moment,
}

/// What follows once everything stored has been sent and acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finale {
    /// A 255.
    Announce,
    /// The 255 is being signed.
    Announcing,
    /// Nothing: the 255 was sent before, or the account is new.
    Silent,
}

/// What a draining mailbox can do next.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) enum DrainStep {
    /// Read a page behind this place.
    ReadPage { conn: ConnId, after: Seq, limit: PageLimit },
    /// Nothing until less is in flight to all recipients.
    AwaitRoom,
    /// Announce with a 255 that everything was sent.
    Announce { conn: ConnId, drained: u32 },
    /// Nothing: the owner has taken everything that was stored before `since`, at least, and the
    /// mailbox has gone live.
    Live { conn: ConnId, since: Moment },
}

impl Drain {
    pub(super) fn new(conn: ConnId, finale: Finale) -> Self {
        Self {
            conn,
            cursor: Seq::START,
            reading: false,
            more: true,
            blocked: false,
            stalled: false,
            drained: 0,
            finale,
            since: Moment::default(),
        }
    }

    /// How much may be read now: nothing until half of the window is free, so that each page is
    /// worth its cost. A page takes no more memory than is left of `share`.
    pub(super) fn window(
        &self,
        limits: &Limits,
        share: usize,
        in_flight: &InFlight,
    ) -> Option<PageLimit> {
        let whole = PageLimit { items: limits.drain_items, bytes: limits.drain_bytes };
        let window = whole.within(share);
        // Saturating: items forwarded live may exceed the drain's own window.
        let room =
            |limit: u32, used: usize| limit.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX));
        let items = room(window.items, in_flight.len());
        let bytes = room(window.bytes, in_flight.bytes());
        let worthwhile = items >= window.items.div_ceil(2) && bytes >= window.bytes.div_ceil(2);
        (worthwhile && !self.stalled).then_some(PageLimit { items, bytes })
    }
}
