//! Messages and receipts on their way into mailboxes, and what the store says of them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::awaits::{Await, AwaitAppend, AwaitPage};
use super::mailbox::{Cx, Mailbox, Routed};
use super::proof::Verified;
use super::reply::Refusal;
use super::{Notice, Server};
use crate::crypto::EmitError;
use crate::frame::StoreError;
use crate::frame::legacy::{AppendRefusal, Durable, Fate};
use crate::ids::{ConnId, UserId};
use crate::server::store::{Page, StoreOutcome};
use crate::time::Now;
use crate::wire::{ErrorCode, ItemId, ItemKind, NoMoreMessages, Op, Packet};

impl Server {
    /// Brings a message or receipt to its recipient's mailbox.
    pub(super) fn route(
        &mut self,
        now: Now,
        recipient: UserId,
        key: ItemId,
        packet: Verified<Packet>,
    ) {
        let (mailbox, mut cx) = self.mailbox(now, recipient);
        match mailbox.route(&mut cx, key, packet.into_inner()) {
            Routed::Sent => self.stats.forwarded = self.stats.forwarded.saturating_add(1),
            Routed::Queued => self.advance(now, Some(recipient)),
            Routed::Repeat => {}
        }
    }

    /// A user's mailbox, made if there is none, and what it works with.
    pub(super) fn mailbox(&mut self, now: Now, user: UserId) -> (&mut Mailbox, Cx<'_>) {
        let mailbox = self.mailboxes.entry(user).or_insert_with(|| {
            let conn = self.sessions.get(&user).copied().filter(|conn| {
                let session = self.conns.get(conn).and_then(|conn| conn.session());
                session.is_some_and(|session| session.farewell.is_none())
            });
            Box::new(conn.map_or_else(|| Mailbox::new(user), |conn| Mailbox::live(user, conn)))
        });
        let cx = Cx {
            now,
            limits: &self.config.limits,
            out: &mut self.out,
            timers: &mut self.timers,
            backlog: &mut self.backlog,
        };
        (mailbox, cx)
    }

    /// Lets a mailbox do what it can do next, says a 255 if it is due, and forgets the mailbox if
    /// there is nothing in it.
    pub(super) fn advance(&mut self, now: Now, user: Option<UserId>) {
        let Some(user) = user.filter(|user| self.mailboxes.contains_key(user)) else { return };
        let (mailbox, mut cx) = self.mailbox(now, user);
        let drained = mailbox.advance(&mut cx);
        let (idle, conn) = (mailbox.is_idle(), mailbox.conn());
        if idle {
            self.mailboxes.remove(&user);
            self.stop_when_done();
        }
        if let (Some(drained), Some(conn)) = (drained, conn) {
            self.announce(now, conn, drained);
        }
    }

    fn announce(&mut self, now: Now, conn: ConnId, drained: u32) {
        let Some((who, session)) = self.session_mut(conn) else { return };
        let key = session.key().clone();
        let plaintext = NoMoreMessages { drained }.emit();
        let draft = self.sealed(now, Some(who.user()), Op::NoMoreMessages, &key, plaintext);
        self.out.emit(draft, Await::NoMoreMessages { conn, user: who.user() });
    }

    pub(super) fn announced(
        &mut self,
        now: Now,
        conn: ConnId,
        user: UserId,
        emitted: Result<Packet, EmitError>,
    ) {
        if self.session_mut(conn).is_none() {
            return;
        }
        let Ok(packet) = emitted else { return self.close(now, conn) };
        self.out.send(conn, packet.bytes().clone());
        if let Some(mailbox) = self.mailboxes.get_mut(&user) {
            mailbox.announced();
        }
        self.advance(now, Some(user));
    }

    /// The owner's connection ended.
    pub(super) fn detach(&mut self, now: Now, user: UserId, conn: ConnId) {
        if self.mailboxes.get(&user).and_then(|mailbox| mailbox.conn()) != Some(conn) {
            return;
        }
        let (mailbox, mut cx) = self.mailbox(now, user);
        mailbox.detach(&mut cx);
        self.advance(now, Some(user));
    }

