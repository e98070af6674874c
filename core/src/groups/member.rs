//! Members: who they are, what they may do, and whether they have joined.

use crate::ids::Phone;

/// A member of a group, known by the fingerprint of their identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Phone number under which the key is looked up. It may change hands; the key decides.
    pub phone: Phone,
    /// What the member may do.
    pub role: Role,
    /// Whether the member has joined.
    pub standing: Standing,
}

impl Member {
    /// Somebody who was just invited.
    pub const fn invited(phone: Phone) -> Self {
        Self { phone, role: Role::Member, standing: Standing::Invited }
    }

    /// Place in the order of those who may write the next state; `None` if the member may not. The
    /// smaller of two wins where branches part.
    pub const fn rank(&self) -> Option<u8> {
        match self.role {
            Role::Owner => Some(0),
            Role::Successor(rank) => Some(rank.0),
            Role::Member => None,
        }
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Writes the next state. Each state has exactly one owner.
    Owner,
    /// May take over from the owner.
    Successor(Rank),
    /// Reads and writes texts.
    Member,
}

/// Place of a successor: 1 for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8);

impl Rank {
    /// Makes a rank from 1 to 49; `None` for another number.
    pub const fn new(rank: u8) -> Option<Self> {
        if rank >= 1 && (rank as usize) < super::limits::MEMBERS { Some(Self(rank)) } else { None }
    }

    /// Number of the rank.
    pub const fn value(self) -> u8 {
        self.0
    }
}

/// Whether somebody has joined. Texts go to those who have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The owner has invited them.
    Invited,
    /// They have accepted, and the owner has written it down.
    Joined,
}
