//! Registration: 100 → 200 or 150, 101 → 201 (PROTOCOL 4.2).

use alloc::boxed::Box;
use alloc::format;
use core::net::IpAddr;
use core::time::Duration;

use crate::crypto::{FreshSession, Job, OpenedRequest, RequestKind};
use crate::frame::{Durable, Judged, Misuse, Pending, StoreError, Unverified, Verified};
use crate::ids::{ConnId, Phone, UserId, UserRef};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey};
use crate::server::answers::NotCreated;
use crate::server::awaits::{AfterReply, AwaitDelivery, AwaitJob, AwaitStore, Registrant};
use crate::server::state::conn::Conn;
use crate::server::state::entry::{Confirming, Entry, Registering, Request};
use crate::server::state::otps::{Asked, Guess, Issued, IssuedOtp, Offer};
use crate::server::state::refusal::Refusal;
use crate::server::store::{StoreOp, User};
use crate::server::{
    DeliveryId, DeliveryOutcome, Notice, OtpChannel, OtpDelivery, RegisteredPhones, Server,
};
use crate::wire::{
    ConfirmRequest, ErrorCode, Op, OtpIssued, RegisterRequest, RegistrationRejected,
};

impl Server {
    pub(in crate::server) fn register(&mut self, request: Request) {
        if !self.is_timely(&request.packet) {
            return self.refuse_request(&request, ErrorCode::ClockSkew);
        }
        if !self.admit_registration(&request) {
            return;
        }
        // Nobody signs a 100: opening it proves nothing, and only a 200 or 150 follows.
        let job = Job::OpenRequest {
            packet: request.packet.clone(),
            signer: None,
            kind: RequestKind::Register,
            key: self.key_of(request.conn),
        };
        self.out.compute(job, AwaitJob::RegisterOpened(request));
    }

    pub(in crate::server) fn on_register_opened(
        &mut self,
        request: Request,
        opened: Result<OpenedRequest, Rejected>,
    ) {
        let Ok(opened) = opened else {
            return self.refuse_request(&request, ErrorCode::BadSignature);
        };
        let Ok(opened) = RegisterRequest::parse(opened.plaintext.expose()) else {
            return self.refuse_request(&request, ErrorCode::Malformed);
        };
        // A recorded 100 that was dated anew ends here.
        if opened.timestamp != request.packet.header().timestamp {
            return self.refuse_opened(&request, ErrorCode::Malformed, &opened.reply_key);
        }
        self.admit_registrant(request, opened);
    }

    /// The sender of a 100 may register.
    pub(in crate::server) fn find_registrant(&mut self, registrant: Registrant) {
        match self.config.registered_phones {
            RegisteredPhones::Told => {
                let op = StoreOp::FindUser(UserRef::Phone(registrant.opened.phone));
                self.out.store(op, AwaitStore::RegistrantFound(Box::new(registrant)));
            }
            // Nothing is looked up, so nothing about the answer can depend on it.
            RegisteredPhones::Hidden => self.issue_otp(&registrant),
        }
    }

    pub(in crate::server) fn on_registrant_found(
        &mut self,
        registrant: &Registrant,
        found: &Result<Option<Box<User>>, StoreError>,
    ) {
        let Registrant { request, opened, .. } = registrant;
        match found {
            Err(error) => {
                let code = self.store_failed(*error);
                self.refuse_opened(request, code, &opened.reply_key);
            }
            Ok(Some(_)) => self.reject_registration(request, &opened.reply_key),
            Ok(None) => self.issue_otp(registrant),
        }
    }

    /// 150.
    fn reject_registration(&mut self, request: &Request, reply_key: &SymmetricKey) {
        let in_reply_to = request.packet.request_hash().in_reply_to();
        let rejected = RegistrationRejected { in_reply_to };
        let draft =
            self.sealed(request.conn, None, Op::RegistrationRejected, reply_key, rejected.emit());
        self.reply(request.conn, draft, AfterReply::NextRequest);
    }

