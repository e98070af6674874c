//! Registration: 100 → 200 or 150, 101 → 201 (PROTOCOL 4.2).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;

use super::awaits::{
    AfterReply, Await, AwaitConfirmOpened, AwaitGranted, AwaitRegisterOpened, AwaitRegistrantFound,
    AwaitUserCreated, Request,
};
use super::mailbox::Start;
use super::reply::Refusal;
use super::{Notice, OtpChannel, OtpDelivery, Server, Timer};
use crate::crypto::{Job, OpenedRequest, RequestKind};
use crate::entropy::Entropy;
use crate::ids::{Phone, UserRef};
use crate::keys::{PublicKey, Rejected};
use crate::server::limits::Limits;
use crate::server::store::{CreateOutcome, StoreOp, StoreOutcome, StoreReply, User};
use crate::time::{Mono, Now};
use crate::wire::{
    ConfirmRequest, ErrorCode, Op, Otp, OtpIssued, RegisterRequest, RegistrationRejected,
};

/// The one-time passwords that are alive, one a phone at most.
#[derive(Debug, Default)]
pub(super) struct Otps(BTreeMap<Phone, LiveOtp>);

/// A one-time password that is alive.
#[derive(Debug)]
pub(super) struct LiveOtp {
    otp: Otp,
    expires: Mono,
    attempts_left: u8,
}

/// What a guess comes to.
#[derive(Debug)]
enum Guess {
    /// Right; the password is used up.
    Right(LiveOtp),
    /// Wrong; so many guesses are left. After the last the password is void.
    Wrong { attempts_left: u8 },
    /// There is no live password for this phone.
    Expired,
}

impl Otps {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Draws a password for a phone, in place of an earlier one. `None` if too many are alive.
    fn issue(
        &mut self,
        limits: &Limits,
        entropy: &mut Entropy,
        phone: Phone,
        now: Mono,
    ) -> Option<Otp> {
        if self.0.len() >= limits.otps {
            self.0.retain(|_, live| live.expires > now);
        }
        if self.0.len() >= limits.otps && !self.0.contains_key(&phone) {
            return None;
        }
        let otp = Otp::from_number(u32::try_from(entropy.below(1_000_000)).ok()?)?;
        let live = LiveOtp {
            otp: otp.clone(),
            expires: now + limits.otp_ttl,
            attempts_left: limits.otp_attempts,
        };
        self.0.insert(phone, live);
        Some(otp)
    }

    fn guess(&mut self, phone: Phone, guess: &Otp, now: Mono) -> Guess {
        let Some(mut live) = self.0.remove(&phone).filter(|live| live.expires > now) else {
            return Guess::Expired;
        };
        if live.otp.ct_eq(guess) {
            return Guess::Right(live);
        }
        live.attempts_left = live.attempts_left.saturating_sub(1);
        let attempts_left = live.attempts_left;
        if attempts_left > 0 {
            self.0.insert(phone, live);
        }
        Guess::Wrong { attempts_left }
    }

    /// Gives back a password that was right but came to nothing, unless a newer one is alive.
    fn restore(&mut self, phone: Phone, live: LiveOtp) {
        self.0.entry(phone).or_insert(live);
    }
}

impl Server {
    pub(super) fn register(&mut self, now: Now, request: Request) {
        if !self.is_timely(now, &request.packet) {
            return self.refuse_request(now, &request, ErrorCode::ClockSkew, None);
        }
        if !self.admit_registration(now, &request) {
            return;
        }
        let job = Job::OpenRequest {
            packet: request.packet.clone(),
            signer: None,
            kind: RequestKind::Register,
        };
        self.out.compute(job, Await::RegisterOpened(AwaitRegisterOpened { request }));
    }

    pub(super) fn register_opened(
        &mut self,
        now: Now,
        await_opened: AwaitRegisterOpened,
        opened: Result<OpenedRequest, Rejected>,
    ) {
        let request = await_opened.request;
        let Ok(opened) = opened else {
            return self.refuse_request(now, &request, ErrorCode::BadSignature, None);
        };
        let Ok(RegisterRequest { reply_key, phone }) =
            RegisterRequest::parse(opened.plaintext.expose())
        else {
            return self.refuse_request(now, &request, ErrorCode::Malformed, None);
        };
        let found = AwaitRegistrantFound { request, reply_key, phone };
        self.out.store(StoreOp::FindUser(UserRef::Phone(phone)), Await::RegistrantFound(found));
    }

    pub(super) fn registrant_found(
        &mut self,
        now: Now,
        registrant: &AwaitRegistrantFound,
        found: &Result<Option<Box<User>>, ErrorCode>,
    ) {
        let AwaitRegistrantFound { request, reply_key, phone } = registrant;
        let in_reply_to = request.packet.request_hash().in_reply_to();
        match found {
            Err(code) => self.refuse_request(now, request, *code, Some(reply_key)),
            Ok(Some(_)) => {
                let rejected = RegistrationRejected { in_reply_to };
                let draft =
                    self.sealed(now, None, Op::RegistrationRejected, reply_key, rejected.emit());
                self.reply(now, request.conn, draft, AfterReply::NextRequest);
            }
            Ok(None) => {
                if let Err(too_many) = self.admission.otp(*phone, now.mono) {
                    let refusal = Refusal::too_many(too_many).in_reply_to(in_reply_to);
                    return self.refuse(now, request.conn, refusal, Some(reply_key));
                }
                self.issue_otp(now, registrant);
            }
        }
    }

