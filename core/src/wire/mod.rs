//! The bytes of `docs/PROTOCOL.md`: parsed once into values that can't be wrong.
//!
//! A stream goes through a [`Deframer`], which yields [`Packet`]s that pass a [`Gate`]. Each is
//! then taken as a [`FromClient`] or a [`FromServer`]: addressed rightly, and of the shape that its
//! operation has. What is sealed stays sealed here; once a job of [`crate::crypto`] has opened it,
//! the payload types parse the plaintext.
//!
//! Every payload type has `parse` and `emit`. What is sealed may grow at its end in later versions,
//! so `parse` ignores what follows the last field; what goes in the clear must end there.

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
    AccountRequest, ConfirmRequest, ContentKind, ErrorClass, ErrorCode, ErrorForm, ErrorReply,
    Inner, InnerRefused, InvalidOtp, Lookup, MessageHead, NoMoreMessages, OAEP_LEN, Otp, OtpIssued,
    PublicKeyAnswer, Receipt, ReceiptsTaken, RegistrationRejected, SEALED_ERROR_AT, SessionGrant,
    SessionResumed, StoredAck, emit_server_key, parse_server_key,
};