    fn issue_otp(&mut self, registrant: &Registrant) {
        let Registrant { request, opened, invitation } = registrant;
        let Some(peer) = self.peer(request.conn) else { return };
        let awaited = AwaitDelivery {
            conn: request.conn,
            in_reply_to: request.packet.request_hash().in_reply_to(),
            phone: opened.phone,
            reply_key: opened.reply_key.clone(),
        };
        let Self { otps, config, entropy, now, .. } = self;
        let asked = Asked {
            phone: opened.phone,
            reply_key: &opened.reply_key,
            invitation: *invitation,
            peer,
        };
        match otps.issue(config, entropy, asked, now.mono) {
            Issued::Offered(offer) => self.offer_otp(&awaited, offer),
            Issued::ToDeliver(Offer { otp, ttl, .. }) => {
                let id = DeliveryId(self.deliveries.insert(awaited));
                let (phone, ttl_secs) = (opened.phone, whole_secs(ttl));
                self.out.deliver(OtpDelivery { id, peer, phone, otp, ttl_secs });
            }
            Issued::BeingDelivered => {
                self.refuse_opened(request, ErrorCode::Unavailable, &opened.reply_key);
            }
            Issued::TooMany(too_many) => {
                self.counters.otps_refused += 1;
                let refusal = Refusal::too_many(too_many).answering(&request.packet);
                self.refuse(request.conn, refusal.sealed_with(&opened.reply_key));
            }
        }
    }

    /// The host says whether a password is on its way. Only then does the client get its 200, so
    /// that nobody waits for a password that nobody sends.
    pub(in crate::server) fn on_delivery_answered(
        &mut self,
        id: DeliveryId,
        outcome: DeliveryOutcome,
    ) {
        let Some(awaited) = self.deliveries.remove(id.0) else {
            return self.report(Err(Misuse::UnexpectedOutcome));
        };
        let AwaitDelivery { conn, in_reply_to, phone, reply_key } = &awaited;
        let offer = match outcome {
            DeliveryOutcome::Accepted => self.otps.delivered(*phone, reply_key, self.now.mono),
            DeliveryOutcome::Refused => {
                self.counters.otps_undelivered += 1;
                self.otps.withdraw(*phone, reply_key, self.now.mono);
                None
            }
        };
        if let Some(offer) = offer {
            return self.offer_otp(&awaited, offer);
        }
        let refusal = Refusal::new(ErrorCode::Unavailable).in_reply_to(*in_reply_to);
        self.refuse(*conn, refusal.sealed_with(reply_key));
    }

    /// 200.
    fn offer_otp(&mut self, awaited: &AwaitDelivery, offer: Offer) {
        let AwaitDelivery { conn, in_reply_to, reply_key, .. } = awaited;
        let Offer { otp, ttl, attempts_left, channel } = offer;
        let in_band = match channel {
            OtpChannel::InBand => Some(otp),
            OtpChannel::OutOfBand => None,
        };
        self.counters.otps_offered += 1;
        let issued = OtpIssued {
            in_reply_to: *in_reply_to,
            ttl_secs: whole_secs(ttl),
            attempts: attempts_left,
            otp: in_band,
        };
        let draft = self.sealed(*conn, None, Op::OtpIssued, reply_key, issued.emit());
        self.reply(*conn, draft, AfterReply::NextRequest);
    }

    pub(in crate::server) fn confirm(&mut self, request: Request, public_key_der: &[u8]) {
        if !self.is_timely(&request.packet) {
            return self.refuse_request(&request, ErrorCode::ClockSkew);
        }
        if !self.admit_registration(&request) {
            return;
        }
        let Ok(public_key) = PublicKey::from_der(public_key_der) else {
            return self.refuse_request(&request, ErrorCode::KeyRejected);
        };
        let key = self.key_of(request.conn);
        let confirming = Confirming { request, public_key: public_key.clone() };
        let (job, confirming) =
            Unverified::open_request(confirming, public_key, RequestKind::Confirm, key);
        self.out.compute(job, AwaitJob::ConfirmOpened(Box::new(confirming)));
    }

    pub(in crate::server) fn on_confirm_opened(
        &mut self,
        judged: Judged<Confirming, OpenedRequest>,
    ) {
        match judged {
            Ok((confirming, OpenedRequest { plaintext, session: Some(session) })) => {
                self.guess_otp(confirming, &plaintext, session);
            }
            // A host that draws no session key for a 101 has failed it.
            Ok((confirming, OpenedRequest { session: None, .. })) => {
                self.refuse_request(&confirming.get().request, ErrorCode::BadSignature);
            }
            Err(Confirming { request, .. }) => {
                self.refuse_request(&request, ErrorCode::BadSignature);
            }
        }
    }

