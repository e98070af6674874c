//! Workers: they do the client's jobs well, badly, or not yet.

use sealpost_core::crypto::{EmitError, Grant, Job, OpenedMessage, Outcome, Plaintext, Rejected};
use sealpost_core::ids::Ticket;
use sealpost_core::machine::Event;
use sealpost_core::wire::{MessageHead, OAEP_LEN, Packet, SessionGrant};

use super::World;
use crate::fuzz::glass;

impl World<'_> {
    pub(super) fn answer_one(&mut self) {
        if !self.witness.jobs.is_empty() {
            let nth = self.arb.index(self.witness.jobs.len());
            let (ticket, job) = self.witness.jobs.swap_remove(nth);
            let outcome = match self.arb.below(12) {
                0 => fail(&job),
                1 => self.anything_from(job),
                _ => self.run(job),
            };
            self.computed(ticket, outcome);
        }
    }

    pub(super) fn answer_all(&mut self) {
        for (ticket, job) in std::mem::take(&mut self.witness.jobs) {
            let outcome = self.run(job);
            self.computed(ticket, outcome);
        }
    }

    fn computed(&mut self, ticket: Ticket, outcome: Outcome) {
        self.witness.answered(ticket);
        self.event(Event::Computed(ticket, outcome));
    }

    /// What comes of a job if whoever signed and sealed was who they say.
    fn run(&mut self, job: Job) -> Outcome {
        match job {
            Job::Verify { packet, .. } => {
                self.witness.verified(&packet);
                Outcome::Verified(Ok(()))
            }
            Job::OpenSealed { packet, at, .. } => {
                let opened = glass::open(&packet.payload()[at..]).ok_or(Rejected);
                if let Ok(plaintext) = &opened {
                    self.witness.opened(plaintext.expose());
                }
                Outcome::Opened(opened)
            }
            Job::OpenGrant { packet, .. } => Outcome::GrantOpened(grant(&packet).ok_or(Rejected)),
            Job::OpenMessage { packet, .. } => {
                self.witness.verified(&packet);
                Outcome::MessageOpened(Ok(message(&packet)))
            }
            Job::Emit(draft) => Outcome::Emitted(glass::emit(&draft)),
            Job::OpenRequest { .. } => panic!("a client opens none"),
        }
    }

    /// The same, with any plaintext inside.
    fn anything_from(&mut self, job: Job) -> Outcome {
        let len = self.arb.index(64);
        let plaintext = Plaintext::new(self.arb.bytes(len).to_vec());
        match job {
            Job::OpenSealed { .. } => {
                self.witness.opened(plaintext.expose());
                Outcome::Opened(Ok(plaintext))
            }
            Job::OpenMessage { packet, .. } => {
                self.witness.verified(&packet);
                Outcome::MessageOpened(Ok(OpenedMessage::Inner(plaintext)))
            }
            Job::OpenGrant { .. } => {
                let (session_key, _) = glass::symmetric_key(3);
                let sealed = Some(plaintext);
                Outcome::GrantOpened(Ok(Grant { session_key, request_hash: [0; 32], sealed }))
            }
            Job::Verify { .. } | Job::Emit(_) | Job::OpenRequest { .. } => self.run(job),
        }
    }
}

fn grant(packet: &Packet) -> Option<Grant> {
    let (wrapped, sealed) = packet.payload().split_at_checked(OAEP_LEN)?;
    let granted = SessionGrant::parse(glass::unwrap(wrapped)?.expose()).ok()?;
    let SessionGrant { session_key, request_hash } = granted;
    let sealed = if sealed.is_empty() { None } else { Some(glass::open(sealed)?) };
    Some(Grant { session_key, request_hash: request_hash.0, sealed })
}

fn message(packet: &Packet) -> OpenedMessage {
    let opened = MessageHead::parse(packet.payload())
        .ok()
        .filter(|(head, _)| head.suite == MessageHead::SUITE_1)
        .and_then(|(_, body)| glass::open(body.get(OAEP_LEN..)?));
    opened.map_or(OpenedMessage::Undecryptable, OpenedMessage::Inner)
}

/// What comes of a job if somebody means ill, or a key is broken.
fn fail(job: &Job) -> Outcome {
    match job {
        Job::Verify { .. } => Outcome::Verified(Err(Rejected)),
        Job::OpenSealed { .. } => Outcome::Opened(Err(Rejected)),
        Job::OpenGrant { .. } => Outcome::GrantOpened(Err(Rejected)),
        Job::OpenMessage { .. } => Outcome::MessageOpened(Err(Rejected)),
        Job::Emit(_) => Outcome::Emitted(Err(EmitError)),
        Job::OpenRequest { .. } => panic!("a client opens none"),
    }
}
