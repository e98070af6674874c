//! Workers: they do a machine's jobs well, badly, or not yet.

use sealpost_core::crypto::{
    EmitError, FreshSession, Grant, Job, OpenedMessage, OpenedRequest, Outcome,
};
use sealpost_core::ids::{Phone, Ticket};
use sealpost_core::keys::{Plaintext, Rejected};
use sealpost_core::wire::{MessageHead, OAEP_LEN, Packet, RegisterRequest, SessionGrant};

use super::glass;
use crate::arb::Arb;

/// Who watches what a machine does.
pub(super) trait Watch {
    /// What the machine waits for.
    fn jobs(&mut self) -> &mut Vec<(Ticket, Job)>;
    /// Whether it is this machine's business.
    fn may_ask(job: &Job) -> bool;
    /// A packet's signature holds.
    fn verified(&mut self, packet: &Packet);
    /// A packet was opened, and holds this.
    fn opened(&mut self, packet: &Packet, plaintext: &Plaintext);
    /// A 100 asks for this phone.
    fn registers(&mut self, request: &Packet, phone: Phone);
}

/// A world with workers in it.
pub(super) trait Workers<'a> {
    type Witness: Watch;
    /// One of so many outcomes is a failure, another one arbitrary, and the others are good.
    const OUTCOMES: u64;

    fn arb(&mut self) -> &mut Arb<'a>;
    fn witness(&mut self) -> &mut Self::Witness;
    /// The machine is told.
    fn computed(&mut self, ticket: Ticket, outcome: Outcome);

    fn answer_one(&mut self) {
        let waiting = self.witness().jobs().len();
        if waiting == 0 {
            return;
        }
        let nth = self.arb().index(waiting);
        let (ticket, job) = self.witness().jobs().swap_remove(nth);
        let outcome = match self.arb().below(Self::OUTCOMES) {
            0 => fail(&job),
            1 => self.anything_from(job),
            _ => self.run(job),
        };
        self.computed(ticket, outcome);
    }

    fn answer_all(&mut self) {
        for (ticket, job) in std::mem::take(self.witness().jobs()) {
            let outcome = self.run(job);
            self.computed(ticket, outcome);
        }
    }

    /// What comes of a job if whoever signed and sealed was who they say.
    fn run(&mut self, job: Job) -> Outcome {
        assert!(Self::Witness::may_ask(&job), "not this machine's business");
        match job {
            Job::Verify { packet, .. } => {
                self.witness().verified(&packet);
                Outcome::Verified(Ok(()))
            }
            Job::OpenSealed { packet, at, .. } => {
                self.witness().verified(&packet);
                let opened = glass::open(&packet.payload()[at..]).ok_or(Rejected);
                if let Ok(plaintext) = &opened {
                    self.witness().opened(&packet, plaintext);
                }
                Outcome::Opened(opened)
            }
            Job::OpenRequest { packet, kind, .. } => {
                let Some(plaintext) = glass::unwrap(packet.payload()) else {
                    return Outcome::RequestOpened(Err(Rejected));
                };
                if let Ok(request) = RegisterRequest::parse(plaintext.expose()) {
                    self.witness().registers(&packet, request.phone);
                }
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::OpenGrant { packet, .. } => Outcome::GrantOpened(grant(&packet).ok_or(Rejected)),
            Job::OpenMessage { packet, .. } => {
                self.witness().verified(&packet);
                Outcome::MessageOpened(Ok(message(&packet)))
            }
            Job::Emit(draft) => Outcome::Emitted(glass::emit(&draft)),
        }
    }

    /// The same, with any plaintext inside.
    fn anything_from(&mut self, job: Job) -> Outcome {
        assert!(Self::Witness::may_ask(&job), "not this machine's business");
        let len = self.arb().index(64);
        let plaintext = Plaintext::new(self.arb().bytes(len).to_vec());
        match job {
            Job::OpenSealed { packet, .. } => {
                self.witness().verified(&packet);
                self.witness().opened(&packet, &plaintext);
                Outcome::Opened(Ok(plaintext))
            }
            Job::OpenRequest { kind, .. } => {
                let session = kind.leads_to_session().then(|| self.session());
                Outcome::RequestOpened(Ok(OpenedRequest { plaintext, session }))
            }
            Job::OpenGrant { .. } => {
                let (session_key, _) = glass::symmetric_key(3);
                let sealed = Some(plaintext);
                Outcome::GrantOpened(Ok(Grant { session_key, request_hash: [0; 32], sealed }))
            }
            Job::OpenMessage { packet, .. } => {
                self.witness().verified(&packet);
                Outcome::MessageOpened(Ok(OpenedMessage::Inner(plaintext)))
            }
            Job::Verify { .. } | Job::Emit(_) => self.run(job),
        }
    }

    fn session(&mut self) -> FreshSession {
        let (key, wrapped) = glass::symmetric_key(self.arb().byte());
        FreshSession { key, wrapped }
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
        Job::OpenRequest { .. } => Outcome::RequestOpened(Err(Rejected)),
        Job::OpenGrant { .. } => Outcome::GrantOpened(Err(Rejected)),
        Job::OpenMessage { .. } => Outcome::MessageOpened(Err(Rejected)),
        Job::Emit(_) => Outcome::Emitted(Err(EmitError)),
    }
}
