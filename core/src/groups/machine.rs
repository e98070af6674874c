//! The machine: all groups of one user.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::chain::Chain;
use super::contract::{Action, Command, CommandRefusal, GroupCommand, Input, Refusal, Told};
use super::group::{Group, Turn};
use super::member::{Member, Role, Standing};
use super::record::{Mine, Owed, Record};
use super::signed::{SignedState, States};
use super::state::{GroupName, Members, Parts, State};
use super::{GroupId, GroupRequest, GroupTag, ItemId, Me, StateHash, limits};
use crate::ids::Phone;
use crate::keys::Fingerprint;

/// All groups of one user. See the [module](super) for what a host does.
#[derive(Debug)]
pub struct Groups {
    me: Me,
    by_id: BTreeMap<GroupId, Group>,
    /// First states of new groups that are being signed.
    creating: BTreeMap<StateHash, State>,
}

impl Groups {
    /// A machine with the groups in the store.
    pub fn new(me: Me, records: impl IntoIterator<Item = (GroupId, Record)>) -> Self {
        let groups = records.into_iter().map(|(id, record)| (id, Group::new(id, record)));
        Self { me, by_id: groups.collect(), creating: BTreeMap::new() }
    }

    /// What a restart may have prevented: everything that peers are still owed is sent again. The
    /// host calls this once, before any input.
    pub fn start(&mut self) -> Vec<Action> {
        let ids: Vec<_> = self.by_id.keys().copied().collect();
        let mut actions = Vec::new();
        for id in ids {
            actions.extend(self.in_group(id, |group, turn| {
                for to in group.record.asked.keys() {
                    group.request(*to, GroupRequest::NewerState, turn);
                }
                group.remind_owner(turn);
            }));
        }
        actions
    }

