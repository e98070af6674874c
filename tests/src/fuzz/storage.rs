//! The server's two stores, compared with each other.

use std::collections::VecDeque;

use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{PageLimit, Seq, Settlement, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ItemId, ItemKind, Packet, Profile};
use sealpost_storage::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use sealpost_storage::{
    Inspector, MemoryStorage, Quota, Shares, SqliteStorage, Storage, Suspension,
};

use crate::arb::Arb;

/// Gives the memory store and the SQLite store the same transactions, with restarts, deletions
/// and suspensions between them.
///
/// Properties: the outcomes are the same except for sequence numbers, and `check` finds nothing
/// wrong in the database.
///
/// # Panics
/// If one of these properties is violated.
pub fn storage(data: &[u8]) {
    let mut arb = Arb::new(data);
    let profile = if arb.byte() & 1 == 0 { Profile::Compact } else { Profile::Wide };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sealpost.db");
    let open = || SqliteStorage::open(&path, profile, QUOTA).expect("the database opens");
    let mut memory = MemoryStorage::new(profile, QUOTA);
    let mut sqlite = open();
    // Sequence numbers that both stores have returned, in the same order.
    let mut places = vec![(Seq::START, Seq::START)];
    for _ in 0..MOST_COMMITS {
        if arb.is_empty() {
            break;
        }
        match arb.below(16) {
            0 => {
                drop(sqlite);
                sqlite = open();
            }
            1 => {
                let phone = phone(number(&mut arb, 4));
                assert_eq!(
                    sqlite.delete_user(phone).expect("the deletion succeeds"),
                    memory.delete_user(phone)
                );
            }
            2 => {
                let phone = phone(number(&mut arb, 4));
                let suspension = match arb.below(2) {
                    0 => Suspension::Active,
                    _ => Suspension::Suspended(Timestamp::from_unix_secs(1)),
                };
                assert_eq!(
                    sqlite.set_suspension(phone, suspension).expect("the suspension succeeds"),
                    memory.set_suspension(phone, suspension)
                );
            }
            _ => commit(&mut arb, profile, &mut memory, &mut sqlite, &mut places),
        }
    }
    let report = Inspector::open(&path)
        .expect("the database opens")
        .check()
        .expect("the database is readable");
    assert_eq!(report.findings, []);
}

fn commit(
    arb: &mut Arb<'_>,
    profile: Profile,
    memory: &mut MemoryStorage,
    sqlite: &mut SqliteStorage,
    places: &mut Vec<(Seq, Seq)>,
) {
    let count = 1 + arb.below(4);
    let (ops, sqlite_ops): (Vec<_>, Vec<_>) = (0..count).map(|_| op(arb, profile, places)).unzip();
    let (mut expected, mut outcomes) = (Vec::new(), Vec::new());
    memory.commit(&ops, &mut expected);
    sqlite.commit(&sqlite_ops, &mut outcomes);
    let told = take_places(&mut expected);
    places.extend(told.into_iter().zip(take_places(&mut outcomes)));
    assert_eq!(outcomes, expected, "to {ops:?}");
}

/// Replaces the sequence numbers in every page by zero, and returns them.
fn take_places(outcomes: &mut [StoreOutcome]) -> VecDeque<Seq> {
    let mut places = VecDeque::new();
    for outcome in outcomes {
        if let Ok(StoreReply::Page(page)) = outcome {
            assert!(page.items.is_sorted_by(|a, b| a.seq < b.seq));
            let seqs = page.items.iter_mut().map(|item| std::mem::replace(&mut item.seq, Seq(0)));
            places.extend(seqs);
        }
    }
    places
}

