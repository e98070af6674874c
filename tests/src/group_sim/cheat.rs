//! What the dishonest user does. They have their own key and everything that they were sent.

use sealpost_core::groups::{
    GroupRequest, GroupTag, InvalidState, Member, Parts, Record, Role, SignedState, Standing,
    State, StateHash, States,
};

use super::plan::Cheat;
use super::world::{GROUP, Sent, World, key, me, sign};

impl World {
    pub(super) fn cheat(&mut self, cheat: usize, how: Cheat, whom: usize) {
        let Some(record) = self.devices[cheat].groups.group(GROUP) else { return };
        let states: Vec<_> = record.states().cloned().collect();
        let Some(newest) = states.last().cloned() else { return };
        let old = states[self.dice.index(states.len())].clone();
        match how {
            Cheat::Equivocate => {
                for half in 0..2 {
                    if let Some(state) = self.signed(cheat, &newest, |_| {}) {
                        self.tell_some(cheat, &[state], |to| to % 2 == half);
                    }
                }
            }
            Cheat::RewritePast => {
                let take_over = self.dice.chance(500);
                let next = self.signed(cheat, &old, |parts| {
                    if take_over {
                        usurp(parts, cheat);
                    }
                });
                if let Some(state) = next {
                    self.tell_some(cheat, &[old, state], |_| true);
                }
            }
            Cheat::Usurp => {
                if let Some(state) = self.signed(cheat, &newest, |parts| usurp(parts, cheat)) {
                    self.tell_some(cheat, &[state], |_| true);
                }
            }
            Cheat::Impersonate => {
                if let Ok(state) = self.next(cheat, &newest, |parts| parts.writer = key(whom)) {
                    let signature = sign(cheat, &state.signed_text());
                    let bytes = state
                        .encode_signed(&me(self.dice.pick(&[cheat, whom])).public_key, &signature);
                    for to in (0..self.devices.len()).filter(|to| *to != cheat) {
                        self.send(cheat, to, Sent::States(bytes.clone()));
                    }
                }
            }
            Cheat::ForceIn => {
                let forced = self.signed(cheat, &newest, |parts| {
                    let (role, standing) = (Role::Member, Standing::Joined);
                    let member = Member { phone: me(whom).phone, role, standing };
                    parts.members.insert(key(whom), member);
                });
                if let Some(state) = forced {
                    self.tell_some(cheat, &[state], |_| true);
                }
            }
            Cheat::Replay => {
                let count = 1 + self.dice.index(states.len());
                self.tell_some(cheat, &states[..count], |_| true);
            }
            Cheat::TextOfOther => {
                let other = self.devices[whom].groups.group(GROUP).map(Record::tag);
                self.cheat_with_text(cheat, other.unwrap_or_else(|| tag_of(&newest)));
            }
            Cheat::TextOfOld => self.cheat_with_text(cheat, tag_of(&old)),
            Cheat::TextOfNone => {
                let epoch = self.dice.below(2 + newest.state().epoch() * 2);
                let hash = StateHash([u8::try_from(self.dice.below(256)).unwrap_or(0); 32]);
                self.cheat_with_text(cheat, GroupTag { group: GROUP, epoch, state_hash: hash });
            }
            Cheat::Pry => self.request(cheat, whom, tag_of(&old), GroupRequest::NewerState),
            Cheat::AcceptUninvited => {
                self.request(cheat, whom, tag_of(&newest), GroupRequest::Accept);
            }
            Cheat::Garbage => {
                let bytes = (0..self.dice.index(40))
                    .map(|_| u8::try_from(self.dice.below(256)).unwrap_or(0));
                let bytes = bytes.collect();
                if whom != cheat {
                    self.send(cheat, whom, Sent::States(bytes));
                }
            }
        }
    }

    /// A state after another one, with a name of its own, which the cheat signs.
    fn next(
        &mut self,
        cheat: usize,
        parent: &SignedState,
        edit: impl FnOnce(&mut Parts),
    ) -> Result<State, InvalidState> {
        let name = sealpost_core::groups::GroupName::new(format!("cheat {}", self.dice.number()));
        let mut parts = Parts {
            epoch: parent.state().epoch() + 1,
            previous: Some(parent.hash()),
            writer: key(cheat),
            name: name.ok_or(InvalidState::Malformed)?,
            ..parent.state().parts().clone()
        };
        edit(&mut parts);
        State::new(parts)
    }

    /// Signs a state after another one.
    fn signed(
        &mut self,
        cheat: usize,
        parent: &SignedState,
        edit: impl FnOnce(&mut Parts),
    ) -> Option<SignedState> {
        let state = self.next(cheat, parent, edit).ok()?;
        let signature = sign(cheat, &state.signed_text());
        let bytes = state.encode_signed(&me(cheat).public_key, &signature);
        States::verify(&bytes, |_| Ok(())).ok()?.as_slice().first().cloned()
    }

    fn tell_some(&mut self, cheat: usize, states: &[SignedState], to: impl Fn(usize) -> bool) {
        // What is not even consecutive can't be encoded: send the last one alone.
        let last = states.last().cloned().into_iter().collect();
        let states = States::consecutive(states.to_vec()).or_else(|_| States::consecutive(last));
        let Ok(states) = states else { return };
        self.witness.register(states.as_slice());
        for user in (0..self.devices.len()).filter(|user| *user != cheat && to(*user)) {
            self.send(cheat, user, Sent::States(states.encode()));
        }
    }

    fn cheat_with_text(&mut self, cheat: usize, tag: GroupTag) {
        self.items += 1;
        let item = sealpost_core::groups::ItemId(self.items);
        self.witness.cheat_writes(cheat, item, tag);
        for to in (0..self.devices.len()).filter(|to| *to != cheat) {
            self.send(cheat, to, Sent::Text(tag, item));
        }
    }

    fn request(&mut self, cheat: usize, to: usize, tag: GroupTag, request: GroupRequest) {
        if to != cheat {
            self.send(cheat, to, Sent::Request(tag, request));
        }
    }
}

fn usurp(parts: &mut Parts, cheat: usize) {
    for member in parts.members.values_mut() {
        if member.role == Role::Owner {
            member.role = Role::Member;
        }
    }
    let owner = Member { phone: me(cheat).phone, role: Role::Owner, standing: Standing::Joined };
    parts.members.insert(key(cheat), owner);
}

fn tag_of(state: &SignedState) -> GroupTag {
    GroupTag { group: GROUP, epoch: state.state().epoch(), state_hash: state.hash() }
}
