//! Random requests to the memory store and to another one, which must agree on every outcome.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{
    PageLimit, PresentedInvitation, Seq, Settlement, StoreOp, StoreOutcome, StoreReply,
};
use sealpost_core::wire::{InvitationHash, ItemId, ItemKind, Packet, Profile};

use super::harness::{LOOKUPS, SHARES, take_reconnect_places};
use super::subject::Subject;
use crate::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use crate::server::invitations::NewInvitation;
use crate::server::memory::MemoryStorage;
use crate::server::sqlite::bed::SqliteBed;
use crate::server::suspension::Suspension;

#[derive(Clone, Debug)]
pub(in crate::server) enum Step {
    Commit(Vec<Plan>),
    Reopen,
    Delete(u16),
    Suspend(u16, Suspension),
    Invite { code: u8, uses: u32, secs: i64, n: Option<u16> },
    Revoke(u64),
}

/// A request, except for its places: each store numbers them independently.
#[derive(Clone, Debug)]
pub(in crate::server) enum Plan {
    Create { n: u16, max_id: u64, invitation: Option<(u8, i64)> },
    CheckInvitation { n: u16, code: u8, secs: i64 },
    Find(u64),
    FindPhone(u16),
    LookUp { asker: u64, n: u16, day: i64 },
    FindSender { sender: u64, recipient: u64 },
    Reconnect { user: u64, secs: i64, ahead: i64 },
    Clock { secs: i64 },
    Count(u64),
    Answer { owner: u64, peers: Vec<u64> },
    Undeliverable { sender: u64, limit: u32 },
    Append { recipient: u64, items: Vec<Item>, secs: i64 },
    Page { recipient: u64, after: usize, items: u32, bytes: u32 },
    Settle { recipient: u64, sender: u64, receipt: u64, messages: Vec<u64>, secs: i64 },
    Drop { recipient: u64, origin: u64, receipts: Vec<u64> },
    Expire { secs: i64, limit: u32 },
}

#[derive(Clone, Debug)]
pub(in crate::server) struct Item {
    kind: ItemKind,
    origin: u64,
    id: u64,
    len: usize,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn memory_and_sqlite_agree(profile in profile(), steps in vec(step(), 1..40)) {
        agree(SqliteBed::new(profile, SHARES), profile, steps)?;
    }
}

/// Carries out the same steps on the memory store and on an empty other one.
pub(in crate::server) fn agree<S: Subject>(
    other: S,
    profile: Profile,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    agree_from(MemoryStorage::new(profile, SHARES), other, profile, steps, Vec::new()).map(drop)
}

/// Carries out the same steps on the memory store and on another one with the same contents, and
/// returns both. No invitation gets one of `codes`.
pub(in crate::server) fn agree_from<S: Subject>(
    mut memory: MemoryStorage,
    mut other: S,
    profile: Profile,
    steps: Vec<Step>,
    mut codes: Vec<u8>,
) -> Result<(MemoryStorage, S), TestCaseError> {
    // Places that pages of both stores have named, in the same order, with their mailboxes.
    let (mut places, mut other_places) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Reopen => (memory, other) = (memory.reopen(), other.reopen()),
            Step::Delete(n) => {
                prop_assert_eq!(memory.delete_user(phone(n)), other.delete_user(phone(n)));
            }
            Step::Suspend(n, suspension) => {
                prop_assert_eq!(
                    memory.set_suspension(phone(n), suspension),
                    other.set_suspension(phone(n), suspension)
                );
            }
            // An operator's codes are never drawn twice.
            Step::Invite { code, .. } if codes.contains(&code) => {}
            Step::Invite { code, uses, secs, n } => {
                codes.push(code);
                let invitation = invitation(code, uses, secs, n);
                let id = memory.create_invitation(invitation.clone());
                prop_assert_eq!(other.create_invitation(invitation), id);
            }
            Step::Revoke(id) => {
                prop_assert_eq!(memory.revoke_invitation(id), other.revoke_invitation(id));
            }
            Step::Commit(mut plans) => {
                if other.is_shared() {
                    plans.iter_mut().for_each(Plan::avoid_what_shared_stores_do_otherwise);
                }
                let mut expected = commit(&mut memory, profile, &plans, &places);
                let mut outcomes = commit(&mut other, profile, &plans, &other_places);
                places.extend(take_places(&plans, &mut expected));
                other_places.extend(take_places(&plans, &mut outcomes));
                prop_assert_eq!(outcomes, expected);
            }
        }
        prop_assert_eq!(memory.invitations(), other.invitations());
        prop_assert!(memory.is_consistent() && other.is_consistent());
    }
    Ok((memory, other))
}

/// Either profile.
pub(in crate::server) fn profile() -> impl Strategy<Value = Profile> {
    prop_oneof![Just(Profile::Compact), Just(Profile::Wide)]
}

fn commit(
    store: &mut impl Subject,
    profile: Profile,
    plans: &[Plan],
    places: &[Place],
) -> Vec<StoreOutcome> {
    let requests: Vec<_> = plans.iter().map(|plan| plan.request(profile, places)).collect();
    let mut outcomes = Vec::new();
    store.commit(&requests, &mut outcomes);
    outcomes
}

