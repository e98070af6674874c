//! The client's store in memory: the executable specification of every [`ClientOp`].

mod contacts;
mod inbox;
mod outbox;

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::store::{
    Binding, ClientOp, ClientOutcome, ClientReply, Contact, Draft, DraftId, InboxId, InboxItem,
    QueuedMessage, Snapshot, Status, Token, TokenUse, Verification,
};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::keys::{Fingerprint, PublicKey};
use sealpost_core::wire::{InReplyTo, Packet, RequestHash};

use super::history::{HistoryEntry, Place, SentMessage};
use super::identity::Identity;
use super::outbox::OutboxCounts;
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
        endpoints: &Endpoints,
    ) -> Result<(), StoreError> {
        let account = &mut self.base.account;
        if account.server != *server {
            (account.server, account.server_key, account.successor) = (*server, None, None);
        }
        self.identity.server = *server;
        self.identity.transport = transport;
        self.identity.endpoints = endpoints.clone();
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
