//! What must hold, whatever happens: what was written, how far each message has come, and what may
//! follow from that.

use std::collections::BTreeMap;

use sealpost_core::client::Continuity;
use sealpost_core::client::store::{
    Arrival, ClientOp, ClientOutcome, ClientReply, Content, InboxItem, IncomingMessage,
    OutgoingMessage, ReceivedContent, Status,
};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::server::store::{Appended, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::{ItemId, ItemKind};

use super::plan::Plan;
use super::trust::Trusted;

/// Stands in every plaintext, and must stand nowhere else.
pub(super) const MARK: &str = "SEALPOST-PLAINTEXT";

/// All that was ever written, and by whom.
#[derive(Debug, Default)]
pub(super) struct Model {
    messages: Vec<Message>,
    /// Texts that a script has chosen.
    adopted: BTreeMap<String, usize>,
    /// Messages that are durable with their senders, by their names on the wire.
    by_name: BTreeMap<(UserId, MessageId), usize>,
    /// The last one of them, for each sender's and recipient's account.
    last: BTreeMap<(UserId, UserId), usize>,
    /// The same for each sender and recipient, whatever accounts they had.
    last_queued: BTreeMap<(usize, usize), usize>,
    recipients: Vec<Recipient>,
    /// The account that the server has for each client.
    accounts: Vec<Option<UserId>>,
    /// An account was deleted: not everything is delivered any more.
    deleted: bool,
    /// What a dishonest server does to messages is not its clients' fault.
    honest_server: bool,
    /// Nobody puts authentic packets where they do not belong.
    in_order: bool,
}

/// One message.
#[derive(Debug)]
struct Message {
    from: usize,
    to: usize,
    len: usize,
    /// The accounts that it goes from and to, once it is durable in its sender's outbox.
    between: Option<(UserId, UserId)>,
    /// The message before it that is durable with the sender, between the same accounts.
    previous: Option<usize>,
    /// As its sender's outbox has it.
    status: Status,
    /// Durable at the server, once.
    stored: bool,
    /// Durable with its recipient.
    received: bool,
    /// Its recipient's application has it.
    delivered: bool,
}

/// An application that takes messages over.
#[derive(Debug, Default)]
struct Recipient {
    /// The last place that was taken over in this incarnation of the process.
    last_place: u64,
    /// Up to here everything was taken over in some incarnation.
    shown_up_to: u64,
    /// The last message of each sender that is durable here.
    last_from: BTreeMap<usize, usize>,
    trusted: Trusted,
}

/// What must not be.
pub(super) type Verdict = Result<(), String>;

impl Model {
    pub(super) fn new(clients: usize, plan: &Plan) -> Self {
        let honest_server = plan.server_is_honest();
        let in_order = honest_server && !plan.replays();
        let recipients = (0..clients).map(|_| Recipient::default()).collect();
        let accounts = vec![None; clients];
        Self { recipients, accounts, honest_server, in_order, ..Self::default() }
    }

    /// The server has an account for a client.
    pub(super) fn account_made(&mut self, client: usize, user: UserId) {
        self.accounts[client] = Some(user);
    }

    /// The server has none any more.
    pub(super) fn account_deleted(&mut self, client: usize) {
        self.accounts[client] = None;
        self.deleted = true;
    }

    /// A client has nothing any more of what it had.
    pub(super) fn directory_lost(&mut self, client: usize) {
        self.recipients[client] = Recipient::default();
    }

    /// For whom a message was written.
    pub(super) fn recipient(&self, number: u64) -> Option<usize> {
        let message = self.messages.get(usize::try_from(number).ok()?)?;
        Some(message.to)
    }

    /// For whom a client's messages are, by their names on the wire.
    pub(super) fn recipients(&self, client: usize, ids: &[MessageId]) -> Vec<usize> {
        let user = self.accounts[client];
        let recipient = |id: &MessageId| Some(self.messages[*self.by_name.get(&(user?, *id))?].to);
        ids.iter().filter_map(recipient).collect()
    }

    /// How many messages of a client the server has acknowledged whose readers' accounts it has
    /// deleted since: nothing more will be heard of them.
    pub(super) fn stranded(&self, client: usize) -> u64 {
        if !self.deleted {
            return 0;
        }
        let is_stranded = |message: &&Message| {
            message.from == client
                && message.status == Status::Stored
                && message.between.is_some_and(|(sender, recipient)| {
                    self.accounts[client] == Some(sender)
                        && self.accounts[message.to] != Some(recipient)
                })
        };
        self.messages.iter().filter(is_stranded).count() as u64
    }

    /// A client is about to send something of about this size. Returns what, and its number.
    pub(super) fn write(&mut self, from: usize, to: usize, size: usize) -> (u64, Content) {
        let number = self.messages.len();
        let content = text(number, size);
        self.messages.push(Message::new(from, to, content.len()));
        (number as u64, Content::Text(content))
    }

    /// A client is about to send a text that a script has chosen, another than all before.
    pub(super) fn adopt(&mut self, from: usize, to: usize, text: &str) {
        let before = self.adopted.insert(text.to_owned(), self.messages.len());
        assert!(before.is_none(), "{text:?} is written twice");
        self.messages.push(Message::new(from, to, text.len()));
    }

    /// Whether the server does only what an honest one does.
    pub(super) const fn is_honest(&self) -> bool {
        self.honest_server
    }

    /// How many messages reached their readers' applications.
    pub(super) fn delivered(&self) -> u64 {
        self.messages.iter().filter(|message| message.delivered).count() as u64
    }

    /// The server's store has done something.
    pub(super) fn server_stored(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        let (StoreOp::Append { packets, .. }, Ok(StoreReply::Appended(each))) = (op, outcome)
        else {
            return;
        };
        for (packet, appended) in packets.iter().zip(each) {
            let Some(ItemId { kind: ItemKind::Message, origin, id }) = ItemId::of(packet) else {
                continue;
            };
            let name = (origin, MessageId(id));
            let message = self.by_name.get(&name).and_then(|number| self.messages.get_mut(*number));
            if let Some(message) = message.filter(|_| *appended == Appended::Stored) {
                message.stored = true;
            }
        }
    }

    /// A client's store has done something.
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
                self.each(user, ids, Status::Stored, |message| {
                    let kept = message.stored || message.received;
                    kept.then_some(()).ok_or("acknowledged as stored, and is not")
                })
            }
            (ClientOp::MarkDelivered { .. }, Ok(ClientReply::Marked(ids))) => {
                self.each(user, ids, Status::Delivered, |message| {
                    message.received.then_some(()).ok_or("shown as delivered, and is not")
                })
            }
            (ClientOp::MarkFailed { failure, .. }, Ok(ClientReply::Marked(ids))) => {
                let (accounts, honest) = (self.accounts.clone(), self.honest_server);
                self.each(user, ids, Status::Failed(*failure), |message| {
                    let to = message.between.map(|(_, recipient)| recipient);
                    let gone = accounts[message.to] != to;
                    (gone || !honest).then_some(()).ok_or("given up, though its recipient is there")
                })
            }
            (ClientOp::Receive(messages), Ok(ClientReply::Received(arrivals))) => {
                messages.iter().zip(arrivals).try_for_each(|(message, arrival)| match arrival {
                    Arrival::Appended { continuity, .. } => {
                        self.received(client, message, *continuity)
                    }
                    Arrival::Repeat => Ok(()),
                })
            }
            _ => Ok(()),
        }
    }

    /// A message is durable with its sender.
    fn queued(
        &mut self,
        client: usize,
        user: Option<UserId>,
        message: &OutgoingMessage,
    ) -> Verdict {
        let id = message.id.0;
        let number = self.read(&message.content).ok_or("an unknown text is queued")?;
        let user = user.ok_or("a client without an id queues a message")?;
        self.recipients[client].trusted.sealed(message.phone, message.recipient)?;
        if self.by_name.insert((user, message.id), number).is_some_and(|other| other != number) {
            return Err(format!("client {client} uses message id {id} twice"));
        }
        let written = &mut self.messages[number];
        let accounts = (user, message.recipient);
        if written.between.replace(accounts).is_some() {
            return Ok(());
        }
        written.previous = self.last.insert(accounts, number);
        let before = self.last_queued.insert((written.from, written.to), number);
        if before.is_some_and(|before| before > number) {
            return Err(format!("text {number} is queued after {before:?}"));
        }
        Ok(())
    }

    /// A message is durable with a recipient.
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
            return Err(format!("{name} does not open"));
        };
        let number = self.read(content).ok_or_else(|| format!("{name} was never written"))?;
        let written = &mut self.messages[number];
        if written.to != recipient || phone(written.from) != message.phone {
            return Err(format!(
                "{name} is text {number}, of another sender or for another recipient"
            ));
        }
        if written.between.map(|(sender, to)| (sender, Some(to))) != Some((message.sender, user)) {
            return Err(format!("{name} is text {number}, between {:?}", written.between));
        }
        if std::mem::replace(&mut written.received, true) {
            return Err(format!("{name}, text {number}, is delivered twice"));
        }
        let (from, previous) = (written.from, written.previous);
        let expected = match previous {
            Some(previous) if !self.messages[previous].received => Continuity::AfterGap,
            Some(_) | None => Continuity::Next,
        };
        if continuity != expected {
            return Err(format!("{name}, text {number}, is said to be {continuity:?}"));
        }
        let before = self.recipients[recipient].last_from.insert(from, number);
        if self.in_order && (expected != Continuity::Next || before > Some(number)) {
            return Err(format!("{name}, text {number}, comes after {before:?}"));
        }
        Ok(())
    }

    /// A recipient's application is handed a message.
    pub(super) fn shown(&mut self, recipient: usize, item: &InboxItem) -> Verdict {
        let Recipient { last_place, shown_up_to, .. } = &mut self.recipients[recipient];
        let place = item.place.0;
        if place <= *last_place {
            return Err(format!("client {recipient} shows place {place} after {last_place}"));
        }
        *last_place = place;
        if place <= *shown_up_to {
            // Shown again after a restart, because nobody said that it was shown.
            return Ok(());
        }
        *shown_up_to = place;
        if is_attacker(item.message.phone) {
            return Ok(());
        }
        if let ReceivedContent::Opened(content) = &item.message.content
            && let Some(number) = self.read(content)
            && self.messages[number].received
        {
            self.messages[number].delivered = true;
            return Ok(());
        }
        Err(format!("client {recipient} shows place {place}, which is not durable"))
    }

    /// A client's process starts again.
    pub(super) fn restarted(&mut self, recipient: usize) {
        self.recipients[recipient].last_place = 0;
    }

    /// At rest, everything that is durable with its sender has been delivered, and everything that is
    /// durable with its recipient; but for what was lost with a home or an account.
    pub(super) fn at_rest(&self) -> Verdict {
        if !self.honest_server {
            return Ok(());
        }
        for (number, message) in self.messages.iter().enumerate() {
            let Some((sender, recipient)) = message.between else { continue };
            let Message { from, to, stored, received, .. } = message;
            let is_there = self.accounts[*to] == Some(recipient);
            let awaited = self.accounts[*from] == Some(sender) || *received;
            if is_there && awaited && !message.delivered {
                return Err(format!(
                    "text {number} from client {from} to {to} was never delivered \
                     (stored: {stored}, received: {received})"
                ));
            }
        }
        Ok(())
    }

    /// The status of each has changed, as it may.
    fn each(
        &mut self,
        user: Option<UserId>,
        ids: &[MessageId],
        status: Status,
        check: impl Fn(&Message) -> Result<(), &'static str>,
    ) -> Verdict {
        for id in ids {
            let number = user.and_then(|user| self.by_name.get(&(user, *id)));
            let Some(message) = number.and_then(|number| self.messages.get_mut(*number)) else {
                return Err(format!("message {} of {user:?} was never queued", id.0));
            };
            message.status = status;
            // A dishonest server may lie about what it has stored; nobody can tell.
            check(message)
                .map_err(|what| format!("text {} (id {}) is {what}", number.unwrap_or(&0), id.0))?;
        }
        Ok(())
    }

    /// The number of a text, if it was written, word for word.
    fn read(&self, content: &Content) -> Option<usize> {
        let Content::Text(written) = content else { return None };
        if let Some(number) = self.adopted.get(written) {
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
            between: None,
            previous: None,
            status: Status::Queued,
            stored: false,
            received: false,
            delivered: false,
        }
    }
}

/// A text that is told from all others, of about this size.
fn text(number: usize, size: usize) -> String {
    let mut text = format!("{MARK} {number} ");
    while text.len() < size {
        text.push(char::from(b'a' + u8::try_from((text.len() + number) % 26).unwrap_or(0)));
    }
    text
}

/// A client's phone number.
pub(super) fn phone(client: usize) -> Phone {
    format!("+49151{client:08}").parse().unwrap()
}

/// An attacker's phone number.
pub(super) fn attacker_phone(index: usize) -> Phone {
    format!("+666{index:08}").parse().unwrap()
}

const fn is_attacker(phone: Phone) -> bool {
    phone.digits() / 100_000_000 == 666
}