    fn issue_otp(&mut self, now: Now, registrant: &AwaitRegistrantFound) {
        let AwaitRegistrantFound { request, reply_key, phone } = registrant;
        let limits = &self.config.limits;
        let Some(otp) = self.otps.issue(limits, &mut self.entropy, *phone, now.mono) else {
            return self.refuse_request(now, request, ErrorCode::RateLimited, Some(reply_key));
        };
        let ttl_secs = u16::try_from(limits.otp_ttl.as_secs()).unwrap_or(u16::MAX);
        let attempts = limits.otp_attempts;
        // Whoever waits for a password needs the time to read it.
        self.timers.arm(Timer::Handshake(request.conn), now.mono + limits.otp_ttl);
        let in_band = match self.config.otp_channel {
            OtpChannel::InBand => Some(otp),
            OtpChannel::OutOfBand => {
                self.out.deliver(OtpDelivery { phone: *phone, otp, ttl_secs });
                None
            }
        };
        let in_reply_to = request.packet.request_hash().in_reply_to();
        let issued = OtpIssued { in_reply_to, ttl_secs, attempts, otp: in_band };
        let draft = self.sealed(now, None, Op::OtpIssued, reply_key, issued.emit());
        self.reply(now, request.conn, draft, AfterReply::NextRequest);
    }

    pub(super) fn confirm(&mut self, now: Now, request: Request, public_key_der: &[u8]) {
        if !self.is_timely(now, &request.packet) {
            return self.refuse_request(now, &request, ErrorCode::ClockSkew, None);
        }
        if !self.admit_registration(now, &request) {
            return;
        }
        let Ok(public_key) = PublicKey::from_der(public_key_der) else {
            return self.refuse_request(now, &request, ErrorCode::KeyRejected, None);
        };
        let job = Job::OpenRequest {
            packet: request.packet.clone(),
            signer: Some(public_key.clone()),
            kind: RequestKind::Confirm,
        };
        self.out.compute(job, Await::ConfirmOpened(AwaitConfirmOpened { request, public_key }));
    }

    pub(super) fn confirm_opened(
        &mut self,
        now: Now,
        await_opened: AwaitConfirmOpened,
        opened: Result<OpenedRequest, Rejected>,
    ) {
        let AwaitConfirmOpened { request, public_key } = await_opened;
        let Ok(OpenedRequest { plaintext, session: Some(session) }) = opened else {
            return self.refuse_request(now, &request, ErrorCode::BadSignature, None);
        };
        let Ok(confirm) = ConfirmRequest::parse(plaintext.expose()) else {
            return self.refuse_request(now, &request, ErrorCode::Malformed, None);
        };
        let ConfirmRequest { reply_key, otp, fingerprint, phone } = confirm;
        // The password speaks for one key only: whoever swapped it on the way ends here.
        if fingerprint != *public_key.fingerprint() {
            return self.refuse_request(now, &request, ErrorCode::BadSignature, Some(&reply_key));
        }
        match self.otps.guess(phone, &otp, now.mono) {
            Guess::Expired => {
                self.refuse_request(now, &request, ErrorCode::OtpExpired, Some(&reply_key));
            }
            Guess::Wrong { attempts_left } => {
                let plural = if attempts_left == 1 { "" } else { "s" };
                let refusal = Refusal::new(ErrorCode::OtpRejected)
                    .answering(&request.packet)
                    .saying(format!("{attempts_left} attempt{plural} left"));
                self.refuse(now, request.conn, refusal, Some(&reply_key));
            }
            Guess::Right(otp) => {
                let op = StoreOp::CreateUser {
                    phone,
                    public_key: public_key.clone(),
                    aes_key: session.wrapped,
                    at: request.packet.header().timestamp,
                    max_id: self.config.profile.max_user_id(),
                };
                let created =
                    AwaitUserCreated { request, reply_key, phone, public_key, session, otp };
                self.out.store(op, Await::UserCreated(Box::new(created)));
            }
        }
    }

    pub(super) fn user_created(
        &mut self,
        now: Now,
        created: AwaitUserCreated,
        outcome: StoreOutcome,
    ) {
        let AwaitUserCreated { request, reply_key, phone, public_key, session, otp } = created;
        let code = match outcome {
            Ok(StoreReply::Created(CreateOutcome::Created(user))) => {
                self.out.notify(Notice::Registered(user));
                self.granting.insert(user, request.conn);
                let granted = AwaitGranted {
                    conn: request.conn,
                    user,
                    public_key,
                    session_key: session.key,
                    start: Start::Fresh,
                };
                return self.grant(now, &request.packet, granted, None);
            }
            // Somebody else's confirmation was faster, and has used the phone's password up.
            Ok(StoreReply::Created(CreateOutcome::PhoneTaken)) => ErrorCode::OtpExpired,
            Ok(StoreReply::Created(CreateOutcome::NoIdLeft)) => ErrorCode::ServerFull,
            other => {
                self.otps.restore(phone, otp);
                self.store_failed(&other)
            }
        };
        self.refuse_request(now, &request, code, Some(&reply_key));
    }

    /// Counts a registration request of the connection's address; refuses it if there are too many.
    fn admit_registration(&mut self, now: Now, request: &Request) -> bool {
        let Some(peer) = self.conns.get(&request.conn).map(|conn| conn.peer) else { return false };
        let admitted = self.admission.registration(peer, now.mono);
        if let Err(too_many) = admitted {
            self.refuse_and_slow(now, request, too_many);
        }
        admitted.is_ok()
    }
}
