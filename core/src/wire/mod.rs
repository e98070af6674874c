//! The bytes of `docs/PROTOCOL.md`, parsed once into values that cannot be wrong.
//!
//! A [`Deframer`] cuts a stream into [`Packet`]s that a [`Gate`] admits. Each is then parsed as a
//! [`FromClient`] or a [`FromServer`], which checks its addresses and the shape of its payload.
//! Sealed parts stay sealed in this module: a job of [`crate::crypto`] opens them, and the payload
//! types parse the plaintext.
//!
//! Every payload type has `parse` and `emit`. Later versions may append fields to a sealed payload,
//! so `parse` ignores what follows the last field. A payload in the clear must end there.
//!
//! Operations and errors are one table each, in `opcode` and `payload/error`: code, meaning, and
//! the direction or the class that everything else derives from.

mod codec;
mod codes;
mod deframer;
mod from_client;
mod from_server;
mod gate;
mod item;
mod malformed;
mod opcode;
mod packet;
mod payload;

pub use codec::{Parser, VERSION, Write};
pub use deframer::Deframer;
pub use from_client::FromClient;
pub use from_server::FromServer;
pub use gate::{Gate, Violation};
pub use item::{ItemId, ItemKind};
pub use malformed::Malformed;
pub use opcode::{Direction, Op};
pub use packet::{
    Header, InReplyTo, MalformedPacket, Oversized, Packet, Profile, RequestHash, SIGNATURE_LEN,
};
pub use payload::{
    ConfirmRequest, ContentKind, ErrorClass, ErrorCode, ErrorForm, ErrorReply, Inner, InnerRefused,
    InvalidInvitation, InvalidOtp, Invitation, InvitationHash, Lookup, MessageHead, NoMoreMessages,
    OAEP_LEN, Otp, OtpIssued, PublicKeyAnswer, Receipt, ReceiptsTaken, ReconnectRequest,
    RegisterRequest, RegistrationRejected, SEALED_ERROR_AT, SessionGrant, SessionResumed,
    StoredAck, UnknownCode, emit_server_key, parse_server_key,
};
