//! Commands of the user in one group.

use crate::groups::chain::Chain;
use crate::groups::change::Change;
use crate::groups::contract::{Action, CommandRefusal, GroupCommand, Told};
use crate::groups::group::{Group, Turn};
use crate::groups::member::{Member, Standing};
use crate::groups::record::{Mine, Owed};
use crate::groups::{GroupRequest, ItemId};
use crate::ids::Phone;
use crate::keys::Fingerprint;

type Done = Result<(), CommandRefusal>;

impl Group {
    /// Carries out a command. The group's owner alone changes it.
    pub(in crate::groups) fn on_command(
        &mut self,
        command: GroupCommand,
        turn: &mut Turn<'_>,
    ) -> Done {
        match command {
            GroupCommand::Accept => self.accept(turn),
            GroupCommand::Decline => self.decline(turn),
            GroupCommand::Leave => self.leave(turn),
            GroupCommand::Forget => match self.record.mine {
                Mine::Out => Ok(()),
                Mine::Invited | Mine::Accepted | Mine::Joined | Mine::Declined | Mine::Leaving => {
                    Err(CommandRefusal::NotLeft)
                }
            },
            GroupCommand::Send(item) => self.send(item, turn),
            GroupCommand::Readmit(key) => self.readmit(&key),
            GroupCommand::TakeOver => self.take_over(&turn.me.key),
            GroupCommand::Rename(name) => self.change(Change::Rename(name), turn),
            GroupCommand::Expire(secs) => self.change(Change::Expire(secs), turn),
            GroupCommand::Invite { key, phone } => self.invite(key, phone, turn),
            GroupCommand::Remove(key) => self.change_of(key, Change::Remove(key), turn),
            GroupCommand::Succeed { key, rank } => {
                self.change_of(key, Change::Succeed { key, rank }, turn)
            }
            GroupCommand::HandOver(key) => self.change_of(key, Change::HandOver(key), turn),
        }
    }

    fn accept(&mut self, turn: &mut Turn<'_>) -> Done {
        if let Some((_, states)) = self.record.offer.take() {
            let Some(chain) = Chain::of(&states) else { return Err(CommandRefusal::NotInvited) };
            self.record.chain = chain;
            self.record.excluded.clear();
            self.record.mine = Mine::Invited;
        }
        if self.record.mine != Mine::Invited {
            return Err(CommandRefusal::NotInvited);
        }
        self.record.mine = Mine::Accepted;
        if self.record.state().has_joined(&turn.me.key) {
            self.record.mine = Mine::Joined;
            turn.tell(self.id, Told::Joined);
        }
        self.remind_owner(turn);
        self.release(turn);
        Ok(())
    }

    fn decline(&mut self, turn: &mut Turn<'_>) -> Done {
        let may_decline = self.may_decline(&turn.me.key);
        if self.record.offer.take().is_some() && !may_decline {
            return Ok(());
        }
        if !may_decline {
            return Err(CommandRefusal::NotInvited);
        }
        self.record.mine = Mine::Declined;
        self.remind_owner(turn);
        self.release(turn);
        Ok(())
    }

    /// Whether the user has an invitation, even if it was accepted: as long as the owner has not written
    /// it down, it can be declined after all.
    fn may_decline(&self, me: &Fingerprint) -> bool {
        match self.record.mine {
            Mine::Invited => true,
            Mine::Accepted => !self.record.state().is_owner(me),
            Mine::Joined | Mine::Declined | Mine::Leaving | Mine::Out => false,
        }
    }

    fn leave(&mut self, turn: &mut Turn<'_>) -> Done {
        if self.record.mine == Mine::Accepted && self.may_decline(&turn.me.key) {
            return self.decline(turn);
        }
        self.expect_joined()?;
        let (me, state) = (turn.me.key, self.record.state());
        if state.is_owner(&me) {
            if state.parts().members.len() == 1 {
                self.record.mine = Mine::Out;
                turn.tell(self.id, Told::Left);
                return Ok(());
            }
            if state.first_successor().is_none() {
                return Err(CommandRefusal::NoSuccessor);
            }
            self.record.mine = Mine::Leaving;
            return self.plan_or_refuse(Change::Depart);
        }
        for to in self.record.recipients(&me) {
            self.request(to, GroupRequest::Leave, turn);
        }
        self.record.mine = Mine::Leaving;
        Ok(())
    }

    fn send(&self, item: ItemId, turn: &mut Turn<'_>) -> Done {
        self.expect_joined()?;
        let to = self.record.recipients(&turn.me.key);
        turn.actions.push(Action::SendText { item, tag: self.record.tag(), to });
        Ok(())
    }

    fn readmit(&mut self, key: &Fingerprint) -> Done {
        if self.record.excluded.remove(key) { Ok(()) } else { Err(CommandRefusal::NoSuchMember) }
    }

    fn take_over(&mut self, me: &Fingerprint) -> Done {
        self.expect_joined()?;
        let rank = self.record.state().member(me).and_then(Member::rank);
        if rank.is_none_or(|rank| rank == 0) {
            return Err(CommandRefusal::NotSuccessor);
        }
        self.plan_or_refuse(Change::TakeOver)
    }

    /// Invites somebody. Who was invited before and has not answered is sent the states again: they may
    /// have been ignored, or have come to a store that is lost.
    fn invite(&mut self, key: Fingerprint, phone: Phone, turn: &Turn<'_>) -> Done {
        self.change(Change::Invite { key, phone }, turn)?;
        let member = self.record.state().member(&key);
        if member.is_some_and(|member| member.standing == Standing::Invited) {
            self.owe(key, Owed::Whole);
        }
        Ok(())
    }

    fn change_of(&mut self, key: Fingerprint, change: Change, turn: &Turn<'_>) -> Done {
        if self.record.state().member(&key).is_none() {
            return Err(CommandRefusal::NoSuchMember);
        }
        self.change(change, turn)
    }

    fn change(&mut self, change: Change, turn: &Turn<'_>) -> Done {
        self.expect_joined()?;
        if !self.record.state().is_owner(&turn.me.key) {
            return Err(CommandRefusal::NotOwner);
        }
        self.plan_or_refuse(change)
    }

    fn plan_or_refuse(&mut self, change: Change) -> Done {
        if self.plan(change) { Ok(()) } else { Err(CommandRefusal::TooManyChanges) }
    }

    fn expect_joined(&self) -> Done {
        if self.record.mine == Mine::Joined { Ok(()) } else { Err(CommandRefusal::NotJoined) }
    }
}
