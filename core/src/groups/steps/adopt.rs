//! New states become the group's.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::groups::chain::Fork;
use crate::groups::contract::Told;
use crate::groups::group::{Group, Turn};
use crate::groups::member::Standing;
use crate::groups::record::{Mine, Owed};
use crate::groups::signed::SignedState;
use crate::groups::state::{InvalidState, State};
use crate::keys::Fingerprint;

impl Group {
    /// Takes the other branch of a fork instead of ours.
    pub(in crate::groups) fn switch(
        &mut self,
        fork: Fork,
        turn: &mut Turn<'_>,
    ) -> Result<(), InvalidState> {
        let record = &mut self.record;
        let before = record.state().clone();
        let ever: BTreeSet<_> =
            record.chain.states().flat_map(|known| known.state().joined()).copied().collect();
        record.chain.truncate(fork.common);
        let common = record.chain.newest().hash();
        let invited = |key: &Fingerprint| {
            let standings = fork.theirs.iter().filter_map(|state| state.state().member(key));
            standings.into_iter().any(|member| member.standing == Standing::Invited)
        };
        let removed: Vec<_> =
            ever.into_iter().filter(|key| before.member(key).is_none() && !invited(key)).collect();
        self.adopt(fork.theirs, turn)?;
        // Who was removed gets nothing to read because the removal was undone: the user decides.
        let record = &mut self.record;
        let (excluded, head) = (&mut record.excluded, record.chain.head());
        excluded.extend(removed.into_iter().filter(|key| head.has_joined(key)));
        self.tell_left_behind(&before, common, &turn.me.key);
        // Requests that the branch that lost had granted are made again to the owner who asks so.
        if self.record.state().is_owner(&turn.me.key) {
            let head = self.record.state().clone();
            self.announce(&head, &turn.me.key);
        }
        let after = Box::new(self.record.state().clone());
        turn.tell(self.id, Told::Undone { before: Box::new(before), after });
        Ok(())
    }

    /// Takes states that follow the newest one.
    pub(in crate::groups) fn adopt(
        &mut self,
        states: Vec<SignedState>,
        turn: &mut Turn<'_>,
    ) -> Result<(), InvalidState> {
        let was = self.record.mine;
        for signed in states {
            self.record.chain.push(signed)?;
            let head = self.record.chain.head();
            self.record.excluded.retain(|key| head.has_joined(key));
            let standing = head.member(&turn.me.key).map(|member| member.standing);
            self.record.mine = self.record.mine.after(standing);
        }
        self.record.offer = None;
        self.tell_news(was, turn);
        self.remind_owner(turn);
        self.release(turn);
        Ok(())
    }

    /// Owes the branch that won to those whom only the branch that lost had. Nobody else knows them.
    fn tell_left_behind(
        &mut self,
        lost: &State,
        common: crate::groups::StateHash,
        me: &Fingerprint,
    ) {
        let head = self.record.state();
        let behind: Vec<_> =
            lost.keys().filter(|key| head.member(key).is_none() && *key != me).copied().collect();
        for key in behind {
            self.owe(key, Owed::Instead(common));
        }
    }

    fn tell_news(&self, was: Mine, turn: &mut Turn<'_>) {
        let told = match (was, self.record.mine) {
            (Mine::Out, Mine::Out) => return,
            (Mine::Declined | Mine::Leaving, Mine::Out) => Told::Left,
            (_, Mine::Out) => Told::Removed,
            (Mine::Accepted, Mine::Joined) => Told::Joined,
            (Mine::Out, Mine::Invited) => Told::Invited { by: *self.record.state().writer() },
            (_, Mine::Invited | Mine::Accepted | Mine::Joined | Mine::Declined | Mine::Leaving) => {
                Told::Changed
            }
        };
        turn.tell(self.id, told);
    }
}
