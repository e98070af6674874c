//! The payloads of PROTOCOL 4 to 7, in the clear or as the plaintext of their sealed part.

mod ack;
mod directory;
mod error;
mod invitation;
mod message;
mod otp;
mod register;
mod requests;
mod sealed;
mod session;

pub use ack::{Receipt, ReceiptsTaken, StoredAck};
pub use directory::{Lookup, PublicKeyAnswer, emit_server_key, parse_server_key};
pub use error::{ErrorClass, ErrorCode, ErrorForm, ErrorReply, SEALED_ERROR_AT, UnknownCode};
pub use invitation::{InvalidInvitation, Invitation, InvitationHash};
pub use message::{ContentKind, Inner, InnerRefused, MessageHead};
pub use otp::{InvalidOtp, Otp};
pub use register::{OtpIssued, RegistrationRejected};
pub use requests::{ConfirmRequest, ReconnectRequest, RegisterRequest};
pub use sealed::OAEP_LEN;
pub use session::{NoMoreMessages, SessionGrant, SessionResumed};

pub(super) use sealed::is_sealed;
