//! The machine of groups, and the key that signs states.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{MutexGuard, PoisonError};

use sealpost_core::client::store::InboxItem;
use sealpost_core::crypto::Crypto;
use sealpost_core::event::{self, EncodedEvent, ExpirySecs, GroupId};
use sealpost_core::groups::{
    Action, Command, CommandRefusal, Groups, Input, InvalidState, Me, Record, State, States,
};
use sealpost_core::ids::Phone;
use sealpost_storage::client::SqliteClientStorage;
use sealpost_storage::client::conversations::{
    Applied, EntryId, GroupStep, GroupTurn, NewCopy, Peer, TurnDone,
};

use super::plan::Plan;
use crate::api::{ApiError, Changed, ErrorKind};
use crate::engine::core::Core;
use crate::engine::{clock, entries};

/// The machine of groups with what it needs. Whoever uses it locks it until the store has committed.
pub(in crate::engine) struct Desk {
    /// `None` before the first use, and after the store has failed in the middle of a turn: what the
    /// machine then knows is not what the store has.
    machine: Option<Groups>,
    crypto: Crypto,
    phone: Phone,
}

/// What a turn is about.
#[derive(Default)]
pub(in crate::engine) struct Cause<'a> {
    /// Message that is taken over in the turn.
    pub(in crate::engine) message: Option<&'a InboxItem>,
    /// Inputs of the machine, all for one group.
    pub(in crate::engine) inputs: Vec<Input>,
    /// Steps that don't come from the machine.
    pub(in crate::engine) steps: Vec<GroupStep>,
    /// What the user says in the group, if one of the inputs sends it.
    pub(in crate::engine) own: Option<Own>,
}

/// What the user says in a group. The event is made once it is known which state it names.
pub(in crate::engine) struct Own {
    pub(in crate::engine) body: event::Body,
    pub(in crate::engine) expiry: Option<ExpirySecs>,
    /// What is done to the timeline, with the event and its copies.
    pub(in crate::engine) step: Box<dyn FnOnce(EncodedEvent, Vec<NewCopy>) -> GroupStep>,
}

/// What became of a turn.
#[derive(Debug, Default)]
pub(in crate::engine) struct Turned {
    pub(in crate::engine) done: TurnDone,
    /// Why the machine refused a command.
    pub(in crate::engine) refused: Option<CommandRefusal>,
}

impl Turned {
    /// The last entry that the turn added or changed, or that was made before.
    pub(in crate::engine) fn entry(&self) -> Option<EntryId> {
        let changed = |applied: &Applied| match applied {
            Applied::Added(_, entry) | Applied::Changed(_, entry) => Some(*entry),
            Applied::Ignored | Applied::Before => None,
        };
        self.done.made_before.or_else(|| self.done.applied.iter().rev().find_map(changed))
    }
}

impl Desk {
    pub(in crate::engine) const fn new(crypto: Crypto, phone: Phone) -> Self {
        Self { machine: None, crypto, phone }
    }

    fn me(&self) -> Me {
        Me::new(self.crypto.public_key().clone(), self.phone)
    }

    /// Gives the machine its inputs, and signs what it asks to be signed. Returns what else is to be
    /// done, in order.
    fn run(&mut self, inputs: Vec<Input>) -> Vec<Action> {
        let Some(machine) = &mut self.machine else { return Vec::new() };
        // Inputs first: changes that are commanded together are signed together.
        let mut queue: VecDeque<_> =
            inputs.into_iter().flat_map(|input| machine.handle(input)).collect();
        let mut actions = Vec::new();
        while let Some(action) = queue.pop_front() {
            if let Action::Sign { hash, text } = action {
                let signature = self.crypto.sign_state(&text);
                queue.extend(machine.handle(Input::Signed { hash, signature }));
            } else {
                actions.push(action);
            }
        }
        actions
    }
}

impl Core {
    /// Looks at the groups.
    pub(in crate::engine) fn with_groups<T>(
        &self,
        look: impl FnOnce(&Groups) -> T,
    ) -> Result<T, ApiError> {
        let mut desk = self.desk()?;
        let machine = self.machine(&mut desk)?;
        Ok(look(machine))
    }

    /// Verifies states that a peer has sent.
    pub(in crate::engine) fn verify_states(&self, bytes: &[u8]) -> Result<States, InvalidState> {
        let desk = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        States::verify(bytes, |check| desk.crypto.verify(check))
    }

    /// Sends again what an earlier process may have left unsent.
    pub(in crate::engine) fn start_groups(&self) -> Result<(), ApiError> {
        self.with_groups(|_| ())
    }

    /// Takes one turn: what the machine makes of its inputs is committed as one transaction, and then
    /// sent.
    pub(in crate::engine) fn group_turn(&self, cause: Cause<'_>) -> Result<Turned, ApiError> {
        let mut desk = self.desk()?;
        self.machine(&mut desk)?;
        self.turn(&mut desk, cause)
    }