    fn guess_otp(
        &mut self,
        confirming: Verified<Confirming>,
        plaintext: &Plaintext,
        session: FreshSession,
    ) {
        let Confirming { request, public_key } = confirming.get();
        let Ok(confirm) = ConfirmRequest::parse(plaintext.expose()) else {
            return self.refuse_request(request, ErrorCode::Malformed);
        };
        let ConfirmRequest { reply_key, otp, fingerprint, phone } = confirm;
        // The password vouches for one key only: an attacker who swapped the key on the way ends
        // here.
        if fingerprint != *public_key.fingerprint() {
            return self.refuse_opened(request, ErrorCode::BadSignature, &reply_key);
        }
        match self.otps.guess(&self.config.limits, phone, &reply_key, &otp, self.now.mono) {
            Guess::Expired => self.refuse_opened(request, ErrorCode::OtpExpired, &reply_key),
            Guess::Wrong { attempts_left } => {
                self.counters.wrong_guesses += 1;
                let plural = if attempts_left == 1 { "" } else { "s" };
                let refusal = Refusal::new(ErrorCode::OtpRejected)
                    .answering(&request.packet)
                    .saying(format!("{attempts_left} attempt{plural} left"))
                    .sealed_with(&reply_key);
                self.refuse(request.conn, refusal);
            }
            Guess::TooMany(too_many) => {
                let refusal = Refusal::too_many(too_many).answering(&request.packet);
                self.refuse(request.conn, refusal.sealed_with(&reply_key));
            }
            Guess::Right(otp) => {
                let op = StoreOp::CreateUser {
                    phone,
                    public_key: public_key.clone(),
                    aes_key: session.wrapped,
                    at: request.packet.header().timestamp,
                    max_id: self.config.profile.max_user_id(),
                    invitation: otp.invitation().map(|hash| self.presented(hash)),
                };
                let registering = Registering { confirming, reply_key, phone, session, otp };
                let pending = Box::new(Pending::new(registering));
                self.out.store(op, AwaitStore::UserCreated(pending));
            }
        }
    }

    pub(in crate::server) fn on_user_created(
        &mut self,
        created: Result<(Durable<Registering>, UserId), (Registering, NotCreated)>,
    ) {
        let (registering, why) = match created {
            Ok((registering, user)) => {
                self.counters.registrations += 1;
                self.out.notify(Notice::Registered { user });
                return self.grant(Entry::Registered { registering, user });
            }
            Err(not_created) => not_created,
        };
        let Registering { confirming, reply_key, phone, otp, .. } = registering;
        let request = &confirming.get().request;
        let code = match why {
            // Whoever holds the right password may know that the phone is registered.
            NotCreated::PhoneTaken => return self.reject_registration(request, &reply_key),
            NotCreated::InvitationRejected => {
                return self.reject_invitation(request, &reply_key);
            }
            NotCreated::NoIdLeft => ErrorCode::ServerFull,
            NotCreated::StoreFull => {
                self.otps.restore(phone, otp, self.now.mono);
                self.out.notify(Notice::StoreFull);
                ErrorCode::Unavailable
            }
            NotCreated::Failed(error) => self.restore_otp(phone, otp, error),
        };
        self.refuse_opened(request, code, &reply_key);
    }

    /// The password was right and the store failed: the client may try again with it.
    fn restore_otp(&mut self, phone: Phone, otp: IssuedOtp, error: StoreError) -> ErrorCode {
        self.otps.restore(phone, otp, self.now.mono);
        self.store_failed(error)
    }

    /// Counts a registration request of the connection's address; refuses it if there are too many.
    fn admit_registration(&mut self, request: &Request) -> bool {
        let Some(peer) = self.peer(request.conn) else { return false };
        let admitted = self.admission.registration(peer, self.now.mono);
        if let Err(too_many) = admitted {
            self.refuse_and_slow(request, too_many);
        }
        admitted.is_ok() && self.admit_stranger_job(request.conn)
    }

    /// Address of the other end; `None` if the connection is gone.
    pub(in crate::server) fn peer(&self, conn: ConnId) -> Option<IpAddr> {
        self.connections.get(conn).map(Conn::peer)
    }
}

/// Whole seconds; `Limits` allows a password no more than 65,535.
fn whole_secs(ttl: Duration) -> u16 {
    u16::try_from(ttl.as_secs()).unwrap_or(u16::MAX)
}
