//! Proofs: values that say what has been established about what they hold.
//!
//! A proof is demanded as an argument by the code that acts on it, so that acting without it does
//! not compile. All of them are made on this page and nowhere else:
//!
//! ```text
//! Unverified::verify(value, signer)  ──▶ a Job,  and what waits for its outcome
//! Completed<Outcome> + Unverified<T> ──▶ Verified<T>,  if the signature holds
//! Completed<answer>  + Pending<T>    ──▶ Durable<T>,   if the store says that it is done
//! ```
//!
//! A [`Completed`] is made only when the host reports the outcome of a job or a store operation
//! under a ticket that was waiting for it. Both it and what waits are used up, so an outcome proves
//! one thing, once. A machine trusts its host's outcomes, as it must; it can't act without one.
//!
//! Nothing outside this module can make a proof, in this crate or in another:
//!
//! ```compile_fail,E0423
//! let forged = sealpost_core::frame::Verified("a packet that nobody verified");
//! ```
//!
//! ```compile_fail,E0423
//! let forged = sealpost_core::frame::Durable("a message that may be lost");
//! ```
//!
//! ```compile_fail,E0423
//! let forged = sealpost_core::frame::Completed(Ok::<(), ()>(()));
//! ```

use alloc::vec::Vec;

use super::{Misuse, StoreError};
use crate::crypto::{EmitError, Grant, Job, OpenedMessage, OpenedRequest, Outcome, RequestKind};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey};
use crate::wire::Packet;

/// Something that holds one packet, with its maker's signature.
pub trait Signed {
    /// The packet.
    fn packet(&self) -> &Packet;

    /// The packet alone.
    fn into_packet(self) -> Packet;
}

impl Signed for Packet {
    fn packet(&self) -> &Packet {
        self
    }

    fn into_packet(self) -> Packet {
        self
    }
}

/// Something whose packet is being verified.
#[derive(Debug)]
pub struct Unverified<T>(T);

/// Something whose packet carries the signature of the key that it was verified with.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

/// Something that the store is being asked to keep.
#[derive(Debug)]
pub struct Pending<T>(T);

/// Something that the store has committed: it survives a loss of power.
#[derive(Clone, Debug)]
pub struct Durable<T>(T);

/// An outcome that the host has reported under a ticket that was waiting for it.
#[derive(Debug)]
#[must_use = "what waits for an outcome must go on, also when it is a failure"]
pub struct Completed<O>(O);

/// The outcome is of another kind than what was asked for: the host's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongOutcome;

/// What a store's answer says of the things that it was asked to keep.
pub trait Answer {
    /// Whether the thing at this place among those asked for is durable now.
    fn keeps(&self, nth: usize) -> bool;
}

/// Jobs that verify a packet, each with what waits for it. The job takes the packet from the value,
/// so the proof can be about no other one.
impl<T: Signed> Unverified<T> {
    /// Verifies. → [`Completed::verified`]
    pub fn verify(value: T, signer: PublicKey) -> (Job, Self) {
        (Job::Verify { packet: value.packet().clone(), signer }, Self(value))
    }

    /// Verifies, then opens what is sealed from this place of the payload on.
    /// → [`Completed::opened`]
    pub fn open_sealed(value: T, signer: PublicKey, key: SymmetricKey, at: usize) -> (Job, Self) {
        (Job::OpenSealed { packet: value.packet().clone(), signer, key, at }, Self(value))
    }

    /// Verifies a request to the server, then opens it. → [`Completed::request_opened`]
    pub fn open_request(value: T, signer: PublicKey, kind: RequestKind) -> (Job, Self) {
        let (packet, signer) = (value.packet().clone(), Some(signer));
        (Job::OpenRequest { packet, signer, kind }, Self(value))
    }

    /// Verifies a 201 or 206, then opens it. → [`Completed::grant_opened`]
    pub fn open_grant(value: T, signer: PublicKey) -> (Job, Self) {
        (Job::OpenGrant { packet: value.packet().clone(), signer }, Self(value))
    }

    /// Verifies a message, then opens it. → [`Completed::message_opened`]
    pub fn open_message(value: T, signer: PublicKey) -> (Job, Self) {
        (Job::OpenMessage { packet: value.packet().clone(), signer }, Self(value))
    }
}

