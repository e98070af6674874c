//! Jobs: the computations that a machine asks for, and their outcomes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::keys::{Fingerprint, Plaintext, PublicKey, Rejected, SymmetricKey, WrappedKey};
use crate::wire::{Header, Op, Packet, Profile};

/// A computation. It contains everything that it needs except the private key.
#[derive(Clone, Debug)]
pub enum Job {
    /// Verify a packet's signature. → [`Outcome::Verified`]
    Verify {
        /// Packet to verify.
        packet: Packet,
        /// Key that must have signed the packet.
        signer: PublicKey,
    },
    /// Verify a packet's signature, then open the sealed part of its payload. → [`Outcome::Opened`]
    OpenSealed {
        /// Packet to verify and open.
        packet: Packet,
        /// Key that must have signed the packet.
        signer: PublicKey,
        /// Key that the part is sealed with.
        key: SymmetricKey,
        /// Offset of the sealed part in the payload. The part ends with the payload.
        at: usize,
    },
    /// Open the OAEP part of a request to the server, the first 256 bytes of its payload. If the
    /// signer is known, verify the signature first. If the request leads to a session, draw the
    /// session key. → [`Outcome::RequestOpened`]
    OpenRequest {
        /// A 100, 101 or 106.
        packet: Packet,
        /// Key that must have signed the request. `None` for a 100, which nobody signs, and for a
        /// 106 from a client that does not know its id: its signer is found by the phone number
        /// inside.
        signer: Option<PublicKey>,
        /// Kind of the request. It selects the OAEP label.
        kind: RequestKind,
        /// Private key that opens the part.
        key: OwnKey,
    },
    /// Verify the server's signature on a 201 or 206, then open it. → [`Outcome::GrantOpened`]
    OpenGrant {
        /// A 201 or 206.
        packet: Packet,
        /// Public key of the server.
        signer: PublicKey,
    },
    /// Verify the sender's signature on a message of suite 1, then open its envelope.
    /// → [`Outcome::MessageOpened`]
    OpenMessage {
        /// A 102.
        packet: Packet,
        /// Public key of the sender.
        signer: PublicKey,
    },
    /// Seal the parts of a packet, assemble it, and sign it. → [`Outcome::Emitted`]
    Emit(Box<Draft>),
}

/// Queue of a host to which a job belongs: by the cost of its RSA operation and, if that uses the
/// private key, by whom it is done for. A host shares its threads among the lanes, so that none
/// holds up the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A public key, or no RSA at all: tens of microseconds.
    Public,
    /// The private key, for a user in a session, or for the client itself. A user has few of these
    /// under way: acknowledgements gather while one is being signed.
    User,
    /// The private key, for an error or a key that a user in a session is told, as often as it asks.
    Answer,
    /// The private key, for somebody whose signature is verified by the job or was verified before
    /// it: a 106 that names an id, and every 206.
    Known,
    /// The private key, for anybody who asks: registrations, a 106 without an id, and errors before
    /// a session.
    Stranger,
}

impl Job {
    /// The signature that is verified before anything else is done.
    pub(super) fn check(&self) -> Option<SignatureCheck<'_>> {
        let (packet, key) = match self {
            Self::Verify { packet, signer }
            | Self::OpenSealed { packet, signer, .. }
            | Self::OpenRequest { packet, signer: Some(signer), .. }
            | Self::OpenGrant { packet, signer }
            | Self::OpenMessage { packet, signer } => (packet, signer),
            Self::OpenRequest { signer: None, .. } | Self::Emit(_) => return None,
        };
        Some(SignatureCheck { key, message: packet.signed(), signature: packet.signature() })
    }

    /// Lane of the job.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Verify { .. } | Self::OpenSealed { .. } => Lane::Public,
            Self::OpenRequest { signer: Some(_), kind: RequestKind::Reconnect, .. } => Lane::Known,
            Self::OpenRequest { .. } => Lane::Stranger,
            Self::OpenGrant { .. } | Self::OpenMessage { .. } => Lane::User,
            Self::Emit(draft) => draft.lane(),
        }
    }
}

/// A signature to be verified, as [`Provider::verify`](super::Provider::verify) does.
#[derive(Clone, Copy, Debug)]
pub struct SignatureCheck<'a> {
    /// Key that must have made the signature.
    pub key: &'a PublicKey,
    /// The signed bytes.
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// A private key of the runner. A client has one; a server has two while it changes its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnKey {
    /// The key with which the runner was made.
    #[default]
    First,
    /// The key that takes the place of the first one
    /// ([`Crypto::with_successor`](super::Crypto::with_successor)).
    Successor,
}

/// Kind of a request with an OAEP part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// 100: asks for an account.
    Register,
    /// 101: confirms a registration.
    Confirm,
    /// 106: opens a session.
    Reconnect,
}

