//! The newest states of a group, each of which follows the one before it.

use alloc::vec::Vec;
use core::cmp::Ordering;

use super::signed::{SignedState, States};
use super::state::{InvalidState, State};
use super::{GroupTag, StateHash, limits};
use crate::keys::Fingerprint;

/// One to [`limits::CHAIN`] consecutive states, the newest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    older: Vec<SignedState>,
    newest: SignedState,
}

/// How states that arrived relate to a chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// All of them are known.
    Known,
    /// The chain grows by these.
    Extends(Vec<SignedState>),
    /// They part from the chain.
    Parts(Fork),
    /// They begin after the chain ends: states in between are missing.
    Later,
    /// They don't meet the chain in anything that is kept.
    Apart,
}

/// Two branches that part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fork {
    /// Count of the states of the chain that both have.
    pub(super) common: usize,
    /// States of the other branch.
    pub(super) theirs: Vec<SignedState>,
    /// Whether the other branch wins.
    pub(super) they_win: bool,
    /// Who wrote the first states of both, if one person did.
    pub(super) twice_by: Option<Fingerprint>,
}

impl Chain {
    /// A chain of one state.
    pub(super) const fn new(newest: SignedState) -> Self {
        Self { older: Vec::new(), newest }
    }

    /// A chain of states that follow each other.
    pub(super) fn of(states: &States) -> Option<Self> {
        let (newest, older) = states.as_slice().split_last()?;
        Some(Self { older: older.to_vec(), newest: newest.clone() })
    }

    pub(super) const fn newest(&self) -> &SignedState {
        &self.newest
    }

    /// The newest state.
    pub(super) fn head(&self) -> &State {
        self.newest.state()
    }

    /// Tag of messages that are written now.
    pub(super) fn tag(&self) -> GroupTag {
        let state = self.head();
        GroupTag {
            group: state.parts().group,
            epoch: state.epoch(),
            state_hash: self.newest.hash(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.older.len() + 1
    }

    /// All states, the oldest first.
    pub(super) fn states(&self) -> impl DoubleEndedIterator<Item = &SignedState> {
        self.older.iter().chain([&self.newest])
    }

    /// All states, as they are stored and sent.
    pub(super) fn to_states(&self) -> States {
        States::whole(&self.older, &self.newest)
    }

    /// The state with this hash.
    pub(super) fn find(&self, hash: StateHash) -> Option<&SignedState> {
        self.states().find(|known| known.hash() == hash)
    }

    /// All states after the one with this hash; all if there is none.
    pub(super) fn after(&self, hash: StateHash) -> Vec<SignedState> {
        let position = self.states().position(|known| known.hash() == hash);
        self.states().skip(position.map_or(0, |found| found + 1)).cloned().collect()
    }

    /// Adds a state, which must follow. The oldest one goes if there are too many.
    pub(super) fn push(&mut self, state: SignedState) -> Result<(), InvalidState> {
        state.state().follows(self.head(), self.newest.hash())?;
        self.older.push(core::mem::replace(&mut self.newest, state));
        if self.older.len() >= limits::CHAIN {
            self.older.remove(0);
        }
        Ok(())
    }

    /// Shortens the chain to its first `len` states, of which there must be one at least.
    pub(super) fn truncate(&mut self, len: usize) {
        let len = len.max(1);
        if let Some(newest) = self.older.get(len - 1).cloned() {
            self.older.truncate(len - 1);
            self.newest = newest;
        }
    }

    /// Finds how states that arrived relate to this chain.
    pub(super) fn relate(&self, states: &States) -> Result<Relation, InvalidState> {
        let known = |state: &SignedState| self.find(state.hash()).is_some();
        let last_known = states.as_slice().iter().rposition(known);
        let skipped = last_known.map_or(0, |position| position + 1);
        let new: Vec<_> = states.as_slice().iter().skip(skipped).cloned().collect();
        let Some(first) = new.first() else { return Ok(Relation::Known) };
        let parent = first.state().parts().previous;
        let position = self.states().position(|known| Some(known.hash()) == parent);
        let Some(position) = position else {
            let is_later = first.state().epoch() > self.head().epoch();
            return Ok(if is_later { Relation::Later } else { Relation::Apart });
        };
        let mut from = self.states().skip(position);
        let Some(parent) = from.next() else { return Ok(Relation::Apart) };
        let rank = first.state().follows(parent.state(), parent.hash())?;
        let Some(ours) = from.next() else { return Ok(Relation::Extends(new)) };
        let our_rank = ours.state().follows(parent.state(), parent.hash())?;
        let (writer, our_writer) = (first.state().writer(), ours.state().writer());
        Ok(Relation::Parts(Fork {
            common: position + 1,
            they_win: (rank, first.hash()).cmp(&(our_rank, ours.hash())) == Ordering::Less,
            twice_by: (writer == our_writer).then_some(*writer),
            theirs: new,
        }))
    }
}
