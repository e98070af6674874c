//! Proofs: types whose values exist only if something has been established about their content.
//!
//! Code that acts takes the proof as an argument, so acting without it does not compile. All proofs
//! are made in this file and nowhere else:
//!
//! ```text
//! Unverified::verify(value, signer)  ──▶ Job, and an Unverified<T> that waits for its outcome
//! Completed<Outcome> + Unverified<T> ──▶ Verified<T>, if the signature verifies
//! Completed<answer>  + Pending<T>    ──▶ Durable<T>,  if the store has committed the value
//! ```
//!
//! A [`Completed`] is made only when the host reports the outcome of a job or a store operation
//! under the ticket that waits for it. Making a proof consumes both the completion and the waiting
//! value, so one outcome proves one thing, once. The machine trusts the outcomes of its host; it
//! cannot verify them, but it cannot act without them either.
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
use crate::crypto::{
    EmitError, Grant, Job, OpenedMessage, OpenedRequest, Outcome, OwnKey, RequestKind,
};
use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey};
use crate::wire::Packet;

/// A value that contains one signed packet.
pub trait Signed {
    /// The packet.
    fn packet(&self) -> &Packet;

    /// The packet, without the rest of the value.
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

/// A value whose packet is being verified.
#[derive(Debug)]
pub struct Unverified<T>(T);

/// A value whose packet has been verified: it is signed with the key that the job was given.
#[derive(Clone, Debug)]
pub struct Verified<T>(T);

/// A value that the store has been asked to keep.
#[derive(Debug)]
pub struct Pending<T>(T);

/// A value that the store has committed: it survives a loss of power.
#[derive(Clone, Debug)]
pub struct Durable<T>(T);

/// An outcome that the host has reported under the ticket that waits for it.
#[derive(Debug)]
#[must_use = "the continuation must go on with every outcome, a failure included"]
pub struct Completed<O>(O);

/// The outcome is of another kind than the action asked for: a mistake of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongOutcome;

/// What proofs need to know of a store's answer: which of the values the store has committed.
pub trait Answer {
    /// Whether the `nth` of the values in the operation is durable now.
    fn keeps(&self, nth: usize) -> bool;
}

/// Jobs that verify a packet, each with the value that waits for its outcome. The job takes its
/// packet from the value, so the proof cannot be about another one.
impl<T: Signed> Unverified<T> {
    /// Verifies the packet. → [`Completed::verified`]
    pub fn verify(value: T, signer: PublicKey) -> (Job, Self) {
        (Job::Verify { packet: value.packet().clone(), signer }, Self(value))
    }

    /// Verifies the packet, then opens the sealed part that begins at byte `at` of the payload.
    /// → [`Completed::opened`]
    pub fn open_sealed(value: T, signer: PublicKey, key: SymmetricKey, at: usize) -> (Job, Self) {
        (Job::OpenSealed { packet: value.packet().clone(), signer, key, at }, Self(value))
    }

    /// Verifies a request to the server, then opens it. → [`Completed::request_opened`]
    pub fn open_request(
        value: T,
        signer: PublicKey,
        kind: RequestKind,
        key: OwnKey,
    ) -> (Job, Self) {
        let (packet, signer) = (value.packet().clone(), Some(signer));
        (Job::OpenRequest { packet, signer, kind, key }, Self(value))
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
    /// The value whose packet was verified.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value without the proof, for code that needs none.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Signed> Verified<T> {
    /// The packet alone. The proof is about the packet, so it stays.
    pub fn into_packet(self) -> Verified<Packet> {
        Verified(self.0.into_packet())
    }
}

/// Result of a job that verifies: the proof and what the job opened, or the value if verification
/// failed.
pub type Judged<T, O> = Result<(Verified<T>, O), T>;

/// The proof that a value is durable, or the value if it is not.
pub type Kept<T> = Result<Durable<T>, T>;

impl Completed<Outcome> {
    /// Result of [`Unverified::verify`].
    pub fn verified<T>(self, value: Unverified<T>) -> Result<Judged<T, ()>, WrongOutcome> {
        let Outcome::Verified(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Result of [`Unverified::open_sealed`], with the opened part.
    pub fn opened<T>(self, value: Unverified<T>) -> Result<Judged<T, Plaintext>, WrongOutcome> {
        let Outcome::Opened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Result of [`Unverified::open_request`], with the opened request.
    pub fn request_opened<T>(
        self,
        value: Unverified<T>,
    ) -> Result<Judged<T, OpenedRequest>, WrongOutcome> {
        Ok(value.judge(self.unsigned_request_opened()?))
    }

    /// Result of a [`Job::OpenRequest`] without a signer. No signature was verified, so there is no
    /// proof.
    pub fn unsigned_request_opened(self) -> Result<Result<OpenedRequest, Rejected>, WrongOutcome> {
        let Outcome::RequestOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(outcome)
    }

    /// Result of [`Unverified::open_grant`], with the grant.
    pub fn grant_opened<T>(self, value: Unverified<T>) -> Result<Judged<T, Grant>, WrongOutcome> {
        let Outcome::GrantOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Result of [`Unverified::open_message`], with the message.
    pub fn message_opened<T>(
        self,
        value: Unverified<T>,
    ) -> Result<Judged<T, OpenedMessage>, WrongOutcome> {
        let Outcome::MessageOpened(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(value.judge(outcome))
    }

    /// Result of a [`Job::Emit`]. A packet that this machine made needs no proof.
    pub fn emitted(self) -> Result<Result<Packet, EmitError>, WrongOutcome> {
        let Outcome::Emitted(outcome) = self.0 else { return Err(WrongOutcome) };
        Ok(outcome)
    }
}

impl<T> Pending<T> {
    /// Wraps a value that goes to the store.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value that is being stored.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

impl<T> Durable<T> {
    /// The durable value.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// The value without the proof, for code that needs none.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<A: Answer> Completed<Result<A, StoreError>> {
    /// The store's answer to a query. It proves nothing.
    pub fn answer(self) -> Result<A, StoreError> {
        self.0
    }

    /// Returns the proof if the store has committed the value, otherwise the value. Returns the
    /// store's answer in either case.
    pub fn resolve<T>(self, value: Pending<T>) -> (Kept<T>, Result<A, StoreError>) {
        let value = if self.keeps(0) { Ok(Durable(value.0)) } else { Err(value.0) };
        (value, self.0)
    }

    /// Does the same as [`resolve`](Self::resolve) for each of several values of one operation.
    pub fn resolve_each<T>(self, values: Pending<Vec<T>>) -> (Vec<Kept<T>>, Result<A, StoreError>) {
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
    /// Makes a proof without an outcome, for tests of code that takes one.
    pub(crate) const fn assumed(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
impl<T> Durable<T> {
    /// Makes a proof without an answer, for tests of code that takes one.
    pub(crate) const fn assumed(value: T) -> Self {
        Self(value)
    }
}

/// Only `Out` makes completions, when the host reports an outcome.
impl<O> Completed<O> {
    pub(super) const fn new(outcome: O) -> Self {
        Self(outcome)
    }
}
