//! A session: who is on the other end of a connection, and what is under way for them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use super::admission::{Meter, TooMany};
use crate::frame::InOrder;
use crate::frame::legacy::Durable;
use crate::ids::{MessageId, UserId};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey};
use crate::server::limits::Limits;
use crate::time::Mono;
use crate::wire::{ErrorCode, FromClient, Packet, StoredAck};

#[derive(Debug)]
pub(super) struct Session {
    user: UserId,
    public_key: PublicKey,
    key: SymmetricKey,
    /// Packets whose signatures are being checked, in order of arrival.
    pub(super) arrivals: InOrder<Arrival>,
    pub(super) acks: Acks,
    /// The session is ending: nothing more is taken from it, and this is said at last.
    pub(super) farewell: Option<Farewell>,
    /// Most sessions have none.
    refused: Option<Box<RefusedMessages>>,
    lookups: Meter,
    messages: Meter,
}

/// A packet whose check is done, whatever came of it. With what was sealed in it, if anything was.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) inbound: FromClient,
    pub(super) checked: Result<Plaintext, Rejected>,
    pub(super) standing: Standing,
}

/// What a packet can still do when its signature is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It takes effect.
    Open,
    /// It was answered with a refusal. A false signature ends the session all the same.
    Refused,
}

/// Messages that were refused for now, and why; their sender repeats them.
#[derive(Debug, Default)]
struct RefusedMessages {
    by_name: BTreeMap<(UserId, MessageId), Refused>,
    /// How many there were.
    count: u64,
}

/// A message that was refused for now.
#[derive(Clone, Copy, Debug)]
struct Refused {
    code: ErrorCode,
    /// Which refusal of the session it was.
    number: u64,
}

/// Too many messages were refused to remember one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

/// How a session ends in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The client asked for it: 222.
    Disconnect,
    /// The server stops: 244 `ShuttingDown`.
    ShuttingDown,
}

impl Session {
    pub(super) const fn new(user: UserId, public_key: PublicKey, key: SymmetricKey) -> Self {
        Self {
            user,
            public_key,
            key,
            arrivals: InOrder::new(),
            acks: Acks { waiting: VecDeque::new(), sealing: false },
            farewell: None,
            refused: None,
            lookups: Meter::new(),
            messages: Meter::new(),
        }
    }

    pub(super) const fn user(&self) -> UserId {
        self.user
    }

    pub(super) const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    pub(super) const fn key(&self) -> &SymmetricKey {
        &self.key
    }

    /// How many messages are awaited again.
    pub(super) fn refused_len(&self) -> usize {
        self.refused.as_ref().map_or(0, |refused| refused.by_name.len())
    }

    /// A message was refused that its sender will repeat: until it has, none to the same recipient
    /// goes before it.
    pub(super) fn refused(
        &mut self,
        limits: &Limits,
        recipient: UserId,
        id: MessageId,
        code: ErrorCode,
    ) -> Result<(), NoRoom> {
        let refused = self.refused.get_or_insert_default();
        if refused.by_name.len() >= limits.refused_messages {
            return Err(NoRoom);
        }
        refused.count = refused.count.wrapping_add(1);
        refused.by_name.insert((recipient, id), Refused { code, number: refused.count });
        Ok(())
    }

    /// A message comes, perhaps one that was refused. Returns why it has to wait for one before it
    /// that was; `None` if it has not.
    ///
    /// A sender repeats a message only when it has heard of all that it sent before it. So one that
    /// was refused and comes again does not wait for those that were refused earlier than it: what
    /// is still awaited of them has come to its end in another way, by a receipt say.
    pub(super) fn out_of_turn(&mut self, recipient: UserId, id: MessageId) -> Option<ErrorCode> {
        let by_name = &mut self.refused.as_mut()?.by_name;
        let own = by_name.remove(&(recipient, id)).map_or(0, |refused| refused.number);
        let before = || (recipient, MessageId(0))..(recipient, id);
        let awaited = by_name.range(before()).find(|(_, refused)| refused.number > own);
        if let Some((_, refused)) = awaited {
            return Some(refused.code);
        }
        by_name.extract_if(before(), |_, _| true).for_each(drop);
        None
    }

    /// Counts a look-up.
    pub(super) fn count_lookup(&mut self, limits: &Limits, now: Mono) -> Result<(), TooMany> {
        self.lookups.count(limits.lookups_per_user, now)
    }

    /// Counts a message. Returns until when no more should be read, if they come too often.
    pub(super) fn count_message(&mut self, limits: &Limits, now: Mono) -> Option<Mono> {
        self.messages.charge(limits.messages_per_user, now)
    }
}

/// Acknowledgements that wait to be said. While one packet of them is being sealed and signed, the
/// next ones gather and go out together.
#[derive(Debug)]
pub(super) struct Acks {
    waiting: VecDeque<(UserId, MessageId)>,
    sealing: bool,
}

impl Acks {
    /// Takes what may be said: only what is durable.
    pub(super) fn push(&mut self, stored: Durable<Packet>) {
        let packet = stored.into_inner();
        let id = crate::wire::ItemId::of(&packet).map(|key| MessageId(key.id));
        self.waiting.extend(packet.header().recipient.zip(id));
    }

    /// The next packet's worth, at most `most`, if none is being sealed.
    pub(super) fn next_batch(&mut self, most: usize) -> Option<StoredAck> {
        if self.sealing || self.waiting.is_empty() {
            return None;
        }
        self.sealing = true;
        let count = self.waiting.len().min(most);
        let items = self.waiting.drain(..count).collect();
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        Some(StoredAck { items })
    }

    pub(super) const fn sealed(&mut self) {
        self.sealing = false;
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.sealing && self.waiting.is_empty()
    }
}
