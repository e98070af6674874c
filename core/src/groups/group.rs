//! One group, and what happens to it in one turn.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::contract::{Action, Told};
use super::record::{Mine, Owed, Record};
use super::signed::{SignedState, States};
use super::state::State;
use super::{GroupId, GroupRequest, GroupTag, Me, StateHash, change, limits};
use crate::keys::Fingerprint;

/// A group: its record, and what a restart may lose.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) record: Record,
    /// State that is being signed, and how many of the pending changes are in it.
    pub(super) writing: Option<(State, usize)>,
    /// Peers who were sent states without having asked: what they knew, and our newest state.
    pub(super) answered: BTreeMap<Fingerprint, (StateHash, StateHash)>,
}

/// One input's work on a group: who the user is, and the actions that follow.
pub(super) struct Turn<'a> {
    pub(super) me: &'a Me,
    pub(super) actions: Vec<Action>,
}

impl Turn<'_> {
    pub(super) fn tell(&mut self, group: GroupId, told: Told) {
        self.actions.push(Action::Tell(group, told));
    }
}

impl Group {
    pub(super) const fn new(id: GroupId, record: Record) -> Self {
        Self { id, record, writing: None, answered: BTreeMap::new() }
    }

    /// Ends a turn: writes the next state if changes wait, and sends the states that are owed.
    /// Whatever the turn has changed is stored before anything leaves.
    pub(super) fn settle(&mut self, before: Option<&Record>, turn: &mut Turn<'_>) {
        self.write(turn);
        let states = self.take_owed();
        let owed = core::mem::take(&mut self.record.owed);
        let mut actions = Vec::new();
        if before != Some(&self.record) || !owed.is_empty() {
            let mut record = Box::new(self.record.clone());
            record.owed.clone_from(&owed);
            actions.push(Action::Store(self.id, Some(record)));
        }
        // States go first: who gets a request should know the state that it names.
        actions.extend(states);
        actions.append(&mut turn.actions);
        turn.actions = actions;
        if self.record.state().owner().is_some_and(|owner| owed.contains_key(owner)) {
            self.remind_owner(turn);
        }
        if !owed.is_empty() {
            let record = Box::new(self.record.clone());
            turn.actions.push(Action::Store(self.id, Some(record)));
        }
    }

    /// Begins to write the next state, unless one is being signed.
    fn write(&mut self, turn: &mut Turn<'_>) {
        if self.record.pending.is_empty() || self.writing.is_some() {
            return;
        }
        let (me, chain) = (turn.me.key, &self.record.chain);
        let is_undecided = matches!(self.record.mine, Mine::Invited | Mine::Accepted);
        if is_undecided && chain.head().is_owner(&me) {
            // A restored owner, who has to accept once more.
            return;
        }
        if !self.may_write(&me) {
            self.record.pending.clear();
            turn.tell(self.id, Told::NotWritten);
            return;
        }
        let (count, hash) = (self.record.pending.len(), chain.newest().hash());
        let Some(next) = change::apply(chain.head(), hash, me, &self.record.pending) else {
            self.record.pending.clear();
            return;
        };
        let text = next.signed_text();
        turn.actions.push(Action::Sign { hash: next.hash(), text });
        self.writing = Some((next, count));
    }

    /// Whether the user may write the next state with the changes that wait.
    fn may_write(&self, me: &Fingerprint) -> bool {
        let is_in = matches!(self.record.mine, Mine::Joined | Mine::Leaving);
        let rank = self.record.state().member(me).and_then(super::member::Member::rank);
        let takes_over = self.record.pending.contains(&change::Change::TakeOver);
        is_in && rank.is_some_and(|rank| rank == 0 || takes_over)
    }

    /// Goes on with a state that was signed.
    pub(super) fn on_signed(&mut self, signature: Option<&[u8; 256]>, turn: &mut Turn<'_>) {
        let Some((state, count)) = self.writing.take() else { return };
        if state.parts().previous != Some(self.record.chain.newest().hash()) {
            // Another state came first. What still waits is written on top of it.
            return;
        }
        let Some(signature) = signature else {
            self.record.pending.clear();
            turn.tell(self.id, Told::NotWritten);
            return;
        };
        self.record.pending.drain(..count.min(self.record.pending.len()));
        let before = self.record.state().clone();
        let signed = SignedState::written(state, turn.me.public_key.clone(), *signature);
        if self.adopt(alloc::vec![signed], turn).is_ok() {
            self.announce(&before, &turn.me.key);
        }
    }

