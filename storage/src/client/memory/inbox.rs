//! Messages that have arrived.

use std::ops::RangeInclusive;

use sealpost_core::client::store::{
    Arrival, ClientReply, Continuity, InboxId, InboxItem, IncomingMessage, Placement,
};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::wire::RequestHash;

use super::MemoryClientStorage;
use crate::client::signed_again::is_signed_again;

impl MemoryClientStorage {
    pub(super) fn receive(&mut self, message: &IncomingMessage) -> Placement {
        let IncomingMessage { sender, id, packet_hash, previous, phone, .. } = message;
        let named = (*sender, *id, *packet_hash);
        if self.arrived.contains_key(&named)
            || self.of_person(*phone, *id).any(|known| is_signed_again(message, known))
        {
            return Placement::Repeat;
        }
        let arrival = if self.holds(*sender, *id..=*id) {
            Arrival::ReusedId
        } else if !self.holds(*sender, *id..=MessageId(u64::MAX)) {
            Arrival::InOrder
        } else if self.missed.contains(&(*sender, *id)) {
            Arrival::FillsGap
        } else {
            Arrival::Late
        };
        let continuity = match previous {
            Some(previous) if !self.holds_of_signer(*phone, *sender, *previous) => {
                self.missed.insert((*sender, *previous));
                Continuity::AfterGap
            }
            Some(_) | None => Continuity::Next,
        };
        self.last_place += 1;
        let place = InboxId(self.last_place);
        self.arrived.insert(named, place);
        self.by_person.insert((*phone, *id, place));
        let message = message.clone();
        self.inbox.insert(place, InboxItem { place, message, continuity, arrival });
        Placement::Appended { place, continuity, arrival }
    }

    /// The messages with this id of the person with this phone number, under any user id.
    fn of_person(&self, phone: Phone, id: MessageId) -> impl Iterator<Item = &IncomingMessage> {
        let places = (phone, id, InboxId::START)..=(phone, id, InboxId(u64::MAX));
        let places = self.by_person.range(places).map(|(_, _, place)| place);
        places.filter_map(|place| Some(&self.inbox.get(place)?.message))
    }

    /// Whether the inbox holds the message with this id of whoever has this user id: under that id,
    /// or under another one that the same key has or had.
    fn holds_of_signer(&self, phone: Phone, sender: UserId, id: MessageId) -> bool {
        self.of_person(phone, id).any(|known| {
            let has_key = |key: &_| self.keys(phone, sender).any(|other| other == key);
            known.sender == sender || self.keys(phone, known.sender).any(has_key)
        })
    }

    /// Whether the inbox holds one of these messages.
    fn holds(&self, sender: UserId, ids: RangeInclusive<MessageId>) -> bool {
        let (first, last) = (RequestHash([0; 32]), RequestHash([u8::MAX; 32]));
        let range = (sender, *ids.start(), first)..=(sender, *ids.end(), last);
        self.arrived.range(range).next().is_some()
    }

    pub(super) fn unshown(&self, after: InboxId, limit: u32) -> ClientReply {
        let after = after.0.max(self.shown_up_to);
        let behind: Vec<_> = self.inbox.values().filter(|item| item.place.0 > after).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = behind.len() > limit;
        ClientReply::Unshown { items: behind.into_iter().take(limit).cloned().collect(), more }
    }
}
