//! Texts: shown, held or refused. A text never changes who is a member.

use crate::groups::contract::{Action, Refusal, Shown, Told};
use crate::groups::group::{Group, Turn};
use crate::groups::record::{Held, Mine};
use crate::groups::{GroupTag, ItemId, limits};
use crate::keys::Fingerprint;

/// What becomes of a text.
enum Verdict {
    Show(Shown),
    Hold,
    Refuse(Refusal),
}

impl Group {
    /// Takes a text.
    pub(in crate::groups) fn on_text(
        &mut self,
        from: Fingerprint,
        tag: GroupTag,
        item: ItemId,
        turn: &mut Turn<'_>,
    ) {
        let action = match self.judge(&from, tag) {
            Verdict::Show(how) => Action::Show { group: self.id, item, how },
            Verdict::Refuse(why) => Action::Refuse(self.id, item, why),
            Verdict::Hold => self.hold(Held { from, tag, item }),
        };
        turn.actions.push(action);
        self.follow_up(from, tag, turn);
    }

    /// Judges held texts again, after new states or a decision of the user.
    pub(in crate::groups) fn release(&mut self, turn: &mut Turn<'_>) {
        for held in core::mem::take(&mut self.record.held) {
            match self.judge(&held.from, held.tag) {
                Verdict::Hold => self.record.held.push(held),
                Verdict::Show(how) => {
                    turn.actions.push(Action::Show { group: self.id, item: held.item, how });
                    self.follow_up(held.from, held.tag, turn);
                }
                Verdict::Refuse(why) => {
                    turn.actions.push(Action::Refuse(self.id, held.item, why));
                    self.follow_up(held.from, held.tag, turn);
                }
            }
        }
    }

    fn judge(&self, from: &Fingerprint, tag: GroupTag) -> Verdict {
        match self.record.mine {
            Mine::Invited | Mine::Accepted => return Verdict::Hold,
            Mine::Declined | Mine::Leaving | Mine::Out => {
                return Verdict::Refuse(Refusal::NotJoined);
            }
            Mine::Joined => {}
        }
        let (chain, head) = (&self.record.chain, self.record.state());
        let Some(written_in) =
            chain.find(tag.state_hash).filter(|s| s.state().epoch() == tag.epoch)
        else {
            if tag.epoch > head.epoch() {
                return Verdict::Hold;
            }
            if head.has_joined(from) && !self.record.is_excluded(from) {
                return Verdict::Show(Shown::OtherState);
            }
            return Verdict::Refuse(Refusal::NotAMember);
        };
        if !written_in.state().has_joined(from) || self.record.is_excluded(from) {
            return Verdict::Refuse(Refusal::NotAMember);
        }
        if written_in.hash() == chain.newest().hash() {
            return Verdict::Show(Shown::Current);
        }
        let how = if head.has_joined(from) { Shown::Older } else { Shown::BeforeRemoval };
        Verdict::Show(how)
    }

    /// Holds a text if there is room for it.
    fn hold(&mut self, held: Held) -> Action {
        let of_one = self.record.held.iter().filter(|other| other.from == held.from).count();
        if self.record.held.len() >= limits::HELD || of_one >= limits::HELD_OF_ONE {
            return Action::Refuse(self.id, held.item, Refusal::TooMany);
        }
        self.record.held.push(held);
        Action::Hold(self.id, held.item)
    }

    /// Makes up for the difference between the state that a text names and ours.
    fn follow_up(&mut self, from: Fingerprint, tag: GroupTag, turn: &mut Turn<'_>) {
        let chain = &self.record.chain;
        let (is_known, head) = (chain.find(tag.state_hash).is_some(), chain.head());
        let oldest = chain.states().next().map_or(0, |state| state.state().epoch());
        if !is_known && head.has_joined(&from) && (oldest..=head.epoch()).contains(&tag.epoch) {
            turn.tell(self.id, Told::Differs { from });
            if self.ask(from, tag.state_hash, turn) {
                return;
            }
        }
        self.bring_up_to_date(from, tag, turn);
    }
}
