//! Workers: they do the server's jobs well, badly, or not yet.

use sealpost_core::crypto::{
    EmitError, FreshSession, Job, OpenedRequest, Outcome, Plaintext, Rejected,
};
use sealpost_core::ids::Ticket;
use sealpost_core::machine::Event;
use sealpost_core::wire::RegisterRequest;

use super::World;
use crate::fuzz::glass;

impl World<'_> {
    pub(super) fn answer_one(&mut self) {
        if !self.witness.jobs.is_empty() {
            let nth = self.arb.index(self.witness.jobs.len());
            let (ticket, job) = self.witness.jobs.swap_remove(nth);
            let outcome = match self.arb.below(16) {
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

    /// What a peer who means well leads to.
    fn run(&mut self, job: Job) -> Outcome {
        match job {
            Job::Verify { packet, .. } => {
                self.witness.verified(&packet);
                Outcome::Verified(Ok(()))
            }
            Job::OpenSealed { packet, at, .. } => {
                self.witness.verified(&packet);
                Outcome::Opened(glass::open(&packet.payload()[at..]).ok_or(Rejected))
            }
            Job::OpenRequest { packet, kind, .. } => {
                let Some(plaintext) = glass::unwrap(packet.payload()) else {
                    return Outcome::RequestOpened(Err(Rejected));
                };
                if let Ok(request) = RegisterRequest::parse(plaintext.expose()) {
                    self.witness.registers(&packet, request.phone);
                }
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::Emit(draft) => Outcome::Emitted(glass::emit(&draft)),
            Job::OpenGrant { .. } | Job::OpenMessage { .. } => panic!("a server opens neither"),
        }
    }

    /// The same, with any plaintext inside.
    fn anything_from(&mut self, job: Job) -> Outcome {
        let len = self.arb.index(64);
        let plaintext = Plaintext::new(self.arb.bytes(len).to_vec());
        match job {
            Job::OpenSealed { packet, .. } => {
                self.witness.verified(&packet);
                self.witness.opened(&packet, &plaintext);
                Outcome::Opened(Ok(plaintext))
            }
            Job::OpenRequest { kind, .. } => {
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::Verify { .. } | Job::Emit(_) | Job::OpenGrant { .. } | Job::OpenMessage { .. } => {
                self.run(job)
            }
        }
    }

    fn session(&mut self) -> FreshSession {
        let (key, wrapped) = glass::symmetric_key(self.arb.byte());
        FreshSession { key, wrapped }
    }
}

/// What a peer who means ill, or a broken key, leads to.
fn fail(job: &Job) -> Outcome {
    match job {
        Job::Verify { .. } => Outcome::Verified(Err(Rejected)),
        Job::OpenSealed { .. } => Outcome::Opened(Err(Rejected)),
        Job::OpenRequest { .. } => Outcome::RequestOpened(Err(Rejected)),
        Job::Emit(_) => Outcome::Emitted(Err(EmitError)),
        Job::OpenGrant { .. } | Job::OpenMessage { .. } => panic!("a server opens neither"),
    }
}
