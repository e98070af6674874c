//! Messages and receipts on their way into mailboxes, the store and sockets (PROTOCOL 6).

use alloc::vec::Vec;
use core::time::Duration;

use crate::crypto::EmitError;
use crate::frame::{Durable, StoreError, Verified};
use crate::ids::{ConnId, UserId};
use crate::server::alarm::Alarm;
use crate::server::answers::{AppendRefusal, Fate};
use crate::server::awaits::AwaitJob;
use crate::server::state::admission::TooMany;
use crate::server::state::mailbox::{Mailbox, Routed};
use crate::server::state::refusal::Refusal;
use crate::server::state::unstored::{Unstored, Waiting};
use crate::server::store::Page;
use crate::server::{Notice, Server};
use crate::wire::{ErrorCode, ItemId, ItemKind, NoMoreMessages, Op, Packet};

impl Server {
    /// Brings a message or receipt to its recipient's mailbox.
    pub(in crate::server) fn route(
        &mut self,
        recipient: UserId,
        item: ItemId,
        packet: Verified<Packet>,
    ) {
        let Self { mailboxes, connections, config, now, .. } = self;
        let share = mailboxes.in_flight.share(&config.limits, connections.sessions());
        let (mailbox, unstored) = mailboxes.of(recipient, || connections.live(recipient));
        if item.kind == ItemKind::Message && !self.sharing.may_forward(item.origin, recipient) {
            mailbox.look_again();
            self.touched.mailbox(recipient);
        }
        if item.kind == ItemKind::Message && mailbox.would_store(&config.limits, share, &item) {
            let len = packet.get().bytes().len();
            if let Err(wait) = self.daily_bytes.admit(&config.limits, item.origin, len, now.mono) {
                self.touched.mailbox(recipient);
                return self.refuse_over_day(item.origin, packet.get(), wait);
            }
        }
        match mailbox.route(&config.limits, share, unstored, now.mono, item, packet) {
            Routed::Forward(conn, bytes) => {
                mailboxes.in_flight.forwarded(bytes.len());
                let due = now.mono + config.limits.in_flight_timeout;
                self.send_item(conn, item.kind, bytes);
                self.alarms.arm_if_idle(Alarm::Mailbox(recipient), due);
                self.counters.items(item.kind).forwarded += 1;
            }
            Routed::Queued(Waiting { packets, .. }) => {
                self.touched.mailbox(recipient);
                // Over the limit, the sender is paused. Its bytes counted when they arrived.
                if packets > config.limits.unstored_per_user
                    && let Some(conn) = connections.of_user(item.origin)
                {
                    self.touched.conn(conn);
                }
            }
            Routed::Repeat => {}
        }
    }

    /// Refuses a message that would have to be stored, of a sender whose bytes of the day are used
    /// up.
    fn refuse_over_day(&mut self, sender: UserId, packet: &Packet, retry_after: Duration) {
        if let Some(conn) = self.connections.of_user(sender) {
            self.refuse_for_now(conn, packet, Refusal::too_many(TooMany { retry_after }));
        }
    }

    /// A user's mailbox, recreated if it was dropped while idle.
    pub(in crate::server) fn mailbox(&mut self, user: UserId) -> (&mut Mailbox, &mut Unstored) {
        let Self { mailboxes, connections, .. } = self;
        mailboxes.of(user, || connections.live(user))
    }

    /// The owner's connection ended.
    pub(in crate::server) fn detach(&mut self, user: UserId, conn: ConnId) {
        let Some((mailbox, unstored)) = self.mailboxes.get_mut(user) else { return };
        if mailbox.conn() == Some(conn) {
            mailbox.detach(unstored);
            self.alarms.cancel(Alarm::Mailbox(user));
            self.touched.mailbox(user);
        }
    }

    pub(in crate::server) fn on_mailbox_alarm(&mut self, user: UserId) {
        let Some((mailbox, _)) = self.mailboxes.get_mut(user) else { return };
        if let Some(again) = mailbox.on_alarm(&self.config.limits, self.now.mono) {
            self.alarms.arm(Alarm::Mailbox(user), again);
        }
        self.touched.mailbox(user);
    }

    /// An append has ended: senders are told, and whatever waited for it continues.
    pub(in crate::server) fn on_appended(
        &mut self,
        recipient: UserId,
        fates: Vec<Fate<Verified<Packet>>>,
        error: Option<StoreError>,
    ) {
        let has_stored = fates.iter().any(|fate| matches!(fate, Fate::Stored(_)));
        for fate in fates {
            let packet = match &fate {
                Fate::Stored(durable) | Fate::Duplicate(durable) => durable.get().get(),
                Fate::Refused(packet, _) => packet.get(),
            };
            self.mailboxes.unstored.leave(packet);
            // Its sender may be read from again, or be done with its session.
            let sender = packet.header().sender;
            if let Some(conn) = sender.and_then(|sender| self.connections.of_user(sender)) {
                self.touched.conn(conn);
            }
            match fate {
                Fate::Stored(durable) => {
                    self.count_stored(recipient, durable.get().get());
                    self.on_item_stored(recipient, &durable);
                }
                Fate::Duplicate(durable) => self.on_item_stored(recipient, &durable),
                Fate::Refused(packet, why) => self.on_item_not_stored(recipient, packet, why),
            }
        }
        if let Some(error) = error {
            self.store_failed(error);
            self.rest_mailbox(recipient);
        }
        for acknowledgement in self.mailbox(recipient).0.append_ended(has_stored) {
            self.acknowledge(recipient, acknowledgement);
        }
        self.touched.mailbox(recipient);
    }

