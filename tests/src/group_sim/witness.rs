//! What must hold, judged from outside: the witness sees what devices send, show and keep, and
//! draws its own conclusions.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::groups::{
    GroupTag, Groups, ItemId, Mine, Record, Shown, SignedState, Standing, State, StateHash, States,
};
use sealpost_core::keys::Fingerprint;

use super::world::{GROUP, key};

/// The witness.
pub(super) struct Witness {
    dishonest: Option<usize>,
    /// Every state that was ever signed and sent.
    states: BTreeMap<StateHash, State>,
    /// Author and tag of every text.
    texts: BTreeMap<ItemId, (usize, GroupTag)>,
    /// Texts that were shown as current, and to whom.
    shown: BTreeSet<(usize, ItemId)>,
    /// What each user has seen.
    memories: Vec<Memory>,
    restored: BTreeSet<usize>,
    /// Whether branches parted too early to be compared.
    pub(super) apart: bool,
    /// The first thing that did not hold.
    pub(super) violation: Option<String>,
}

/// What one user has seen since their store began.
#[derive(Default)]
struct Memory {
    seen: BTreeSet<StateHash>,
    ever: BTreeSet<Fingerprint>,
    /// People whom the user has seen removed or leaving, and not invited since.
    gone: BTreeSet<Fingerprint>,
}

impl Witness {
    pub(super) fn new(users: usize, dishonest: Option<usize>) -> Self {
        Self {
            dishonest,
            states: BTreeMap::new(),
            texts: BTreeMap::new(),
            shown: BTreeSet::new(),
            memories: (0..users).map(|_| Memory::default()).collect(),
            restored: BTreeSet::new(),
            apart: false,
            violation: None,
        }
    }

    pub(super) fn register(&mut self, states: &[SignedState]) {
        for state in states {
            self.states.insert(state.hash(), state.state().clone());
        }
    }

    /// A device's store is an older one now: it remembers only what that has.
    pub(super) fn forget(&mut self, user: usize, record: Option<&Record>) {
        self.restored.insert(user);
        self.memories[user] = Memory::default();
        if let Some(record) = record {
            self.remember(user, record);
        }
    }

    /// Looks at a device between two inputs.
    pub(super) fn look(&mut self, user: usize, groups: &Groups) {
        if let Err(why) = groups.is_consistent() {
            self.violated(format!("user {user} is inconsistent: {why}"));
        }
        if let Some(record) = groups.group(GROUP) {
            self.remember(user, record);
            let joined = record.state().has_joined(&key(user));
            if record.mine() == Mine::Joined && !joined {
                self.violated(format!("user {user} believes to have joined, against the state"));
            }
        }
    }

    fn remember(&mut self, user: usize, record: &Record) {
        let states: Vec<_> = record.states().cloned().collect();
        self.register(&states);
        self.memories[user].remember(&states);
    }

    pub(super) fn member_left(&mut self, user: usize, whom: Fingerprint) {
        self.memories[user].gone.insert(whom);
    }

    /// A device sends states.
    pub(super) fn states_leave(
        &mut self,
        user: usize,
        to: Fingerprint,
        states: &States,
        record: Option<&Record>,
    ) {
        self.register(states.as_slice());
        let Some(record) = record else {
            return self.violated(format!("user {user} sends states of no group"));
        };
        if record.state().member(&to).is_some() {
            return;
        }
        // Whoever is not a member learns that, once for each branch, and nothing after.
        for state in states.as_slice() {
            let parent = state.state().parts().previous;
            let was_out = parent.and_then(|hash| self.states.get(&hash));
            let was_out = was_out.is_some_and(|parent| parent.member(&to).is_none());
            let has_other = self
                .states
                .values()
                .any(|other| other.parts().previous == parent && other != state.state());
            if was_out && state.state().member(&to).is_none() && !has_other {
                return self
                    .violated(format!("user {user} sends states to somebody who was removed"));
            }
        }
    }

    /// A device sends a text.
    pub(super) fn text_leaves(
        &mut self,
        user: usize,
        item: ItemId,
        tag: GroupTag,
        to: &[Fingerprint],
        record: Option<&Record>,
    ) {
        self.texts.insert(item, (user, tag));
        let newest = record.map(Record::tag);
        if newest != Some(tag) {
            return self.violated(format!("user {user} writes in a state that is not the newest"));
        }
        let Some(state) = self.states.get(&tag.state_hash) else {
            return self.violated(format!("user {user} writes in a state that nobody signed"));
        };
        if !to.iter().all(|key| state.has_joined(key)) {
            return self.violated(format!("user {user} writes to somebody who has not joined"));
        }
        if to.iter().any(|key| self.memories[user].gone.contains(key)) {
            self.violated(format!("user {user} writes to somebody who was removed or has left"));
        }
    }

    /// Somebody dishonest sends a text.
    pub(super) fn cheat_writes(&mut self, user: usize, item: ItemId, tag: GroupTag) {
        self.texts.insert(item, (user, tag));
    }

    /// A copy of a text reached a device.
    pub(super) fn copy_arrived(&mut self, user: usize, tag: GroupTag) {
        let joined =
            self.states.get(&tag.state_hash).is_none_or(|state| state.has_joined(&key(user)));
        // The cheat's texts go to everybody.
        if !joined && self.dishonest.is_none() {
            self.violated(format!(
                "user {user} gets a text of a state in which they are no member"
            ));
        }
    }

