//! The client's store in memory: the executable specification of every [`ClientOp`].

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::ops::RangeInclusive;

use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Arrival, Binding, ClientOp, ClientOutcome, ClientReply, Contact, Continuity, Draft, DraftId,
    Failure, GivenUp, InboxId, InboxItem, IncomingMessage, OutgoingMessage, Placement,
    QueuedMessage, Snapshot, Status, Token, TokenUse, Verification,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{InReplyTo, Packet, RequestHash};

use super::history::{HistoryEntry, Place, SentMessage};
use super::identity::Identity;
use super::outbox::OutboxCounts;
use super::signed_again::is_signed_again;
use super::storage::ClientStorage;
use crate::storage::Storage;

/// A client's store in ordered maps. A clone is a snapshot: what a disk would hold after a crash.
#[derive(Clone, Debug)]
pub struct MemoryClientStorage {
    identity: Identity,
    /// Everything in a snapshot but the contacts, the former ones, the drafts and the outbox, which
    /// are below.
    base: Snapshot,
    contacts: BTreeMap<Phone, Contact>,
    former: BTreeMap<UserId, PublicKey>,
    drafts: BTreeMap<DraftId, Draft>,
    outbox: BTreeMap<MessageId, Sent>,
    /// What the tokens of drafts and messages name.
    tokens: BTreeMap<Token, TokenUse>,
    inbox: BTreeMap<InboxId, InboxItem>,
    /// Places of the inbox by sender, message and packet.
    arrived: BTreeMap<Arrived, InboxId>,
    /// The same places by the sender's phone number and message.
    by_person: BTreeSet<(Phone, MessageId, InboxId)>,
    /// Messages that others named as their previous one before they arrived.
    missed: BTreeSet<(UserId, MessageId)>,
    last_place: u64,
    shown_up_to: u64,
}

type Arrived = (UserId, MessageId, RequestHash);

#[derive(Clone, Debug)]
struct Sent {
    message: SentMessage,
    /// `Some` while the message is queued.
    packet: Option<Packet>,
    /// How the server's errors name the packet.
    named: InReplyTo,
}

impl MemoryClientStorage {
    /// Creates the store of an account that is not registered yet.
    pub const fn new(identity: Identity) -> Self {
        let base = Snapshot::new(identity.phone, identity.server);
        Self {
            identity,
            base,
            contacts: BTreeMap::new(),
            former: BTreeMap::new(),
            drafts: BTreeMap::new(),
            outbox: BTreeMap::new(),
            tokens: BTreeMap::new(),
            inbox: BTreeMap::new(),
            arrived: BTreeMap::new(),
            by_person: BTreeSet::new(),
            missed: BTreeSet::new(),
            last_place: 0,
            shown_up_to: 0,
        }
    }

    /// Numbers the next messages from `ids` above the last one, as if as many had been sent.
    pub fn skip_message_ids(&mut self, ids: u64) {
        let last = self.base.last_message.map_or(0, |last| last.0);
        self.base.last_message = Some(MessageId(last.saturating_add(ids)));
    }

    /// Returns our user id, once the server has assigned it.
    pub const fn user(&self) -> Option<UserId> {
        self.base.account.user
    }

    /// Whether everything that must hold between two requests does:
    ///
    /// - contacts, messages and inbox items are filed under their own keys;
    /// - every draft and every message has a token that nothing else has;
    /// - a message has a packet if and only if it is queued, and no id above the last one;
    /// - no place is used twice or larger than the last one, and nothing was shown beyond that.
    ///
    /// Debug builds assert this after every commit.
    pub fn is_consistent(&self) -> bool {
        let places: BTreeSet<_> = (self.outbox.values().map(|sent| sent.message.place.0))
            .chain(self.inbox.keys().map(|place| place.0))
            .collect();
        self.contacts.iter().all(|(phone, contact)| contact.phone == *phone)
            && self.outbox.iter().all(|(id, sent)| {
                sent.message.id == *id
                    && sent.packet.is_some() == (sent.message.status == Status::Queued)
                    && Some(*id) <= self.base.last_message
            })
            && self.drafts.values().all(|draft| self.names(draft.token, TokenUse::Draft))
            && self
                .outbox
                .values()
                .all(|sent| self.names(sent.message.token, TokenUse::Message(sent.message.id)))
            && self.tokens.len() == self.drafts.len() + self.outbox.len()
            && self.inbox.iter().all(|(place, item)| item.place == *place)
            && places.len() == self.outbox.len() + self.inbox.len()
            && self.arrived.len() == self.inbox.len()
            && self.by_person.len() == self.inbox.len()
            && places.last().is_none_or(|place| *place <= self.last_place)
            && self.shown_up_to <= self.last_place
    }

    fn names(&self, token: Token, named: TokenUse) -> bool {
        self.tokens.get(&token) == Some(&named)
    }