/// A place, and the owner of the mailbox that it is in.
type Place = (u64, Seq);

/// Replaces the places of 106s and in every page by zero, and returns the latter.
fn take_places(plans: &[Plan], outcomes: &mut [StoreOutcome]) -> Vec<Place> {
    take_reconnect_places(outcomes);
    let mut places = Vec::new();
    for (plan, outcome) in plans.iter().zip(outcomes) {
        if let (Plan::Page { recipient, .. }, Ok(StoreReply::Page(page))) = (plan, outcome) {
            assert!(page.items.is_sorted_by(|a, b| a.seq < b.seq));
            let seqs = page.items.iter_mut().map(|item| std::mem::replace(&mut item.seq, Seq(0)));
            places.extend(seqs.map(|seq| (*recipient, seq)));
        }
    }
    places
}

impl Plan {
    /// Gives items in different mailboxes different ids, and lets everything expire at once.
    fn avoid_what_shared_stores_do_otherwise(&mut self) {
        let apart = |id: &mut u64, owner: u64| *id += 100 * owner;
        match self {
            Self::Append { recipient, items, .. } => {
                for item in items {
                    apart(&mut item.id, *recipient);
                }
            }
            Self::Settle { recipient, sender, receipt, messages, .. } => {
                apart(receipt, *sender);
                for id in messages {
                    apart(id, *recipient);
                }
            }
            Self::Drop { recipient, receipts, .. } => {
                for id in receipts {
                    apart(id, *recipient);
                }
            }
            Self::Expire { secs, limit } => (*secs, *limit) = (1_000, u32::MAX),
            Self::Create { .. }
            | Self::CheckInvitation { .. }
            | Self::Find(_)
            | Self::FindPhone(_)
            | Self::LookUp { .. }
            | Self::FindSender { .. }
            | Self::Reconnect { .. }
            | Self::Clock { .. }
            | Self::Count(_)
            | Self::Answer { .. }
            | Self::Undeliverable { .. }
            | Self::Page { .. } => {}
        }
    }

    fn request(&self, profile: Profile, places: &[Place]) -> StoreOp {
        match self {
            &Self::Create { n, max_id, invitation } => StoreOp::CreateUser {
                phone: phone(n),
                public_key: public_key(n),
                aes_key: wrapped_key(1),
                at: at(0),
                max_id,
                invitation: invitation.map(presented),
            },
            &Self::CheckInvitation { n, code, secs } => {
                StoreOp::CheckInvitation { invitation: presented((code, secs)), phone: phone(n) }
            }
            Self::Find(id) => StoreOp::FindUser(UserRef::Id(user(*id))),
            Self::FindPhone(n) => StoreOp::FindUser(UserRef::Phone(phone(*n))),
            Self::LookUp { asker, n, day } => StoreOp::LookUp {
                asker: user(*asker),
                phone: phone(*n),
                day: *day,
                budget: LOOKUPS,
            },
            Self::FindSender { sender, recipient } => {
                StoreOp::FindSender { sender: user(*sender), recipient: user(*recipient) }
            }
            Self::Reconnect { user: id, secs, ahead } => StoreOp::RecordReconnect {
                user: user(*id),
                at: at(*secs),
                horizon: at(secs + ahead),
                aes_key: wrapped_key(2),
            },
            Self::Clock { secs } => {
                StoreOp::RecordClock { clock: at(*secs), max_step: Duration::from_secs(10) }
            }
            Self::Count(id) => StoreOp::BeginSession { user: user(*id), place: Seq::START },
            Self::Answer { owner, peers } => StoreOp::RecordAnswers {
                owner: user(*owner),
                peers: peers.iter().map(|peer| user(*peer)).collect(),
            },
            Self::Undeliverable { sender, limit } => {
                StoreOp::Undeliverable { sender: user(*sender), limit: *limit }
            }
            Self::Append { recipient, items, secs } => StoreOp::Append {
                recipient: user(*recipient),
                packets: items.iter().map(|item| item.packet(profile, *recipient)).collect(),
                at: at(*secs),
            },
            Self::Page { recipient, after, items, bytes } => StoreOp::Page {
                recipient: user(*recipient),
                after: place(places, *recipient, *after),
                limit: PageLimit { items: *items, bytes: *bytes },
            },
            Self::Settle { recipient, sender, receipt: id, messages, secs } => {
                let (recipient, sender) = (user(*recipient), user(*sender));
                let delivered =
                    |id: &u64| ItemId { kind: ItemKind::Message, origin: sender, id: *id };
                StoreOp::Settle(Settlement {
                    recipient,
                    delivered: messages.iter().map(delivered).collect(),
                    receipt: receipt(profile, recipient, sender, *id, messages),
                    at: at(*secs),
                })
            }
            Self::Drop { recipient, origin, receipts } => {
                let item_id =
                    |id: &u64| ItemId { kind: ItemKind::Receipt, origin: user(*origin), id: *id };
                let receipts = receipts.iter().map(item_id).collect();
                StoreOp::DropReceipts { recipient: user(*recipient), receipts }
            }
            Self::Expire { secs, limit } => StoreOp::Expire { before: at(*secs), limit: *limit },
        }
    }
}

