//! States and requests of peers.

use alloc::vec::Vec;

use crate::groups::chain::Relation;
use crate::groups::change::Change;
use crate::groups::contract::Told;
use crate::groups::group::{Group, Turn};
use crate::groups::member::Standing;
use crate::groups::record::{Mine, Owed};
use crate::groups::signed::States;
use crate::groups::state::InvalidState;
use crate::groups::{GroupRequest, GroupTag, limits};
use crate::keys::Fingerprint;

impl Group {
    /// Takes states of a group that is known.
    pub(in crate::groups) fn on_states(
        &mut self,
        from: Fingerprint,
        states: States,
        turn: &mut Turn<'_>,
    ) {
        if let Err(why) = self.take_states(from, states, turn) {
            turn.tell(self.id, Told::Suspicious { from, why });
        }
        let chain = &self.record.chain;
        self.record.asked.retain(|_, named| chain.find(*named).is_none());
    }

    fn take_states(
        &mut self,
        from: Fingerprint,
        states: States,
        turn: &mut Turn<'_>,
    ) -> Result<(), InvalidState> {
        match self.record.chain.relate(&states)? {
            Relation::Known => {
                if self.record.state().is_owner(&from) {
                    self.remind_owner(turn);
                }
                Ok(())
            }
            Relation::Extends(new) => self.adopt(new, turn),
            Relation::Parts(fork) => {
                if let (Some(writer), Some(first)) = (fork.twice_by, fork.theirs.first()) {
                    let epoch = first.state().epoch();
                    turn.tell(self.id, Told::TwoStates { writer, epoch });
                }
                if fork.they_win {
                    return self.switch(fork, turn);
                }
                let common = self.record.chain.states().nth(fork.common.saturating_sub(1));
                if let Some(common) = common.map(crate::groups::signed::SignedState::hash) {
                    self.owe(from, Owed::Instead(common));
                }
                Ok(())
            }
            Relation::Later => {
                self.on_gap(from, states, turn);
                Ok(())
            }
            Relation::Apart => {
                self.on_apart(from, &states, turn);
                Ok(())
            }
        }
    }

    /// States are missing between ours and these.
    fn on_gap(&mut self, from: Fingerprint, states: States, turn: &mut Turn<'_>) {
        let [.., newest] = states.as_slice() else { return };
        let named = newest.hash();
        // News, or the answer to another question. The whole of a chain begins with the first state
        // or has as many as are kept.
        if states.as_slice().len() < limits::CHAIN {
            self.ask(from, named, turn);
            return;
        }
        let names_me = newest.state().member(&turn.me.key).is_some();
        let is_of_members = newest.state().member(&from).is_some()
            && (self.record.mine == Mine::Out || self.record.state().member(&from).is_some());
        if names_me && is_of_members {
            self.record.offer = Some((from, states));
            turn.tell(self.id, Told::Missed { from });
        }
    }

    /// These states part from ours before anything that they or we have.
    fn on_apart(&mut self, from: Fingerprint, states: &States, turn: &mut Turn<'_>) {
        let [.., newest] = states.as_slice() else { return };
        let oldest = self.record.chain.states().next().map(|state| state.state().epoch());
        if oldest.is_some_and(|oldest| newest.state().epoch() < oldest) {
            // Simply old.
            return;
        }
        if self.ask(from, newest.hash(), turn) {
            return;
        }
        turn.tell(self.id, Told::Apart { from });
    }

    /// Takes a request.
    pub(in crate::groups) fn on_request(
        &mut self,
        from: Fingerprint,
        tag: GroupTag,
        request: GroupRequest,
        turn: &mut Turn<'_>,
    ) {
        match request {
            GroupRequest::Accept => {
                if self.is_invited(&from) && self.record.state().is_owner(&turn.me.key) {
                    self.plan(Change::Join(from));
                }
            }
            GroupRequest::Decline | GroupRequest::Leave => self.on_leave(from, tag, turn),
            GroupRequest::NewerState => {}
        }
        // A request is always answered: its sender may have been restored from a backup.
        self.answered.remove(&from);
        self.bring_up_to_date(from, tag, turn);
    }

    /// Sends somebody what follows the state that they know, or asks them if they know more.
    pub(in crate::groups) fn bring_up_to_date(
        &mut self,
        from: Fingerprint,
        tag: GroupTag,
        turn: &mut Turn<'_>,
    ) {
        let chain = &self.record.chain;
        let is_known = chain.find(tag.state_hash).is_some();
        let ever = chain.states().any(|known| known.state().member(&from).is_some());
        if tag.state_hash == chain.newest().hash() {
            return;
        }
        // Somebody unknown may have been invited by a state that a restored owner has lost.
        let is_ahead = tag.epoch > chain.head().epoch();
        if !is_known && (is_ahead || !ever) && self.ask(from, tag.state_hash, turn) {
            return;
        }
        if ever && !is_ahead {
            self.answer(from, tag);
        }
    }

    /// Somebody leaves or declines: from now on nothing is sent to them, whatever the owner does.
    fn on_leave(&mut self, from: Fingerprint, tag: GroupTag, turn: &mut Turn<'_>) {
        if self.has_rejoined_since(&from, tag) {
            return;
        }
        if self.record.state().has_joined(&from) && self.record.excluded.insert(from) {
            turn.tell(self.id, Told::MemberLeft { key: from });
        }
        if self.record.state().is_owner(&turn.me.key) {
            self.plan(Change::Remove(from));
        }
    }

    /// Whether somebody was removed and invited again after the state with this tag.
    fn has_rejoined_since(&self, key: &Fingerprint, tag: GroupTag) -> bool {
        let later = self.record.chain.states().filter(|known| known.state().epoch() > tag.epoch);
        later.into_iter().any(|known| known.state().member(key).is_none())
    }

    fn is_invited(&self, key: &Fingerprint) -> bool {
        let member = self.record.state().member(key);
        member.is_some_and(|member| member.standing == Standing::Invited)
    }

    /// Plans a change for the next state. Returns whether there is room for it.
    pub(in crate::groups) fn plan(&mut self, change: Change) -> bool {
        let pending: &mut Vec<_> = &mut self.record.pending;
        if pending.contains(&change) {
            return true;
        }
        let has_room = pending.len() < limits::PENDING;
        if has_room {
            pending.push(change);
        }
        has_room
    }
}