    fn run(&mut self, request: &ClientOp) -> ClientReply {
        let account = &mut self.base.account;
        match request {
            ClientOp::PinServerKey(key) => {
                account.server_key.get_or_insert_with(|| key.clone());
            }
            ClientOp::ChangeServerKey { key, successor } => {
                self.identity.server = *key.fingerprint();
                account.server = *key.fingerprint();
                account.server_key = Some(key.clone());
                account.successor = *successor;
            }
            ClientOp::KeepReplyKey(key) => account.reply_key = Some(key.clone()),
            ClientOp::SetUser(user) => {
                account.user = Some(*user);
                account.reply_key = None;
            }
            ClientOp::UseReconnectTime(at) => {
                account.last_reconnect = account.last_reconnect.max(Some(*at));
            }
            ClientOp::SetClockOffset { secs } => account.clock_offset_secs = *secs,
            ClientOp::ReserveReceipts { below } => {
                self.base.next_receipt = self.base.next_receipt.max(*below);
            }
            ClientOp::PinContact { phone, binding } => self.pin(*phone, binding),
            ClientOp::OfferKey { phone, offered } => self.offer(*phone, offered),
            ClientOp::WithdrawOffer { phone } => {
                if let Some(contact) = self.contacts.get_mut(phone) {
                    contact.offered = None;
                }
            }
            ClientOp::AcceptKey { phone, accepted } => self.accept(*phone, accepted),
            ClientOp::ForgetContact { phone } => {
                if let Some(Contact { pinned, offered, .. }) = self.contacts.remove(phone) {
                    for binding in [Some(pinned), offered].into_iter().flatten() {
                        self.former.insert(binding.user, binding.public_key);
                    }
                }
            }
            ClientOp::MarkVerified { phone, fingerprint } => {
                if let Some(contact) = self.contacts.get_mut(phone)
                    && contact.pinned.public_key.fingerprint() == fingerprint
                {
                    contact.verification = Verification::Verified;
                }
            }
            ClientOp::FindTokens(tokens) => {
                let named = tokens.iter().map(|token| self.tokens.get(token).copied());
                return ClientReply::Named(named.collect());
            }
            ClientOp::KeepDrafts(drafts) => {
                for draft in drafts {
                    self.keep_draft(draft);
                }
            }
            ClientOp::DropDrafts(ids) => ids.iter().for_each(|id| self.drop_draft(*id)),
            ClientOp::Enqueue(messages) => {
                for message in messages {
                    self.enqueue(message);
                }
            }
            ClientOp::Readdress(messages) => {
                for message in messages {
                    self.readdress(message);
                }
            }
            ClientOp::MarkStored(messages) => {
                let mark = |(recipient, id): &(_, _)| {
                    self.mark(*id, Some(*recipient), Status::Stored).then_some(*id)
                };
                return ClientReply::Marked(messages.iter().filter_map(mark).collect());
            }
            ClientOp::MarkDelivered { recipient, messages } => {
                let mark =
                    |id: &_| self.mark(*id, Some(*recipient), Status::Delivered).then_some(*id);
                return ClientReply::Marked(messages.iter().filter_map(mark).collect());
            }
            ClientOp::MarkUndeliverable(packets) => {
                let failed = packets.iter().filter_map(|packet| self.mark_undeliverable(*packet));
                let failed = failed.collect();
                return ClientReply::Failed(self.given_up(failed));
            }
            ClientOp::MarkFailed { messages, failure } => {
                let mark = |id: &_| self.mark(*id, None, Status::Failed(*failure)).then_some(*id);
                let failed = messages.iter().filter_map(mark).collect();
                return ClientReply::Failed(self.given_up(failed));
            }
            ClientOp::Receive(messages) => {
                let arrivals = messages.iter().map(|message| self.receive(message));
                return ClientReply::Received(arrivals.collect());
            }
            ClientOp::Unshown { after, limit } => return self.unshown(*after, *limit),
            ClientOp::MarkShown { up_to } => {
                // Not beyond the last place: a later message has not been shown.
                self.shown_up_to = self.shown_up_to.max(up_to.0.min(self.last_place));
            }
        }
        ClientReply::Done
    }

    fn pin(&mut self, phone: Phone, binding: &Binding) {
        self.contacts.entry(phone).or_insert_with(|| Contact {
            phone,
            pinned: binding.clone(),
            verification: Verification::FirstUse,
            offered: None,
            last_sent: None,
            unanswered_since: None,
        });
    }

    fn offer(&mut self, phone: Phone, offered: &Binding) {
        let Some(contact) = self.contacts.get_mut(&phone) else { return };
        let before = contact.offered.replace(offered.clone());
        if let Some(before) = before
            && before.public_key == offered.public_key
            && before.user != offered.user
        {
            self.former.insert(before.user, before.public_key);
        }
    }