impl<T> Unverified<T> {
    fn judge<O>(self, outcome: Result<O, Rejected>) -> Result<(Verified<T>, O), T> {
        match outcome {
            Ok(opened) => Ok((Verified(self.0), opened)),
            Err(Rejected) => Err(self.0),
        }
    }
}

impl<T> Verified<T> {
    /// What was verified.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was verified, without the proof: for what needs none.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Signed> Verified<T> {
    /// The packet alone; it is what was verified.
    pub fn into_packet(self) -> Verified<Packet> {
        Verified(self.0.into_packet())
    }
}

/// What a job that verifies brings: the proof, and what was opened with it; or the value back.
pub type Judged<T, O> = Result<(Verified<T>, O), T>;

impl Completed<Outcome> {
    /// Of [`Unverified::verify`].
    pub fn verified<T>(self, value: Unverified<T>) -> Result<Judged<T, ()>, WrongOutcome> {
        let Outcome::Verified(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Of [`Unverified::open_sealed`].
    pub fn opened<T>(self, value: Unverified<T>) -> Result<Judged<T, Plaintext>, WrongOutcome> {
        let Outcome::Opened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Of [`Unverified::open_request`].
    pub fn request_opened<T>(
        self,
        value: Unverified<T>,
    ) -> Result<Judged<T, OpenedRequest>, WrongOutcome> {
        Ok(value.judge(self.unsigned_request_opened()?))
    }

    /// Of a [`Job::OpenRequest`] without a signer: opened, and proved to be nobody's.
    pub fn unsigned_request_opened(self) -> Result<Result<OpenedRequest, Rejected>, WrongOutcome> {
        let Outcome::RequestOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(outcome)
    }

    /// Of [`Unverified::open_grant`].
    pub fn grant_opened<T>(self, value: Unverified<T>) -> Result<Judged<T, Grant>, WrongOutcome> {
        let Outcome::GrantOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Of [`Unverified::open_message`].
    pub fn message_opened<T>(
        self,
        value: Unverified<T>,
    ) -> Result<Judged<T, OpenedMessage>, WrongOutcome> {
        let Outcome::MessageOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Of a [`Job::Emit`]. A packet of our own needs no proof.
    pub fn emitted(self) -> Result<Result<Packet, EmitError>, WrongOutcome> {
        let Outcome::Emitted(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(outcome)
    }
}

impl<T> Pending<T> {
    /// Holds what will be durable once the store says so.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// What is being stored.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Durable<T> {
    /// What is durable.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What is durable, without the proof: for what needs none.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<A: Answer> Completed<Result<A, StoreError>> {
    /// The store's answer to a question. It proves nothing.
    pub fn answer(self) -> Result<A, StoreError> {
        self.0
    }

    /// The store's answer, and the proof if it says that the value is durable.
    pub fn resolve<T>(self, value: Pending<T>) -> (Result<Durable<T>, T>, Result<A, StoreError>) {
        let value = if self.keeps(0) { Ok(Durable(value.0)) } else { Err(value.0) };
        (value, self.0)
    }

    /// The same, for each of several values of one operation.
    pub fn resolve_each<T>(
        self,
        values: Pending<Vec<T>>,
    ) -> (Vec<Result<Durable<T>, T>>, Result<A, StoreError>) {
        let judge = |(nth, value)| if self.keeps(nth) { Ok(Durable(value)) } else { Err(value) };
        (values.0.into_iter().enumerate().map(judge).collect(), self.0)
    }

    fn keeps(&self, nth: usize) -> bool {
        self.0.as_ref().is_ok_and(|answer| answer.keeps(nth))
    }
}

impl From<WrongOutcome> for Misuse {
    fn from(_: WrongOutcome) -> Self {
        Self::UnexpectedOutcome
    }
}

#[cfg(test)]
impl<T> Verified<T> {
    /// A proof of nothing, for tests of what takes one.
    pub(crate) const fn assumed(value: T) -> Self {
        Self(value)
    }
}

/// The one place that makes them: see [`Out`](super::Out).
impl<O> Completed<O> {
    pub(super) const fn new(outcome: O) -> Self {
        Self(outcome)
    }
}
