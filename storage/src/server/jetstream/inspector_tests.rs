//! What the operator sees of a deployment.

use std::time::Duration;

use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::store::StoreOp;
use sealpost_core::wire::Profile;

use super::bed::JetStreamBed;
use super::test_engine::TestEngine;
use super::{Admission, JetStreamInspector, ServerKeys};
use crate::conformance::{at, message, phone, public_key, wrapped_key};
use crate::server::quota::Quota;
use crate::server::suspension::Suspension;
use crate::server::usage::Usage;
use crate::storage::Storage;

/// A deployment with users 1 to `users`, of whom user 2 is gone and user 3 is suspended. Two
/// messages wait for user 1, and one for user 3.
fn populated(engine: &TestEngine, users: u16) -> JetStreamBed {
    let mut bed = JetStreamBed::new(engine, Profile::Wide, Quota::default());
    let create = |n| StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(n.into()),
        max_id: 1_000,
        invitation: None,
    };
    let [one, three, four] = [1, 3, 4].map(|id| UserId::new(id).unwrap());
    let append = |from, to, id, size, at| StoreOp::Append {
        recipient: to,
        packets: vec![message(Profile::Wide, from, to, id, size)],
        at,
    };
    let mut requests: Vec<_> = (1..=users).map(create).collect();
    requests.push(append(four, three, 1, 4_000, at(7)));
    requests.push(append(four, one, 2, 20, at(8)));
    requests.push(append(four, one, 3, 20, at(9)));
    let mut outcomes = Vec::new();
    bed.commit(&requests, &mut outcomes);
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    bed.storage().delete_user(phone(2)).unwrap();
    bed.storage().set_suspension(phone(3), Suspension::Suspended(at(5))).unwrap();
    bed
}

#[test]
fn users_are_listed_in_the_order_of_their_ids_in_pages() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = populated(&engine, 40);
    let inspector = JetStreamInspector::open(bed.config()).unwrap();
    assert_eq!(inspector.profile(), Profile::Wide);
    let (mut ids, mut last, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = inspector.users(last, 35).unwrap();
        let Some(end) = page.last() else { break };
        last = Some(end.user.id);
        pages += 1;
        ids.extend(page.iter().map(|record| record.user.id.value()));
    }
    assert!(ids.iter().copied().eq([1].into_iter().chain(3..=40)), "{ids:?}");
    assert_eq!(pages, 2);
    assert_eq!(inspector.count_users().unwrap(), 39);
}

#[test]
fn user_is_shown_with_the_mailbox() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = populated(&engine, 4);
    let inspector = JetStreamInspector::open(bed.config()).unwrap();
    let one = inspector.user(UserRef::Phone(phone(1))).unwrap().unwrap();
    assert_eq!((one.user.id.value(), one.user.phone), (1, phone(1)));
    assert_eq!((one.created_at, one.user.last_seen), (at(1), at(1)));
    assert_eq!((one.mailbox.messages, one.oldest), (2, Some(at(8))));
    assert_eq!(one.suspension, Suspension::Active);
    let three = inspector.user(UserRef::Phone(phone(3))).unwrap().unwrap();
    assert_eq!(three.suspension, Suspension::Suspended(at(5)));
    let four = inspector.user(UserRef::Id(UserId::new(4).unwrap())).unwrap().unwrap();
    assert_eq!((four.mailbox, four.oldest), (Usage::default(), None));
    for gone in [2, 5] {
        assert_eq!(inspector.user(UserRef::Phone(phone(gone))).unwrap(), None);
    }
}

#[test]
fn census_counts_everything_and_finds_the_largest() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = populated(&engine, 4);
    let inspector = JetStreamInspector::open(bed.config()).unwrap();
    let census = inspector.census(1).unwrap();
    assert_eq!((census.stats.users, census.stats.last_user_id), (3, 4));
    assert_eq!((census.stats.pending.messages, census.stats.oldest), (3, Some(at(7))));
    let [largest] = census.largest[..] else { panic!("{census:?}") };
    assert_eq!(largest.messages, 1);
    assert!(largest.bytes > 4_000 && census.stats.pending.bytes > largest.bytes);
    assert_eq!(inspector.census(9).unwrap().largest.len(), 2, "empty ones are left out");
}

#[test]
fn engine_that_does_not_answer_is_noticed() {
    let Some(mut engine) = TestEngine::start() else { return };
    let bed = populated(&engine, 4);
    let inspector = JetStreamInspector::open(bed.config()).unwrap();
    let within = Duration::from_millis(500);
    inspector.probe(within).unwrap();
    let before = inspector.traffic();
    assert!(before.is_connected && before.reconnects == 0 && before.sent_bytes > 0);
    engine.suspend(0);
    // Not every thread of it stops at once.
    let silent = (0..20).find_map(|_| inspector.probe(within).err()).unwrap().to_string();
    assert!(silent.contains("did not answer: not within 500 ms"), "{silent}");
    engine.resume(0);
    engine.kill(0);
    while inspector.traffic().is_connected {
        std::thread::sleep(Duration::from_millis(10));
    }
    engine.restart(0);
    while inspector.probe(within).is_err() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(inspector.traffic().reconnects, 1);
    bed.abandon();
}

#[test]
fn keys_are_those_of_the_first_server_until_they_are_changed() {
    let Some(engine) = TestEngine::start() else { return };
    let mut bed = populated(&engine, 4);
    let other = bed.another();
    let keys = |first, successor: Option<u8>| ServerKeys {
        first: Fingerprint([first; 32]),
        successor: successor.map(|byte| Fingerprint([byte; 32])),
    };
    let (old, both, new) = (keys(1, None), keys(1, Some(2)), keys(2, None));
    let storage = bed.storage();
    assert_eq!(storage.server_keys().unwrap(), None);
    assert_eq!(storage.admit(old).unwrap(), Admission::Admitted);
    assert_eq!(other.admit(keys(3, None)).unwrap(), Admission::Refused(old));
    assert_eq!(other.admit(old).unwrap(), Admission::Admitted);
    assert_eq!(other.admit(both).unwrap(), Admission::Admitted);
    assert_eq!(storage.server_keys().unwrap(), Some(both));
    assert_eq!(storage.admit(new).unwrap(), Admission::Admitted);
    assert_eq!(other.admit(both).unwrap(), Admission::OldKeyKept);
    assert_eq!(storage.server_keys().unwrap(), Some(new), "the old key is not recorded again");
}