    fn accept(&mut self, phone: Phone, accepted: &Binding) {
        self.pin(phone, accepted);
        let Some(contact) = self.contacts.get_mut(&phone) else { return };
        contact.offered = None;
        if contact.pinned == *accepted {
            return;
        }
        let former = std::mem::replace(&mut contact.pinned, accepted.clone());
        if former.public_key != accepted.public_key {
            contact.verification = Verification::FirstUse;
        }
        if former.user != accepted.user {
            // A message to the former id may have been refused, and what was signed under that id
            // may still arrive.
            contact.last_sent = None;
            self.former.insert(former.user, former.public_key);
        }
    }

    fn unanswered_since(&self, recipient: UserId) -> Option<Timestamp> {
        let messages = self.outbox.values().map(|sent| &sent.message);
        let unanswered = messages
            .filter(|sent| sent.recipient == recipient && sent.status == Status::Stored)
            .map(|sent| sent.sent_at);
        unanswered.min()
    }

    fn keep_draft(&mut self, draft: &Draft) {
        if self.drafts.contains_key(&draft.id) || self.tokens.contains_key(&draft.token) {
            return;
        }
        self.tokens.insert(draft.token, TokenUse::Draft);
        self.drafts.insert(draft.id, draft.clone());
    }

    fn drop_draft(&mut self, id: DraftId) {
        if let Some(draft) = self.drafts.remove(&id) {
            self.tokens.remove(&draft.token);
        }
    }

    fn enqueue(&mut self, message: &OutgoingMessage) {
        if let Some(draft) = message.draft {
            self.drop_draft(draft);
        }
        if self.outbox.contains_key(&message.id) || self.tokens.contains_key(&message.token) {
            return;
        }
        self.tokens.insert(message.token, TokenUse::Message(message.id));
        self.last_place += 1;
        let sent = SentMessage {
            place: Place(self.last_place),
            id: message.id,
            token: message.token,
            recipient: message.recipient,
            phone: message.phone,
            sent_at: message.packet.header().timestamp,
            content: message.content.clone(),
            status: Status::Queued,
        };
        let named = message.packet.request_hash().in_reply_to();
        let packet = Some(message.packet.clone());
        self.outbox.insert(message.id, Sent { message: sent, packet, named });
        self.base.last_message = self.base.last_message.max(Some(message.id));
        if let Some(contact) = self.contacts.get_mut(&message.phone)
            && contact.pinned.user == message.recipient
        {
            contact.last_sent = contact.last_sent.max(Some(message.id));
        }
    }

    fn readdress(&mut self, message: &QueuedMessage) {
        let Some(sent) = self.outbox.get_mut(&message.id) else { return };
        if sent.message.status == Status::Queued {
            sent.message.recipient = message.recipient;
            sent.packet = Some(message.packet.clone());
            sent.named = message.packet.request_hash().in_reply_to();
        }
    }

    /// Advances a message to `next`. Returns whether its status changed.
    fn mark(&mut self, id: MessageId, recipient: Option<UserId>, next: Status) -> bool {
        let Some(sent) = self.outbox.get_mut(&id) else { return false };
        if recipient.is_some_and(|recipient| recipient != sent.message.recipient)
            || !precedes(sent.message.status, next)
        {
            return false;
        }
        sent.message.status = next;
        sent.packet = None;
        true
    }

    fn mark_undeliverable(&mut self, packet: InReplyTo) -> Option<MessageId> {
        let awaited = |sent: &&Sent| matches!(sent.message.status, Status::Queued | Status::Stored);
        let mut messages = self.outbox.values().filter(awaited);
        let id = messages.find(|sent| sent.named == packet)?.message.id;
        let sent = self.outbox.get_mut(&id)?;
        sent.message.status = Status::Failed(Failure::UnknownUser);
        sent.packet = None;
        Some(id)
    }

    /// Takes messages that have failed out of the chains of their contacts.
    fn given_up(&mut self, ids: Vec<MessageId>) -> GivenUp {
        let messages = ids.iter().filter_map(|id| self.outbox.get(id));
        let named = messages.map(|sent| (sent.message.recipient, sent.message.phone));
        let named: BTreeSet<_> = named.collect();
        let mut last_sent = Vec::new();
        for (recipient, phone) in named {
            let last = self.last_sent(recipient, phone);
            if let Some(contact) = self.contacts.get_mut(&phone)
                && contact.pinned.user == recipient
                && contact.last_sent.is_some_and(|last_sent| ids.contains(&last_sent))
            {
                contact.last_sent = last;
            }
            last_sent.push((recipient, last));
        }
        GivenUp { ids, last_sent }
    }

