//! The model: every message ever written, how far it has come, and what must hold for it.

mod outcomes;
mod texts;

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::client::store::{Content, Status};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::keys::Fingerprint;
use sealpost_core::time::Timestamp;

use super::plan::Plan;
use super::trust::{Trusted, Verdict};
use crate::content::{text_event, text_of};
use texts::text;
pub(in crate::sim) use texts::{MARK, attacker_phone, phone};

/// All messages, and the accounts and stores that they pass through.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
pub(in crate::sim) struct Model {
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
    /// Account of each client at the server, then of each greedy user.
    accounts: Vec<Option<UserId>>,
    /// User id in each client's store.
    known_ids: Vec<Option<UserId>>,
    /// Every account that each client, with its present key, has ever had at the server.
    all_ids: Vec<BTreeSet<UserId>>,
    /// User ids that were not those of an account for a while.
    lost_ids: BTreeSet<UserId>,
    /// Whether the server has lost accounts whose clients kept their directories, or what it stored.
    has_losses: bool,
    /// Number of clients.
    clients: usize,
    /// The key that each client has.
    keys: Vec<Fingerprint>,
    /// Accounts of senders and recipients between which the chain of messages began anew when a contact
    /// was forgotten. What was being sealed then may still name the message before it.
    restarted_chains: BTreeSet<(UserId, UserId)>,
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
#[expect(clippy::struct_excessive_bools, reason = "independent facts, not states")]
struct Message {
    from: usize,
    to: usize,
    /// The key that it is for, whoever has the phone number.
    key: Option<Fingerprint>,
    len: usize,
    /// Whether its sender was told that it is given up, and will not be sent.
    cancelled: bool,
    /// Accounts of sender and recipient, once the message is durable in the sender's outbox.
    sender_and_recipient: Option<(UserId, UserId)>,
    /// Id in the sender's outbox.
    id: Option<MessageId>,
    /// Message queued before it between the same accounts.
    previous: Option<usize>,
    /// Status in the sender's outbox.
    status: Status,
    /// Whether it was ever durable at the server.
    stored: bool,
    /// Whether it is durable at its recipient.
    received: bool,
    /// Whether the server has lost it after it was stored, or its receipt. Its sender may have been
    /// told before that it is stored; then it, or the receipt, may be missing.
    lost: bool,
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
    pub(in crate::sim) fn new(keys: Vec<Fingerprint>, plan: &Plan) -> Self {
        let clients = keys.len();
        let honest_server = plan.server_is_honest();
        let in_order = honest_server && !plan.replays();
        let people = clients + plan.settings.greedy;
        let recipients = (0..people).map(|_| Recipient::default()).collect();
        let accounts = vec![None; people];
        let (known_ids, all_ids) = (accounts.clone(), vec![BTreeSet::new(); people]);
        Self {
            recipients,
            accounts,
            known_ids,
            all_ids,
            clients,
            keys,
            honest_server,
            in_order,
            ..Self::default()
        }
    }

    /// Notes that the server created an account of a client or greedy user.
    pub(in crate::sim) fn account_made(&mut self, client: usize, user: UserId) {
        self.accounts[client] = Some(user);
        self.all_ids[client].insert(user);
    }

    /// Notes which account a client has at the server, which has lost accounts.
    pub(in crate::sim) fn account_is(&mut self, client: usize, user: Option<UserId>) {
        if self.accounts[client] != user {
            self.lost_ids.extend(self.accounts[client]);
        }
        self.accounts[client] = user;
    }

    /// Notes which messages the server holds, after it has lost some.
    pub(in crate::sim) fn stored_messages_are(&mut self, stored: &BTreeSet<(UserId, MessageId)>) {
        let held = stored.iter().filter_map(|name| self.by_message_id.get(name)).flatten();
        let held: BTreeSet<_> = held.copied().collect();
        for (number, message) in self.messages.iter_mut().enumerate() {
            message.lost |= message.stored && !held.contains(&number);
        }
        self.has_losses = true;
    }

    /// Notes that the server deleted a client's account.
    pub(in crate::sim) fn account_deleted(&mut self, client: usize) {
        self.accounts[client] = None;
        self.deleted = true;
    }

    /// Notes that a client lost its directory.
    pub(in crate::sim) fn directory_lost(&mut self, client: usize, new_key: Fingerprint) {
        self.keys[client] = new_key;
        self.recipients[client] = Recipient::default();
        self.known_ids[client] = None;
        self.all_ids[client].clear();
    }

