//! Who has which key: look-ups, their answers, and what people decide about a key that changed.

use super::awaits::{AwaitJob, AwaitStore};
use super::contacts::Learnt;
use super::lookups::Asker;
use super::notice::{LookupFailure, Notice, OfflineReason, Refusal, Suspicion};
use super::session::Leaving;
use super::store::{Binding, ClientOp, Failure};
use super::{Alarm, Client};
use crate::crypto::EmitError;
use crate::frame::StoreError;
use crate::ids::{Phone, UserRef};
use crate::keys::Fingerprint;
use crate::wire::{ErrorCode, ErrorReply, InReplyTo, Lookup, Op, Packet, PublicKeyAnswer};

impl Client {
    /// [`Command::Lookup`](super::Command::Lookup).
    pub(super) fn lookup(&mut self, phone: Phone) {
        let who = UserRef::Phone(phone);
        if self.lookups.len() >= self.config.limits.lookups_waiting {
            return self.notify(Notice::LookupFailed { who, failure: LookupFailure::Busy });
        }
        self.lookups.want(who, Asker::Application);
    }

    /// Asks for whom we want to know about.
    pub(super) fn ask_lookups(&mut self) {
        let (now, limit) = (self.now.mono, self.config.limits.lookups_at_once);
        while self.link.open_session(Leaving::No).is_some()
            && let Some(who) = self.lookups.next_to_ask(now, limit)
        {
            let lookup = match who {
                UserRef::Phone(phone) => Lookup::Phone(phone),
                UserRef::Id(user) => Lookup::Id(user),
            };
            self.emit_sealed(Op::RequestPublicKey, lookup.emit(), AwaitJob::Lookup(who));
        }
    }

