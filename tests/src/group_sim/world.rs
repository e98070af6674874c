//! The users, the network between them, and what each step does.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use sealpost_core::crypto::Provider;
use sealpost_core::groups::{
    Action, Command, GroupCommand, GroupId, GroupName, GroupRequest, GroupTag, Groups, Input,
    ItemId, Me, Mine, Rank, Record, StateHash, States, Told,
};
use sealpost_core::keys::Fingerprint;

use super::plan::{Plan, Step, StepKind};
use super::run::Tally;
use super::witness::Witness;
use crate::sim::{CryptoKind, Dice, InsecureRsa};

/// The one group of a simulation.
pub(super) const GROUP: GroupId = GroupId([0x6e; 16]);

/// A user's device.
pub(super) struct Device {
    pub(super) groups: Groups,
    disk: Option<Record>,
    backup: Option<Record>,
    online: bool,
    /// Actions of the next input that are carried out before the process dies.
    crash: Option<usize>,
    /// States that are being signed.
    jobs: VecDeque<(StateHash, Vec<u8>)>,
    last: BTreeMap<usize, Sent>,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(super) enum Sent {
    States(Vec<u8>),
    Request(GroupTag, GroupRequest),
    Text(GroupTag, ItemId),
}

/// Everything in one simulation.
pub(super) struct World {
    pub(super) devices: Vec<Device>,
    links: BTreeMap<(usize, usize), VecDeque<Sent>>,
    pub(super) dice: Dice<'static>,
    pub(super) witness: Witness,
    pub(super) dishonest: Option<usize>,
    names: u64,
    pub(super) items: u64,
    pub(super) tally: Tally,
    digest: DefaultHasher,
    trace: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(plan: &Plan, with_trace: bool) -> Self {
        let device = |user| Device::new(user, None);
        Self {
            devices: (0..plan.users).map(device).collect(),
            links: BTreeMap::new(),
            dice: Dice::from_seed(plan.noise),
            witness: Witness::new(plan.users, plan.dishonest),
            dishonest: plan.dishonest,
            names: 0,
            items: 0,
            tally: Tally::default(),
            digest: DefaultHasher::new(),
            trace: with_trace.then(Vec::new),
        }
    }

    /// User 0 makes the group and invites about half of the others.
    pub(super) fn found(&mut self) {
        let others: Vec<_> = (1..self.devices.len()).filter(|_| self.dice.chance(600)).collect();
        let invite = others.into_iter().map(|user| (key(user), me(user).phone)).collect();
        let name = GroupName::new("0").unwrap();
        let create = Command::Create { group: GROUP, name, expiry_secs: 0, invite };
        self.input(0, Input::Command(create));
    }

    pub(super) fn step(&mut self, step: Step) {
        for _ in 0..step.after {
            self.deliver_one();
        }
        let user = step.user % self.devices.len();
        let number = self.devices.len();
        let key_of = |whom: usize| key(whom % number);
        self.note(|| format!("user {user}: {:?}", step.kind));
        self.tally.steps += 1;
        match step.kind {
            StepKind::Invite { whom } => {
                let (key, phone) = (key_of(whom), me(whom % number).phone);
                self.command(user, GroupCommand::Invite { key, phone });
            }
            StepKind::Remove { whom } => self.command(user, GroupCommand::Remove(key_of(whom))),
            StepKind::Rename => {
                self.names += 1;
                let name = GroupName::new(self.names.to_string()).unwrap();
                self.command(user, GroupCommand::Rename(name));
            }
            StepKind::HandOver { whom } => self.command(user, GroupCommand::HandOver(key_of(whom))),
            StepKind::Succeed { whom, rank } => {
                let (key, rank) = (key_of(whom), Rank::new(rank));
                self.command(user, GroupCommand::Succeed { key, rank });
            }
            StepKind::TakeOver => self.command(user, GroupCommand::TakeOver),
            StepKind::Accept => self.command(user, GroupCommand::Accept),
            StepKind::Decline => self.command(user, GroupCommand::Decline),
            StepKind::Leave => self.command(user, GroupCommand::Leave),
            StepKind::Send => self.write(user),
            StepKind::Offline => self.devices[user].online = false,
            StepKind::Online => self.devices[user].online = true,
            StepKind::Crash { actions } => self.devices[user].crash = Some(actions),
            StepKind::Backup => self.devices[user].backup = self.devices[user].disk.clone(),
            StepKind::Restore => {
                if let Some(backup) = self.devices[user].backup.clone() {
                    self.tally.restored += 1;
                    self.devices[user].disk = Some(backup);
                    self.restart(user);
                    self.witness.forget(user, self.devices[user].groups.group(GROUP));
                }
            }
            StepKind::Repeat { whom } => {
                let to = whom % number;
                if let Some(sent) = self.devices[user].last.get(&to).cloned() {
                    self.send(user, to, sent);
                }
            }
            StepKind::Cheat { how, whom } => {
                if self.dishonest == Some(user) {
                    self.tally.cheats += 1;
                    self.cheat(user, how, whom % number);
                }
            }
        }
    }

