//! Registration: 100 → 200 or 150, 101 → 201 (PROTOCOL 4.2).

use alloc::boxed::Box;
use alloc::format;

use crate::crypto::{FreshSession, Job, OpenedRequest, RequestKind};
use crate::frame::{Durable, Judged, Pending, StoreError, Unverified, Verified};
use crate::ids::{Phone, UserId, UserRef};
use crate::keys::{Plaintext, PublicKey, Rejected};
use crate::server::alarm::Alarm;
use crate::server::answers::NotCreated;
use crate::server::awaits::{AfterReply, AwaitJob, AwaitStore, Registrant};
use crate::server::state::entry::{Confirming, Entry, Registering, Request};
use crate::server::state::otps::{Guess, LiveOtp};
use crate::server::state::refusal::Refusal;
use crate::server::store::{StoreOp, User};
use crate::server::{Notice, OtpChannel, OtpDelivery, Server};
use crate::wire::{AccountRequest, ConfirmRequest, ErrorCode, Op, OtpIssued, RegistrationRejected};

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
        let Ok(AccountRequest { reply_key, phone }) =
            AccountRequest::parse(opened.plaintext.expose())
        else {
            return self.refuse_request(&request, ErrorCode::Malformed);
        };
        let registrant = Registrant { request, reply_key, phone };
        let op = StoreOp::FindUser(UserRef::Phone(phone));
        self.out.store(op, AwaitStore::RegistrantFound(Box::new(registrant)));
    }

    pub(in crate::server) fn on_registrant_found(
        &mut self,
        registrant: &Registrant,
        found: &Result<Option<Box<User>>, StoreError>,
    ) {
        let Registrant { request, reply_key, phone } = registrant;
        match found {
            Err(error) => {
                let code = self.store_failed(*error);
                self.refuse_opened(request, code, reply_key);
            }
            Ok(Some(_)) => {
                let in_reply_to = request.packet.request_hash().in_reply_to();
                let rejected = RegistrationRejected { in_reply_to };
                let draft = self.sealed(None, Op::RegistrationRejected, reply_key, rejected.emit());
                self.reply(request.conn, draft, AfterReply::NextRequest);
            }
            Ok(None) => match self.admission.otp(*phone, self.now.mono) {
                Ok(()) => self.issue_otp(registrant),
                Err(too_many) => {
                    let refusal = Refusal::too_many(too_many).answering(&request.packet);
                    self.refuse(request.conn, refusal.sealed_with(reply_key));
                }
            },
        }
    }

    fn issue_otp(&mut self, registrant: &Registrant) {
        let Registrant { request, reply_key, phone } = registrant;
        let limits = &self.config.limits;
        let otp = self.otps.issue(limits, &mut self.entropy, *phone, self.now.mono);
        let Some(otp) = otp else {
            return self.refuse_opened(request, ErrorCode::RateLimited, reply_key);
        };
        let ttl_secs = u16::try_from(limits.otp_ttl.as_secs()).unwrap_or(u16::MAX);
        let attempts = limits.otp_attempts;
        // A user who waits for a password needs time to read it.
        self.alarms.arm(Alarm::Handshake(request.conn), self.now.mono + limits.otp_ttl);
        let in_band = match self.config.otp_channel {
            OtpChannel::InBand => Some(otp),
            OtpChannel::OutOfBand => {
                self.out.deliver(OtpDelivery { phone: *phone, otp, ttl_secs });
                None
            }
        };
        let in_reply_to = request.packet.request_hash().in_reply_to();
        let issued = OtpIssued { in_reply_to, ttl_secs, attempts, otp: in_band };
        let draft = self.sealed(None, Op::OtpIssued, reply_key, issued.emit());
        self.reply(request.conn, draft, AfterReply::NextRequest);
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
        let confirming = Confirming { request, public_key: public_key.clone() };
        let (job, confirming) =
            Unverified::open_request(confirming, public_key, RequestKind::Confirm);
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
        match self.otps.guess(phone, &otp, self.now.mono) {
            Guess::Expired => self.refuse_opened(request, ErrorCode::OtpExpired, &reply_key),
            Guess::Wrong { attempts_left } => {
                let plural = if attempts_left == 1 { "" } else { "s" };
                let refusal = Refusal::new(ErrorCode::OtpRejected)
                    .answering(&request.packet)
                    .saying(format!("{attempts_left} attempt{plural} left"))
                    .sealed_with(&reply_key);
                self.refuse(request.conn, refusal);
            }
            Guess::Right(otp) => {
                let op = StoreOp::CreateUser {
                    phone,
                    public_key: public_key.clone(),
                    aes_key: session.wrapped,
                    at: request.packet.header().timestamp,
                    max_id: self.config.profile.max_user_id(),
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
                self.out.notify(Notice::Registered { user });
                return self.grant(Entry::Registered { registering, user });
            }
            Err(not_created) => not_created,
        };
        let Registering { confirming, reply_key, phone, otp, .. } = registering;
        let code = match why {
            // Another confirmation was faster, and has used up the phone's password.
            NotCreated::PhoneTaken => ErrorCode::OtpExpired,
            NotCreated::NoIdLeft => ErrorCode::ServerFull,
            NotCreated::Failed(error) => self.restore_otp(phone, otp, error),
        };
        self.refuse_opened(&confirming.get().request, code, &reply_key);
    }

    /// The password was right and the store failed: the client may try again with it.
    fn restore_otp(&mut self, phone: Phone, otp: LiveOtp, error: StoreError) -> ErrorCode {
        self.otps.restore(phone, otp);
        self.store_failed(error)
    }

    /// Counts a registration request of the connection's address; refuses it if there are too many.
    fn admit_registration(&mut self, request: &Request) -> bool {
        let Some(peer) =
            self.connections.get(request.conn).map(super::super::state::conn::Conn::peer)
        else {
            return false;
        };
        let admitted = self.admission.registration(peer, self.now.mono);
        if let Err(too_many) = admitted {
            self.refuse_and_slow(request, too_many);
        }
        admitted.is_ok() && self.admit_stranger_job(request.conn)
    }
}
