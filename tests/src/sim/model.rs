//! The model: every message ever written, how far it has come, and what must hold for it.

use std::collections::BTreeMap;

use sealpost_core::client::Continuity;
use sealpost_core::client::store::{
    ClientOp, ClientOutcome, ClientReply, Content, Failure, InboxItem, IncomingMessage,
    OutgoingMessage, Placement, ReceivedContent, Status,
};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::server::store::{Appended, ReconnectOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind};

use super::plan::Plan;
use super::trust::{Trusted, Verdict};

/// Marker in every plaintext. No packet may contain it.
pub(super) const MARK: &str = "SEALPOST-PLAINTEXT";

/// All messages, and the accounts and stores that they pass through.
#[derive(Debug, Default)]
pub(super) struct Model {
    messages: Vec<Message>,
    /// Numbers of the texts that a scenario chose.
    scripted_texts: BTreeMap<String, usize>,
    /// Messages that are durable in their senders' outboxes, by sender and message id.
    /// Several have one id only if the sender's directory was restored.
    by_message_id: BTreeMap<(UserId, MessageId), Vec<usize>>,
    /// Last message queued for each pair of sender's and recipient's accounts.
    last: BTreeMap<(UserId, UserId), usize>,
    /// Last message queued for each pair of sending and receiving clients.
    last_queued: BTreeMap<(usize, usize), usize>,
    recipients: Vec<Recipient>,
    /// Account of each client at the server.
    accounts: Vec<Option<UserId>>,
    /// Date of each user's last 106 that the server accepted.
    reconnects: BTreeMap<UserId, Timestamp>,
    /// Whether an account was ever deleted: then not every message is delivered.
    deleted: bool,
    /// Whether the server is honest. If not, clients cannot be blamed for what it does to messages.
    honest_server: bool,
    /// Whether authentic packets arrive only in their place, so that order must hold.
    in_order: bool,
}

/// A message.
#[derive(Debug)]
struct Message {
    from: usize,
    to: usize,
    len: usize,
    /// Accounts of sender and recipient, once the message is durable in the sender's outbox.
    sender_and_recipient: Option<(UserId, UserId)>,
    /// Message queued before it between the same accounts.
    previous: Option<usize>,
    /// Status in the sender's outbox.
    status: Status,
    /// Whether it was ever durable at the server.
    stored: bool,
    /// Whether it is durable at its recipient.
    received: bool,
    /// Whether it was delivered to the recipient's application.
    delivered: bool,
}

/// A client in its role as recipient.
#[derive(Debug, Default)]
struct Recipient {
    /// Inbox position of the last message delivered in this incarnation of the process.
    last_place: u64,
    /// Inbox position up to which messages were delivered in any incarnation.
    shown_up_to: u64,
    /// Last durable message from each sender.
    last_from: BTreeMap<usize, usize>,
    trusted: Trusted,
    /// Whether its directory was ever restored from a backup. What it sends and receives is known
    /// less exactly from then on.
    restored: bool,
}

impl Model {
    pub(super) fn new(clients: usize, plan: &Plan) -> Self {
        let honest_server = plan.server_is_honest();
        let in_order = honest_server && !plan.replays();
        let recipients = (0..clients).map(|_| Recipient::default()).collect();
        let accounts = vec![None; clients];
        Self { recipients, accounts, honest_server, in_order, ..Self::default() }
    }

    /// Notes that the server created a client's account.
    pub(super) fn account_made(&mut self, client: usize, user: UserId) {
        self.accounts[client] = Some(user);
    }

    /// Notes that the server deleted a client's account.
    pub(super) fn account_deleted(&mut self, client: usize) {
        self.accounts[client] = None;
        self.deleted = true;
    }

    /// Notes that a client lost its directory.
    pub(super) fn directory_lost(&mut self, client: usize) {
        self.recipients[client] = Recipient::default();
    }

    /// Notes that a client's directory was restored from a backup.
    pub(super) fn directory_restored(&mut self, client: usize) {
        let recipient = &mut self.recipients[client];
        (recipient.last_place, recipient.shown_up_to) = (0, 0);
        recipient.restored = true;
    }

    /// Whether a client's directory was ever restored from a backup.
    pub(super) fn is_restored(&self, client: usize) -> bool {
        self.recipients[client].restored
    }

    fn restored(&self, message: &Message) -> bool {
        self.recipients[message.from].restored || self.recipients[message.to].restored
    }

