//! What payloads hold (PROTOCOL 4 to 7).

mod ack;
mod directory;
mod error;
mod message;
mod otp;
mod register;
mod session;

pub use ack::{Receipt, ReceiptsTaken, StoredAck};
pub use directory::{Lookup, PublicKeyAnswer, emit_server_key, parse_server_key};
pub use error::{ErrorCode, ErrorForm, ErrorReply, SEALED_ERROR_AT};
pub use message::{ContentKind, Inner, InnerRefused, MessageHead};
pub use otp::{InvalidOtp, Otp};
pub use register::{ConfirmRequest, OtpIssued, RegisterRequest, RegistrationRejected};
pub use session::{NoMoreMessages, ReconnectRequest, SessionGrant, SessionResumed};

/// Bytes of an OAEP part.
pub const OAEP_LEN: usize = 256;

/// Whether these bytes can be a sealed part: an IV and at least one whole block.
pub(super) const fn is_sealed(part: &[u8]) -> bool {
    part.len() >= 2 * BLOCK_LEN && part.len().is_multiple_of(BLOCK_LEN)
}

/// The most plaintext that a payload of one sealed part holds: without its IV, and with a byte of
/// padding at least.
const MAX_SEALED_PLAINTEXT: usize = u16::MAX as usize / BLOCK_LEN * BLOCK_LEN - BLOCK_LEN - 1;

const BLOCK_LEN: usize = 16;
