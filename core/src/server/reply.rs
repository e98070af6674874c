//! Answers: every fault and refusal becomes a 244 here, and nowhere else.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use super::admission::TooMany;
use super::awaits::{AfterReply, Await, AwaitReply, Request};
use super::conn::{Conn, Phase};
use super::{Notice, Server};
use crate::crypto::{Draft, EmitError, Part};
use crate::ids::{ConnId, UserId};
use crate::keys::{Plaintext, SymmetricKey};
use crate::time::Now;
use crate::wire::{ErrorCode, ErrorForm, ErrorReply, Header, InReplyTo, Op, Packet};

/// Why something is not done.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    in_reply_to: InReplyTo,
    retry_after_secs: u32,
    text: Cow<'static, str>,
}

impl Refusal {
    pub(super) const fn new(code: ErrorCode) -> Self {
        Self { code, in_reply_to: InReplyTo([0; 8]), retry_after_secs: 0, text: Cow::Borrowed("") }
    }

    pub(super) fn too_many(too_many: TooMany) -> Self {
        let whole = too_many.retry_after.as_millis().div_ceil(1_000);
        Self {
            retry_after_secs: u32::try_from(whole).unwrap_or(u32::MAX),
            ..Self::new(ErrorCode::RateLimited)
        }
    }

    /// In answer to this packet.
    pub(super) fn answering(self, packet: &Packet) -> Self {
        self.in_reply_to(packet.request_hash().in_reply_to())
    }

    pub(super) fn in_reply_to(mut self, in_reply_to: InReplyTo) -> Self {
        self.in_reply_to = in_reply_to;
        self
    }

    pub(super) fn saying(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = text.into();
        self
    }
}

impl Server {
    /// Answers with an error, and closes if its code says so. `reply_key` is that of the request,
    /// if it was opened; in a session the session's key is used.
    pub(super) fn refuse(
        &mut self,
        now: Now,
        conn: ConnId,
        refusal: Refusal,
        reply_key: Option<&SymmetricKey>,
    ) {
        if refusal.code.closes() {
            return self.refuse_and_close(now, conn, refusal, reply_key);
        }
        let in_session = self.session_mut(conn).is_some();
        let then = if in_session { AfterReply::Stay } else { AfterReply::NextRequest };
        self.say_error(now, conn, refusal, reply_key, then);
    }

    /// Answers with an error, and closes.
    pub(super) fn refuse_and_close(
        &mut self,
        now: Now,
        conn: ConnId,
        refusal: Refusal,
        reply_key: Option<&SymmetricKey>,
    ) {
        self.say_error(now, conn, refusal, reply_key, AfterReply::Close);
        self.begin_closing(now, conn);
    }

    /// Refuses a request before a session.
    pub(super) fn refuse_request(
        &mut self,
        now: Now,
        request: &Request,
        code: ErrorCode,
        reply_key: Option<&SymmetricKey>,
    ) {
        self.refuse(now, request.conn, Refusal::new(code).answering(&request.packet), reply_key);
    }

    /// Refuses a request that comes too often, and reads no further until it may come again.
    pub(super) fn refuse_and_slow(&mut self, now: Now, request: &Request, too_many: TooMany) {
        if let Some(conn) = self.conns.get_mut(&request.conn) {
            conn.slowed_until = Some(now.mono + too_many.retry_after);
        }
        self.refuse(
            now,
            request.conn,
            Refusal::too_many(too_many).answering(&request.packet),
            None,
        );
    }

    fn say_error(
        &mut self,
        now: Now,
        conn: ConnId,
        refusal: Refusal,
        reply_key: Option<&SymmetricKey>,
        then: AfterReply,
    ) {
        let Some(Conn { peer, phase, .. }) = self.conns.get(&conn).map(|conn| &**conn) else {
            return;
        };
        let stranger = match phase {
            Phase::Session(_) => false,
            Phase::ExpectRequest | Phase::AwaitReply { .. } => true,
            // Its last answer is under way.
            Phase::Closing => return,
        };
        // Every error costs a signature. Who provokes too many of them is not worth another.
        if stranger && self.admission.refusal(*peer, now.mono).is_err() {
            return self.close(now, conn);
        }
        self.out.notify(Notice::Refused(conn, refusal.code));
        let session =
            self.session_mut(conn).map(|(who, session)| (who.user(), session.key().clone()));
        let error = ErrorReply {
            code: refusal.code,
            in_reply_to: refusal.in_reply_to,
            retry_after_secs: refusal.retry_after_secs,
            server_time: now.wall,
            text: String::from(refusal.text),
        };
        let plaintext = error.emit();
        let (recipient, form, part) = match (session, reply_key) {
            (Some((user, key)), _) => {
                (Some(user), ErrorForm::SessionKey, Part::Sealed { key, plaintext })
            }
            (None, Some(key)) => {
                (None, ErrorForm::ReplyKey, Part::Sealed { key: key.clone(), plaintext })
            }
            (None, None) => {
                (None, ErrorForm::Clear, Part::Clear(Bytes::copy_from_slice(plaintext.expose())))
            }
        };
        let parts = vec![Part::Clear(Bytes::copy_from_slice(&[form.code()])), part];
        let draft = self.draft(now, recipient, Op::Error, parts);
        self.reply(now, conn, draft, then);
    }

    /// A packet of the server's, to be sealed and signed.
    pub(super) fn draft(
        &self,
        now: Now,
        recipient: Option<UserId>,
        op: Op,
        parts: Vec<Part>,
    ) -> Draft {
        let header = Header { sender: None, recipient, timestamp: now.wall, op };
        Draft { profile: self.config.profile, header, parts, signed: true }
    }

    /// A packet of the server's whose payload is sealed as a whole.
    pub(super) fn sealed(
        &self,
        now: Now,
        recipient: Option<UserId>,
        op: Op,
        key: &SymmetricKey,
        plaintext: Plaintext,
    ) -> Draft {
        self.draft(now, recipient, op, vec![Part::Sealed { key: key.clone(), plaintext }])
    }

    /// Has an answer made, and sends it.
    pub(super) fn reply(&mut self, now: Now, conn_id: ConnId, draft: Draft, then: AfterReply) {
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        conn.replies = conn.replies.saturating_add(1);
        self.out.emit(draft, Await::Reply(AwaitReply { conn: conn_id, then }));
        self.update_flow(now, conn_id);
    }

    pub(super) fn replied(
        &mut self,
        now: Now,
        reply: &AwaitReply,
        emitted: Result<Packet, EmitError>,
    ) {
        let Some(conn) = self.conns.get_mut(&reply.conn) else { return };
        conn.replies = conn.replies.saturating_sub(1);
        // Without a key that signs there is no telling the peer; it will see the end.
        let Ok(packet) = emitted else { return self.close(now, reply.conn) };
        self.out.send(reply.conn, packet.bytes().clone());
        match reply.then {
            AfterReply::Stay => self.say_farewell_when_done(now, reply.conn),
            AfterReply::NextRequest => self.next_request(now, reply.conn),
            AfterReply::Close => return self.close(now, reply.conn),
        }
        self.update_flow(now, reply.conn);
    }
}