    /// A message takes from its sender's bytes of the day and slows the sender down if it is large; a
    /// receipt counts until it is taken.
    fn count_stored(&mut self, recipient: UserId, packet: &Packet) {
        let Some(item) = ItemId::of(packet) else { return };
        match item.kind {
            ItemKind::Receipt => self.count_receipt(recipient, packet),
            ItemKind::Message => {
                let (limits, now) = (&self.config.limits, self.now.mono);
                let len = packet.bytes().len();
                self.daily_bytes.charge(limits, item.origin, len, now);
                let conn = self.connections.of_user(item.origin);
                if let Some(conn) = conn.and_then(|conn| self.connections.get_mut(conn)) {
                    conn.charge_stored(limits, len, now);
                }
            }
        }
    }

    fn on_item_stored(&mut self, recipient: UserId, durable: &Durable<Verified<Packet>>) {
        let Some(item) = ItemId::of(durable.get().get()) else { return };
        self.mailbox(recipient).0.stored(&item);
        self.counters.items(item.kind).stored += 1;
        if item.kind == ItemKind::Message
            && let Some(conn) = self.connections.of_user(item.origin)
            && let Some((_, session)) = self.connections.session_mut(conn)
        {
            session.sent_mut().acks.push(durable);
            self.touched.conn(conn);
        }
    }

    fn on_item_not_stored(
        &mut self,
        recipient: UserId,
        packet: Verified<Packet>,
        why: AppendRefusal,
    ) {
        let Some(item) = ItemId::of(packet.get()) else { return };
        let code = match why {
            AppendRefusal::MailboxFull => ErrorCode::MailboxFull,
            AppendRefusal::UnknownUser => ErrorCode::UnknownUser,
            AppendRefusal::StoreFull => {
                self.out.notify(Notice::StoreFull);
                ErrorCode::Unavailable
            }
            AppendRefusal::Unavailable => ErrorCode::Unavailable,
        };
        if why == AppendRefusal::UnknownUser && item.kind == ItemKind::Receipt {
            // Its sender's account is gone: nobody is left to receive it.
            return;
        }
        let (mailbox, unstored) = self.mailbox(recipient);
        let Some(packet) = mailbox.not_stored(unstored, &item, packet) else {
            // It stays in memory, and is stored before anything that waits behind it. What waits would
            // otherwise take room from everybody, for as long as the recipient acknowledges nothing.
            let behind = mailbox.withdraw(unstored, |_| true);
            self.rest_mailbox(recipient);
            return self.refuse_for_store(behind, code);
        };
        // A message to an unknown user is not repeated, so no other message has to wait for it.
        if why == AppendRefusal::UnknownUser {
            if let Some(conn) = self.connections.of_user(item.origin) {
                self.refuse(conn, Refusal::new(code).answering(packet.get()));
            }
            return;
        }
        let later = mailbox.withdraw(unstored, |later| later.origin == item.origin);
        self.refuse_for_store(core::iter::once(packet).chain(later), code);
    }

    /// Refuses messages that the store does not take now. Their senders repeat them.
    fn refuse_for_store(
        &mut self,
        messages: impl IntoIterator<Item = Verified<Packet>>,
        code: ErrorCode,
    ) {
        for refused in messages {
            let sender = refused.get().header().sender;
            let Some(conn) = sender.and_then(|sender| self.connections.of_user(sender)) else {
                continue;
            };
            self.hold_back(conn, refused.get(), code);
            self.refuse(conn, Refusal::new(code).answering(refused.get()));
            // It may be read from again.
            self.touched.conn(conn);
        }
    }

    /// The store failed, or had no room: it is left alone for a while.
    fn rest_mailbox(&mut self, user: UserId) {
        let until = self.now.mono + self.config.limits.store_retry;
        self.mailbox(user).0.rest_until(until);
        self.alarms.arm(Alarm::Mailbox(user), until);
    }

    pub(in crate::server) fn on_page(
        &mut self,
        owner: UserId,
        conn: ConnId,
        memory: usize,
        page: Result<Page, StoreError>,
    ) {
        self.mailboxes.in_flight.end_page(memory);
        let Some((mailbox, _)) = self.mailboxes.get_mut(owner) else { return };
        self.touched.mailbox(owner);
        match page {
            Ok(page) => {
                for packet in mailbox.page_read(conn, page, self.now.mono) {
                    if let Some(item) = ItemId::of(&packet) {
                        self.counters.items(item.kind).drained += 1;
                    }
                    self.send(conn, &packet);
                }
            }
            Err(error) => {
                let for_this_session = mailbox.page_failed(conn);
                self.store_failed(error);
                if for_this_session {
                    self.rest_mailbox(owner);
                }
            }
        }
    }

    /// Has a 255 made, which says that everything stored was sent.
    pub(in crate::server) fn announce(&mut self, conn: ConnId, drained: u32) {
        let Some((who, session)) = self.connections.session_mut(conn) else { return };
        let key = session.key().clone();
        let plaintext = NoMoreMessages { drained }.emit();
        let draft = self.sealed(conn, Some(who.user()), Op::NoMoreMessages, &key, plaintext);
        self.out.emit(draft, AwaitJob::NoMoreMessages { conn, user: who.user() });
    }

    pub(in crate::server) fn on_no_more_messages_sealed(
        &mut self,
        conn: ConnId,
        user: UserId,
        emitted: Result<Packet, EmitError>,
    ) {
        if self.connections.session_mut(conn).is_none() {
            return;
        }
        let Ok(packet) = emitted else { return self.close(conn) };
        self.send(conn, &packet);
        if let Some((mailbox, _)) = self.mailboxes.get_mut(user) {
            mailbox.announced();
            self.touched.mailbox(user);
        }
    }
}
