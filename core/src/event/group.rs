//! The group that an event belongs to, and what members ask of its administrators.

use super::cbor::{Field, Reader, Writer};
use super::{GroupId, LimitedBytes, NotAnEvent};

/// Signed state of a group. Its format is not that of an event.
pub type GroupState = LimitedBytes<1, 60_000>;

/// The group that an event was written in, and the state that its author knew. On the wire:
/// `[group, epoch, state_hash]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTag {
    /// Id of the group.
    pub group: GroupId,
    /// Number of the state.
    pub epoch: u64,
    /// SHA-256 of the state.
    pub state_hash: [u8; 32],
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