    fn message(&self, number: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(number).ok()?)
    }

    /// Client to which a message was written.
    pub(super) fn recipient(&self, number: u64) -> Option<usize> {
        Some(self.message(number)?.to)
    }

    /// Whether a message is, or was, in its sender's outbox.
    pub(super) fn is_queued(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.sender_and_recipient.is_some())
    }

    /// Whether a message is acknowledged to its sender: stored, delivered, or given up.
    pub(super) fn is_acknowledged(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.status != Status::Queued)
    }

    /// Whether a message is durable at its recipient.
    pub(super) fn is_received(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.received)
    }

    /// Clients to which messages of a client were written, by message id.
    pub(super) fn recipients(&self, client: usize, ids: &[MessageId]) -> Vec<usize> {
        let user = self.accounts[client];
        let recipient = |id: &MessageId| {
            Some(self.messages[*self.by_message_id.get(&(user?, *id))?.last()?].to)
        };
        ids.iter().filter_map(recipient).collect()
    }

    /// Number of a client's messages that the server acknowledged as stored, and whose status may
    /// never change again: the recipient's account was deleted, or its directory was restored, so
    /// that the number of its receipt had been used before.
    pub(super) fn undeliverable(&self, client: usize) -> u64 {
        let restored = self.recipients.iter().any(|recipient| recipient.restored);
        if !self.deleted && !restored {
            return 0;
        }
        let is_stranded = |message: &&Message| {
            message.from == client
                && message.status == Status::Stored
                && message.sender_and_recipient.is_some_and(|(sender, recipient)| {
                    self.accounts[client] == Some(sender)
                        && (self.accounts[message.to] != Some(recipient) || self.restored(message))
                })
        };
        self.messages.iter().filter(is_stranded).count() as u64
    }

    /// Messages in a client's outbox that are not acknowledged.
    pub(super) fn queued_by(&self, client: usize) -> Vec<u64> {
        let account = self.accounts[client];
        let is_queued = |message: &Message| {
            message.from == client
                && message.status == Status::Queued
                && message.sender_and_recipient.is_some_and(|(sender, _)| Some(sender) == account)
        };
        let messages = (0..).zip(&self.messages);
        messages.filter(|(_, message)| is_queued(message)).map(|(number, _)| number).collect()
    }

    /// Adds a message of about this size. Returns its number and content.
    pub(super) fn write(&mut self, from: usize, to: usize, size: usize) -> (u64, Content) {
        let number = self.messages.len();
        let content = text(number, size);
        self.messages.push(Message::new(from, to, content.len()));
        (number as u64, Content::Text(content))
    }

    /// Adds a message with a text that a scenario chose. All such texts must differ.
    pub(super) fn add_scripted(&mut self, from: usize, to: usize, text: &str) {
        let before = self.scripted_texts.insert(text.to_owned(), self.messages.len());
        assert!(before.is_none(), "{text:?} is sent twice");
        self.messages.push(Message::new(from, to, text.len()));
    }

    /// Whether the server is honest.
    pub(super) const fn is_honest(&self) -> bool {
        self.honest_server
    }

    /// Number of messages delivered to their recipients' applications.
    pub(super) fn delivered(&self) -> u64 {
        self.messages.iter().filter(|message| message.delivered).count() as u64
    }

    /// Date of a user's last 106 that the server accepted.
    pub(super) fn last_reconnect(&self, user: UserId) -> Option<Timestamp> {
        self.reconnects.get(&user).copied()
    }

    /// Notes an outcome of the server's store.
    pub(super) fn server_stored(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        if let (
            StoreOp::RecordReconnect { user, at, .. },
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded)),
        ) = (op, outcome)
        {
            self.reconnects.insert(*user, *at);
        }
        let (StoreOp::Append { packets, .. }, Ok(StoreReply::Appended(each))) = (op, outcome)
        else {
            return;
        };
        for (packet, appended) in packets.iter().zip(each) {
            let Some(ItemId { kind: ItemKind::Message, origin, id }) = ItemId::of(packet) else {
                continue;
            };
            let name = (origin, MessageId(id));
            if *appended == Appended::Stored {
                for number in self.by_message_id.get(&name).into_iter().flatten() {
                    self.messages[*number].stored = true;
                }
            }
        }
    }

    /// Checks an outcome of a client's store.
    pub(super) fn client_stored(
        &mut self,
        client: usize,
        op: &ClientOp,
        outcome: &ClientOutcome,
    ) -> Verdict {
        let user = self.accounts[client];
        if outcome.is_ok() {
            self.recipients[client].trusted.apply(op);
        }
        match (op, outcome) {
            (ClientOp::Enqueue(messages), Ok(_)) => {
                messages.iter().try_for_each(|message| self.queued(client, user, message))
            }
            (ClientOp::MarkStored(_), Ok(ClientReply::Marked(ids))) => {
                self.set_status(user, ids, Status::Stored, |message| {
                    let kept = message.stored || message.received;
                    kept.then_some(()).ok_or("acknowledged as stored, but is not")
                })
            }
            (ClientOp::MarkDelivered { .. }, Ok(ClientReply::Marked(ids))) => {
                self.set_status(user, ids, Status::Delivered, |message| {
                    message.received.then_some(()).ok_or("shown as delivered, but is not")
                })
            }
            (ClientOp::MarkFailed { failure, .. }, Ok(ClientReply::Marked(ids))) => {
                self.given_up(user, ids, *failure)
            }
            (ClientOp::MarkUndeliverable(_), Ok(ClientReply::Marked(ids))) => {
                self.given_up(user, ids, Failure::UnknownUser)
            }
            (ClientOp::Receive(messages), Ok(ClientReply::Received(arrivals))) => {
                messages.iter().zip(arrivals).try_for_each(|(message, arrival)| match arrival {
                    Placement::Appended { continuity, .. } => {
                        self.received(client, message, *continuity)
                    }
                    Placement::Repeat => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    /// Checks a message that became durable in its sender's outbox.
    fn queued(
        &mut self,
        client: usize,
        user: Option<UserId>,
        message: &OutgoingMessage,
    ) -> Verdict {
        let id = message.id.0;
        let number = self.number_of(&message.content).ok_or("an unknown text is queued")?;
        let user = user.ok_or("a client without an id queues a message")?;
        self.recipients[client].trusted.sealed(message.phone, message.recipient)?;
        let named = self.by_message_id.entry((user, message.id)).or_default();
        if !named.contains(&number) {
            named.push(number);
        }
        if named.len() > 1 && !self.recipients[client].restored {
            return Err(format!("client {client} uses message id {id} twice"));
        }
        let written = &mut self.messages[number];
        let accounts = (user, message.recipient);
        if written.sender_and_recipient.replace(accounts).is_some() {
            return Ok(());
        }
        written.previous = self.last.insert(accounts, number);
        let before = self.last_queued.insert((written.from, written.to), number);
        if before.is_some_and(|before| before > number) {
            return Err(format!("text {number} is queued after {before:?}"));
        }
        Ok(())
    }

    /// Checks a message that became durable at a recipient.
    fn received(
        &mut self,
        recipient: usize,
        message: &IncomingMessage,
        continuity: Continuity,
    ) -> Verdict {
        if is_attacker(message.phone) {
            return Ok(());
        }
        self.recipients[recipient].trusted.shown(message)?;
        let name = format!("message {} of {:?} at client {recipient}", message.id.0, message.phone);
        let user = self.accounts[recipient];
        let ReceivedContent::Opened(content) = &message.content else {
            return Err(format!("{name} is undecryptable"));
        };
        let number = self.number_of(content).ok_or_else(|| format!("{name} was never written"))?;
        let written = &mut self.messages[number];
        if written.to != recipient || phone(written.from) != message.phone {
            return Err(format!(
                "{name} is text {number}, from another sender or to another recipient"
            ));
        }
        if written.sender_and_recipient.map(|(sender, to)| (sender, Some(to)))
            != Some((message.sender, user))
        {
            return Err(format!(
                "{name} is text {number}, between {:?}",
                written.sender_and_recipient
            ));
        }
        let restored =
            self.recipients[written.from].restored || self.recipients[recipient].restored;
        if std::mem::replace(&mut written.received, true) && !restored {
            return Err(format!("{name}, text {number}, is delivered twice"));
        }
        let (from, previous) = (written.from, written.previous);
        if restored {
            return Ok(());
        }
        let expected = match previous {
            Some(previous) if !self.messages[previous].received => Continuity::AfterGap,
            Some(_) | None => Continuity::Next,
        };
        if continuity != expected {
            return Err(format!("{name}, text {number}, is reported as {continuity:?}"));
        }
        let before = self.recipients[recipient].last_from.insert(from, number);
        if self.in_order && (expected != Continuity::Next || before > Some(number)) {
            return Err(format!("{name}, text {number}, comes after {before:?}"));
        }
        Ok(())
    }

    /// Checks a message that is delivered to a recipient's application.
    pub(super) fn shown(&mut self, recipient: usize, item: &InboxItem) -> Verdict {
        let Recipient { last_place, shown_up_to, .. } = &mut self.recipients[recipient];
        let place = item.place.0;
        if place <= *last_place {
            return Err(format!(
                "client {recipient} delivers inbox position {place} after {last_place}"
            ));
        }
        *last_place = place;
        if place <= *shown_up_to {
            // Delivered again after a restart, because it was not marked as shown.
            return Ok(());
        }
        *shown_up_to = place;
        if is_attacker(item.message.phone) {
            return Ok(());
        }
        if let ReceivedContent::Opened(content) = &item.message.content
            && let Some(number) = self.number_of(content)
            && self.messages[number].received
        {
            self.messages[number].delivered = true;
            return Ok(());
        }
        Err(format!("client {recipient} delivers inbox position {place}, which is not durable"))
    }

    /// Notes that a client's process restarted.
    pub(super) fn restarted(&mut self, recipient: usize) {
        self.recipients[recipient].last_place = 0;
    }

    /// Checks that at rest every message is delivered that is durable at its sender or its recipient,
    /// except for messages lost with a directory or an account.
    pub(super) fn at_rest(&self) -> Verdict {
        if !self.honest_server {
            return Ok(());
        }
        for (number, message) in self.messages.iter().enumerate() {
            let Some((sender, recipient)) = message.sender_and_recipient else { continue };
            let Message { from, to, stored, received, .. } = message;
            let is_there = self.accounts[*to] == Some(recipient);
            let awaited = self.accounts[*from] == Some(sender) || *received;
            if is_there && awaited && !message.delivered && !self.restored(message) {
                return Err(format!(
                    "text {number} from client {from} to {to} was never delivered \
                     (stored: {stored}, received: {received})"
                ));
            }
        }
        Ok(())
    }

    /// Checks messages that were given up.
    fn given_up(&mut self, user: Option<UserId>, ids: &[MessageId], failure: Failure) -> Verdict {
        let (accounts, honest) = (self.accounts.clone(), self.honest_server);
        self.set_status(user, ids, Status::Failed(failure), |message| {
            let to = message.sender_and_recipient.map(|(_, recipient)| recipient);
            let gone = accounts[message.to] != to;
            (gone || !honest).then_some(()).ok_or("given up although its recipient has an account")
        })
    }

    /// Sets the status of messages, and checks that each may have it.
    fn set_status(
        &mut self,
        user: Option<UserId>,
        ids: &[MessageId],
        status: Status,
        check: impl Fn(&Message) -> Result<(), &'static str>,
    ) -> Verdict {
        for id in ids {
            let named = user.and_then(|user| self.by_message_id.get(&(user, *id)));
            let Some((last, earlier)) = named.and_then(|named| named.split_last()) else {
                return Err(format!("message {} of {user:?} was never queued", id.0));
            };
            self.messages[*last].status = status;
            // An acknowledgement names a number, and so may be for an earlier message that had it.
            if earlier.iter().any(|number| check(&self.messages[*number]).is_ok()) {
                continue;
            }
            check(&self.messages[*last])
                .map_err(|what| format!("text {last} (id {}) is {what}", id.0))?;
        }
        Ok(())
    }

    /// Number of the message with exactly this content.
    pub(super) fn number_of(&self, content: &Content) -> Option<usize> {
        let Content::Text(written) = content else { return None };
        if let Some(number) = self.scripted_texts.get(written) {
            return Some(*number);
        }
        let number =
            written.strip_prefix(MARK)?.split_whitespace().next()?.parse::<usize>().ok()?;
        let message = self.messages.get(number)?;
        (*written == text(number, message.len)).then_some(number)
    }
}

impl Message {
    const fn new(from: usize, to: usize, len: usize) -> Self {
        Self {
            from,
            to,
            len,
            sender_and_recipient: None,
            previous: None,
            status: Status::Queued,
            stored: false,
            received: false,
            delivered: false,
        }
    }
}

/// A unique text of about this size.
fn text(number: usize, size: usize) -> String {
    let mut text = format!("{MARK} {number} ");
    while text.len() < size {
        text.push(char::from(b'a' + u8::try_from((text.len() + number) % 26).unwrap_or(0)));
    }
    text
}

/// Phone number of a client.
pub(super) fn phone(client: usize) -> Phone {
    format!("+49151{client:08}").parse().unwrap()
}

/// Phone number of an attacker.
pub(super) fn attacker_phone(index: usize) -> Phone {
    format!("+666{index:08}").parse().unwrap()
}

const fn is_attacker(phone: Phone) -> bool {
    phone.digits() / 100_000_000 == 666
}
