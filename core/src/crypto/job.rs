//! What a machine wants computed, and what comes of it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::keys::{Plaintext, PublicKey, Rejected, SymmetricKey, WrappedKey};
use crate::wire::{Header, Packet, Profile};

/// A job. It holds all that it needs but the private key.
#[derive(Clone, Debug)]
pub enum Job {
    /// Check a packet's signature. → [`Outcome::Verified`]
    Verify {
        /// The packet.
        packet: Packet,
        /// Whose signature it must carry.
        signer: PublicKey,
    },
    /// Check a packet's signature; if it holds, open the sealed part of its payload.
    /// → [`Outcome::Opened`]
    OpenSealed {
        /// The packet.
        packet: Packet,
        /// Whose signature it must carry.
        signer: PublicKey,
        /// What it is sealed with.
        key: SymmetricKey,
        /// Where in the payload the sealed part begins; it reaches to the payload's end.
        at: usize,
    },
    /// Open the OAEP part (the first 256 bytes of the payload) of a request to the server, after
    /// checking its signature if the signer is known yet; and draw a session key where the request
    /// leads to a session. → [`Outcome::RequestOpened`]
    OpenRequest {
        /// A 100, 101 or 106.
        packet: Packet,
        /// `None` for a 100, which nobody signs, and for a 106 from a client that doesn't know its
        /// id, whose signer is found with the phone number inside.
        signer: Option<PublicKey>,
        /// Which request it is, and so its label.
        kind: RequestKind,
    },
    /// Check the server's signature on a 201 or 206, and open it. → [`Outcome::GrantOpened`]
    OpenGrant {
        /// The packet.
        packet: Packet,
        /// The server's key.
        signer: PublicKey,
    },
    /// Check the sender's signature on a message of suite 1, and open its envelope.
    /// → [`Outcome::MessageOpened`]
    OpenMessage {
        /// A 102.
        packet: Packet,
        /// The sender's key.
        signer: PublicKey,
    },
    /// Seal, assemble and sign a packet. → [`Outcome::Emitted`]
    Emit(Box<Draft>),
}

/// Requests that carry an OAEP part, each with its label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// 100.
    Register,
    /// 101.
    Confirm,
    /// 106.
    Reconnect,
}

impl RequestKind {
    /// The OAEP label (PROTOCOL 2).
    pub const fn label(self) -> &'static str {
        match self {
            Self::Register => "sealpost/1/register",
            Self::Confirm => "sealpost/1/confirm",
            Self::Reconnect => "sealpost/1/reconnect",
        }
    }

    /// Whether a session follows, so that its key is drawn with the opening.
    pub const fn leads_to_session(self) -> bool {
        match self {
            Self::Register => false,
            Self::Confirm | Self::Reconnect => true,
        }
    }
}

/// A packet that is still to be sealed and signed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The deployment's.
    pub profile: Profile,
    /// The packet's.
    pub header: Header,
    /// The payload is these, one after the other.
    pub parts: Vec<Part>,
    /// Sign with the private key; otherwise the signature is 256 zero bytes (a 100, and a 105
    /// before a session).
    pub signed: bool,
}

/// A part of a payload.
#[derive(Clone, Debug)]
pub enum Part {
    /// As it is.
    Clear(Bytes),
    /// `sealed(key, plaintext)`.
    Sealed {
        /// With this.
        key: SymmetricKey,
        /// This.
        plaintext: Plaintext,
    },
    /// `oaep(to, label, plaintext)`. At most 190 bytes.
    Oaep {
        /// To this key.
        to: PublicKey,
        /// Under this label.
        label: &'static str,
        /// This.
        plaintext: Plaintext,
    },
    /// The body of a message of suite 1: a message key drawn inside, wrapped for the reader under
    /// the label of both fingerprints, and `inner` sealed with it.
    Envelope {
        /// The reader's key. The sender is whose private key signs.
        to: PublicKey,
        /// `inner` of PROTOCOL 5.2, padding included.
        inner: Plaintext,
    },
}

/// What came of a job.
#[derive(Debug)]
pub enum Outcome {
    /// Of [`Job::Verify`].
    Verified(Result<(), Rejected>),
    /// Of [`Job::OpenSealed`].
    Opened(Result<Plaintext, Rejected>),
    /// Of [`Job::OpenRequest`].
    RequestOpened(Result<OpenedRequest, Rejected>),
    /// Of [`Job::OpenGrant`].
    GrantOpened(Result<Grant, Rejected>),
    /// Of [`Job::OpenMessage`].
    MessageOpened(Result<OpenedMessage, Rejected>),
    /// Of [`Job::Emit`].
    Emitted(Result<Packet, EmitError>),
}

/// A packet could not be made: a part does not fit, or the private operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet could not be made")]
pub struct EmitError;

/// A request of which the server has opened the OAEP part.
#[derive(Debug)]
pub struct OpenedRequest {
    /// What was inside.
    pub plaintext: Plaintext,
    /// The key of the session that the request leads to.
    pub session: Option<FreshSession>,
}

/// A session key that was just drawn.
#[derive(Clone, Debug)]
pub struct FreshSession {
    /// For the machine.
    pub key: SymmetricKey,
    /// For the store.
    pub wrapped: WrappedKey,
}

/// What a 201 or 206 grants.
#[derive(Debug)]
pub struct Grant {
    /// `v ‖ session_key ‖ request_hash` was well formed; this is the key.
    pub session_key: SymmetricKey,
    /// The request that it answers.
    pub request_hash: [u8; 32],
    /// The opened sealed part of a 206; `None` for a 201.
    pub sealed: Option<Plaintext>,
}

/// A message whose signature holds.
#[derive(Debug)]
pub enum OpenedMessage {
    /// It opened: `inner` of PROTOCOL 5.2, padding included, not parsed yet.
    Inner(Plaintext),
    /// It is signed by its sender, and does not open. Shown as such.
    Undecryptable,
}

/// The OAEP label of what a 201 or 206 grants (PROTOCOL 2).
pub const SESSION_LABEL: &str = "sealpost/1/session";
