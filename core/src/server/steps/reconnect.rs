//! Reconnect: 106 → 206 (PROTOCOL 4.3).

use alloc::boxed::Box;

use crate::crypto::{FreshSession, Job, OpenedRequest, RequestKind};
use crate::frame::{Durable, Judged, Pending, StoreError, Unverified, Verified};
use crate::ids::UserRef;
use crate::keys::{Rejected, SymmetricKey};
use crate::server::Server;
use crate::server::answers::NotRecorded;
use crate::server::awaits::{
    AwaitJob, AwaitReconnectVerified, AwaitReconnectorFoundByPhone, AwaitStore,
};
use crate::server::state::entry::{Entry, Reconnecting, Request};
use crate::server::state::refusal::Refusal;
use crate::server::state::sharing::NewSession;
use crate::server::store::{Seq, SessionOutcome, StoreOp, User};
use crate::time::whole_secs;
use crate::wire::{ErrorCode, ReconnectRequest};

impl Server {
    pub(in crate::server) fn reconnect(&mut self, request: Request) {
        if !self.is_timely(&request.packet) {
            return self.refuse_request(&request, ErrorCode::ClockSkew);
        }
        if let Some(id) = request.packet.header().sender {
            let op = StoreOp::FindUser(UserRef::Id(id));
            return self.out.store(op, AwaitStore::ReconnectorFound(request));
        }
        let Some(peer) = self.peer(request.conn) else { return };
        if let Err(too_many) = self.admission.unproven_reconnect(peer, self.now.mono) {
            return self.refuse_and_slow(&request, too_many);
        }
        if !self.admit_stranger_job(request.conn) {
            return;
        }
        // Only the phone number inside tells who this is, so it is opened before anyone can verify
        // it. It proves nothing until it is verified.
        let job = Job::OpenRequest {
            packet: request.packet.clone(),
            signer: None,
            kind: RequestKind::Reconnect,
            key: self.key_of(request.conn),
        };
        self.out.compute(job, AwaitJob::ReconnectOpenedUnverified(request));
    }

    pub(in crate::server) fn on_reconnector_found(
        &mut self,
        request: Request,
        found: Result<Option<Box<User>>, StoreError>,
    ) {
        match found {
            Ok(Some(user)) => {
                let (limits, now) = (&self.config.limits, self.now.mono);
                if let Err(too_many) = self.user_meters.admits_reconnect(limits, user.id, now) {
                    return self.refuse_and_slow(&request, too_many);
                }
                let signer = user.public_key.clone();
                let key = self.key_of(request.conn);
                let (job, request) =
                    Unverified::open_request(request, signer, RequestKind::Reconnect, key);
                let request = Box::new(request);
                self.out.compute(job, AwaitJob::ReconnectOpened { request, user });
            }
            Ok(None) => {
                if self.admit_failure(&request) {
                    self.refuse_unknown(&request, None);
                }
            }
            Err(error) => {
                let code = self.store_failed(error);
                self.refuse_request(&request, code);
            }
        }
    }

    pub(in crate::server) fn on_reconnect_opened(
        &mut self,
        user: Box<User>,
        judged: Judged<Request, OpenedRequest>,
    ) {
        let (request, opened) = match judged {
            Ok((request, opened)) => (request, opened),
            Err(request) => {
                if self.admit_failure(&request) {
                    self.refuse_request(&request, ErrorCode::BadSignature);
                }
                return;
            }
        };
        let Some((opened, session)) = self.parse_reconnect(request.get(), opened) else { return };
        if user.phone != opened.phone {
            return self.refuse_unknown(request.get(), Some(&opened.reply_key));
        }
        self.record_reconnect(request, opened.reply_key, user, session);
    }

    pub(in crate::server) fn on_reconnect_opened_unverified(
        &mut self,
        request: Request,
        opened: Result<OpenedRequest, Rejected>,
    ) {
        let Ok(opened) = opened else {
            return self.refuse_request(&request, ErrorCode::BadSignature);
        };
        let Some((opened, session)) = self.parse_reconnect(&request, opened) else { return };
        let op = StoreOp::FindUser(UserRef::Phone(opened.phone));
        let found = AwaitReconnectorFoundByPhone { request, opened, session };
        self.out.store(op, AwaitStore::ReconnectorFoundByPhone(Box::new(found)));
    }

