//! Some users whose machines talk to each other, with signatures that only look like signatures.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::vec::Vec;

use sha2::{Digest, Sha256};

use crate::crypto::SignatureCheck;
use crate::groups::{
    Action, Command, GroupCommand, GroupId, GroupName, GroupRequest, GroupTag, Groups, Input,
    ItemId, Me, Mine, Parts, Record, Refusal, Shown, State, States, Told, limits,
};
use crate::ids::Phone;
use crate::keys::{Fingerprint, PublicKey, Rejected};

pub(super) const GROUP: GroupId = GroupId([7; 16]);

/// Users 0, 1, 2, … and what is on its way between them.
pub(super) struct Bed {
    users: Vec<Groups>,
    pub(super) wire: VecDeque<(usize, usize, Sent)>,
    shown: Vec<(usize, u64, Shown)>,
    refused: Vec<(usize, u64, Refusal)>,
    told: Vec<(usize, Told)>,
}

#[derive(Clone, Debug)]
pub(super) enum Sent {
    States(Vec<u8>),
    Request(GroupTag, GroupRequest),
    Text(GroupTag, u64),
}

impl Bed {
    pub(super) fn new(users: usize) -> Self {
        let users = (0..users).map(|user| Groups::new(me(user), [])).collect();
        let (shown, refused, told) = (Vec::new(), Vec::new(), Vec::new());
        Self { users, wire: VecDeque::new(), shown, refused, told }
    }

    /// User 0 makes a group with all others, who accept.
    pub(super) fn with_group(users: usize) -> Self {
        let mut bed = Self::new(users);
        bed.create(1..users);
        bed.run();
        for user in 1..users {
            bed.command(user, GroupCommand::Accept);
            bed.run();
        }
        bed.told.clear();
        bed
    }

    pub(super) fn create(&mut self, invite: impl IntoIterator<Item = usize>) {
        let invite = invite.into_iter().map(|user| (key(user), phone(user))).collect();
        let name = name("climbers");
        let create = Command::Create { group: GROUP, name, expiry_secs: 0, invite };
        self.input(0, Input::Command(create));
    }

    pub(super) fn command(&mut self, user: usize, command: GroupCommand) {
        self.input(user, Input::Command(Command::In(GROUP, command)));
    }

    /// A user writes a text, which is known by this number.
    pub(super) fn write(&mut self, user: usize, text: u64) {
        self.command(user, GroupCommand::Send(ItemId(text)));
    }

    pub(super) fn input(&mut self, user: usize, input: Input) {
        let actions = self.users[user].handle(input);
        self.carry_out(user, actions);
    }

    fn carry_out(&mut self, user: usize, actions: Vec<Action>) {
        self.users[user].is_consistent().unwrap();
        for action in actions {
            match action {
                Action::Store(_, record) => record.iter().for_each(|record| assert_kept(record)),
                Action::Hold(..) => {}
                Action::Sign { hash, text } => {
                    let signature = Some(std::boxed::Box::new(sign(&key(user), &text)));
                    self.input(user, Input::Signed { hash, signature });
                }
                Action::SendStates { to, states } => {
                    self.send(user, &to, Sent::States(states.encode()));
                }
                Action::SendRequest { to, tag, request } => {
                    self.send(user, &to, Sent::Request(tag, request));
                }
                Action::SendText { item, tag, to } => {
                    for to in to {
                        self.send(user, &to, Sent::Text(tag, item.0));
                    }
                }
                Action::Show { item, how, .. } => self.shown.push((user, item.0, how)),
                Action::Refuse(_, item, why) => self.refused.push((user, item.0, why)),
                Action::Tell(_, told) => self.told.push((user, told)),
            }
        }
    }

    fn send(&mut self, from: usize, to: &Fingerprint, sent: Sent) {
        let to = (0..self.users.len()).find(|user| key(*user) == *to).unwrap();
        self.wire.push_back((from, to, sent));
    }

    /// Delivers everything, in the order in which it was sent.
    pub(super) fn run(&mut self) {
        while let Some((from, to, sent)) = self.wire.pop_front() {
            self.deliver(from, to, sent);
        }
    }

