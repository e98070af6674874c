//! A state of a group: what one epoch says.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use super::limits;
use super::member::{Member, Role, Standing};
use super::{GroupId, StateHash};
use crate::keys::Fingerprint;

/// Members by the fingerprints of their keys.
pub type Members = BTreeMap<Fingerprint, Member>;

/// A state, valid in itself: every rule that needs no other state holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(Parts);

/// What a state consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Group whose state it is.
    pub group: GroupId,
    /// Number of the state: 0 for the first.
    pub epoch: u64,
    /// Hash of the state before it; `None` for the first.
    pub previous: Option<StateHash>,
    /// Name of the group.
    pub name: GroupName,
    /// How long texts live, in seconds; 0 for ever.
    pub expiry_secs: u32,
    /// Who has written the state and signs it.
    pub writer: Fingerprint,
    /// Everybody who was invited or has joined.
    pub members: Members,
}

/// A rule of states is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidState {
    /// Not the one encoding of a state, or out of bounds.
    #[error("not a state in its one encoding, or out of bounds")]
    Malformed,
    /// The members do not have exactly one owner who has joined, or share a rank, or have a role
    /// without having joined.
    #[error("roles of the members contradict each other")]
    Roles,
    /// The first state must be written by its owner, who invites everybody else.
    #[error("first state is not one that its owner may write")]
    First,
    /// It is not the next state: another group, number or hash.
    #[error("state does not follow the one before it")]
    NotNext,
    /// The writer was neither the owner nor a successor who takes over.
    #[error("writer of the state was not entitled to write it")]
    NotEntitled,
    /// Somebody has joined who was not invited in the state before.
    #[error("state has a member who was never invited")]
    NotInvited,
    /// The signature is not the writer's.
    #[error("signature of the state does not verify")]
    Signature,
}

impl State {
    /// Takes the parts if they make a valid state.
    pub fn new(parts: Parts) -> Result<Self, InvalidState> {
        let Parts { epoch, previous, expiry_secs, writer, members, .. } = &parts;
        let bounded = (1..=limits::MEMBERS).contains(&members.len());
        if !bounded || *expiry_secs > limits::EXPIRY_SECS || (*epoch == 0) != previous.is_none() {
            return Err(InvalidState::Malformed);
        }
        check_roles(members)?;
        let is_first = |(key, member): (&Fingerprint, &Member)| match member.standing {
            Standing::Joined => key == writer && member.role == Role::Owner,
            Standing::Invited => true,
        };
        if *epoch == 0 && !members.iter().all(is_first) {
            return Err(InvalidState::First);
        }
        Ok(Self(parts))
    }

    /// The parts of the state.
    pub const fn parts(&self) -> &Parts {
        &self.0
    }

    /// Number of the state.
    pub const fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// Who has written the state.
    pub const fn writer(&self) -> &Fingerprint {
        &self.0.writer
    }

    /// Somebody who was invited or has joined.
    pub fn member(&self, key: &Fingerprint) -> Option<&Member> {
        self.0.members.get(key)
    }

    /// Whether somebody has joined.
    pub fn has_joined(&self, key: &Fingerprint) -> bool {
        self.member(key).is_some_and(|member| member.standing == Standing::Joined)
    }

    /// The owner, of whom every state has one.
    pub fn owner(&self) -> Option<&Fingerprint> {
        self.with_role(|role| role == Role::Owner)
    }

    /// Whether somebody is the owner.
    pub fn is_owner(&self, key: &Fingerprint) -> bool {
        self.owner() == Some(key)
    }

    /// The first of the successors.
    pub fn first_successor(&self) -> Option<&Fingerprint> {
        let ranked = self.0.members.iter().filter(|(_, member)| member.role != Role::Owner);
        let ranked = ranked.filter_map(|(key, member)| Some((member.rank()?, key)));
        ranked.min().map(|(_, key)| key)
    }

    /// Keys of those who have joined.
    pub fn joined(&self) -> impl Iterator<Item = &Fingerprint> {
        let members = self.0.members.iter();
        members.filter(|(_, member)| member.standing == Standing::Joined).map(|(key, _)| key)
    }

    /// Keys of all members.
    pub fn keys(&self) -> impl Iterator<Item = &Fingerprint> {
        self.0.members.keys()
    }

    /// Checks that this state may follow `parent`, whose hash is `hash`. Returns the rank that the
    /// writer has in `parent`.
    pub fn follows(&self, parent: &Self, hash: StateHash) -> Result<u8, InvalidState> {
        let (new, old) = (&self.0, &parent.0);
        let is_next = new.group == old.group
            && old.epoch.checked_add(1) == Some(new.epoch)
            && new.previous == Some(hash);
        if !is_next {
            return Err(InvalidState::NotNext);
        }
        let rank = old.members.get(&new.writer).and_then(Member::rank);
        let rank = rank.ok_or(InvalidState::NotEntitled)?;
        // A successor writes in order to take over, and for nobody else.
        if rank > 0 && !self.is_owner(&new.writer) {
            return Err(InvalidState::NotEntitled);
        }
        if self.joined().any(|key| parent.member(key).is_none()) {
            return Err(InvalidState::NotInvited);
        }
        Ok(rank)
    }

    fn with_role(&self, wanted: impl Fn(Role) -> bool) -> Option<&Fingerprint> {
        self.0.members.iter().find(|(_, member)| wanted(member.role)).map(|(key, _)| key)
    }
}

/// One owner, each rank once, and roles only for those who have joined.
fn check_roles(members: &Members) -> Result<(), InvalidState> {
    let mut ranks = BTreeSet::new();
    for member in members.values() {
        let Some(rank) = member.rank() else { continue };
        if member.standing != Standing::Joined || !ranks.insert(rank) {
            return Err(InvalidState::Roles);
        }
    }
    if ranks.contains(&0) { Ok(()) } else { Err(InvalidState::Roles) }
}

/// Name of a group: 1 to [`limits::NAME_BYTES`] bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

impl GroupName {
    /// Takes a name within the bounds.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        (1..=limits::NAME_BYTES).contains(&name.len()).then_some(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