    fn parse_reconnect(
        &mut self,
        request: &Request,
        opened: OpenedRequest,
    ) -> Option<(ReconnectRequest, FreshSession)> {
        let OpenedRequest { plaintext, session } = opened;
        // A host that draws no session key for a 106 has failed it.
        let Some(session) = session else {
            self.refuse_request(request, ErrorCode::BadSignature);
            return None;
        };
        let Ok(opened) = ReconnectRequest::parse(plaintext.expose()) else {
            self.refuse_request(request, ErrorCode::Malformed);
            return None;
        };
        Some((opened, session))
    }

    pub(in crate::server) fn on_reconnector_found_by_phone(
        &mut self,
        awaited: AwaitReconnectorFoundByPhone,
        found: Result<Option<Box<User>>, StoreError>,
    ) {
        let AwaitReconnectorFoundByPhone { request, opened, session } = awaited;
        let reply_key = opened.reply_key;
        let user = match found {
            Ok(user) => user,
            Err(error) => {
                let code = self.store_failed(error);
                return self.refuse_opened(&request, code, &reply_key);
            }
        };
        // A phone that nobody has registered gets the same work and the same answer as a wrong
        // signature, so that a 106 without an id does not tell who is registered. No client has the
        // server's own key, so the verification fails.
        let server_key = &self.config.server_key;
        let signer = user.as_ref().map_or(server_key, |user| &user.public_key).clone();
        let (job, request) = Unverified::verify(request, signer);
        let verified = AwaitReconnectVerified { request, reply_key, user, session };
        self.out.compute(job, AwaitJob::ReconnectVerified(Box::new(verified)));
    }

    pub(in crate::server) fn on_reconnect_verified(
        &mut self,
        judged: Judged<Request, ()>,
        reply_key: SymmetricKey,
        user: Option<Box<User>>,
        session: FreshSession,
    ) {
        match (judged, user) {
            (Ok((request, ())), Some(user)) => {
                self.record_reconnect(request, reply_key, user, session);
            }
            (Ok((request, ())), None) => {
                self.refuse_opened(request.get(), ErrorCode::BadSignature, &reply_key);
            }
            (Err(request), _) => {
                self.refuse_opened(&request, ErrorCode::BadSignature, &reply_key);
            }
        }
    }

    /// Records the date of a 106, which must be strictly newer than the last one. It is durable
    /// before anything follows from it: otherwise a recorded 106 could be replayed after a crash.
    fn record_reconnect(
        &mut self,
        request: Verified<Request>,
        reply_key: SymmetricKey,
        user: Box<User>,
        session: FreshSession,
    ) {
        let op = StoreOp::RecordReconnect {
            user: user.id,
            at: request.get().packet.header().timestamp,
            horizon: self.now.wall.plus_secs(whole_secs(self.config.limits.clock_skew)),
            aes_key: session.wrapped,
        };
        let reconnecting = Reconnecting { request, reply_key, user, session };
        self.out.store(op, AwaitStore::ReconnectRecorded(Box::new(Pending::new(reconnecting))));
    }

    pub(in crate::server) fn on_reconnect_recorded(
        &mut self,
        recorded: Result<(Durable<Reconnecting>, Seq), (Reconnecting, NotRecorded)>,
    ) {
        let (reconnecting, place) = match recorded {
            Ok(recorded) => recorded,
            Err((reconnecting, why)) => return self.refuse_reconnect(&reconnecting, why),
        };
        let Reconnecting { request, reply_key, user, .. } = reconnecting.get();
        let (user, conn) = (user.id, request.get().conn);
        let (limits, now) = (&self.config.limits, self.now.mono);
        if let Err(too_many) = self.user_meters.charge_reconnect(limits, user, now) {
            let refusal = Refusal::too_many(too_many).answering(&request.get().packet);
            return self.refuse(conn, refusal.sealed_with(reply_key));
        }
        if !self.connections.contains(conn) {
            // Its client has left, and may be elsewhere by now.
            return;
        }
        // From here this connection is the user's. What the old one held goes to the store first,
        // so that it is counted.
        self.displace(user);
        self.connections.begin_granting(user, conn);
        self.settle_mailbox(user);
        let session = NewSession { place, since: self.sharing.moment() };
        let reconnecting = Box::new(reconnecting);
        let begun = AwaitStore::SessionBegun { reconnecting, session };
        self.out.store(StoreOp::BeginSession { user, place }, begun);
    }

