//! Public keys: the server's own before a session, users' in one (105 → 204).

use alloc::vec;

use crate::crypto::{EmitError, OwnKey, Part};
use crate::frame::{StoreError, Verified};
use crate::ids::{ConnId, UserId, UserRef};
use crate::keys::{Fingerprint, Plaintext, PublicKey};
use crate::server::Server;
use crate::server::awaits::{AfterReply, AwaitJob, AwaitStore};
use crate::server::limits::ANSWER;
use crate::server::state::admission::TooMany;
use crate::server::state::entry::Request;
use crate::server::state::refusal::Refusal;
use crate::server::state::server_key::KeyReply;
use crate::server::state::session::Authenticated;
use crate::server::store::{LookupOutcome, StoreOp, User};
use crate::wire::{ErrorCode, InReplyTo, Lookup, Op, Packet, PublicKeyAnswer, emit_server_key};

impl Server {
    /// Tells the key that the client expects, if the server has it, or else the first one. From here,
    /// the connection uses the key that was told.
    pub(in crate::server) fn tell_server_key(
        &mut self,
        request: &Request,
        expected: Option<&Fingerprint>,
    ) {
        if !self.is_timely(&request.packet) {
            return self.refuse_request(request, ErrorCode::ClockSkew);
        }
        let Some(peer) = self.peer(request.conn) else { return };
        if self.admission.key_request(peer, self.now.mono).is_err() {
            return self.shed(request.conn);
        }
        let (key, public_key) = self.key_for(expected);
        if let Some(conn) = self.connections.get_mut(request.conn) {
            conn.use_key(key);
        }
        let ttl = self.config.limits.server_key_ttl;
        match self.key_answers.of(key).ask(request.conn, self.now.mono, ttl) {
            KeyReply::Send(packet) => {
                self.send(request.conn, &packet);
                self.next_request(request.conn);
            }
            KeyReply::Wait => {}
            KeyReply::Sign => {
                let part = Part::Clear(emit_server_key(&public_key).into());
                let draft = self.draft(request.conn, None, Op::PublicKey, vec![part]);
                self.out.emit(draft, AwaitJob::ServerKey(key));
            }
        }
    }

    fn key_for(&self, expected: Option<&Fingerprint>) -> (OwnKey, PublicKey) {
        match (&self.config.successor, expected) {
            (Some(successor), Some(expected)) if successor.fingerprint() == expected => {
                (OwnKey::Successor, successor.clone())
            }
            (_, _) => (OwnKey::First, self.config.server_key.clone()),
        }
    }

    pub(in crate::server) fn on_server_key_signed(
        &mut self,
        key: OwnKey,
        emitted: Result<Packet, EmitError>,
    ) {
        let packet = emitted.ok();
        let answer = packet.clone();
        // Kept before anyone is answered, because the next request on a connection may be for this
        // key again.
        for conn in self.key_answers.of(key).signed(packet, self.now.mono) {
            match &answer {
                None => self.close(conn),
                Some(answer) if self.connections.contains(conn) => {
                    self.send(conn, answer);
                    self.next_request(conn);
                }
                Some(_) => {}
            }
        }
    }

    /// Looks a user up for another.
    pub(in crate::server) fn look_up(
        &mut self,
        who: Authenticated,
        packet: &Verified<Packet>,
        opened: &Plaintext,
    ) {
        let op = match Lookup::parse(opened.expose()) {
            Ok(Lookup::Phone(phone)) => StoreOp::LookUp {
                asker: who.user(),
                phone,
                day: self.now.wall.days_since_1970(),
                budget: self.config.limits.lookups_per_day,
            },
            Ok(Lookup::Id(id)) => self.find_correspondent(who.user(), id),
            Err(_) => {
                let refusal = Refusal::new(ErrorCode::Malformed).answering(packet.get());
                return self.refuse(who.conn(), refusal);
            }
        };
        let (conn, in_reply_to) = (who.conn(), packet.get().request_hash().in_reply_to());
        // Counted from here, because the answer will cost a signature.
        if let Some(conn) = self.connections.get_mut(conn) {
            conn.begin_reply();
        }
        self.checking.enter(ANSWER);
        self.touched.conn(conn);
        self.out.store(op, AwaitStore::LookedUp { conn, in_reply_to });
    }

    /// A look-up by id is there to learn who has written. Without the restriction to those, ids,
    /// which are given one after the other, would make a phone book (PROTOCOL 4.4).
    fn find_correspondent(&self, recipient: UserId, sender: UserId) -> StoreOp {
        let mailbox = self.mailboxes.get(recipient);
        if mailbox.is_some_and(|mailbox| mailbox.in_flight().has_from(sender)) {
            StoreOp::FindUser(UserRef::Id(sender))
        } else {
            StoreOp::FindSender { sender, recipient }
        }
    }

    pub(in crate::server) fn on_looked_up(
        &mut self,
        conn: ConnId,
        in_reply_to: InReplyTo,
        looked_up: Result<LookupOutcome, StoreError>,
    ) {
        self.checking.leave(ANSWER);
        if let Some(conn) = self.connections.get_mut(conn) {
            conn.end_reply();
        }
        self.touched.conn(conn);
        let code = match looked_up {
            Ok(LookupOutcome::Found(user)) => {
                let Some((who, session)) = self.connections.session_mut(conn) else { return };
                let key = session.key().clone();
                let User { id, phone, public_key, .. } = *user;
                let answer = PublicKeyAnswer { in_reply_to, user: id, phone, public_key };
                let draft = self.sealed(conn, Some(who.user()), Op::PublicKey, &key, answer.emit());
                return self.reply(conn, draft, AfterReply::Stay);
            }
            Ok(LookupOutcome::OverBudget) => {
                let too_many = TooMany { retry_after: self.now.wall.until_next_day() };
                let refusal = Refusal::too_many(too_many).in_reply_to(in_reply_to);
                return self.refuse(conn, refusal);
            }
            Ok(LookupOutcome::NotFound) => ErrorCode::UnknownUser,
            Err(error) => self.store_failed(error),
        };
        self.refuse(conn, Refusal::new(code).in_reply_to(in_reply_to));
    }
}
