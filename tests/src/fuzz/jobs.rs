//! Runs the jobs of a fuzzed machine: correctly, with a failure, or with arbitrary contents.

use sealpost_core::crypto::{
    EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome,
};
use sealpost_core::frame::Event;
use sealpost_core::ids::Ticket;
use sealpost_core::keys::{Plaintext, Rejected};
use sealpost_core::wire::{MessageHead, OAEP_LEN, Packet, ReconnectRequest, SessionGrant};

use super::bed::{FuzzBed, FuzzedMachine, Observer};
use super::null_crypto;

impl<M: FuzzedMachine> FuzzBed<'_, M> {
    /// Answers one job, possibly ahead of earlier ones.
    pub(super) fn answer_one_job(&mut self) {
        let waiting = self.observer.jobs().len();
        if waiting == 0 {
            return;
        }
        let nth = self.arb.index(waiting);
        let (ticket, job) = self.observer.jobs().swap_remove(nth);
        let outcome = match self.arb.below(M::JOB_OUTCOMES) {
            0 => fail(&job),
            1 => self.run_with_any_plaintext(job),
            _ => self.run_job(job),
        };
        self.report_job(ticket, outcome);
    }

    /// Answers every job correctly, in order.
    pub(super) fn answer_all_jobs(&mut self) {
        for (ticket, job) in std::mem::take(self.observer.jobs()) {
            let outcome = self.run_job(job);
            self.report_job(ticket, outcome);
        }
    }

    /// Outcome of a job whose packet is signed and sealed by the right party.
    fn run_job(&mut self, job: Job) -> Outcome {
        assert!(M::Observer::may_request(&job), "not a job of this machine");
        match job {
            Job::Verify { packet, .. } => {
                self.observer.verified(&packet);
                Outcome::Verified(Ok(()))
            }
            Job::OpenSealed { packet, at, .. } => {
                self.observer.verified(&packet);
                let opened = null_crypto::open(&packet.payload()[at..]).ok_or(Rejected);
                if let Ok(plaintext) = &opened {
                    self.observer.opened(&packet, plaintext);
                }
                Outcome::Opened(opened)
            }
            Job::OpenRequest { packet, kind, .. } => {
                let Some(plaintext) = null_crypto::unwrap(packet.payload()) else {
                    return Outcome::RequestOpened(Err(Rejected));
                };
                // A 100 begins like a 106.
                if let Ok(request) = ReconnectRequest::parse(plaintext.expose()) {
                    self.observer.registers(&packet, request.phone);
                }
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::OpenGrant { packet, .. } => Outcome::GrantOpened(grant(&packet).ok_or(Rejected)),
            Job::OpenMessage { packet, .. } => {
                self.observer.verified(&packet);
                Outcome::MessageOpened(Ok(message(&packet)))
            }
            Job::Emit(draft) => Outcome::Emitted(null_crypto::emit(&draft)),
        }
    }

    /// Outcome of a job whose packet is signed by the right party, and opens to any plaintext.
    fn run_with_any_plaintext(&mut self, job: Job) -> Outcome {
        assert!(M::Observer::may_request(&job), "not a job of this machine");
        let len = self.arb.index(64);
        let plaintext = Plaintext::new(self.arb.bytes(len).to_vec());
        match job {
            Job::OpenSealed { packet, .. } => {
                self.observer.verified(&packet);
                self.observer.opened(&packet, &plaintext);
                Outcome::Opened(Ok(plaintext))
            }
            Job::OpenRequest { kind, .. } => {
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::OpenGrant { .. } => {
                let (session_key, _) = null_crypto::symmetric_key(3);
                let sealed = Some(plaintext);
                let successor = None;
                let grant = Grant { session_key, request_hash: [0; 32], successor, sealed };
                Outcome::GrantOpened(Ok(grant))
            }
            Job::OpenMessage { packet, .. } => {
                self.observer.verified(&packet);
                Outcome::MessageOpened(Ok(OpenedMessage::Inner(plaintext)))
            }
            Job::Verify { .. } | Job::Emit(_) => self.run_job(job),
        }
    }

    fn report_job(&mut self, ticket: Ticket, outcome: Outcome) {
        self.observer.before_job_outcome(ticket);
        self.event(Event::Computed(ticket, outcome));
    }

    fn session(&mut self) -> FreshSession {
        let (key, wrapped) = null_crypto::symmetric_key(self.arb.byte());
        FreshSession { key, wrapped }
    }
}

fn grant(packet: &Packet) -> Option<Grant> {
    let (wrapped, sealed) = packet.payload().split_at_checked(OAEP_LEN)?;
    let granted = SessionGrant::parse(null_crypto::unwrap(wrapped)?.expose()).ok()?;
    let SessionGrant { session_key, request_hash, successor } = granted;
    let sealed = if sealed.is_empty() { None } else { Some(null_crypto::open(sealed)?) };
    Some(Grant { session_key, request_hash: request_hash.0, successor, sealed })
}

fn message(packet: &Packet) -> OpenedMessage {
    let opened = MessageHead::parse(packet.payload())
        .ok()
        .filter(|(head, _)| head.suite == MessageHead::SUITE_1)
        .and_then(|(_, body)| null_crypto::open(body.get(OAEP_LEN..)?));
    opened.map_or(OpenedMessage::Undecryptable, OpenedMessage::Inner)
}

/// Outcome of a job that fails: a forged packet, or a broken key.
fn fail(job: &Job) -> Outcome {
    match job {
        Job::Verify { .. } => Outcome::Verified(Err(Rejected)),
        Job::OpenSealed { .. } => Outcome::Opened(Err(Rejected)),
        Job::OpenRequest { .. } => Outcome::RequestOpened(Err(Rejected)),
        Job::OpenGrant { .. } => Outcome::GrantOpened(Err(Rejected)),
        Job::OpenMessage { .. } => Outcome::MessageOpened(Err(Rejected)),
        Job::Emit(_) => Outcome::Emitted(Err(EmitError)),
    }
}