impl RequestKind {
    /// OAEP label of the request (PROTOCOL 2).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Register => "sealpost/1/register",
            Self::Confirm => "sealpost/1/confirm",
            Self::Reconnect => "sealpost/1/reconnect",
        }
    }

    /// Whether the request leads to a session, whose key is then drawn by the job that opens it.
    pub const fn leads_to_session(self) -> bool {
        match self {
            Self::Register => false,
            Self::Confirm | Self::Reconnect => true,
        }
    }
}

/// A packet before it is sealed and signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Profile of the deployment.
    pub profile: Profile,
    /// Header of the packet.
    pub header: Header,
    /// Parts of the payload, in order.
    pub parts: Vec<Part>,
    /// Private key that signs the packet. An unsigned packet has 256 zero bytes instead: a 100, and
    /// a 105 before a session.
    pub signer: Option<OwnKey>,
}

impl Draft {
    /// Lane of the job that makes the packet. A server does not know the recipient of what it
    /// answers to a stranger.
    fn lane(&self) -> Lane {
        if self.signer.is_none() {
            return Lane::Public;
        }
        match self.header.op {
            Op::SessionResumed => Lane::Known,
            Op::OtpIssued | Op::RegistrationRejected | Op::SessionIssued => Lane::Stranger,
            Op::PublicKey | Op::Error if self.header.recipient.is_none() => Lane::Stranger,
            Op::PublicKey | Op::Error => Lane::Answer,
            Op::Register
            | Op::Confirm
            | Op::Reconnect
            | Op::RequestPublicKey
            | Op::Message
            | Op::DeliveryAck
            | Op::NoMoreMessages
            | Op::Disconnect => Lane::User,
        }
    }
}

/// A part of a payload.
#[derive(Clone, Debug)]
pub enum Part {
    /// Bytes in the clear.
    Clear(Bytes),
    /// A sealed part, `sealed(key, plaintext)`.
    Sealed {
        /// Key to seal with.
        key: SymmetricKey,
        /// Plaintext to seal.
        plaintext: Plaintext,
    },
    /// An OAEP part, `oaep(to, label, plaintext)`.
    Oaep {
        /// Public key to encrypt to.
        to: PublicKey,
        /// OAEP label.
        label: &'static str,
        /// Plaintext to encrypt, at most 190 bytes.
        plaintext: Plaintext,
    },
    /// The body of a message of suite 1. The job draws a message key, wraps it for the recipient
    /// under the label of both fingerprints, and seals `inner` with it.
    Envelope {
        /// Public key of the recipient. The sender is the owner of the private key that signs.
        to: PublicKey,
        /// `inner` of PROTOCOL 5.2, padding included.
        inner: Plaintext,
    },
}

/// Outcome of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Outcome of [`Job::Verify`].
    Verified(Result<(), Rejected>),
    /// Outcome of [`Job::OpenSealed`]: the plaintext.
    Opened(Result<Plaintext, Rejected>),
    /// Outcome of [`Job::OpenRequest`].
    RequestOpened(Result<OpenedRequest, Rejected>),
    /// Outcome of [`Job::OpenGrant`].
    GrantOpened(Result<Grant, Rejected>),
    /// Outcome of [`Job::OpenMessage`].
    MessageOpened(Result<OpenedMessage, Rejected>),
    /// Outcome of [`Job::Emit`]: the signed packet.
    Emitted(Result<Packet, EmitError>),
}

/// A packet could not be made: a part does not fit, or the operation with the private key failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("packet could not be made: a part does not fit, or the private key failed")]
pub struct EmitError;

/// A request whose OAEP part the server has opened.
#[derive(Debug)]
pub struct OpenedRequest {
    /// Plaintext of the OAEP part.
    pub plaintext: Plaintext,
    /// Key of the session that the request leads to; `None` for a 100, which leads to none.
    pub session: Option<FreshSession>,
}

/// A session key that was just drawn.
#[derive(Clone, Debug)]
pub struct FreshSession {
    /// The key, for the machine.
    pub key: SymmetricKey,
    /// The key under the wrapping key, for the store.
    pub wrapped: WrappedKey,
}

/// Content of a 201 or 206.
#[derive(Debug)]
pub struct Grant {
    /// Key of the session.
    pub session_key: SymmetricKey,
    /// Hash of the request that the grant answers.
    pub request_hash: [u8; 32],
    /// Fingerprint of the successor of the server's key, if there is one.
    pub successor: Option<Fingerprint>,
    /// The opened sealed part of a 206; `None` for a 201.
    pub sealed: Option<Plaintext>,
}

/// Content of a message whose signature has been verified.
#[derive(Debug)]
pub enum OpenedMessage {
    /// The message opened: `inner` of PROTOCOL 5.2, padding included, not parsed yet.
    Inner(Plaintext),
    /// The message is signed by its sender but does not open. The user is shown that.
    Undecryptable,
}

/// OAEP label of the grant in a 201 or 206 (PROTOCOL 2).
pub const SESSION_LABEL: &str = "sealpost/1/session";
