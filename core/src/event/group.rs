//! The group that an event belongs to, and what members ask of its owner.

use core::fmt;

use super::cbor::{Field, Reader, Writer};
use super::{GroupId, LimitedBytes, NotAnEvent};

/// Signed states of a group, as [`States`](crate::groups::States) encodes them.
pub type GroupState = LimitedBytes<1, 60_000>;

/// Hash of a group's state: SHA-256 over what its writer signs (PROTOCOL 5.5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub [u8; 32]);

impl Field for StateHash {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of_bytes().map(Self)
    }

    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

impl fmt::Debug for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateHash(")?;
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

/// The group that an event was written in, and the state that its author knew. On the wire:
/// `[group, epoch, state_hash]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTag {
    /// Id of the group.
    pub group: GroupId,
    /// Number of the state.
    pub epoch: u64,
    /// Hash of the state.
    pub state_hash: StateHash,
}

impl Field for GroupTag {
    fn read(reader: &mut Reader<'_>) -> Result<Self, NotAnEvent> {
        reader.array_of(3)?;
        Ok(Self {
            group: Field::read(reader)?,
            epoch: Field::read(reader)?,
            state_hash: Field::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.array(3);
        self.group.write(writer);
        self.epoch.write(writer);
        self.state_hash.write(writer);
    }
}

/// What a member, or somebody who was invited, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum GroupRequest {
    /// To be removed from the group.
    Leave = 0,
    /// To become a member, as invited.
    Accept = 1,
    /// To be invited no longer.
    Decline = 2,
    /// To be sent the newest state.
    NewerState = 3,
}

impl GroupRequest {
    pub(super) const fn code(self) -> u64 {
        self as u64
    }

    pub(super) const fn from_code(code: u64) -> Option<Self> {
        Some(match code {
            0 => Self::Leave,
            1 => Self::Accept,
            2 => Self::Decline,
            3 => Self::NewerState,
            _ => return None,
        })
    }
}
