//! What outcomes of the stores and deliveries mean for the messages, and whether they may be so.

use sealpost_core::client::Continuity;
use sealpost_core::client::store::{
    ClientOp, ClientOutcome, ClientReply, Failure, InboxItem, IncomingMessage, OutgoingMessage,
    Placement, QueuedMessage, ReceivedContent, Status,
};
use sealpost_core::ids::{MessageId, Phone, UserId};
use sealpost_core::server::store::{Appended, ReconnectOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::{ItemId, ItemKind};

use super::texts::{is_attacker, phone};
use super::{Message, Model, Recipient};
use crate::sim::trust::Verdict;

impl Model {
    /// Notes an outcome of the server's store.
    pub(in crate::sim) fn server_stored(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        if let (
            StoreOp::RecordReconnect { user, at, .. },
            Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(_))),
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
    pub(in crate::sim) fn client_stored(
        &mut self,
        client: usize,
        op: &ClientOp,
        outcome: &ClientOutcome,
    ) -> Verdict {
        let user = self.known_ids[client];
        if outcome.is_ok() {
            if let (ClientOp::ForgetContact { phone }, Some(user)) = (op, user) {
                self.restart_chain(client, user, *phone);
            }
            self.recipients[client].trusted.apply(op);
        }
        match (op, outcome) {
            (ClientOp::Enqueue(messages), Ok(_)) => {
                messages.iter().try_for_each(|message| self.queued(client, user, message))
            }
            (ClientOp::SetUser(user), Ok(_)) => {
                self.renamed(client, *user);
                Ok(())
            }
            (ClientOp::AcceptKey { accepted, .. }, Ok(_)) => {
                // The chain of messages starts over with each id.
                self.last.retain(|(from, to), _| Some(*from) != user || *to != accepted.user);
                Ok(())
            }
            (ClientOp::Readdress(messages), Ok(_)) => {
                for message in messages {
                    self.readdressed(user, message);
                }
                Ok(())
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
            (ClientOp::MarkFailed { failure, .. }, Ok(ClientReply::Failed(failed))) => {
                self.given_up(user, &failed.ids, *failure)
            }
            (ClientOp::MarkUndeliverable(_), Ok(ClientReply::Failed(failed))) => {
                self.given_up(user, &failed.ids, Failure::UnknownUser)
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

    /// A client forgets a contact: its next message to them names none before it.
    fn restart_chain(&mut self, client: usize, user: UserId, phone: Phone) {
        let ids = self.recipients[client].trusted.ids_of(phone);
        self.restarted_chains.extend(ids.into_iter().map(|id| (user, id)));
    }

    /// A client has another user id: the same messages go by it from now on.
    fn renamed(&mut self, client: usize, user: UserId) {
        let Some(former) = self.known_ids[client].replace(user).filter(|former| *former != user)
        else {
            return;
        };
        let theirs = |(from, _): &&(UserId, _)| *from == former;
        let named = self.by_message_id.iter().filter(|(name, _)| theirs(name));
        let named: Vec<_> =
            named.map(|((_, id), numbers)| ((user, *id), numbers.clone())).collect();
        self.by_message_id.extend(named);
        let last = self.last.iter().filter(|(pair, _)| pair.0 == former);
        let last: Vec<_> = last.map(|((_, to), number)| ((user, *to), *number)).collect();
        self.last.extend(last);
    }

    /// A message was signed again for other ids.
    fn readdressed(&mut self, user: Option<UserId>, message: &QueuedMessage) {
        let Some(user) = user else { return };
        for number in self.by_message_id.get(&(user, message.id)).into_iter().flatten() {
            let written = &mut self.messages[*number];
            if written.status == Status::Queued {
                written.sender_and_recipient = Some((user, message.recipient));
                written.lost = false;
            }
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
        let written = &self.messages[number];
        let trusted = &self.recipients[client].trusted;
        trusted.sealed(message.phone, message.recipient, written.key.as_ref())?;
        if written.cancelled {
            return Err(format!("text {number} was given up, and is queued"));
        }
        let named = self.by_message_id.entry((user, message.id)).or_default();
        if !named.contains(&number) {
            named.push(number);
        }
        if named.len() > 1 && !self.recipients[client].restored {
            return Err(format!("client {client} uses message id {id} twice"));
        }
        let restored = self.recipients[client].restored;
        let written = &mut self.messages[number];
        if written.id.replace(message.id).is_some_and(|id| id != message.id) && !restored {
            return Err(format!("text {number} is queued twice, the second time as {id}"));
        }
        let accounts = (user, message.recipient);
        if written.sender_and_recipient.replace(accounts).is_some() {
            return Ok(());
        }
        written.previous = self.last.insert(accounts, number);
        let before = self.last_queued.insert((written.from, written.to), number);
        // A backup may hold a draft that was refused after it was made.
        if before.is_some_and(|before| before > number) && !restored {
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
        let loses = self.has_losses;
        let written = &mut self.messages[number];
        if written.to != recipient || phone(written.from) != message.phone {
            return Err(format!(
                "{name} is text {number}, from another sender or to another recipient"
            ));
        }
        if written.key.is_some_and(|key| key != self.keys[recipient]) {
            return Err(format!("{name} is text {number}, which is for another key"));
        }
        let accounts = written.sender_and_recipient.map(|(sender, to)| (sender, Some(to)));
        // A message that was signed again may arrive with its former signature.
        let is_former = self.all_ids[written.from].contains(&message.sender) && loses;
        if accounts != Some((message.sender, user)) && !is_former {
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
        let is_restarted = accounts.is_some_and(|(sender, to)| {
            to.is_some_and(|to| self.restarted_chains.contains(&(sender, to)))
        });
        if !is_restarted && !self.may_follow(previous, continuity) {
            return Err(format!("{name}, text {number}, is reported as {continuity:?}"));
        }
        let before = self.recipients[recipient].last_from.insert(from, number);
        let lacks = continuity != Continuity::Next && !loses;
        if self.in_order && (lacks || before > Some(number)) {
            return Err(format!("{name}, text {number}, comes after {before:?}"));
        }
        Ok(())
    }

    /// Whether a message may be reported so, that was queued after `previous`. If that one has
    /// failed, the message names the one before it, unless it was sealed earlier.
    fn may_follow(&self, mut previous: Option<usize>, continuity: Continuity) -> bool {
        loop {
            let before = previous.map(|number| &self.messages[number]);
            let expected = match before {
                Some(before) if !before.received => Continuity::AfterGap,
                Some(_) | None => Continuity::Next,
            };
            if continuity == expected {
                return true;
            }
            match before {
                Some(before) if matches!(before.status, Status::Failed(_)) => {
                    previous = before.previous;
                }
                Some(_) | None => return false,
            }
        }
    }

    /// Checks a message that is delivered to a recipient's application.
    pub(in crate::sim) fn shown(&mut self, recipient: usize, item: &InboxItem) -> Verdict {
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

    /// Checks messages that were given up.
    fn given_up(&mut self, user: Option<UserId>, ids: &[MessageId], failure: Failure) -> Verdict {
        let (accounts, honest) = (self.accounts.clone(), self.honest_server);
        let lost_ids = self.lost_ids.clone();
        self.set_status(user, ids, Status::Failed(failure), |message| {
            let to = message.sender_and_recipient.map(|(_, recipient)| recipient);
            let gone = accounts[message.to] != to || to.is_some_and(|to| lost_ids.contains(&to));
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
}
