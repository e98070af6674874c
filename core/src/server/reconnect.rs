//! Reconnect: 106 → 206 (PROTOCOL 4.3), and what 201 and 206 have in common: a session begins.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::awaits::{
    Await, AwaitGranted, AwaitReconnectOpened, AwaitReconnectorFound, AwaitReconnectorFoundByPhone,
    Reconnecting, Request,
};
use super::conn::Phase;
use super::mailbox::{Mailbox, Start};
use super::reply::Refusal;
use super::session::Session;
use super::{Notice, Server, Timer};
use crate::crypto::{EmitError, Job, OpenedRequest, Part, RequestKind, SESSION_LABEL};
use crate::frame::legacy::Pending;
use crate::ids::{ConnId, UserId, UserRef};
use crate::keys::{Rejected, SymmetricKey};
use crate::server::store::{ReconnectOutcome, StoreOp, StoreOutcome, StoreReply, User};
use crate::time::Now;
use crate::wire::{ErrorCode, Op, Packet, ReconnectRequest, SessionGrant, SessionResumed};

impl Server {
    pub(super) fn reconnect(&mut self, now: Now, request: Request) {
        if !self.is_timely(now, &request.packet) {
            return self.refuse_request(now, &request, ErrorCode::ClockSkew, None);
        }
        let Some(peer) = self.conns.get(&request.conn).map(|conn| conn.peer) else { return };
        if let Err(too_many) = self.admission.reconnect(peer, now.mono) {
            return self.refuse_and_slow(now, &request, too_many);
        }
        match request.packet.header().sender {
            Some(id) => {
                let found = AwaitReconnectorFound { request };
                self.out.store(StoreOp::FindUser(UserRef::Id(id)), Await::ReconnectorFound(found));
            }
            // Only the phone number inside tells who this is.
            None => self.open_reconnect(request, None),
        }
    }

    pub(super) fn reconnector_found(
        &mut self,
        now: Now,
        request: Request,
        found: Result<Option<Box<User>>, ErrorCode>,
    ) {
        match found {
            Ok(Some(user)) => self.open_reconnect(request, Some(user)),
            Ok(None) => self.refuse_unknown(now, &request, None),
            Err(code) => self.refuse_request(now, &request, code, None),
        }
    }

    fn open_reconnect(&mut self, request: Request, user: Option<Box<User>>) {
        let job = Job::OpenRequest {
            packet: request.packet.clone(),
            signer: user.as_ref().map(|user| user.public_key.clone()),
            kind: RequestKind::Reconnect,
        };
        self.out.compute(job, Await::ReconnectOpened(AwaitReconnectOpened { request, user }));
    }

    pub(super) fn reconnect_opened(
        &mut self,
        now: Now,
        await_opened: AwaitReconnectOpened,
        outcome: Result<OpenedRequest, Rejected>,
    ) {
        let AwaitReconnectOpened { request, user } = await_opened;
        let Ok(OpenedRequest { plaintext, session: Some(session) }) = outcome else {
            return self.refuse_request(now, &request, ErrorCode::BadSignature, None);
        };
        let Ok(opened) = ReconnectRequest::parse(plaintext.expose()) else {
            return self.refuse_request(now, &request, ErrorCode::Malformed, None);
        };
        match user {
            None => {
                let op = StoreOp::FindUser(UserRef::Phone(opened.phone));
                let found = AwaitReconnectorFoundByPhone { request, opened, session };
                self.out.store(op, Await::ReconnectorFoundByPhone(Box::new(found)));
            }
            Some(user) if user.phone == opened.phone => {
                self.resume(Reconnecting { request, reply_key: opened.reply_key, user, session });
            }
            Some(_) => self.refuse_unknown(now, &request, Some(&opened.reply_key)),
        }
    }

    pub(super) fn reconnector_found_by_phone(
        &mut self,
        now: Now,
        await_found: AwaitReconnectorFoundByPhone,
        found: Result<Option<Box<User>>, ErrorCode>,
    ) {
        let AwaitReconnectorFoundByPhone { request, opened, session } = await_found;
        match found {
            Ok(Some(user)) => {
                let job =
                    Job::Verify { packet: request.packet.clone(), signer: user.public_key.clone() };
                let verified = Reconnecting { request, reply_key: opened.reply_key, user, session };
                self.out.compute(job, Await::ReconnectVerified(Box::new(verified)));
            }
            Ok(None) => self.refuse_unknown(now, &request, Some(&opened.reply_key)),
            Err(code) => self.refuse_request(now, &request, code, Some(&opened.reply_key)),
        }
    }

    pub(super) fn reconnect_verified(
        &mut self,
        now: Now,
        reconnecting: Reconnecting,
        verified: Result<(), Rejected>,
    ) {
        match verified {
            Ok(()) => self.resume(reconnecting),
            Err(Rejected) => {
                self.refuse_request(
                    now,
                    &reconnecting.request,
                    ErrorCode::BadSignature,
                    Some(&reconnecting.reply_key),
                );
            }
        }
    }

    /// The strictly-newer rule, made durable before anything follows from it.
    fn resume(&mut self, reconnecting: Reconnecting) {
        let op = StoreOp::RecordReconnect {
            user: reconnecting.user.id,
            at: reconnecting.request.packet.header().timestamp,
            aes_key: reconnecting.session.wrapped,
        };
        self.out.store(op, Await::Resumed(Box::new(Pending::new(reconnecting))));
    }

