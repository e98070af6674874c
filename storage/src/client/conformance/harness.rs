//! A client's store under test, with a short method for each request.

use sealpost_core::address::Transport;
use sealpost_core::client::store::{
    Arrival, Binding, ClientOp, ClientOutcome, ClientReply, Contact, Content, Continuity, Draft,
    DraftId, GivenUp, InboxId, InboxItem, IncomingMessage, OutgoingMessage, Placement,
    ReceivedContent, Snapshot, Status, Token, TokenUse, Trust,
};
use sealpost_core::event::EncodedEvent;
use sealpost_core::ids::{MessageId, UserId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::wire::{Profile, RequestHash};

use super::subject::Subject;
use crate::client::history::{HistoryEntry, Place};
use crate::client::identity::Identity;
use crate::conformance::{Reopening, at, message, phone, public_key};

/// A case and its name.
pub(super) type Case<S> = (&'static str, fn(&mut Harness<S>));

/// A store, and how to treat it between commits.
pub(super) struct Harness<S> {
    store: Option<S>,
    reopening: Reopening,
}

/// Returns the account of every case: phone number 1, user 1.
pub(in crate::client) fn identity() -> Identity {
    Identity {
        phone: phone(1),
        server: Fingerprint([7; 32]),
        profile: Profile::Compact,
        transport: Transport::Tcp,
        endpoints: "localhost:7465".parse().expect("an endpoint"),
    }
}

pub(in crate::client) fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

/// Binds user `id` to the `n`-th key.
pub(super) fn binding(id: u64, n: u16) -> Binding {
    Binding { user: user(id), public_key: public_key(n) }
}

/// Builds message `id` from us to user `to`, who has the `to`-th phone number. Its token has the same
/// number as its id.
pub(in crate::client) fn outgoing(id: u64, to: u16) -> OutgoingMessage {
    let recipient = user(to.into());
    OutgoingMessage {
        id: MessageId(id),
        recipient,
        phone: phone(to),
        token: Token(id),
        draft: None,
        content: Content::Text(format!("message {id}")),
        packet: message(Profile::Compact, user(1), recipient, id, 40),
    }
}

/// Builds an event of a newer version. Its bytes are kept, whether or not they are understood here.
pub(super) fn event() -> EncodedEvent {
    let head = [0xa3, 0x00, 0x18, 99, 0x01, 0x50];
    let bytes = [&head[..], &[7; 16], &[0x18, 30, 0x62, b'h', b'i']].concat();
    EncodedEvent::parse(bytes.into()).expect("an event")
}

/// Builds draft `id`, whose token has the number 1000 + `id`.
pub(super) fn draft(id: u64, to: UserRef) -> Draft {
    let content = Content::Text(format!("draft {id}"));
    Draft { id: DraftId(id), token: Token(id.wrapping_add(1000)), to, key: None, content }
}

/// Builds message `id` from user `from`, who has the `from`-th phone number, to us. Equal arguments
/// give the same packet.
pub(in crate::client) fn incoming(id: u64, from: u16, previous: Option<u64>) -> IncomingMessage {
    IncomingMessage {
        sender: user(from.into()),
        phone: phone(from),
        signed_by: author(from),
        id: MessageId(id),
        packet_hash: packet_hash(id, from, previous),
        previous: previous.map(MessageId),
        sent_at: at(1),
        received_at: at(2),
        content: ReceivedContent::Opened(Content::Text(format!("from {from}: {id}"))),
        trust: Trust::FirstUse,
    }
}

/// Returns the fingerprint of the `n`-th author.
pub(in crate::client) const fn author(n: u16) -> Fingerprint {
    Fingerprint([n.to_le_bytes()[0]; 32])
}

fn packet_hash(id: u64, from: u16, previous: Option<u64>) -> RequestHash {
    let mut hash = [1; 32];
    hash[..8].copy_from_slice(&id.to_le_bytes());
    hash[8..10].copy_from_slice(&from.to_le_bytes());
    hash[10..18].copy_from_slice(&previous.map_or(u64::MAX, |id| id).to_le_bytes());
    RequestHash(hash)
}

/// Builds another message with the same id.
pub(super) fn other_packet(mut message: IncomingMessage) -> IncomingMessage {
    message.packet_hash.0[31] = 2;
    message.content = ReceivedContent::Opened(Content::Text("another text".into()));
    message
}

/// What became of a message that must be new.
pub(super) type New = (Continuity, Arrival);

impl<S: Subject> Harness<S> {
    pub(super) const fn new(store: S, reopening: Reopening) -> Self {
        Self { store: Some(store), reopening }
    }

    pub(super) fn store(&mut self) -> &mut S {
        self.store.as_mut().expect("open")
    }

    pub(super) fn commit(&mut self, requests: &[ClientOp]) -> Vec<ClientOutcome> {
        let mut outcomes = Vec::new();
        self.store().commit(requests, &mut outcomes);
        assert_eq!(outcomes.len(), requests.len(), "one outcome for each request");
        assert!(self.store().is_consistent(), "after {requests:?}");
        match self.reopening {
            Reopening::Never => {}
            Reopening::AfterEachCommit => self.store = self.store.take().map(S::reopen),
        }
        outcomes
    }

    #[track_caller]
    pub(super) fn ask(&mut self, request: ClientOp) -> ClientReply {
        self.commit(&[request]).remove(0).expect("the store works")
    }

    /// Commits a request whose reply carries no value.
    #[track_caller]
    pub(super) fn tell(&mut self, request: ClientOp) {
        assert_eq!(self.ask(request), ClientReply::Done);
    }

    pub(super) fn load(&mut self) -> Snapshot {
        self.store().load().expect("the store works")
    }

    /// Makes user `n` a contact.
    pub(super) fn pin(&mut self, n: u16) {
        self.tell(ClientOp::PinContact { phone: phone(n), binding: binding(n.into(), n) });
    }

    #[track_caller]
    pub(super) fn contact(&mut self, n: u16) -> Contact {
        let contacts = self.load().contacts;
        contacts.into_iter().find(|contact| contact.phone == phone(n)).expect("a contact")
    }

    #[track_caller]
    pub(super) fn enqueue(&mut self, messages: &[OutgoingMessage]) {
        self.tell(ClientOp::Enqueue(messages.to_vec()));
    }

    /// Counts the messages that are not acknowledged, drafts included.
    pub(super) fn queued(&mut self) -> u64 {
        self.store().outbox().expect("the store works").queued
    }

    /// Returns what each token names.
    #[track_caller]
    pub(super) fn find(&mut self, tokens: &[u64]) -> Vec<Option<TokenUse>> {
        let tokens = tokens.iter().copied().map(Token).collect();
        match self.ask(ClientOp::FindTokens(tokens)) {
            ClientReply::Named(named) => named,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the ids of all drafts.
    pub(super) fn drafts(&mut self) -> Vec<u64> {
        self.load().drafts.into_iter().map(|draft| draft.id.0).collect()
    }

    /// Commits a request that marks messages. Returns the ids of those whose status changed.
    #[track_caller]
    pub(super) fn mark(&mut self, request: ClientOp) -> Vec<u64> {
        match self.ask(request) {
            ClientReply::Marked(ids) | ClientReply::Failed(GivenUp { ids, .. }) => {
                ids.into_iter().map(|id| id.0).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Returns the status of message `id` to user `to`.
    #[track_caller]
    pub(super) fn status(&mut self, id: u64, to: u16) -> Status {
        let entries = self.history(to, None, u32::MAX);
        let found = entries.into_iter().find_map(|entry| match entry {
            HistoryEntry::Sent(sent) => (sent.id == MessageId(id)).then_some(sent.status),
            HistoryEntry::Received(_) => None,
        });
        found.expect("in the outbox")
    }

    #[track_caller]
    pub(super) fn receive(&mut self, message: IncomingMessage) -> Placement {
        let arrivals = self.receive_all(vec![message]);
        assert_eq!(arrivals.len(), 1);
        arrivals[0]
    }

    #[track_caller]
    pub(super) fn receive_all(&mut self, messages: Vec<IncomingMessage>) -> Vec<Placement> {
        match self.ask(ClientOp::Receive(messages)) {
            ClientReply::Received(arrivals) => arrivals,
            other => panic!("{other:?}"),
        }
    }

    /// Receives a message that must be new. Returns its place.
    #[track_caller]
    pub(super) fn accept(&mut self, message: IncomingMessage) -> InboxId {
        match self.receive(message) {
            Placement::Appended { place, .. } => place,
            Placement::Repeat => panic!("a repeat"),
        }
    }

    /// Receives a message that must be new. Returns how it relates to those before it.
    #[track_caller]
    pub(super) fn accept_as(&mut self, message: IncomingMessage) -> New {
        match self.receive(message) {
            Placement::Appended { continuity, arrival, .. } => (continuity, arrival),
            Placement::Repeat => panic!("a repeat"),
        }
    }

    #[track_caller]
    pub(super) fn unshown(&mut self, after: InboxId, limit: u32) -> (Vec<InboxItem>, bool) {
        match self.ask(ClientOp::Unshown { after, limit }) {
            ClientReply::Unshown { items, more } => (items, more),
            other => panic!("{other:?}"),
        }
    }

    /// Returns the ids of all messages that were not shown.
    #[track_caller]
    pub(super) fn unshown_ids(&mut self) -> Vec<u64> {
        let (items, more) = self.unshown(InboxId::START, u32::MAX);
        assert!(!more);
        items.into_iter().map(|item| item.message.id.0).collect()
    }

    #[track_caller]
    pub(super) fn history(
        &mut self,
        peer: u16,
        before: Option<Place>,
        limit: u32,
    ) -> Vec<HistoryEntry> {
        self.store().history(phone(peer), before, limit).expect("the store works")
    }
}
