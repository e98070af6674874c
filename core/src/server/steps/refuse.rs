//! Answers to clients. Every fault and every refusal becomes a 244 here, and nowhere else.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::crypto::{Draft, EmitError, OwnKey, Part};
use crate::frame::StoreError;
use crate::ids::{ConnId, UserId};
use crate::keys::{Plaintext, SymmetricKey};
use crate::server::awaits::{AfterReply, AwaitJob};
use crate::server::limits::ANSWER;
use crate::server::state::admission::TooMany;
use crate::server::state::conn::{Conn, Phase};
use crate::server::state::entry::Request;
use crate::server::state::refusal::Refusal;
use crate::server::{Notice, Server};
use crate::wire::{ErrorCode, ErrorForm, ErrorReply, Header, ItemKind, Op, Packet};

impl Server {
    /// Answers with an error, and closes if its code says so.
    pub(in crate::server) fn refuse(&mut self, conn: ConnId, refusal: Refusal) {
        if refusal.code.closes() {
            return self.refuse_and_close(conn, refusal);
        }
        let in_session = self.connections.session_mut(conn).is_some();
        let then = if in_session { AfterReply::Stay } else { AfterReply::NextRequest };
        self.answer_with_error(conn, refusal, then);
    }

    /// Answers with an error, and closes.
    pub(in crate::server) fn refuse_and_close(&mut self, conn: ConnId, refusal: Refusal) {
        self.answer_with_error(conn, refusal, AfterReply::Close);
        self.begin_closing(conn);
    }

    /// Refuses a request that came before a session and was not opened, or not understood.
    pub(in crate::server) fn refuse_request(&mut self, request: &Request, code: ErrorCode) {
        self.refuse(request.conn, Refusal::new(code).answering(&request.packet));
    }

    /// Refuses a request that came before a session and was opened. The answer is sealed with the
    /// key inside it.
    pub(in crate::server) fn refuse_opened(
        &mut self,
        request: &Request,
        code: ErrorCode,
        reply_key: &SymmetricKey,
    ) {
        let refusal = Refusal::new(code).answering(&request.packet).sealed_with(reply_key);
        self.refuse(request.conn, refusal);
    }

    /// Refuses a request that comes too often, and reads no further until it may come again.
    pub(in crate::server) fn refuse_and_slow(&mut self, request: &Request, too_many: TooMany) {
        if let Some(conn) = self.connections.get_mut(request.conn) {
            conn.slow_until(self.now.mono + too_many.retry_after);
        }
        self.refuse(request.conn, Refusal::too_many(too_many).answering(&request.packet));
    }

    /// The store has failed. Returns the code that the client is answered with.
    pub(in crate::server) fn store_failed(&mut self, error: StoreError) -> ErrorCode {
        self.counters.store_failures += 1;
        self.out.notify(Notice::StoreFailed { error });
        ErrorCode::Unavailable
    }

    pub(in crate::server) fn answer_with_error(
        &mut self,
        conn_id: ConnId,
        refusal: Refusal,
        then: AfterReply,
    ) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        let peer = conn.peer();
        let session = match &conn.phase {
            Phase::Session(session) => Some((session.user(), session.key().clone())),
            Phase::ExpectRequest | Phase::AwaitReply { .. } => None,
            // Its last answer is under way.
            Phase::Closing => return,
        };
        // Every error costs a signature. A stranger who provokes too many gets no more of them.
        if session.is_none() {
            if self.admission.refusal(peer, self.now.mono).is_err() {
                return self.shed(conn_id);
            }
            if !self.admit_stranger_job(conn_id) {
                return;
            }
        }
        self.counters.errors.add(refusal.code.code());
        self.out.notify(Notice::Refused { conn: conn_id, code: refusal.code });
        let error = ErrorReply {
            code: refusal.code,
            in_reply_to: refusal.in_reply_to,
            retry_after_secs: refusal.retry_after_secs,
            server_time: self.now.wall,
            text: String::from(refusal.text),
        };
        let plaintext = error.emit();
        let (recipient, form, part) = match (session, refusal.reply_key) {
            (Some((user, key)), _) => {
                (Some(user), ErrorForm::SessionKey, Part::Sealed { key, plaintext })
            }
            (None, Some(key)) => (None, ErrorForm::ReplyKey, Part::Sealed { key, plaintext }),
            (None, None) => {
                let clear = Part::Clear(Bytes::copy_from_slice(plaintext.expose()));
                (None, ErrorForm::Clear, clear)
            }
        };
        let parts = vec![Part::Clear(Bytes::copy_from_slice(&[form.code()])), part];
        let draft = self.draft(conn_id, recipient, Op::Error, parts);
        self.reply(conn_id, draft, then);
    }

    /// Key of the server's on a connection.
    pub(in crate::server) fn key_of(&self, conn: ConnId) -> OwnKey {
        self.connections.get(conn).map_or(OwnKey::First, Conn::key)
    }

    /// A packet of the server's, to be sealed, and signed with the key of the connection.
    pub(in crate::server) fn draft(
        &self,
        conn: ConnId,
        recipient: Option<UserId>,
        op: Op,
        parts: Vec<Part>,
    ) -> Draft {
        let header = Header { sender: None, recipient, timestamp: self.now.wall, op };
        let signer = Some(self.key_of(conn));
        Draft { profile: self.config.profile, header, parts, signer }
    }

    /// A packet of the server's whose payload is sealed as a whole.
    pub(in crate::server) fn sealed(
        &self,
        conn: ConnId,
        recipient: Option<UserId>,
        op: Op,
        key: &SymmetricKey,
        plaintext: Plaintext,
    ) -> Draft {
        self.draft(conn, recipient, op, vec![Part::Sealed { key: key.clone(), plaintext }])
    }

    /// Sends a packet of the server's, or one that was stored.
    pub(in crate::server) fn send(&mut self, conn: ConnId, packet: &Packet) {
        self.counters.sent(packet.op(), packet.bytes().len());
        self.out.send(conn, packet.bytes().clone());
    }

    /// Sends a message or receipt.
    pub(in crate::server) fn send_item(&mut self, conn: ConnId, kind: ItemKind, bytes: Bytes) {
        let op = match kind {
            ItemKind::Message => Op::Message,
            ItemKind::Receipt => Op::DeliveryAck,
        };
        self.counters.sent(op, bytes.len());
        self.out.send(conn, bytes);
    }

    /// Has an answer made, and sends it.
    pub(in crate::server) fn reply(&mut self, conn_id: ConnId, draft: Draft, then: AfterReply) {
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.begin_reply();
        self.checking.enter(ANSWER);
        conn.charge_signature(&self.config.limits, self.now.mono);
        self.out.emit(draft, AwaitJob::Reply { conn: conn_id, then });
        self.touched.conn(conn_id);
    }

    pub(in crate::server) fn on_reply_made(
        &mut self,
        conn_id: ConnId,
        then: AfterReply,
        emitted: Result<Packet, EmitError>,
    ) {
        self.checking.leave(ANSWER);
        let Some(conn) = self.connections.get_mut(conn_id) else { return };
        conn.end_reply();
        // Without a key that signs, the peer can't be told why; it only sees the connection close.
        let Ok(packet) = emitted else { return self.close(conn_id) };
        self.send(conn_id, &packet);
        self.touched.conn(conn_id);
        match then {
            AfterReply::Stay => {}
            AfterReply::Told => self.told_undeliverable(conn_id),
            AfterReply::NextRequest => self.next_request(conn_id),
            AfterReply::Close => self.close(conn_id),
        }
    }
}