/// An operation for the memory store, and the same for SQLite. Few users, ids and times, so that
/// operations affect each other.
fn op(arb: &mut Arb<'_>, profile: Profile, places: &[(Seq, Seq)]) -> (StoreOp, StoreOp) {
    let op = match arb.below(16) {
        0..3 => {
            let n = number(arb, 4);
            StoreOp::CreateUser {
                phone: phone(n),
                public_key: public_key(n),
                aes_key: wrapped_key(arb.byte()),
                at: at(secs(arb)),
                max_id: if arb.chance(100) { 3 } else { u64::MAX },
                invitation: None,
            }
        }
        3 => StoreOp::FindUser(if arb.chance(500) {
            UserRef::Id(user(arb))
        } else {
            UserRef::Phone(phone(number(arb, 4)))
        }),
        4 => {
            let aes_key = wrapped_key(arb.byte());
            let horizon = at(secs(arb));
            StoreOp::RecordReconnect { user: user(arb), at: at(secs(arb)), horizon, aes_key }
        }
        5 => match arb.below(3) {
            0 => StoreOp::BeginSession { user: user(arb), place: Seq::START },
            1 => {
                let (asker, phone) = (user(arb), phone(number(arb, 4)));
                let day = i64::from(number(arb, 2));
                StoreOp::LookUp { asker, phone, day, budget: 2 }
            }
            _ => StoreOp::FindSender { sender: user(arb), recipient: user(arb) },
        },
        6..10 => {
            let recipient = user(arb);
            let count = arb.below(4);
            let packets = (0..count).map(|_| packet(arb, profile, recipient)).collect();
            StoreOp::Append { recipient, packets, at: at(secs(arb)) }
        }
        10 | 11 => {
            let recipient = user(arb);
            let (after, sqlite_after) = *arb.pick(places).expect("the start");
            let items = u32::from(number(arb, 6));
            let bytes = u32::from(number(arb, 3_000));
            let limit = PageLimit { items, bytes };
            let page = |after| StoreOp::Page { recipient, after, limit };
            return (page(after), page(sqlite_after));
        }
        12 | 13 => settle(arb, profile),
        14 => {
            let (recipient, origin) = (user(arb), user(arb));
            let kind = if arb.chance(50) { ItemKind::Message } else { ItemKind::Receipt };
            let ids = ids(arb);
            let keys = ids.into_iter().map(|id| ItemId { kind, origin, id }).collect();
            StoreOp::DropReceipts { recipient, receipts: keys }
        }
        _ => StoreOp::Expire { before: at(secs(arb)), limit: u32::from(number(arb, 5)) },
    };
    (op.clone(), op)
}

fn settle(arb: &mut Arb<'_>, profile: Profile) -> StoreOp {
    let (recipient, sender) = (user(arb), user(arb));
    let (id, messages) = (arb.below(10), ids(arb));
    let key = |id: &u64| ItemId { kind: ItemKind::Message, origin: sender, id: *id };
    let signer = if arb.chance(20) { user(arb) } else { recipient };
    StoreOp::Settle(Settlement {
        recipient,
        delivered: messages.iter().map(key).collect(),
        receipt: receipt(profile, signer, sender, id, &messages),
        at: at(secs(arb)),
    })
}

/// A packet for a mailbox, sometimes addressed to another user.
fn packet(arb: &mut Arb<'_>, profile: Profile, recipient: UserId) -> Packet {
    let to = if arb.chance(20) { user(arb) } else { recipient };
    let (origin, id) = (user(arb), arb.below(10));
    if arb.chance(250) {
        return receipt(profile, origin, to, id, &[id]);
    }
    let len = if arb.chance(200) { usize::from(number(arb, 2_000)) } else { 9 };
    message(profile, origin, to, id, len)
}

fn ids(arb: &mut Arb<'_>) -> Vec<u64> {
    let count = arb.below(5);
    (0..count).map(|_| arb.below(10)).collect()
}

fn user(arb: &mut Arb<'_>) -> UserId {
    UserId::new(1 + arb.below(5)).expect("not 0")
}

fn number(arb: &mut Arb<'_>, below: u64) -> u16 {
    u16::try_from(arb.below(below)).expect("small")
}

fn secs(arb: &mut Arb<'_>) -> i64 {
    i64::from(number(arb, 20))
}

/// Small, so that mailboxes fill up.
const QUOTA: Quota = Quota {
    messages: 4,
    bytes: 2_000,
    shares: Shares::Limited,
    store_bytes: 6_000,
    disk_reserve_bytes: 0,
};

/// Bound on commits, so that one input takes a fraction of a second even on a slow disk.
const MOST_COMMITS: usize = 24;
