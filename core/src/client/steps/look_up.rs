//! Looking users up: who has which id and key.

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::awaits::AwaitJob;
use crate::client::notice::{LookupFailure, Notice, OfflineReason, SendRefusal, Suspicion};
use crate::client::state::lookups::Asker;
use crate::client::state::session::Leaving;
use crate::client::store::Binding;
use crate::crypto::EmitError;
use crate::ids::{Phone, UserRef};
use crate::wire::{
    ErrorClass, ErrorCode, ErrorReply, InReplyTo, Lookup, Op, Packet, PublicKeyAnswer,
};

impl Client {
    /// [`Command::Lookup`](crate::client::Command::Lookup).
    pub(in crate::client) fn look_up(&mut self, phone: Phone) {
        let who = UserRef::Phone(phone);
        if self.lookups.len() >= self.config.limits.lookups_waiting {
            return self.out.notify(Notice::LookupFailed { who, failure: LookupFailure::Busy });
        }
        self.lookups.want(who, Asker::Application);
    }

    /// Asks the server for the users who are wanted.
    pub(in crate::client) fn ask_lookups(&mut self) {
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

    pub(in crate::client) fn on_lookup_made(
        &mut self,
        who: UserRef,
        made: Result<Packet, EmitError>,
    ) {
        let Ok(packet) = made else { return self.lose(OfflineReason::Local) };
        self.lookups.asked(who, packet.request_hash().in_reply_to());
        let at = self.now.mono + self.config.limits.request_timeout;
        self.alarms.arm(Alarm::LookupAnswer(who), at);
        self.send(&packet);
    }

    /// The answer to a look-up is overdue. On a slow connection it may be behind many other
    /// packets; while those arrive, the connection is alive. The request may also be behind
    /// messages of ours; then it has as much time as they have.
    pub(in crate::client) fn on_lookup_overdue(&mut self, who: UserRef) {
        let limits = &self.config.limits;
        let patience = if self.outbox.awaits_acknowledgement() {
            limits.ack_timeout
        } else {
            limits.request_timeout
        };
        match self.link.silent_until(patience, self.now.mono) {
            Some(at) => self.alarms.arm(Alarm::LookupAnswer(who), at),
            None => self.lose(OfflineReason::TimedOut),
        }
    }

    /// 204 in a session.
    pub(in crate::client) fn on_key_answer(&mut self, answer: PublicKeyAnswer) {
        let PublicKeyAnswer { in_reply_to, user, phone, public_key } = answer;
        let names = |who| match who {
            UserRef::Phone(asked) => asked == phone,
            UserRef::Id(asked) => asked == user,
        };
        let answered = self.lookup_answered(in_reply_to).filter(|(who, _)| names(*who));
        let Some((who, asker)) = answered else {
            return self.fault(Suspicion::UnaskedAnswer);
        };
        match self.learn(phone, Binding { user, public_key }) {
            Ok(()) => {
                if asker == Asker::Application {
                    self.tell_found(phone);
                }
                self.go_on_after_lookup(who, Ok(()));
                // What waits for the same person under the other name must not be overtaken by what
                // is sent from now on.
                let other = match who {
                    UserRef::Phone(_) => UserRef::Id(user),
                    UserRef::Id(_) => UserRef::Phone(phone),
                };
                self.go_on_after_lookup(other, Ok(()));
                self.end_recheck(phone, Ok(()));
            }
            Err(failure) => {
                self.tell_lookup_failed(who, asker, failure);
                self.go_on_after_lookup(who, Err(SendRefusal::LookupFailed));
                self.end_recheck(phone, Err(SendRefusal::LookupFailed));
            }
        }
    }

    /// A 244 that answers a look-up.
    pub(in crate::client) fn on_lookup_refused(&mut self, reply: &ErrorReply) {
        if reply.code == ErrorCode::UnknownUser {
            let (failure, refusal) = (LookupFailure::UnknownUser, SendRefusal::UnknownUser);
            return self.fail_lookup(reply, failure, refusal);
        }
        match reply.code.class() {
            ErrorClass::Temporary | ErrorClass::WrongTime => self.retry_lookup(reply),
            ErrorClass::Fault | ErrorClass::SessionOver | ErrorClass::Denied => {
                let failure = LookupFailure::Refused(reply.code);
                self.fail_lookup(reply, failure, SendRefusal::LookupFailed);
            }
        }
    }

    fn retry_lookup(&mut self, reply: &ErrorReply) {
        let named = self.named_pause(reply.retry_after_secs.into());
        let at = self.now.mono + named.max(self.config.limits.lookup_retry);
        if let Some(who) = self.lookups.who(reply.in_reply_to) {
            self.alarms.cancel(Alarm::LookupAnswer(who));
            self.alarms.arm(Alarm::LookupRetry(who), at);
        }
        self.lookups.retry(reply.in_reply_to, at);
    }

    fn fail_lookup(&mut self, reply: &ErrorReply, failure: LookupFailure, refusal: SendRefusal) {
        let Some((who, asker)) = self.lookup_answered(reply.in_reply_to) else { return };
        self.tell_lookup_failed(who, asker, failure);
        self.go_on_after_lookup(who, Err(refusal));
        if let UserRef::Phone(phone) = who {
            self.end_recheck(phone, Err(refusal));
        }
    }

    fn lookup_answered(&mut self, request: InReplyTo) -> Option<(UserRef, Asker)> {
        let (who, asker) = self.lookups.answered(request)?;
        self.alarms.cancel(Alarm::LookupAnswer(who));
        Some((who, asker))
    }

    /// What waited for a look-up goes on: messages of ours, and messages of this user to be
    /// verified.
    fn go_on_after_lookup(&mut self, who: UserRef, found: Result<(), SendRefusal>) {
        match found {
            Ok(()) => self.number_drafts(),
            Err(refusal) => self.refuse_drafts(who, refusal),
        }
        if let UserRef::Id(user) = who {
            self.unpark_messages(user);
        }
    }

    fn tell_found(&mut self, phone: Phone) {
        let Some(contact) = self.contacts.find(UserRef::Phone(phone)) else { return };
        self.out.notify(Notice::Found {
            phone,
            user: contact.pinned.user,
            fingerprint: *contact.pinned.public_key.fingerprint(),
            verification: contact.verification,
        });
    }

    fn tell_lookup_failed(&mut self, who: UserRef, asker: Asker, failure: LookupFailure) {
        if asker == Asker::Application {
            self.out.notify(Notice::LookupFailed { who, failure });
        }
    }
}