    fn refuse_reconnect(&mut self, reconnecting: &Reconnecting, why: NotRecorded) {
        let Reconnecting { request, reply_key, .. } = reconnecting;
        match why {
            NotRecorded::NotNewer => {
                if !self.admit_failure(request.get()) {
                    return;
                }
                let refusal = Refusal::new(ErrorCode::ClockSkew)
                    .answering(&request.get().packet)
                    .saying("not newer than the last reconnect")
                    .sealed_with(reply_key);
                self.refuse(request.get().conn, refusal);
            }
            NotRecorded::UnknownUser => self.refuse_unknown(request.get(), Some(reply_key)),
            NotRecorded::Suspended => self.refuse_suspended(reconnecting),
            NotRecorded::Failed(error) => {
                let code = self.store_failed(error);
                self.refuse_opened(request.get(), code, reply_key);
            }
        }
    }

    pub(in crate::server) fn on_session_begun(
        &mut self,
        reconnecting: Durable<Reconnecting>,
        session: NewSession,
        begun: Result<SessionOutcome, StoreError>,
    ) {
        let Reconnecting { request, reply_key, user, .. } = reconnecting.get();
        let (user, conn) = (user.id, request.get().conn);
        match begun {
            Ok(SessionOutcome::Begun(waiting)) => {
                self.grant(Entry::Reconnected { reconnecting, session, waiting });
            }
            Ok(SessionOutcome::Overtaken) => {
                self.connections.cancel_granting(user, conn);
                self.refuse_and_close(conn, Refusal::new(ErrorCode::Displaced));
            }
            Err(error) => {
                self.connections.cancel_granting(user, conn);
                let code = self.store_failed(error);
                self.refuse_opened(request.get(), code, reply_key);
            }
        }
    }

    /// A 106 names an id that no account has, or another account's phone: this refusal closes the
    /// connection.
    fn refuse_unknown(&mut self, request: &Request, reply_key: Option<&SymmetricKey>) {
        let refusal = Refusal::new(ErrorCode::UnknownUser).answering(&request.packet);
        let refusal = Refusal { reply_key: reply_key.cloned(), ..refusal };
        self.refuse_and_close(request.conn, refusal);
    }

    /// Only who signed the 106 learns that the account is suspended. It is charged like one that
    /// leads to a session: it cost as much.
    fn refuse_suspended(&mut self, reconnecting: &Reconnecting) {
        let Reconnecting { request, reply_key, user, .. } = reconnecting;
        let (limits, now) = (&self.config.limits, self.now.mono);
        let refusal = match self.user_meters.charge_reconnect(limits, user.id, now) {
            Ok(()) => self.suspended(),
            Err(too_many) => Refusal::too_many(too_many),
        };
        let refusal = refusal.answering(&request.get().packet).sealed_with(reply_key);
        self.refuse(request.get().conn, refusal);
    }

    /// Charges a 106 that names an id, and has failed or is a repeat, to its address. Over the rate,
    /// the stranger is disconnected without an answer. One without an id was charged before it was
    /// opened.
    fn admit_failure(&mut self, request: &Request) -> bool {
        if request.packet.header().sender.is_none() {
            return true;
        }
        let Some(peer) = self.peer(request.conn) else { return false };
        let admitted = self.admission.unproven_reconnect(peer, self.now.mono).is_ok();
        if !admitted {
            self.shed(request.conn);
        }
        admitted
    }
}