    fn desk(&self) -> Result<MutexGuard<'_, Desk>, ApiError> {
        self.groups.lock().map_err(|_| {
            ErrorKind::Internal.error("an earlier failure stopped the groups: restart the program")
        })
    }

    /// The machine. It is restored from the store if there is none.
    fn machine<'a>(&self, desk: &'a mut Desk) -> Result<&'a Groups, ApiError> {
        if desk.machine.is_none() {
            let kept = self.read(SqliteClientStorage::group_records)?;
            let mut records = Vec::new();
            for (group, bytes) in kept {
                match Record::decode(&bytes, |check| desk.crypto.verify(check)) {
                    Ok(record) => records.push((group, record)),
                    Err(error) => tracing::error!(
                        %error,
                        "the record of a group is damaged; the group is as if it were unknown"
                    ),
                }
            }
            let mut machine = Groups::new(desk.me(), records);
            let known: Vec<_> = machine.iter().map(|(group, _)| group).collect();
            self.members.note(&machine, &known);
            let mut actions = machine.start();
            desk.machine = Some(machine);
            // Short commands start often, and each request is a message to somebody.
            let now = clock::now().0;
            let asked_at = self.read(SqliteClientStorage::groups_asked_at)?;
            if asked_at.is_some_and(|at| (0..ASK_AGAIN_SECS).contains(&now.secs_since(at))) {
                actions.retain(|action| !matches!(action, Action::SendRequest { .. }));
            } else if !actions.is_empty() {
                self.write(move |store| store.set_groups_asked_at(now))?;
            }
            self.finish_turn(desk, Cause::default(), None, actions)?;
        }
        desk.machine.as_ref().ok_or_else(|| ApiError::internal("there are no groups"))
    }

    fn turn(&self, desk: &mut Desk, mut cause: Cause<'_>) -> Result<Turned, ApiError> {
        let inputs = std::mem::take(&mut cause.inputs);
        let group = inputs.first().and_then(group_of);
        let record = group.and_then(|group| desk.machine.as_ref()?.group(group));
        let before = record.map(|record| record.state().clone());
        let actions = desk.run(inputs);
        self.finish_turn(desk, cause, before, actions)
    }

    /// Commits what follows from an input, and sends it. If that fails, the machine is dropped, and
    /// made again from the store.
    fn finish_turn(
        &self,
        desk: &mut Desk,
        cause: Cause<'_>,
        before: Option<State>,
        actions: Vec<Action>,
    ) -> Result<Turned, ApiError> {
        let Some(machine) = &desk.machine else { return Ok(Turned::default()) };
        let message = cause.message.cloned();
        let plan = match Plan::new(self, machine, before, cause).of(actions) {
            Ok(plan) => plan,
            Err(error) => {
                desk.machine = None;
                return Err(error);
            }
        };
        let mut turned = Turned { refused: plan.refused, ..Turned::default() };
        if plan.steps.is_empty() && message.is_none() {
            return Ok(turned);
        }
        let turn = GroupTurn { message, at: clock::now().0, steps: plan.steps };
        match self.write(move |store| store.take_turn(&turn)) {
            Ok(done) => turned.done = done,
            Err(error) => {
                desk.machine = None;
                return Err(error);
            }
        }
        let was_done_before = turned.done.made_before.is_some()
            || turned.done.is_other_request
            || turned.done.applied == [Applied::Before];
        if was_done_before {
            // The store has taken nothing of what the machine now knows.
            desk.machine = None;
            return Ok(turned);
        }
        self.members.note(machine, &plan.changed);
        if plan.has_files {
            self.files.arrived();
        }
        self.after_turn(&turned.done, plan.sends, &plan.changed);
        Ok(turned)
    }

    fn after_turn(&self, done: &TurnDone, sends: Vec<NewCopy>, changed: &BTreeSet<GroupId>) {
        for copy in sends {
            self.command_send(copy);
        }
        if let Some(place) = done.released {
            self.released(place);
        }
        for applied in &done.applied {
            match applied {
                Applied::Added(_, entry) | Applied::Changed(_, entry) => self.show_entry(*entry),
                Applied::Ignored | Applied::Before => {}
            }
        }
        self.show_removed(&done.removed);
        if !changed.is_empty() {
            self.files.give_up();
        }
        for group in changed {
            let with = entries::peer(&Peer::Group(*group));
            self.hub.show(&Changed::Conversation { with });
        }
    }
}

/// The group that an input is about.
fn group_of(input: &Input) -> Option<GroupId> {
    match input {
        Input::Command(Command::Create { group, .. } | Command::In(group, _))
        | Input::InvalidStates { group, .. } => Some(*group),
        Input::States { states, .. } => states.group(),
        Input::Request { tag, .. } | Input::Text { tag, .. } => Some(tag.group),
        Input::Signed { .. } => None,
    }
}

/// Pause between two starts after which peers are asked again for what they have not answered.
const ASK_AGAIN_SECS: i64 = 3_600;