impl Item {
    fn packet(&self, profile: Profile, recipient: u64) -> Packet {
        let (from, to) = (user(self.origin), user(recipient));
        match self.kind {
            ItemKind::Message => message(profile, from, to, self.id, self.len),
            ItemKind::Receipt => receipt(profile, from, to, self.id, &[self.id]),
        }
    }
}

/// One of the places in a mailbox, or its start.
fn place(places: &[Place], recipient: u64, choice: usize) -> Seq {
    let mut known: Vec<_> =
        places.iter().filter(|place| place.0 == recipient).map(|place| place.1).collect();
    known.push(Seq::START);
    known[choice % known.len()]
}

fn presented((code, secs): (u8, i64)) -> PresentedInvitation {
    PresentedInvitation { hash: InvitationHash([code; 32]), at: at(secs) }
}

fn invitation(code: u8, uses: u32, secs: i64, n: Option<u16>) -> NewInvitation {
    NewInvitation {
        hash: InvitationHash([code; 32]),
        uses,
        created_at: at(0),
        expires_at: at(secs),
        phone: n.map(phone),
        note: "a note".into(),
    }
}

fn user(id: u64) -> UserId {
    UserId::new(id).expect("not 0")
}

pub(in crate::server) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => vec(plan(), 0..8).prop_map(Step::Commit),
        2 => Just(Step::Reopen),
        1 => (1..4_u16).prop_map(Step::Delete),
        1 => (1..4_u16, 0..9_i64).prop_map(|(n, secs)| {
            let active = secs == 0;
            let suspended = Suspension::Suspended(at(secs));
            Step::Suspend(n, if active { Suspension::Active } else { suspended })
        }),
        2 => (0..6_u8, 1..3_u32, 0..20_i64, prop::option::of(1..4_u16))
            .prop_map(|(code, uses, secs, n)| Step::Invite { code, uses, secs, n }),
        1 => (1..4_u64).prop_map(Step::Revoke),
    ]
}

/// Draws from few users, ids and times, so that requests collide.
fn plan() -> impl Strategy<Value = Plan> {
    let id = || 1..6_u64;
    let secs = || 0..20_i64;
    let ids = || vec(0..10_u64, 0..5);
    prop_oneof![
        3 => (1..4_u16, 1..8_u64, prop::option::of((0..6_u8, secs())))
            .prop_map(|(n, max_id, invitation)| Plan::Create { n, max_id, invitation }),
        1 => (1..4_u16, 0..6_u8, secs())
            .prop_map(|(n, code, secs)| Plan::CheckInvitation { n, code, secs }),
        1 => id().prop_map(Plan::Find),
        1 => (1..4_u16).prop_map(Plan::FindPhone),
        2 => (id(), 1..4_u16, 0..2_i64)
            .prop_map(|(asker, n, day)| Plan::LookUp { asker, n, day }),
        1 => (id(), id()).prop_map(|(sender, recipient)| Plan::FindSender { sender, recipient }),
        2 => (id(), secs(), 0..4_i64)
            .prop_map(|(user, secs, ahead)| Plan::Reconnect { user, secs, ahead }),
        1 => secs().prop_map(|secs| Plan::Clock { secs }),
        1 => id().prop_map(Plan::Count),
        1 => (id(), vec(id(), 0..3)).prop_map(|(owner, peers)| Plan::Answer { owner, peers }),
        1 => (id(), 0..3_u32)
            .prop_map(|(sender, limit)| Plan::Undeliverable { sender, limit }),
        6 => (id(), vec(item(), 0..5), secs())
            .prop_map(|(recipient, items, secs)| Plan::Append { recipient, items, secs }),
        3 => (id(), 0..20_usize, 0..6_u32, 0..3_000_u32).prop_map(
            |(recipient, after, items, bytes)| Plan::Page { recipient, after, items, bytes }
        ),
        3 => (id(), id(), 0..10_u64, ids(), secs()).prop_map(
            |(recipient, sender, receipt, messages, secs)| {
                Plan::Settle { recipient, sender, receipt, messages, secs }
            }
        ),
        2 => (id(), id(), ids())
            .prop_map(|(recipient, origin, receipts)| Plan::Drop { recipient, origin, receipts }),
        1 => (secs(), 0..5_u32).prop_map(|(secs, limit)| Plan::Expire { secs, limit }),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    let kind = prop_oneof![3 => Just(ItemKind::Message), 1 => Just(ItemKind::Receipt)];
    let len = prop_oneof![3 => 8..40_usize, 1 => 8..2_000_usize];
    (kind, 1..6_u64, 0..10_u64, len).prop_map(|(kind, origin, id, len)| Item {
        kind,
        origin,
        id,
        len,
    })
}