    /// An append has ended: senders hear of it, and what waited for it goes on.
    pub(super) fn appended(&mut self, now: Now, append: AwaitAppend, outcome: &StoreOutcome) {
        let AwaitAppend { recipient, packets } = append;
        let mut senders = Vec::new();
        for fate in packets.appended(outcome) {
            let packet = match &fate {
                Fate::Stored(durable) => durable.get(),
                Fate::Refused(packet, _) => packet,
            };
            senders.extend(packet.header().sender);
            self.backlog.leave(packet);
            match fate {
                Fate::Stored(durable) => self.stored(now, recipient, durable),
                Fate::Refused(packet, why) => self.not_stored(now, recipient, packet, why),
            }
        }
        if let Err(error) = outcome {
            self.out.notify(Notice::StoreFailed(*error));
            let (mailbox, mut cx) = self.mailbox(now, recipient);
            mailbox.back_off(&mut cx);
        }
        let (mailbox, _) = self.mailbox(now, recipient);
        for acknowledgement in mailbox.append_ended() {
            self.acknowledge(now, recipient, acknowledgement);
        }
        self.advance(now, Some(recipient));
        senders.sort_unstable();
        senders.dedup();
        for conn in senders
            .iter()
            .filter_map(|sender| self.sessions.get(sender).copied())
            .collect::<Vec<_>>()
        {
            self.seal_acks(now, conn);
            self.update_flow(now, conn);
            self.say_farewell_when_done(now, conn);
        }
        self.stop_when_done();
    }

    fn stored(&mut self, now: Now, recipient: UserId, durable: Durable<Packet>) {
        let Some(key) = ItemId::of(durable.get()) else { return };
        let (mailbox, _) = self.mailbox(now, recipient);
        mailbox.stored(&key);
        self.stats.stored = self.stats.stored.saturating_add(1);
        if key.kind == ItemKind::Message {
            let conn = self.sessions.get(&key.origin).copied();
            if let Some((_, session)) = conn.and_then(|conn| self.session_mut(conn)) {
                session.acks.push(durable);
            }
        }
    }

    fn not_stored(&mut self, now: Now, recipient: UserId, packet: Packet, why: AppendRefusal) {
        let Some(key) = ItemId::of(&packet) else { return };
        let (mailbox, mut cx) = self.mailbox(now, recipient);
        let code = match why {
            AppendRefusal::MailboxFull => ErrorCode::MailboxFull,
            AppendRefusal::UnknownUser => ErrorCode::UnknownUser,
            AppendRefusal::Unavailable => ErrorCode::Unavailable,
        };
        if why == AppendRefusal::UnknownUser && key.kind == ItemKind::Receipt {
            return;
        }
        let Some(packet) = mailbox.not_stored(&mut cx, &key, packet) else { return };
        let later = match why {
            AppendRefusal::UnknownUser => Vec::new(),
            AppendRefusal::MailboxFull | AppendRefusal::Unavailable => {
                mailbox.withdraw(&mut cx, key.origin)
            }
        };
        let Some(conn) = self.sessions.get(&key.origin).copied() else { return };
        for refused in core::iter::once(packet).chain(later) {
            if why != AppendRefusal::UnknownUser {
                self.hold_back(now, conn, &refused, code);
            }
            self.refuse(now, conn, Refusal::new(code).answering(&refused), None);
        }
    }

    /// Has the acknowledgements sealed that have gathered, unless some are being sealed.
    pub(super) fn seal_acks(&mut self, now: Now, conn: ConnId) {
        let most = self.config.limits.acks_per_packet;
        let Some((who, session)) = self.session_mut(conn) else { return };
        let Some(batch) = session.acks.next_batch(most) else { return };
        let key = session.key().clone();
        let draft = self.sealed(now, Some(who.user()), Op::DeliveryAck, &key, batch.emit());
        self.out.emit(draft, Await::AckSealed { conn });
    }

    pub(super) fn acks_sealed(
        &mut self,
        now: Now,
        conn: ConnId,
        emitted: Result<Packet, EmitError>,
    ) {
        let Some((_, session)) = self.session_mut(conn) else { return };
        session.acks.sealed();
        let Ok(packet) = emitted else { return self.close(now, conn) };
        self.out.send(conn, packet.bytes().clone());
        self.seal_acks(now, conn);
        self.say_farewell_when_done(now, conn);
    }

    pub(super) fn page_read(
        &mut self,
        now: Now,
        awaited: &AwaitPage,
        page: Result<Page, StoreError>,
    ) {
        if !self.mailboxes.contains_key(&awaited.owner) {
            return;
        }
        if let Err(error) = page {
            self.out.notify(Notice::StoreFailed(error));
        }
        let (mailbox, mut cx) = self.mailbox(now, awaited.owner);
        mailbox.page(&mut cx, awaited.conn, page.ok());
        self.advance(now, Some(awaited.owner));
    }
}