    /// The last message enqueued for a user id that has not failed.
    fn last_sent(&self, recipient: UserId, phone: Phone) -> Option<MessageId> {
        let sent = self.outbox.values().map(|sent| &sent.message);
        let sent = sent.filter(|sent| sent.recipient == recipient && sent.phone == phone);
        let sent = sent.filter(|sent| !matches!(sent.status, Status::Failed(_)));
        sent.max_by_key(|sent| sent.place).map(|sent| sent.id)
    }

    fn receive(&mut self, message: &IncomingMessage) -> Placement {
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

    /// The keys that a user id of a person has or had.
    fn keys(&self, phone: Phone, user: UserId) -> impl Iterator<Item = &PublicKey> {
        let contact = self.contacts.get(&phone).into_iter();
        let named = contact.flat_map(|contact| iter::once(&contact.pinned).chain(&contact.offered));
        let named = named.filter(move |binding| binding.user == user);
        named.map(|binding| &binding.public_key).chain(self.former.get(&user))
    }

    /// Whether the inbox holds one of these messages.
    fn holds(&self, sender: UserId, ids: RangeInclusive<MessageId>) -> bool {
        let (first, last) = (RequestHash([0; 32]), RequestHash([u8::MAX; 32]));
        let range = (sender, *ids.start(), first)..=(sender, *ids.end(), last);
        self.arrived.range(range).next().is_some()
    }

    fn unshown(&self, after: InboxId, limit: u32) -> ClientReply {
        let after = after.0.max(self.shown_up_to);
        let behind: Vec<_> = self.inbox.values().filter(|item| item.place.0 > after).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = behind.len() > limit;
        ClientReply::Unshown { items: behind.into_iter().take(limit).cloned().collect(), more }
    }
}

impl Storage for MemoryClientStorage {
    type Op = ClientOp;
    type Outcome = ClientOutcome;

    fn commit(&mut self, requests: &[ClientOp], outcomes: &mut Vec<ClientOutcome>) {
        outcomes.clear();
        outcomes.extend(requests.iter().map(|request| Ok(self.run(request))));
        debug_assert!(self.is_consistent(), "after a commit");
    }
}

impl ClientStorage for MemoryClientStorage {
    fn identity(&self) -> Result<Identity, StoreError> {
        Ok(self.identity.clone())
    }

    fn move_server(
        &mut self,
        server: &Fingerprint,
        transport: Transport,
        host_port: &str,
    ) -> Result<(), StoreError> {
        let account = &mut self.base.account;
        if account.server != *server {
            (account.server, account.server_key, account.successor) = (*server, None, None);
        }
        self.identity.server = *server;
        self.identity.transport = transport;
        self.identity.host_port = host_port.into();
        Ok(())
    }

    fn load(&self) -> Result<Snapshot, StoreError> {
        let queued = |sent: &Sent| {
            let (id, recipient) = (sent.message.id, sent.message.recipient);
            Some(QueuedMessage { id, recipient, packet: sent.packet.clone()? })
        };
        let contact = |contact: &Contact| Contact {
            unanswered_since: self.unanswered_since(contact.pinned.user),
            ..contact.clone()
        };
        let former =
            |(user, key): (&UserId, &PublicKey)| Binding { user: *user, public_key: key.clone() };
        Ok(Snapshot {
            contacts: self.contacts.values().map(contact).collect(),
            former: self.former.iter().map(former).collect(),
            drafts: self.drafts.values().cloned().collect(),
            outbox: self.outbox.values().filter_map(queued).collect(),
            ..self.base.clone()
        })
    }

    fn outbox(&self) -> Result<OutboxCounts, StoreError> {
        let mut counts = OutboxCounts::default();
        counts.add(Status::Queued, self.drafts.len() as u64);
        self.outbox.values().for_each(|sent| counts.add(sent.message.status, 1));
        Ok(counts)
    }

    fn history(
        &self,
        peer: Phone,
        before: Option<Place>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>, StoreError> {
        let sent = self.outbox.values().filter(|sent| sent.message.phone == peer);
        let received = self.inbox.values().filter(|item| item.message.phone == peer);
        let mut entries: Vec<_> = sent
            .map(|sent| HistoryEntry::Sent(sent.message.clone()))
            .chain(received.cloned().map(HistoryEntry::Received))
            .filter(|entry| before.is_none_or(|before| entry.place() < before))
            .collect();
        entries.sort_unstable_by_key(HistoryEntry::place);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(entries.split_off(entries.len().saturating_sub(limit)))
    }
}

/// Whether the status of a message can change from `from` to `next`.
const fn precedes(from: Status, next: Status) -> bool {
    match next {
        Status::Queued => false,
        Status::Stored | Status::Failed(_) => matches!(from, Status::Queued),
        Status::Delivered => matches!(from, Status::Queued | Status::Stored),
    }
}