    pub(super) fn resumed(
        &mut self,
        now: Now,
        pending: Pending<Reconnecting>,
        outcome: StoreOutcome,
    ) {
        let (reconnecting, reply) = match pending.resolve(outcome) {
            Ok((durable, reply)) => (durable.into_inner(), reply),
            Err((reconnecting, error)) => {
                let code = self.store_failed(&Err(error));
                return self.refuse_request(
                    now,
                    &reconnecting.request,
                    code,
                    Some(&reconnecting.reply_key),
                );
            }
        };
        let Reconnecting { request, reply_key, user, .. } = &reconnecting;
        let StoreReply::ReconnectRecorded(outcome) = reply else {
            let code = self.store_failed(&Ok(reply));
            return self.refuse_request(now, request, code, Some(reply_key));
        };
        match outcome {
            ReconnectOutcome::Recorded => {}
            ReconnectOutcome::NotNewer => {
                let refusal = Refusal::new(ErrorCode::ClockSkew)
                    .answering(&request.packet)
                    .saying("not newer than the last reconnect");
                return self.refuse(now, request.conn, refusal, Some(reply_key));
            }
            ReconnectOutcome::UnknownUser => {
                return self.refuse_unknown(now, request, Some(reply_key));
            }
        }
        // From here this connection is the user's; what the old one held goes to the store first,
        // so that it is counted.
        self.displace(now, user.id);
        self.granting.insert(user.id, request.conn);
        self.out.store(StoreOp::Count(user.id), Await::Counted(Box::new(reconnecting)));
    }

    pub(super) fn counted(&mut self, now: Now, reconnecting: Reconnecting, outcome: StoreOutcome) {
        let Reconnecting { request, reply_key, user, session } = reconnecting;
        match outcome {
            Ok(StoreReply::Counted(pending)) => {
                let granted = AwaitGranted {
                    conn: request.conn,
                    user: user.id,
                    public_key: user.public_key,
                    session_key: session.key,
                    start: Start::Resumed,
                };
                self.grant(now, &request.packet, granted, Some(pending));
            }
            other => {
                if self.granting.get(&user.id) == Some(&request.conn) {
                    self.granting.remove(&user.id);
                }
                let code = self.store_failed(&other);
                self.refuse_request(now, &request, code, Some(&reply_key));
            }
        }
    }

    /// Has the 201 or 206 made that answers `request`. `pending` is said in a 206.
    pub(super) fn grant(
        &mut self,
        now: Now,
        request: &Packet,
        granted: AwaitGranted,
        pending: Option<u32>,
    ) {
        let AwaitGranted { user, public_key, session_key, start, .. } = &granted;
        let request_hash = request.request_hash();
        let grant = SessionGrant { session_key: session_key.clone(), request_hash };
        let oaep =
            Part::Oaep { to: public_key.clone(), label: SESSION_LABEL, plaintext: grant.emit() };
        let mut parts: Vec<Part> = vec![oaep];
        parts.extend(pending.map(|pending| Part::Sealed {
            key: session_key.clone(),
            plaintext: SessionResumed { pending }.emit(),
        }));
        let op = match start {
            Start::Fresh => Op::SessionIssued,
            Start::Resumed => Op::SessionResumed,
        };
        let draft = self.draft(now, Some(*user), op, parts);
        self.out.emit(draft, Await::Granted(Box::new(granted)));
    }

    /// The grant is signed: it goes out, and the session begins.
    pub(super) fn granted(
        &mut self,
        now: Now,
        granted: AwaitGranted,
        emitted: Result<Packet, EmitError>,
    ) {
        let AwaitGranted { conn: conn_id, user, public_key, session_key, start } = granted;
        if self.granting.get(&user) != Some(&conn_id) {
            // Another connection of the same user was accepted after this one.
            return self.refuse_and_close(now, conn_id, Refusal::new(ErrorCode::Displaced), None);
        }
        self.granting.remove(&user);
        let Some(conn) = self.conns.get_mut(&conn_id) else { return };
        if !matches!(conn.phase, Phase::AwaitReply { .. }) {
            return;
        }
        let Ok(packet) = emitted else { return self.close(now, conn_id) };
        conn.phase = Phase::Session(Box::new(Session::new(user, public_key, session_key)));
        self.timers.cancel(Timer::Handshake(conn_id));
        self.out.send(conn_id, packet.bytes().clone());
        self.displace(now, user);
        self.sessions.insert(user, conn_id);
        self.out.notify(Notice::SessionOpened(user, conn_id));
        self.mailboxes
            .entry(user)
            .or_insert_with(|| Box::new(Mailbox::new(user)))
            .attach(conn_id, start);
        self.advance(now, Some(user));
    }

    /// Ends the user's session on another connection, if there is one.
    fn displace(&mut self, now: Now, user: UserId) {
        if let Some(old) = self.sessions.get(&user).copied() {
            self.refuse_and_close(now, old, Refusal::new(ErrorCode::Displaced), None);
        }
    }

    /// Takes a connection's session away: the mailbox goes on without it.
    pub(super) fn end_session(&mut self, now: Now, conn_id: ConnId) {
        let Some(user) =
            self.conns.get(&conn_id).and_then(|conn| conn.session()).map(Session::user)
        else {
            return;
        };
        if self.sessions.get(&user) == Some(&conn_id) {
            self.sessions.remove(&user);
        }
        self.detach(now, user, conn_id);
        if let Some(conn) = self.conns.get_mut(&conn_id) {
            conn.phase = Phase::Closing;
        }
        self.out.notify(Notice::SessionClosed(user, conn_id));
    }

    /// The id, phone and key of a 106 do not belong together: this one closes.
    fn refuse_unknown(&mut self, now: Now, request: &Request, reply_key: Option<&SymmetricKey>) {
        let refusal = Refusal::new(ErrorCode::UnknownUser).answering(&request.packet);
        self.refuse_and_close(now, request.conn, refusal, reply_key);
    }
}