    /// A device shows a text.
    pub(super) fn text_shown(
        &mut self,
        user: usize,
        item: ItemId,
        how: Shown,
        record: Option<&Record>,
    ) {
        let (Some(record), Some((author, tag))) = (record, self.texts.get(&item).copied()) else {
            return self.violated(format!("user {user} shows a text that nobody wrote"));
        };
        let author_key = key(author);
        let in_its_state =
            self.states.get(&tag.state_hash).is_some_and(|s| s.has_joined(&author_key));
        let now = record.state().has_joined(&author_key);
        let holds = match how {
            Shown::Current => in_its_state && now && record.tag() == tag,
            Shown::Older => in_its_state && now && record.tag() != tag,
            Shown::BeforeRemoval => in_its_state && !now,
            Shown::OtherState => now,
        };
        if !holds {
            self.violated(format!("user {user} shows a text of user {author} as {how:?}"));
        }
        if how == Shown::Current {
            self.shown.insert((user, item));
        }
        if record.mine() != Mine::Joined {
            self.violated(format!("user {user} is shown a text without having joined"));
        }
    }

    /// At the end, when everything was delivered and everybody has written: those who have joined
    /// and count each other among the members have the same state.
    pub(super) fn judge_agreement<'a>(&mut self, devices: impl Iterator<Item = &'a Groups>) {
        if self.apart {
            return;
        }
        let genuine = self.genuine();
        let honest = devices.enumerate().filter(|(user, _)| Some(*user) != self.dishonest);
        // Somebody invited by the cheat may be in a group of the cheat's with the same id.
        let members: Vec<_> = honest
            .filter_map(|(user, groups)| Some((user, groups.group(GROUP)?)))
            .filter(|(_, record)| genuine.contains(&record.tag().state_hash))
            .collect();
        self.judge_requests(&members);
        let joined: Vec<_> =
            members.into_iter().filter(|(_, record)| record.mine() == Mine::Joined).collect();
        let mut violation = None;
        for (user, record) in &joined {
            let last = self.texts.iter().rev().find(|(_, (author, _))| author == user);
            let heard = last.is_none_or(|(item, _)| {
                joined.iter().all(|(other, others)| {
                    let is_heard = other == user || self.shown.contains(&(*other, *item));
                    let goes = record.state().has_joined(&key(*other))
                        && !record.is_excluded(&key(*other))
                        && !others.is_excluded(&key(*user));
                    is_heard || !goes
                })
            });
            if !heard {
                violation = Some(format!("not everybody is shown the last text of user {user}"));
            }
            for (other, others) in &joined {
                let counts = record.state().has_joined(&key(*other));
                if counts && record.tag() != others.tag() {
                    violation = Some(format!("users {user} and {other} have different states"));
                }
                if record.tag().epoch == others.tag().epoch && record.tag() != others.tag() {
                    violation = Some(format!("users {user} and {other} differ in an epoch"));
                }
            }
        }
        if let Some(violation) = violation {
            self.violated(violation);
        }
    }

    /// Nobody waits for an owner who is there, and who has not lost the request with a backup.
    fn judge_requests(&mut self, members: &[(usize, &Record)]) {
        for (user, record) in members {
            let waits = matches!(record.mine(), Mine::Accepted | Mine::Declined | Mine::Leaving);
            let owner = members.iter().find(|(other, others)| {
                let remembers = !self.restored.contains(other);
                remembers && record.state().is_owner(&key(*other)) && others.mine() == Mine::Joined
            });
            if waits && owner.is_some_and(|(owner, _)| owner != user) {
                self.violated(format!("user {user} still waits for the owner"));
            }
        }
    }

    /// States that follow each other from the first one on.
    fn genuine(&self) -> BTreeSet<StateHash> {
        let mut by_epoch: Vec<_> = self.states.iter().collect();
        by_epoch.sort_by_key(|(_, state)| state.epoch());
        let mut genuine = BTreeSet::new();
        for (hash, state) in by_epoch {
            let follows = |parent: &StateHash| {
                let known = self.states.get(parent).filter(|_| genuine.contains(parent));
                known.is_some_and(|known| state.follows(known, *parent).is_ok())
            };
            if state.parts().previous.as_ref().is_none_or(follows) {
                genuine.insert(*hash);
            }
        }
        genuine
    }

    pub(super) fn violated(&mut self, violation: String) {
        self.violation.get_or_insert(violation);
    }
}

impl Memory {
    fn remember(&mut self, states: &[SignedState]) {
        let known = |state: &SignedState| {
            let parent = state.state().parts().previous;
            self.seen.contains(&state.hash())
                || parent.is_some_and(|hash| self.seen.contains(&hash))
        };
        if !states.iter().any(known) {
            // The user has accepted states that don't meet the former ones.
            *self = Self::default();
        }
        for state in states {
            if !self.seen.insert(state.hash()) {
                continue;
            }
            let absent = |key: &&Fingerprint| state.state().member(key).is_none();
            self.gone.extend(self.ever.iter().filter(absent).copied());
            for (key, member) in &state.state().parts().members {
                match member.standing {
                    Standing::Invited => self.gone.remove(key),
                    Standing::Joined => self.ever.insert(*key),
                };
            }
        }
    }
}