    /// Takes one input and returns what follows from it, in order.
    pub fn handle(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::Command(Command::Create { group, name, expiry_secs, invite }) => {
                self.create(group, name, expiry_secs, invite)
            }
            Input::Command(Command::In(group, command)) => self.on_command(group, command),
            Input::States { from, states } => self.on_states(from, states),
            Input::InvalidStates { from, group, why } => {
                alloc::vec![Action::Tell(group, Told::Suspicious { from, why })]
            }
            Input::Request { from, tag, request } => self.in_group(tag.group, |group, turn| {
                group.on_request(from, tag, request, turn);
            }),
            Input::Text { from, tag, item } => self.on_text(from, tag, item),
            Input::Signed { hash, signature } => self.on_signed(hash, signature.as_deref()),
        }
    }

    /// The record of a group.
    pub fn group(&self, id: GroupId) -> Option<&Record> {
        self.by_id.get(&id).map(|group| &group.record)
    }

    /// All groups with their records.
    pub fn iter(&self) -> impl Iterator<Item = (GroupId, &Record)> {
        self.by_id.iter().map(|(id, group)| (*id, &group.record))
    }

    /// Checks the bounds and invariants of the whole state, for tests and simulations.
    ///
    /// # Errors
    /// The invariant that does not hold, in words.
    pub fn is_consistent(&self) -> Result<(), &'static str> {
        if self.by_id.len() > limits::GROUPS {
            return Err("there are too many groups");
        }
        if self.creating.len() > limits::GROUPS {
            return Err("too many groups are being made");
        }
        self.by_id.values().try_for_each(|group| {
            if group.answered.len() > limits::PEERS {
                return Err("too many answers are remembered");
            }
            group.record.is_consistent()
        })
    }

    fn create(
        &mut self,
        group: GroupId,
        name: GroupName,
        expiry_secs: u32,
        invite: Vec<(Fingerprint, Phone)>,
    ) -> Vec<Action> {
        if self.by_id.contains_key(&group) {
            return refused(group, CommandRefusal::Exists);
        }
        if self.by_id.len() + self.creating.len() >= limits::GROUPS {
            return refused(group, CommandRefusal::TooManyGroups);
        }
        let count = invite.len() + 1;
        let owner = Member { phone: self.me.phone, role: Role::Owner, standing: Standing::Joined };
        let invited = invite.into_iter().map(|(key, phone)| (key, Member::invited(phone)));
        let members: Members = invited.chain([(self.me.key, owner)]).collect();
        let all_differ = members.len() == count;
        let (epoch, previous, writer) = (0, None, self.me.key);
        let parts = Parts { group, epoch, previous, name, expiry_secs, writer, members };
        let Some(state) = State::new(parts).ok().filter(|_| all_differ) else {
            return refused(group, CommandRefusal::Invalid);
        };
        let (hash, text) = (state.hash(), state.signed_text());
        self.creating.insert(hash, state);
        alloc::vec![Action::Sign { hash, text }]
    }

    fn on_command(&mut self, id: GroupId, command: GroupCommand) -> Vec<Action> {
        if !self.by_id.contains_key(&id) {
            return refused(id, CommandRefusal::UnknownGroup);
        }
        let forgets = matches!(command, GroupCommand::Forget);
        let mut done = Ok(());
        let mut actions = self.in_group(id, |group, turn| done = group.on_command(command, turn));
        match done {
            Ok(()) if forgets => {
                self.by_id.remove(&id);
                alloc::vec![Action::Store(id, None)]
            }
            Ok(()) => actions,
            Err(why) => {
                actions.extend(refused(id, why));
                actions
            }
        }
    }

    fn on_signed(&mut self, hash: StateHash, signature: Option<&[u8; 256]>) -> Vec<Action> {
        if let Some(state) = self.creating.remove(&hash) {
            return self.found(state, signature);
        }
        let writes = |(id, group): (&GroupId, &Group)| {
            let (state, _) = group.writing.as_ref()?;
            (state.hash() == hash).then_some(*id)
        };
        let Some(id) = self.by_id.iter().find_map(writes) else { return Vec::new() };
        self.in_group(id, |group, turn| group.on_signed(signature, turn))
    }

    /// Founds a group whose first state was signed.
    fn found(&mut self, state: State, signature: Option<&[u8; 256]>) -> Vec<Action> {
        let id = state.parts().group;
        let Some(signature) = signature else {
            return alloc::vec![Action::Tell(id, Told::NotWritten)];
        };
        if self.by_id.contains_key(&id) {
            return refused(id, CommandRefusal::Exists);
        }
        let signed = SignedState::written(state, self.me.public_key.clone(), *signature);
        self.add(id, Record::new(Chain::new(signed), Mine::Joined), |group, turn| {
            let others: Vec<_> =
                group.record.state().keys().filter(|key| **key != turn.me.key).copied().collect();
            for key in others {
                group.owe(key, Owed::Whole);
            }
            turn.tell(id, Told::Joined);
        })
    }

    fn on_states(&mut self, from: Fingerprint, states: States) -> Vec<Action> {
        let [.., newest] = states.as_slice() else { return Vec::new() };
        let (id, state) = (newest.state().parts().group, newest.state());
        if self.by_id.contains_key(&id) {
            return self.in_group(id, |group, turn| group.on_states(from, states, turn));
        }
        // An invitation: a state that names us, from somebody in it. Without the state before it,
        // nothing but its own words says that the writer may write.
        let is_entitled = states.as_slice().len() > 1 || state.is_owner(state.writer());
        let names_both = state.member(&self.me.key).is_some() && state.member(&from).is_some();
        if !names_both || !is_entitled {
            return Vec::new();
        }
        if !self.has_room_for_invitation() {
            return refused(id, CommandRefusal::TooManyGroups);
        }
        let by = *state.writer();
        let Some(chain) = Chain::of(&states) else { return Vec::new() };
        self.add(id, Record::new(chain, Mine::Invited), |_, turn| {
            turn.tell(id, Told::Invited { by });
        })
    }

    fn has_room_for_invitation(&self) -> bool {
        let undecided = |group: &&Group| group.record.mine == Mine::Invited;
        let invitations = self.by_id.values().filter(undecided).count();
        self.by_id.len() + self.creating.len() < limits::GROUPS && invitations < limits::INVITATIONS
    }

    fn on_text(&mut self, from: Fingerprint, tag: GroupTag, item: ItemId) -> Vec<Action> {
        if self.by_id.contains_key(&tag.group) {
            return self.in_group(tag.group, |group, turn| group.on_text(from, tag, item, turn));
        }
        alloc::vec![Action::Refuse(tag.group, item, Refusal::UnknownGroup)]
    }

    /// Adds a group, and works on it.
    fn add(
        &mut self,
        id: GroupId,
        record: Record,
        work: impl FnOnce(&mut Group, &mut Turn<'_>),
    ) -> Vec<Action> {
        let group = self.by_id.entry(id).or_insert_with(|| Group::new(id, record));
        let mut turn = Turn { me: &self.me, actions: Vec::new() };
        work(group, &mut turn);
        group.settle(None, &mut turn);
        turn.actions
    }

    /// Works on a group, if it is known.
    fn in_group(
        &mut self,
        id: GroupId,
        work: impl FnOnce(&mut Group, &mut Turn<'_>),
    ) -> Vec<Action> {
        let Some(group) = self.by_id.get_mut(&id) else { return Vec::new() };
        let before = group.record.clone();
        let mut turn = Turn { me: &self.me, actions: Vec::new() };
        work(group, &mut turn);
        group.settle(Some(&before), &mut turn);
        turn.actions
    }
}

fn refused(group: GroupId, why: CommandRefusal) -> Vec<Action> {
    alloc::vec![Action::Tell(group, Told::CommandRefused(why))]
}