    /// A user writes a text.
    pub(super) fn write(&mut self, user: usize) {
        self.items += 1;
        let item = ItemId(self.items);
        self.command(user, GroupCommand::Send(item));
    }

    pub(super) fn command(&mut self, user: usize, command: GroupCommand) {
        self.input(user, Input::Command(Command::In(GROUP, command)));
    }

    /// Lets the network deliver one message, or a device finish one signature. Returns whether there
    /// was anything to do.
    pub(super) fn deliver_one(&mut self) -> bool {
        let ready = |(&(_, to), queue): (&(usize, usize), &VecDeque<Sent>)| {
            self.devices[to].online && !queue.is_empty()
        };
        let mut links: Vec<_> =
            self.links.iter().filter(|link| ready(*link)).map(|(link, _)| *link).collect();
        let signing = (0..self.devices.len()).filter(|user| !self.devices[*user].jobs.is_empty());
        links.extend(signing.map(|user| (user, user)));
        if links.is_empty() {
            return false;
        }
        let (from, to) = self.dice.pick(&links);
        if from == to {
            if let Some((hash, text)) = self.devices[to].jobs.pop_front() {
                let signature = Some(Box::new(sign(to, &text)));
                self.input(to, Input::Signed { hash, signature });
            }
            return true;
        }
        if let Some(sent) = self.links.get_mut(&(from, to)).and_then(VecDeque::pop_front) {
            self.deliver(from, to, sent);
        }
        true
    }

    fn deliver(&mut self, from: usize, to: usize, sent: Sent) {
        self.tally.delivered += 1;
        self.note(|| format!("{from} → {to}: {}", describe(&sent)));
        let again = sent.clone();
        let from_key = key(from);
        let input = match sent {
            Sent::States(bytes) => match States::verify(&bytes, |check| {
                InsecureRsa.verify(check.key, check.message, check.signature)
            }) {
                Ok(states) => Input::States { from: from_key, states },
                Err(why) => Input::InvalidStates { from: from_key, group: GROUP, why },
            },
            Sent::Request(tag, request) => Input::Request { from: from_key, tag, request },
            Sent::Text(tag, item) => {
                self.witness.copy_arrived(to, tag);
                Input::Text { from: from_key, tag, item }
            }
        };
        if self.input(to, input) == Applied::Lost {
            // Nothing of it was stored, so the device takes it from its inbox again.
            self.links.entry((from, to)).or_default().push_front(again);
        }
    }

    /// Gives a device an input and carries out what follows. The process may die in between.
    pub(super) fn input(&mut self, user: usize, input: Input) -> Applied {
        let actions = self.devices[user].groups.handle(input);
        self.carry_out(user, actions)
    }

    fn carry_out(&mut self, user: usize, actions: Vec<Action>) -> Applied {
        let crash = self.devices[user].crash.take();
        let mut applied = Applied::Lost;
        let stores = actions.iter().any(|action| matches!(action, Action::Store(..)));
        for (index, action) in actions.into_iter().enumerate() {
            if crash == Some(index) {
                self.tally.crashes += 1;
                self.note(|| format!("user {user} crashes"));
                self.restart(user);
                return if stores { applied } else { Applied::Done };
            }
            self.note(|| format!("  {user}: {}", describe_action(&action)));
            if let Action::Store(_, record) = &action {
                applied = Applied::Done;
                self.devices[user].disk = record.as_deref().cloned();
            }
            self.act(user, action);
        }
        let device = &self.devices[user];
        self.witness.look(user, &device.groups);
        Applied::Done
    }

    fn act(&mut self, user: usize, action: Action) {
        let record = self.devices[user].groups.group(GROUP);
        match action {
            Action::Store(..) | Action::Hold(..) => {}
            Action::Refuse(..) => self.tally.refused += 1,
            Action::Sign { hash, text } => self.devices[user].jobs.push_back((hash, text)),
            Action::SendStates { to, states } => {
                self.witness.states_leave(user, to, &states, record);
                self.send(user, user_of(&to), Sent::States(states.encode()));
            }
            Action::SendRequest { to, tag, request } => {
                self.send(user, user_of(&to), Sent::Request(tag, request));
            }
            Action::SendText { item, tag, to } => {
                self.tally.texts += 1;
                self.witness.text_leaves(user, item, tag, &to, record);
                for to in to {
                    self.send(user, user_of(&to), Sent::Text(tag, item));
                }
            }
            Action::Show { item, how, .. } => {
                self.tally.shown += 1;
                self.witness.text_shown(user, item, how, record);
            }
            Action::Tell(_, told) => self.told(user, &told),
        }
    }

