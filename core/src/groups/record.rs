//! What is kept of a group in the store.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::chain::Chain;
use super::change::Change;
use super::member::Standing;
use super::signed::{SignedState, States};
use super::state::State;
use super::{GroupTag, ItemId, StateHash, limits};
use crate::keys::Fingerprint;

/// Everything about one group that survives a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) chain: Chain,
    pub(super) mine: Mine,
    /// Members to whom no text goes: they have left, or were removed by a state that was undone.
    pub(super) excluded: BTreeSet<Fingerprint>,
    /// Changes that wait to be written, by an owner.
    pub(super) pending: Vec<Change>,
    pub(super) held: Vec<Held>,
    /// Peers who were asked for states, and the hash that they named.
    pub(super) asked: BTreeMap<Fingerprint, StateHash>,
    /// Peers who are still to be sent states.
    pub(super) owed: BTreeMap<Fingerprint, Owed>,
    /// Newest states that don't meet the chain, and who sent them.
    pub(super) offer: Option<(Fingerprint, States)>,
}

/// A text that waits for states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) from: Fingerprint,
    pub(super) tag: GroupTag,
    pub(super) item: ItemId,
}

/// States that a peer is still to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// The whole chain.
    Whole,
    /// The states after one that the peer knows, or the whole chain if we don't know that one.
    After(StateHash),
    /// The states after one, instead of others that the peer has: those have lost.
    Instead(StateHash),
}

/// How the user stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mine {
    /// Invited; the user has not decided.
    Invited,
    /// The user has accepted; the owner has not written it down.
    Accepted,
    /// A member.
    Joined,
    /// The user has declined; the owner has not written it down.
    Declined,
    /// The user leaves; the owner has not written it down.
    Leaving,
    /// Not a member.
    Out,
}

impl Mine {
    /// What it becomes when a state says this of the user. Nobody joins without having accepted.
    pub(super) const fn after(self, standing: Option<Standing>) -> Self {
        match (self, standing) {
            (_, None) => Self::Out,
            (Self::Out | Self::Invited, Some(_)) => Self::Invited,
            (Self::Accepted | Self::Joined, Some(Standing::Joined)) => Self::Joined,
            (Self::Accepted | Self::Joined, Some(Standing::Invited)) => Self::Accepted,
            (Self::Declined, Some(_)) => Self::Declined,
            (Self::Leaving, Some(_)) => Self::Leaving,
        }
    }
}

impl Record {
    pub(super) const fn new(chain: Chain, mine: Mine) -> Self {
        Self {
            chain,
            mine,
            excluded: BTreeSet::new(),
            pending: Vec::new(),
            held: Vec::new(),
            asked: BTreeMap::new(),
            owed: BTreeMap::new(),
            offer: None,
        }
    }

    /// The newest state.
    pub fn state(&self) -> &State {
        self.chain.head()
    }

    /// The states that are kept, the oldest first.
    pub fn states(&self) -> impl Iterator<Item = &SignedState> {
        self.chain.states()
    }

    /// Whether newer states wait that don't meet ours, which the user may accept as they are.
    pub const fn has_offer(&self) -> bool {
        self.offer.is_some()
    }

    /// Tag of messages that are written now.
    pub fn tag(&self) -> GroupTag {
        self.chain.tag()
    }

    /// How the user stands to the group.
    pub const fn mine(&self) -> Mine {
        self.mine
    }

    /// Whether no text goes to this member, who has left or was removed by a state that was undone.
    pub fn is_excluded(&self, key: &Fingerprint) -> bool {
        self.excluded.contains(key)
    }

    /// Everybody who gets a copy of a text that `me` writes now.
    pub(super) fn recipients(&self, me: &Fingerprint) -> Vec<Fingerprint> {
        let others = self.state().joined().filter(|key| *key != me && !self.is_excluded(key));
        others.copied().collect()
    }

    pub(super) fn is_consistent(&self) -> Result<(), &'static str> {
        let bounds = [
            (self.chain.len() <= limits::CHAIN, "a chain is too long"),
            (self.held.len() <= limits::HELD, "too many texts are held"),
            (self.asked.len() <= limits::PEERS, "too many peers were asked"),
            (self.owed.len() <= limits::PEERS, "too many peers are owed states"),
            (self.pending.len() <= limits::PENDING, "too many changes wait"),
        ];
        if let Some((_, why)) = bounds.iter().find(|(holds, _)| !holds) {
            return Err(why);
        }
        if !self.excluded.iter().all(|key| self.state().has_joined(key)) {
            return Err("somebody is excluded who is not a member");
        }
        let follow = |pair: &[&SignedState]| match pair {
            [parent, next] => next.state().follows(parent.state(), parent.hash()).is_ok(),
            _ => true,
        };
        let states: Vec<_> = self.chain.states().collect();
        if states.windows(2).all(follow) { Ok(()) } else { Err("a chain is broken") }
    }
}