    /// Notes that a client's directory was restored from a backup.
    pub(in crate::sim) fn directory_restored(&mut self, client: usize) {
        let recipient = &mut self.recipients[client];
        (recipient.last_place, recipient.shown_up_to) = (0, 0);
        recipient.restored = true;
    }

    /// Whether a client's directory was ever restored from a backup.
    pub(in crate::sim) fn is_restored(&self, client: usize) -> bool {
        self.recipients[client].restored
    }

    fn restored(&self, message: &Message) -> bool {
        self.recipients[message.from].restored || self.recipients[message.to].restored
    }

    fn message(&self, number: u64) -> Option<&Message> {
        self.messages.get(usize::try_from(number).ok()?)
    }

    /// Whether a message was written to a greedy user, who may never acknowledge it.
    const fn is_to_greedy_user(&self, message: &Message) -> bool {
        message.to >= self.clients
    }

    /// Notes that a greedy user acknowledges a message that it has received.
    pub(in crate::sim) fn taken_by_greedy_user(&mut self, sender: UserId, id: MessageId) {
        for number in self.by_message_id.get(&(sender, id)).into_iter().flatten() {
            self.messages[*number].received = true;
        }
    }

    /// Whether a message from a client's account to another account was ever in the outbox.
    pub(in crate::sim) fn has_written(&self, sender: UserId, recipient: UserId) -> bool {
        self.last.contains_key(&(sender, recipient))
    }

    /// Client, or number of clients and greedy user, to which a message was written.
    pub(in crate::sim) fn recipient(&self, number: u64) -> Option<usize> {
        Some(self.message(number)?.to)
    }

    /// Whether a message is, or was, in its sender's outbox.
    pub(in crate::sim) fn is_queued(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.sender_and_recipient.is_some())
    }

