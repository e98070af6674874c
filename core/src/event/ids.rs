//! Random ids of 16 bytes: of events, files and groups.

use core::fmt;

use rand_core::CryptoRng;

use super::NotAnEvent;
use super::cbor::{Field, Reader, Writer};

/// Id of an event, unique among those of its author. It is the same in every copy of the event that
/// goes to the members of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// Id of a file transfer, unique among those of its sender.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub [u8; 16]);

/// Id of a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 16]);

/// What the ids have in common.
macro_rules! random_id {
    ($name:ident) => {
        impl $name {
            /// Draws an id that nobody can guess.
            pub fn random(generator: &mut (impl CryptoRng + ?Sized)) -> Self {
                let mut id = [0; 16];
                generator.fill_bytes(&mut id);
                Self(id)
            }
        }

        impl Field for $name {
            fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
                reader.array_of_bytes().map(Self)
            }

            fn write(&self, writer: &mut Writer) {
                writer.bytes(&self.0);
            }
        }

        impl fmt::Display for $name {
            /// 32 lower-case hexadecimal digits.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

random_id!(EventId);
random_id!(FileId);
random_id!(GroupId);