    pub(super) fn on_lookup_made(&mut self, who: UserRef, made: Result<Packet, EmitError>) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.lookups.asked(who, packet.request_hash().in_reply_to());
        let at = self.now.mono + self.config.limits.request_timeout;
        self.timers.arm(Alarm::LookupAnswer(who), at);
        self.send(&packet);
    }

    /// No answer yet. On a slow connection it may stand behind much else: while that comes, the
    /// connection is alive. And the question may stand behind messages of ours: then it has their
    /// time.
    pub(super) fn on_lookup_overdue(&mut self, who: UserRef) {
        let limits = &self.config.limits;
        let patience = if self.outbox.awaits_acknowledgement() {
            limits.ack_timeout
        } else {
            limits.request_timeout
        };
        match self.silent_until(patience) {
            Some(at) => self.timers.arm(Alarm::LookupAnswer(who), at),
            None => self.lose(OfflineReason::TimedOut),
        }
    }

    /// 204 in a session.
    pub(super) fn on_key_answer(&mut self, answer: PublicKeyAnswer) {
        let PublicKeyAnswer { in_reply_to, user, phone, public_key } = answer;
        let names = |who| match who {
            UserRef::Phone(asked) => asked == phone,
            UserRef::Id(asked) => asked == user,
        };
        let Some((who, asker)) = self.answered(in_reply_to).filter(|(who, _)| names(*who)) else {
            return self.fault(Suspicion::UnaskedAnswer);
        };
        let learnt = self.learn(phone, Binding { user, public_key });
        match learnt {
            Ok(()) => {
                if asker == Asker::Application {
                    self.tell_found(phone);
                }
            }
            Err(failure) => self.tell_lookup_failed(who, asker, failure),
        }
        self.resume(who, learnt.map_err(|_| Refusal::LookupFailed));
        if learnt.is_ok() {
            // What waits for the same person under the other name must not be overtaken by what is
            // sent from now on.
            let other = match who {
                UserRef::Phone(_) => UserRef::Id(user),
                UserRef::Id(_) => UserRef::Phone(phone),
            };
            self.resume(other, Ok(()));
        }
    }

    /// Takes in whom the server says a phone number stands for.
    fn learn(&mut self, phone: Phone, binding: Binding) -> Result<(), LookupFailure> {
        match self.contacts.learn(phone, &binding) {
            Learnt::Known => {}
            Learnt::New => self.pin(ClientOp::PinContact { phone, binding }),
            Learnt::OfferWithdrawn => {
                self.store(ClientOp::WithdrawOffer { phone }, AwaitStore::Kept);
                self.notify(Notice::OfferWithdrawn { phone });
            }
            Learnt::Changed { pinned } => {
                let offered = *binding.public_key.fingerprint();
                self.store(ClientOp::OfferKey { phone, offered: binding }, AwaitStore::Kept);
                self.notify(Notice::KeyChanged { phone, pinned, offered });
            }
            Learnt::Contradiction => {
                let user = binding.user;
                self.notify(Notice::Suspicious(Suspicion::Contradiction { user }));
                return Err(LookupFailure::Contradiction);
            }
            Learnt::Full => return Err(LookupFailure::Busy),
        }
        Ok(())
    }

    /// A 244 that answers a look-up.
    pub(super) fn on_lookup_refused(&mut self, reply: &ErrorReply) {
        match reply.code {
            ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::ClockSkew => {
                let named = self.named_pause(reply.retry_after_secs.into());
                let at = self.now.mono + named.max(self.config.limits.lookup_retry);
                if let Some(who) = self.lookups.who(reply.in_reply_to) {
                    self.timers.cancel(Alarm::LookupAnswer(who));
                    self.timers.arm(Alarm::LookupRetry(who), at);
                }
                self.lookups.retry(reply.in_reply_to, at);
            }
            code @ (ErrorCode::UnknownUser
            | ErrorCode::Malformed
            | ErrorCode::BadSignature
            | ErrorCode::NotAuthenticated
            | ErrorCode::OtpRejected
            | ErrorCode::OtpExpired
            | ErrorCode::MailboxFull
            | ErrorCode::ServerFull
            | ErrorCode::Displaced
            | ErrorCode::ShuttingDown
            | ErrorCode::KeyRejected) => {
                let (failure, refusal) = if code == ErrorCode::UnknownUser {
                    (LookupFailure::UnknownUser, Refusal::UnknownUser)
                } else {
                    (LookupFailure::Refused(code), Refusal::LookupFailed)
                };
                let Some((who, asker)) = self.answered(reply.in_reply_to) else { return };
                self.tell_lookup_failed(who, asker, failure);
                self.resume(who, Err(refusal));
            }
        }
    }

    fn answered(&mut self, request: InReplyTo) -> Option<(UserRef, Asker)> {
        let (who, asker) = self.lookups.answered(request)?;
        self.timers.cancel(Alarm::LookupAnswer(who));
        Some((who, asker))
    }

    /// What waited for a look-up goes on.
    fn resume(&mut self, who: UserRef, found: Result<(), Refusal>) {
        for message in self.sealing.unpark(who) {
            match found {
                Ok(()) => self.send_to_contact(who, message),
                Err(refusal) => self.refuse(message, refusal),
            }
        }
        if let UserRef::Id(user) = who {
            self.unpark_messages(user);
        }
    }

    fn tell_found(&mut self, phone: Phone) {
        let Some(contact) = self.contacts.find(UserRef::Phone(phone)) else { return };
        self.notify(Notice::Found {
            phone,
            user: contact.pinned.user,
            fingerprint: *contact.pinned.public_key.fingerprint(),
            verification: contact.verification,
        });
    }

    fn tell_lookup_failed(&mut self, who: UserRef, asker: Asker, failure: LookupFailure) {
        if asker == Asker::Application {
            self.notify(Notice::LookupFailed { who, failure });
        }
    }

    /// [`Command::AcceptKey`](super::Command::AcceptKey).
    pub(super) fn accept_key(&mut self, phone: Phone, fingerprint: Fingerprint) {
        let Some(accepted) = self.contacts.offered(phone, &fingerprint).cloned() else {
            return self.notify(Notice::KeyMismatch { phone });
        };
        let op = ClientOp::AcceptKey { phone, accepted: accepted.clone() };
        self.store(op, AwaitStore::KeyAccepted { phone, accepted });
    }

    pub(super) fn on_key_accepted(
        &mut self,
        phone: Phone,
        accepted: Binding,
        kept: Result<(), StoreError>,
    ) {
        if kept.is_err() {
            return;
        }
        let fingerprint = *accepted.public_key.fingerprint();
        let Some(before) = self.contacts.accept(phone, accepted) else { return };
        self.notify(Notice::KeyAccepted { phone, fingerprint });
        let sealed_for_old_key = self.outbox.for_recipient(before);
        self.fail(sealed_for_old_key, Failure::KeyReplaced);
    }

    /// [`Command::MarkVerified`](super::Command::MarkVerified).
    pub(super) fn mark_verified(&mut self, phone: Phone, fingerprint: Fingerprint) {
        if !self.contacts.is_pinned(phone, &fingerprint) {
            return self.notify(Notice::KeyMismatch { phone });
        }
        let op = ClientOp::MarkVerified { phone, fingerprint };
        self.store(op, AwaitStore::Verified { phone, fingerprint });
    }

    pub(super) fn on_verified(
        &mut self,
        phone: Phone,
        fingerprint: Fingerprint,
        kept: Result<(), StoreError>,
    ) {
        if kept.is_ok() && self.contacts.is_pinned(phone, &fingerprint) {
            self.contacts.mark_verified(phone);
            self.notify(Notice::Verified { phone });
        }
    }
}
