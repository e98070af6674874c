#![allow(dead_code, unreachable_pub)]
//! Proof that something is on disk.

use crate::ids::Ticket;
use alloc::vec::Vec;

use super::StoreError;
use crate::server::store::{Appended, StoreOutcome, StoreReply};
use crate::wire::Packet;

/// Something that waits for the store. The only way to a [`Durable`].
#[derive(Debug)]
pub struct Pending<T>(T);

/// Something that the store has committed: it survives a loss of power. What is acknowledged is
/// built from this only.
#[derive(Debug)]
pub struct Durable<T>(T);

/// What became of one packet that was to be appended.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It is stored, now or since an earlier time.
    Stored(Durable<Packet>),
    /// It is not, and nothing of it is.
    Refused(Packet, AppendRefusal),
}

/// Why a packet was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppendRefusal {
    MailboxFull,
    UnknownUser,
    Unavailable,
}

impl<T> Pending<T> {
    /// Holds what will be durable once the store has answered.
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the proof with the store's reply; the value back if the store failed.
    pub(crate) fn resolve(
        self,
        outcome: StoreOutcome,
    ) -> Result<(Durable<T>, StoreReply), (T, StoreError)> {
        match outcome {
            Ok(reply) => Ok((Durable(self.0), reply)),
            Err(error) => Err((self.0, error)),
        }
    }
}

impl Pending<Vec<Packet>> {
    /// Tells each packet's fate by the outcome of the append that it was part of. A packet that
    /// the reply does not speak of is not durable.
    pub(crate) fn appended(self, outcome: &StoreOutcome) -> Vec<Fate> {
        let told: &[Appended] = match outcome {
            Ok(StoreReply::Appended(each)) => each,
            Ok(_) | Err(_) => &[],
        };
        let mut told = told.iter();
        let fate = |packet: Packet| match told.next() {
            Some(Appended::Stored | Appended::Duplicate) => Fate::Stored(Durable(packet)),
            Some(Appended::MailboxFull) => Fate::Refused(packet, AppendRefusal::MailboxFull),
            Some(Appended::UnknownUser) => Fate::Refused(packet, AppendRefusal::UnknownUser),
            None => Fate::Refused(packet, AppendRefusal::Unavailable),
        };
        self.0.into_iter().map(fate).collect()
    }
}

impl<T> Durable<T> {
    /// Shows what is durable.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What is durable.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A slab of continuations. A ticket is the index of its slot in the low half and a running number
/// in the high half: once it is answered it names nothing any more.
#[derive(Debug)]
pub(crate) struct Awaiting<T> {
    slots: Vec<Option<(u32, T)>>,
    free: Vec<u32>,
    last: u32,
}

impl<T> Awaiting<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), last: 0 }
    }

    /// Keeps a continuation under a new ticket.
    pub(crate) fn insert(&mut self, awaited: T) -> Ticket {
        self.last = self.last.wrapping_add(1);
        let entry = Some((self.last, awaited));
        let free = self.free.pop();
        let index = free.unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        match self.slots.get_mut(index as usize) {
            Some(slot) => *slot = entry,
            None => self.slots.push(entry),
        }
        Ticket(u64::from(self.last) << u32::BITS | u64::from(index))
    }

    /// Takes back what waits for a ticket.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<T> {
        let number = ticket.0 >> u32::BITS;
        let index = u32::try_from(ticket.0 & u64::from(u32::MAX)).ok()?;
        let slot = self.slots.get_mut(index as usize)?;
        let (_, awaited) = slot.take_if(|(taken, _)| u64::from(*taken) == number)?;
        self.free.push(index);
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT {
            // After a storm.
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(awaited)
    }

    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

/// Slots that are kept when nothing waits.
const KEPT: usize = 1_024;