    /// Owes the newest state to all members of it and of the one before. Who is new gets the chain.
    pub(super) fn announce(&mut self, before: &State, me: &Fingerprint) {
        let previous = self.record.state().parts().previous;
        let everybody: Vec<_> = before.keys().chain(self.record.state().keys()).copied().collect();
        for key in everybody.into_iter().filter(|key| key != me) {
            let knows = previous.filter(|_| before.member(&key).is_some());
            self.owe(key, knows.map_or(Owed::Whole, Owed::After));
        }
    }

    /// Owes somebody states.
    pub(super) fn owe(&mut self, to: Fingerprint, owed: Owed) {
        if self.record.owed.len() < limits::PEERS {
            self.record.owed.entry(to).or_insert(owed);
        }
    }

    fn take_owed(&self) -> Vec<Action> {
        let states = |(to, owed): (&Fingerprint, &Owed)| {
            let states = States::of_chain(&self.states_for(to, *owed))?;
            Some(Action::SendStates { to: *to, states })
        };
        self.record.owed.iter().filter_map(states).collect()
    }

    /// States that somebody is owed: all if they are a member of the newest, else up to the one that
    /// removes them. Of what follows without them they learn nothing, however often they ask.
    fn states_for(&self, to: &Fingerprint, owed: Owed) -> Vec<SignedState> {
        let chain = &self.record.chain;
        let has = |state: &SignedState| state.state().member(to).is_some();
        let (hash, is_told_apart) = match owed {
            Owed::Whole => (None, false),
            Owed::After(hash) => (Some(hash), false),
            Owed::Instead(hash) => (Some(hash), true),
        };
        let known = hash.and_then(|hash| chain.find(hash));
        let mut states: Vec<_> = match known {
            Some(known) => chain.after(known.hash()),
            None => chain.states().cloned().collect(),
        };
        if chain.head().member(to).is_some() {
            return states;
        }
        if !is_told_apart && !known.is_some_and(has) {
            let Some(first) = states.iter().position(has) else { return Vec::new() };
            states.drain(..first);
        }
        if let Some(removal) = states.iter().position(|state| !has(state)) {
            states.truncate(removal + 1);
        }
        states
    }

    /// Asks a peer for the states that follow ours, once for each state that they name. Returns
    /// whether they are asked now.
    pub(super) fn ask(&mut self, to: Fingerprint, named: StateHash, turn: &mut Turn<'_>) -> bool {
        let asked = &mut self.record.asked;
        let has_room = asked.len() < limits::PEERS || asked.contains_key(&to);
        if !has_room || asked.get(&to) == Some(&named) {
            return false;
        }
        asked.insert(to, named);
        self.request(to, GroupRequest::NewerState, turn);
        true
    }

    /// Sends somebody who named an older state what follows it, once for each such state.
    pub(super) fn answer(&mut self, to: Fingerprint, tag: GroupTag) {
        let newest = self.record.chain.newest().hash();
        if self.answered.get(&to) == Some(&(tag.state_hash, newest)) {
            return;
        }
        if self.answered.len() >= limits::PEERS {
            self.answered.pop_first();
        }
        self.answered.insert(to, (tag.state_hash, newest));
        self.owe(to, Owed::After(tag.state_hash));
    }

    pub(super) fn request(&self, to: Fingerprint, request: GroupRequest, turn: &mut Turn<'_>) {
        turn.actions.push(Action::SendRequest { to, tag: self.record.tag(), request });
    }

    /// Tells the owner again what the user has decided, if the newest state does not say so.
    pub(super) fn remind_owner(&self, turn: &mut Turn<'_>) {
        let request = match self.record.mine {
            Mine::Accepted => GroupRequest::Accept,
            Mine::Declined => GroupRequest::Decline,
            Mine::Leaving => GroupRequest::Leave,
            Mine::Invited | Mine::Joined | Mine::Out => return,
        };
        if let Some(owner) = self.record.state().owner().filter(|owner| **owner != turn.me.key) {
            self.request(*owner, request, turn);
        }
    }
}
