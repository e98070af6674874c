//! A store with conversations, and a short method for each step.

use sealpost_core::client::store::{
    ClientOp, ClientReply, Content, InboxId, InboxItem, OutgoingMessage, Token,
};
use sealpost_core::event::{EventId, Target};
use sealpost_core::ids::MessageId;
use sealpost_core::wire::Packet;

use crate::client::conformance::harness::{author, identity, incoming, outgoing, user};
use crate::client::conversations::{
    Applied, Author, Body, Change, ConversationId, Entry, EntryId, EntryRef, Made, NewCopy,
    NewEntry, Peer,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::client::sqlite::bed::SqliteBed;
use crate::conformance::{at, phone};
use crate::storage::Storage;

pub(super) struct Bed {
    sqlite: Option<SqliteBed>,
    received: u64,
}

impl Bed {
    pub(super) fn new() -> Self {
        Self { sqlite: Some(SqliteBed::new(&identity())), received: 0 }
    }

    pub(super) fn reopen(&mut self) {
        self.sqlite = self.sqlite.take().map(SqliteBed::reopened);
    }

    pub(super) fn sqlite(&self) -> &SqliteBed {
        self.sqlite.as_ref().unwrap()
    }

    pub(super) fn store(&mut self) -> &mut SqliteClientStorage {
        self.sqlite.as_mut().unwrap().storage_mut()
    }

    pub(super) fn commit(&mut self, op: ClientOp) -> ClientReply {
        let mut outcomes = Vec::new();
        self.store().commit(&[op], &mut outcomes);
        outcomes.remove(0).unwrap()
    }

    /// Puts the next message of the `from`-th person into the inbox.
    pub(super) fn arrive(&mut self, from: u16) -> InboxItem {
        self.received += 1;
        let before = self.store().inbox_after(InboxId::START, u32::MAX).unwrap().len();
        self.commit(ClientOp::Receive(vec![incoming(self.received, from, None)]));
        self.store().inbox_after(InboxId::START, u32::MAX).unwrap().remove(before)
    }

    /// Receives and applies the next message of the `from`-th person in their conversation.
    pub(super) fn apply(&mut self, from: u16, change: &Change) -> Applied {
        self.apply_in(&person(from), from, change)
    }

    pub(super) fn apply_in(&mut self, peer: &Peer, from: u16, change: &Change) -> Applied {
        let item = self.arrive(from);
        self.store().apply(&item, peer, change).unwrap()
    }

    /// Receives an event with this number that is a text.
    pub(super) fn hear(&mut self, from: u16, event: u8, text: &str) -> (ConversationId, EntryId) {
        added(self.apply(from, &Change::Append(said(event, text))))
    }

    /// Adds a text of ours to the `to`-th person, whose copy has the same number as the event.
    pub(super) fn say(&mut self, to: u16, event: u8, text: &str) -> EntryId {
        let copy = copy(event.into(), to, text);
        let new = said(event, text);
        match self.store().append(&person(to), (&new, at(0)), &[copy], None).unwrap() {
            Made::New(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    /// Has the machine put a copy into the outbox.
    pub(super) fn enqueue(&mut self, token: u64, to: u16) -> Packet {
        let content = Content::Text("in the outbox".into());
        let message = OutgoingMessage { token: Token(token), content, ..outgoing(token, to) };
        self.commit(ClientOp::Enqueue(vec![message.clone()]));
        message.packet
    }

    pub(super) fn deliver(&mut self, token: u64, to: u16) {
        let (recipient, messages) = (user(to.into()), vec![MessageId(token)]);
        self.commit(ClientOp::MarkDelivered { recipient, messages });
    }

    pub(super) fn entry(&mut self, entry: EntryId) -> Entry {
        self.store().entry(entry).unwrap().unwrap()
    }

    pub(super) fn texts(&mut self, conversation: ConversationId) -> Vec<String> {
        let entries = self.store().entries_before(conversation, None, u32::MAX).unwrap();
        entries.iter().map(text).collect()
    }
}

pub(super) fn person(n: u16) -> Peer {
    Peer::Person(phone(n))
}

/// An event with this number that says a text.
pub(super) fn said(event: u8, text: &str) -> NewEntry {
    NewEntry {
        body: Body::Text(text.into()),
        event_id: Some(EventId([event; 16])),
        event: None,
        reply_to: None,
        expiry_secs: None,
    }
}

pub(super) fn copy(token: u64, to: u16, text: &str) -> NewCopy {
    NewCopy {
        token: Token(token),
        phone: phone(to),
        key: None,
        content: Content::Text(text.into()),
    }
}

/// Names an event of the `n`-th person.
pub(super) fn of(n: u16, event: u8) -> EntryRef {
    EntryRef { author: Author::Peer(author(n)), target: Target::Event(EventId([event; 16])) }
}

/// Names an event of ours.
pub(super) fn of_own(event: u8) -> EntryRef {
    EntryRef { author: Author::Own, target: Target::Event(EventId([event; 16])) }
}

pub(super) fn text(entry: &Entry) -> String {
    match &entry.body {
        Body::Text(text) => text.clone(),
        other => format!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn added(applied: Applied) -> (ConversationId, EntryId) {
    match applied {
        Applied::Added(conversation, entry) => (conversation, entry),
        other => panic!("{other:?}"),
    }
}

/// Whether the database file contains these bytes.
pub(super) fn in_file(bed: &mut Bed, text: &str) -> bool {
    let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
    bed.store().writer.connection.query_row(checkpoint, (), |_| Ok(())).unwrap();
    let bytes = std::fs::read(bed.sqlite().path()).unwrap();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
