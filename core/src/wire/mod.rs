//! The bytes of `docs/PROTOCOL.md`: parsed once into values that can't be wrong.

mod codec;
mod opcode;
mod packet;
mod timestamp;

pub use codec::{Malformed, Reader, VERSION, Write};
pub use opcode::Op;
pub use packet::{Header, InReplyTo, Oversized, Packet, Profile, RequestHash, SIGNATURE_LEN};
pub use timestamp::Timestamp;