    /// Delivers everything but what goes to one user, which is lost.
    pub(super) fn run_without(&mut self, user: usize) {
        while let Some((from, to, sent)) = self.wire.pop_front() {
            if to != user {
                self.deliver(from, to, sent);
            }
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, sent: Sent) {
        let from = key(from);
        let input = match sent {
            Sent::States(bytes) => match States::verify(&bytes, verify) {
                Ok(states) => Input::States { from, states },
                Err(why) => Input::InvalidStates { from, group: GROUP, why },
            },
            Sent::Request(tag, request) => Input::Request { from, tag, request },
            Sent::Text(tag, text) => Input::Text { from, tag, item: ItemId(text) },
        };
        self.input(to, input);
    }

    /// Loses what is on its way to a user, who is offline.
    pub(super) fn lose_to(&mut self, user: usize) -> Vec<(usize, usize, Sent)> {
        let (lost, kept) = self.wire.drain(..).partition(|(_, to, _)| *to == user);
        self.wire = kept;
        lost.into()
    }

    /// Restores a user from a backup.
    pub(super) fn restore(&mut self, user: usize, backup: Option<Record>) {
        self.users[user] = Groups::new(me(user), backup.map(|record| (GROUP, record)));
        let actions = self.users[user].start();
        self.carry_out(user, actions);
    }

    pub(super) fn record(&self, user: usize) -> Record {
        self.users[user].group(GROUP).unwrap().clone()
    }

    pub(super) fn mine(&self, user: usize) -> Option<Mine> {
        self.users[user].group(GROUP).map(Record::mine)
    }

    pub(super) fn epoch(&self, user: usize) -> u64 {
        self.record(user).state().epoch()
    }

    /// Asserts that these users have the same newest state.
    pub(super) fn assert_agreement(&self, users: &[usize]) {
        let tags: Vec<_> = users.iter().map(|user| self.record(*user).tag()).collect();
        assert!(tags.windows(2).all(|pair| pair[0] == pair[1]), "{tags:?}");
    }

    pub(super) fn take_shown(&mut self) -> Vec<(usize, u64, Shown)> {
        let mut shown = core::mem::take(&mut self.shown);
        shown.sort_by_key(|(user, text, _)| (*user, *text));
        shown
    }

    pub(super) fn take_refused(&mut self) -> Vec<(usize, u64, Refusal)> {
        core::mem::take(&mut self.refused)
    }

    pub(super) fn take_told(&mut self) -> Vec<(usize, Told)> {
        let mut told = core::mem::take(&mut self.told);
        told.sort_by_key(|(user, _)| *user);
        told
    }
}

/// Asserts that the store can give a record back.
pub(super) fn assert_kept(record: &Record) {
    let bytes = record.encode();
    let again = Record::decode(&bytes, verify).unwrap();
    assert_eq!((&again, again.encode()), (record, bytes));
}

/// A state after the newest one of a record, which `signer` has changed and signed.
pub(super) fn forge(record: &Record, signer: usize, edit: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let newest = record.tag();
    let mut parts = Parts {
        epoch: newest.epoch + 1,
        previous: Some(newest.state_hash),
        writer: key(signer),
        ..record.state().parts().clone()
    };
    edit(&mut parts);
    let state = State::new(parts).unwrap();
    state.encode_signed(&public_key(signer), &sign(&key(signer), &state.signed_text()))
}

pub(super) fn name(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

pub(super) fn me(user: usize) -> Me {
    Me::new(public_key(user), phone(user))
}

pub(super) fn key(user: usize) -> Fingerprint {
    *public_key(user).fingerprint()
}

pub(super) fn phone(user: usize) -> Phone {
    std::format!("+4915{user:08}").parse().unwrap()
}

/// Identity keys of the users, made once: most candidates are not fit to be a key.
pub(super) fn public_key(user: usize) -> PublicKey {
    static KEYS: OnceLock<Vec<PublicKey>> = OnceLock::new();
    KEYS.get_or_init(|| (0..=limits::MEMBERS).map(make_key).collect())[user].clone()
}

/// The first key of the right form that comes out of hashes of the user's number.
fn make_key(user: usize) -> PublicKey {
    let candidate = |attempt: u32| {
        let block = |n: u32| -> [u8; 32] {
            Sha256::digest(std::format!("key {user} {attempt} {n}")).into()
        };
        let mut modulus = (0..8).map(block).collect::<Vec<_>>().concat();
        modulus[0] |= 0x80;
        modulus[255] |= 1;
        PublicKey::from_der(&[DER_HEAD, &modulus, &[2, 3, 1, 0, 1]].concat()).ok()
    };
    (0..).find_map(candidate).unwrap()
}

pub(super) fn sign(key: &Fingerprint, text: &[u8]) -> [u8; 256] {
    let digest: [u8; 32] = Sha256::digest([&key.0, text].concat()).into();
    let mut signature = [0; 256];
    signature[..32].copy_from_slice(&digest);
    signature
}

pub(super) fn verify(check: SignatureCheck<'_>) -> Result<(), Rejected> {
    let expected = sign(check.key.fingerprint(), check.message);
    if check.signature == expected { Ok(()) } else { Err(Rejected) }
}

const DER_HEAD: &[u8] = &[
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
    0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01,
    0x00,
];
