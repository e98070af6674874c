//! Public keys: the server's own before a session, users' in one (105 → 204).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Server;
use super::awaits::{AfterReply, Await, AwaitLookedUp, Request};
use super::proof::{Authenticated, Verified};
use super::reply::Refusal;
use crate::crypto::{EmitError, Part};
use crate::ids::{ConnId, UserRef};
use crate::keys::Plaintext;
use crate::server::store::{StoreOp, User};
use crate::time::{Mono, Now};
use crate::wire::{ErrorCode, Lookup, Op, Packet, PublicKeyAnswer, emit_server_key};

/// The server's signed key, made on demand and used for a while.
#[derive(Debug, Default)]
pub(super) enum KeyAnswer {
    /// Not made yet, or too old.
    #[default]
    Stale,
    /// Being signed; these wait for it, each once.
    AwaitSigned(Vec<ConnId>),
    /// Signed then.
    Signed(Packet, Mono),
}

impl Server {
    pub(super) fn server_key_request(&mut self, now: Now, request: &Request) {
        if !self.is_timely(now, &request.packet) {
            return self.refuse_request(now, request, ErrorCode::ClockSkew, None);
        }
        match &mut self.key_answer {
            KeyAnswer::Signed(packet, at)
                if now.mono.since(*at) < self.config.limits.server_key_ttl =>
            {
                self.out.send(request.conn, packet.bytes().clone());
                self.next_request(now, request.conn);
            }
            KeyAnswer::AwaitSigned(waiting) => waiting.push(request.conn),
            KeyAnswer::Signed(..) | KeyAnswer::Stale => {
                self.key_answer = KeyAnswer::AwaitSigned(vec![request.conn]);
                let part = Part::Clear(emit_server_key(&self.config.server_key).into());
                let draft = self.draft(now, None, Op::PublicKey, vec![part]);
                self.out.emit(draft, Await::ServerKey);
            }
        }
    }

    pub(super) fn server_key_signed(&mut self, now: Now, emitted: Result<Packet, EmitError>) {
        let KeyAnswer::AwaitSigned(waiting) = core::mem::take(&mut self.key_answer) else { return };
        let Ok(packet) = emitted else {
            return waiting.into_iter().for_each(|conn| self.close(now, conn));
        };
        let bytes = packet.bytes().clone();
        // Before anyone is answered: the next request of a connection may ask for the key again.
        self.key_answer = KeyAnswer::Signed(packet, now.mono);
        for conn in waiting {
            if self.conns.contains_key(&conn) {
                self.out.send(conn, bytes.clone());
                self.next_request(now, conn);
            }
        }
    }

    /// Looks a user up for another.
    pub(super) fn lookup(
        &mut self,
        now: Now,
        who: Authenticated,
        packet: Verified<Packet>,
        opened: &Plaintext,
    ) {
        let packet = packet.into_inner();
        let user = match Lookup::parse(opened.expose()) {
            Ok(Lookup::Phone(phone)) => UserRef::Phone(phone),
            Ok(Lookup::Id(id)) => UserRef::Id(id),
            Err(_) => {
                return self.refuse(
                    now,
                    who.conn(),
                    Refusal::new(ErrorCode::Malformed).answering(&packet),
                    None,
                );
            }
        };
        let in_reply_to = packet.request_hash().in_reply_to();
        let looked_up = AwaitLookedUp { conn: who.conn(), in_reply_to };
        self.out.store(StoreOp::FindUser(user), Await::LookedUp(looked_up));
        if let Some(conn) = self.conns.get_mut(&who.conn()) {
            conn.replies = conn.replies.saturating_add(1);
        }
        self.update_flow(now, who.conn());
    }

    pub(super) fn looked_up(
        &mut self,
        now: Now,
        awaited: &AwaitLookedUp,
        found: Result<Option<Box<User>>, ErrorCode>,
    ) {
        let AwaitLookedUp { conn, in_reply_to } = *awaited;
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.replies = conn.replies.saturating_sub(1);
        }
        let code = match found {
            Ok(Some(user)) => {
                let Some((who, session)) = self.session_mut(conn) else { return };
                let key = session.key().clone();
                let User { id, phone, public_key, .. } = *user;
                let answer = PublicKeyAnswer { in_reply_to, user: id, phone, public_key };
                let draft = self.sealed(now, Some(who.user()), Op::PublicKey, &key, answer.emit());
                return self.reply(now, conn, draft, AfterReply::Stay);
            }
            Ok(None) => ErrorCode::UnknownUser,
            Err(code) => code,
        };
        self.refuse(now, conn, Refusal::new(code).in_reply_to(in_reply_to), None);
    }
}