    /// Whether a message is acknowledged to its sender: stored, delivered, or given up.
    pub(in crate::sim) fn is_acknowledged(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.status != Status::Queued)
    }

    /// Whether a message is durable at its recipient.
    pub(in crate::sim) fn is_received(&self, number: u64) -> bool {
        self.message(number).is_some_and(|message| message.received)
    }

    /// Clients to which messages of a client were written, by message id.
    pub(in crate::sim) fn recipients(&self, client: usize, ids: &[MessageId]) -> Vec<usize> {
        let user = self.known_ids[client];
        let recipient = |id: &MessageId| {
            Some(self.messages[*self.by_message_id.get(&(user?, *id))?.last()?].to)
        };
        ids.iter().filter_map(recipient).collect()
    }

    /// Accounts between which messages of a client were queued, by message id.
    pub(in crate::sim) fn senders_and_recipients(
        &self,
        client: usize,
        ids: &[MessageId],
    ) -> Vec<(UserId, UserId)> {
        let user = self.known_ids[client];
        let pair = |id: &MessageId| {
            self.messages[*self.by_message_id.get(&(user?, *id))?.last()?].sender_and_recipient
        };
        ids.iter().filter_map(pair).collect()
    }

    /// Number of a client's messages whose status may never change again: they were written to a
    /// greedy user, whose mailbox may be full; or the server acknowledged them as stored, and the
    /// recipient's account was deleted, or its directory was restored, so that the number of its
    /// receipt had been used before.
    pub(in crate::sim) fn undeliverable(&self, client: usize) -> u64 {
        let is_current = |user| self.all_ids[client].contains(&user);
        let is_stranded = |message: &&Message| {
            let Some((sender, recipient)) = message.sender_and_recipient else { return false };
            let is_gone = self.accounts[message.to] != Some(recipient) || self.restored(message);
            let may_wait = match message.status {
                Status::Queued => self.is_to_greedy_user(message),
                Status::Stored => self.is_to_greedy_user(message) || is_gone || message.lost,
                Status::Delivered | Status::Failed(_) => false,
            };
            message.from == client && is_current(sender) && may_wait
        };
        self.messages.iter().filter(is_stranded).count() as u64
    }

    /// Messages in a client's outbox that are not acknowledged.
    pub(in crate::sim) fn queued_by(&self, client: usize) -> Vec<u64> {
        let account = self.accounts[client];
        let is_queued = |message: &Message| {
            message.from == client
                && message.status == Status::Queued
                && message.sender_and_recipient.is_some_and(|(sender, _)| Some(sender) == account)
        };
        let messages = (0..).zip(&self.messages);
        messages.filter(|(_, message)| is_queued(message)).map(|(number, _)| number).collect()
    }

    /// Adds a message of about this size. Returns its number and content. Every third is an event.
    pub(in crate::sim) fn write(
        &mut self,
        from: usize,
        to: usize,
        key: Option<Fingerprint>,
        size: usize,
    ) -> (u64, Content) {
        let number = self.messages.len();
        let written = text(number, size);
        self.messages.push(Message { key, ..Message::new(from, to, written.len()) });
        let number = number as u64;
        let event = if number % 3 == 2 { text_event(number, &written) } else { None };
        (number, event.unwrap_or(Content::Text(written)))
    }

    /// Notes that a client has told its application that a message is given up.
    pub(in crate::sim) fn cancelled(&mut self, number: u64) -> Verdict {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let message = self.messages.get_mut(index).ok_or("an unknown text is given up")?;
        message.cancelled = true;
        if message.sender_and_recipient.is_some() && !self.recipients[message.from].restored {
            return Err(format!("text {number} is given up, and is in the outbox"));
        }
        Ok(())
    }

    /// Nothing is under way any more that was begun before a contact was forgotten.
    pub(in crate::sim) fn forget_former_contacts(&mut self) {
        for recipient in &mut self.recipients {
            recipient.trusted.forget_former();
        }
    }

    /// Checks the contacts in a client's store.
    pub(in crate::sim) fn contacts_are(
        &self,
        client: usize,
        contacts: &BTreeMap<Phone, UserId>,
    ) -> Verdict {
        let Recipient { trusted, restored, .. } = &self.recipients[client];
        if *restored || trusted.pinned() == *contacts {
            return Ok(());
        }
        Err(format!("client {client} has other contacts than it pinned and did not forget"))
    }

    /// Adds a message with a text that a scenario chose. All such texts must differ.
    pub(in crate::sim) fn add_scripted(&mut self, from: usize, to: usize, text: &str) {
        let before = self.scripted_texts.insert(text.to_owned(), self.messages.len());
        assert!(before.is_none(), "{text:?} is sent twice");
        self.messages.push(Message::new(from, to, text.len()));
    }

    /// Whether the server is honest.
    pub(in crate::sim) const fn is_honest(&self) -> bool {
        self.honest_server
    }

    /// Number of messages delivered to their recipients' applications.
    pub(in crate::sim) fn delivered(&self) -> u64 {
        self.messages.iter().filter(|message| message.delivered).count() as u64
    }

    /// Date of a user's last 106 that the server accepted.
    pub(in crate::sim) fn last_reconnect(&self, user: UserId) -> Option<Timestamp> {
        self.reconnects.get(&user).copied()
    }

    /// Notes that a client's process restarted.
    pub(in crate::sim) fn restarted(&mut self, recipient: usize) {
        self.recipients[recipient].last_place = 0;
    }

    /// Checks that at rest every message is delivered that is durable at its sender or its recipient,
    /// except for messages lost with a directory or an account.
    pub(in crate::sim) fn at_rest(&self) -> Verdict {
        if !self.honest_server {
            return Ok(());
        }
        for (number, message) in self.messages.iter().enumerate() {
            let Some((sender, recipient)) = message.sender_and_recipient else { continue };
            let Message { from, to, stored, received, .. } = message;
            let is_there =
                self.accounts[*to] == Some(recipient) && !self.is_to_greedy_user(message);
            let awaited = self.all_ids[*from].contains(&sender) || *received;
            // Acknowledged as stored, and lost with the server's store or the sender's account; or
            // given up while the recipient had no account.
            let is_excused = match message.status {
                Status::Stored => message.lost && !received,
                Status::Failed(_) => self.has_losses,
                Status::Queued | Status::Delivered => false,
            };
            if is_excused {
                continue;
            }
            if is_there && awaited && !message.delivered && !self.restored(message) {
                return Err(format!(
                    "text {number} from client {from} to {to} was never delivered \
                     (stored: {stored}, received: {received})"
                ));
            }
        }
        Ok(())
    }

    /// Number of the message with exactly this content.
    pub(in crate::sim) fn number_of(&self, content: &Content) -> Option<usize> {
        let written = text_of(content)?;
        if let Some(number) = self.scripted_texts.get(written) {
            return Some(*number);
        }
        let number =
            written.strip_prefix(MARK)?.split_whitespace().next()?.parse::<usize>().ok()?;
        let message = self.messages.get(number)?;
        (written == text(number, message.len)).then_some(number)
    }
}

impl Message {
    const fn new(from: usize, to: usize, len: usize) -> Self {
        Self {
            from,
            to,
            key: None,
            len,
            cancelled: false,
            sender_and_recipient: None,
            id: None,
            previous: None,
            status: Status::Queued,
            stored: false,
            received: false,
            lost: false,
            delivered: false,
        }
    }
}