    fn told(&mut self, user: usize, told: &Told) {
        match told {
            Told::Undone { .. } => self.tally.undone += 1,
            Told::TwoStates { .. } => self.tally.two_states += 1,
            Told::Suspicious { .. } => self.tally.suspicious += 1,
            Told::Apart { from } => {
                let honest = |other| Some(other) != self.dishonest;
                self.witness.apart |= honest(user) && honest(user_of(from));
            }
            Told::Missed { .. } => {
                self.tally.missed += 1;
                self.witness.apart = true;
            }
            Told::Differs { .. } => self.tally.differs += 1,
            Told::Joined => self.tally.joined += 1,
            Told::Removed => self.tally.removed += 1,
            Told::Left => self.tally.left += 1,
            Told::MemberLeft { key } => self.witness.member_left(user, *key),
            Told::Invited { .. } | Told::Changed | Told::CommandRefused(_) | Told::NotWritten => {}
        }
    }

    /// The process starts again with what its store has.
    fn restart(&mut self, user: usize) {
        let device = &mut self.devices[user];
        let (disk, backup) = (device.disk.clone(), device.backup.clone());
        let last = std::mem::take(&mut device.last);
        *device = Device { backup, last, online: device.online, ..Device::new(user, disk) };
        let actions = self.devices[user].groups.start();
        self.carry_out(user, actions);
    }

    pub(super) fn send(&mut self, from: usize, to: usize, sent: Sent) {
        self.devices[from].last.insert(to, sent.clone());
        self.links.entry((from, to)).or_default().push_back(sent);
    }

    /// Everything works from now on, and nobody cheats.
    pub(super) fn heal(&mut self) {
        for device in &mut self.devices {
            (device.online, device.crash) = (true, None);
        }
    }

    /// Delivers everything. Returns false if there is no end to it.
    pub(super) fn drain(&mut self) -> bool {
        for _ in 0..MAX_DELIVERIES {
            if !self.deliver_one() {
                return true;
            }
        }
        false
    }

    pub(super) fn mine(&self, user: usize) -> Option<Mine> {
        self.devices[user].groups.group(GROUP).map(Record::mine)
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = line();
        line.hash(&mut self.digest);
        if let Some(trace) = &mut self.trace {
            trace.push(line);
        }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    pub(super) fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }
}

/// Whether an input had any effect that lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Done,
    Lost,
}

impl Device {
    fn new(user: usize, disk: Option<Record>) -> Self {
        Self {
            groups: Groups::new(me(user), disk.clone().map(|record| (GROUP, record))),
            disk,
            backup: None,
            online: true,
            crash: None,
            jobs: VecDeque::new(),
            last: BTreeMap::new(),
        }
    }
}

pub(super) fn me(user: usize) -> Me {
    let phone = format!("+49151{user:08}").parse().unwrap();
    Me::new(CryptoKind::Insecure.public_key(user).clone(), phone)
}

pub(super) fn key(user: usize) -> Fingerprint {
    *CryptoKind::Insecure.public_key(user).fingerprint()
}

/// The user with this key. All keys in a simulation are users'.
pub(super) fn user_of(wanted: &Fingerprint) -> usize {
    (0..CryptoKind::Insecure.keys()).find(|user| key(*user) == *wanted).unwrap()
}

pub(super) fn sign(user: usize, text: &[u8]) -> [u8; 256] {
    InsecureRsa.sign_with(CryptoKind::Insecure.public_key(user), text)
}

fn describe(sent: &Sent) -> String {
    match sent {
        Sent::States(bytes) => format!("states, {} bytes", bytes.len()),
        Sent::Request(tag, request) => format!("{request:?} at {} {:?}", tag.epoch, tag.state_hash),
        Sent::Text(tag, item) => format!("text {} at {} {:?}", item.0, tag.epoch, tag.state_hash),
    }
}

fn describe_action(action: &Action) -> String {
    match action {
        Action::Store(_, record) => match record {
            Some(record) => format!("store {:?} {:?}", record.mine(), record.tag()),
            None => "delete".to_owned(),
        },
        Action::Sign { hash, .. } => format!("sign {hash:?}"),
        Action::SendStates { to, states } => {
            let epochs: Vec<_> = states
                .as_slice()
                .iter()
                .map(|state| format!("{} {:?}", state.state().epoch(), state.hash()))
                .collect();
            format!("send states to {}: {}", user_of(to), epochs.join(", "))
        }
        Action::SendRequest { to, request, .. } => format!("send {request:?} to {}", user_of(to)),
        Action::SendText { item, to, .. } => {
            let to: Vec<_> = to.iter().map(user_of).collect();
            format!("send text {} to {to:?}", item.0)
        }
        Action::Show { item, how, .. } => format!("show {} as {how:?}", item.0),
        Action::Hold(_, item) => format!("hold {}", item.0),
        Action::Refuse(_, item, why) => format!("refuse {}: {why:?}", item.0),
        Action::Tell(_, told) => match told {
            Told::Undone { before, after } => {
                format!("tell undone {} to {}", before.epoch(), after.epoch())
            }
            told => format!("tell {told:?}"),
        },
    }
}

/// Far more than any plan leads to.
const MAX_DELIVERIES: usize = 50_000;
