//! The conformance suite, and what holds beyond it: several servers, and an engine that fails.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use proptest::collection::vec;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{
    Appended, CreateOutcome, PageLimit, PresentedInvitation, ReconnectOutcome, Seq, StoreOp,
    StoreReply,
};
use sealpost_core::wire::{InvitationHash, ItemId, Packet, Profile};

use super::JetStreamStorage;
use super::bed::JetStreamBed;
use super::records::{Clock, Record};
use super::slot::Value;
use super::test_engine::TestEngine;
use crate::conformance::{at, message, phone, public_key, wrapped_key};
use crate::server::conformance::differential::{agree, profile, step};
use crate::server::conformance::{SHARES, run_all};
use crate::server::invitations::NewInvitation;
use crate::server::quota::Quota;
use crate::storage::Storage;

#[test]
fn jetstream_conforms() {
    let Some(engine) = TestEngine::start() else { return };
    run_all(|profile, quota| JetStreamBed::new(&engine, profile, quota));
}

#[test]
fn memory_and_jetstream_agree() {
    let Some(engine) = TestEngine::start() else { return };
    agree_with_memory(&engine, 48);
}

/// Carries out random requests on the memory store and in one deployment of the engine each.
pub(super) fn agree_with_memory(engine: &TestEngine, cases: u32) {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = TestRunner::new(config).run(&(profile(), vec(step(), 1..40)), |(profile, steps)| {
        agree(JetStreamBed::new(engine, profile, SHARES), profile, steps)
    });
    run.unwrap();
}

#[test]
fn two_servers_register_each_phone_number_once() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = JetStreamBed::new(&engine, Profile::Compact, Quota::default());
    let outcomes = at_once(&bed, |storage, _| {
        (1..=20).map(|n| ask(storage, create(n, None))).collect::<Vec<_>>()
    });
    let mut ids = BTreeSet::new();
    for n in 0..20 {
        let created = outcomes.iter().filter_map(|replies| {
            let StoreReply::Created(outcome) = replies[n] else { panic!() };
            let CreateOutcome::Created(id) = outcome else {
                assert_eq!(outcome, CreateOutcome::PhoneTaken);
                return None;
            };
            Some(id.value())
        });
        ids.extend(created);
    }
    assert!(ids.iter().copied().eq(1..=20), "{ids:?}");
    bed.another().audit();
}

#[test]
fn invitation_for_three_accounts_serves_three_whichever_server_is_asked() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = JetStreamBed::new(&engine, Profile::Compact, Quota::default());
    let hash = InvitationHash([1; 32]);
    let (expires_at, phone) = (at(100), None);
    let new =
        NewInvitation { hash, uses: 3, created_at: at(0), expires_at, phone, note: String::new() };
    bed.another().create_invitation(&new).unwrap();
    let presented = PresentedInvitation { hash, at: at(1) };
    let outcomes = at_once(&bed, |storage, server| {
        let numbers = (1..=4).map(|n| server * 10 + n);
        numbers.map(|n| ask(storage, create(n, Some(presented)))).collect::<Vec<_>>()
    });
    let is_created =
        |reply: &&StoreReply| matches!(reply, StoreReply::Created(CreateOutcome::Created(_)));
    assert_eq!(outcomes.iter().flatten().filter(is_created).count(), 3);
    assert_eq!(bed.another().invitations().unwrap()[0].uses_left, 0);
}

#[test]
fn reconnect_is_recorded_once_whichever_server_gets_it() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = JetStreamBed::new(&engine, Profile::Compact, Quota::default());
    ask(&mut bed.another(), create(1, None));
    let outcomes = at_once(&bed, |storage, _| {
        let reconnect = |secs| StoreOp::RecordReconnect {
            user: user(1),
            at: at(secs),
            horizon: at(secs + 300),
            aes_key: wrapped_key(2),
        };
        (1..=20).map(|secs| ask(storage, reconnect(secs))).collect::<Vec<_>>()
    });
    for secs in 0..20 {
        let is_recorded = |replies: &&Vec<_>| {
            let reply = &replies[secs];
            matches!(reply, StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(_)))
        };
        let count = outcomes.iter().filter(is_recorded).count();
        assert!(count <= 1, "second {secs} was recorded {count} times");
    }
}

#[test]
fn what_two_servers_append_to_one_mailbox_is_kept_once_and_in_order() {
    let Some(engine) = TestEngine::start() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Compact, Quota::default());
    for n in 1..=3 {
        ask(bed.storage(), create(n, None));
    }
    let outcomes = at_once(&bed, |storage, server| {
        // Both repeat the messages of the third sender.
        let own = (1..=20).map(|id| (user(u64::from(server)), id));
        let shared = (1..=20).map(|id| (user(3), id));
        let append = |(from, id)| ask(storage, append(user(1), vec![packet(from, user(1), id)]));
        own.zip(shared).flat_map(|(own, shared)| [own, shared]).map(append).collect::<Vec<_>>()
    });
    let stored = StoreReply::Appended(vec![Appended::Stored]);
    let count = outcomes.iter().flatten().filter(|reply| **reply == stored).count();
    assert_eq!(count, 60, "each message was stored by one server");
    bed.storage().audit();
    let items: Vec<_> =
        mailbox(bed.storage(), user(1)).iter().map(|packet| ItemId::of(packet).unwrap()).collect();
    for sender in 1..=3 {
        let ids: Vec<_> =
            items.iter().filter(|item| item.origin == user(sender)).map(|item| item.id).collect();
        assert!(ids.iter().copied().eq(1..=20), "messages of user {sender}: {ids:?}");
    }
}

#[test]
fn mailbox_that_is_longer_than_a_listing_is_read_whole() {
    let Some(engine) = TestEngine::start() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
    ask(bed.storage(), create(1, None));
    let small = (1..=1_100).map(|id| message(Profile::Wide, user(1), user(1), id, 20));
    let large = (1_101..=1_130).map(|id| message(Profile::Wide, user(1), user(1), id, 60_000));
    let packets: Vec<_> = small.chain(large).collect();
    let request = append(user(1), packets.clone());
    let quota = Quota { messages: 5_000, ..Quota::default() };
    bed.storage().quota().set(Quota { shares: crate::server::Shares::Unlimited, ..quota });
    let stored = StoreReply::Appended(vec![Appended::Stored; packets.len()]);
    assert_eq!(ask(bed.storage(), request.clone()), stored);
    let duplicates = StoreReply::Appended(vec![Appended::Duplicate; packets.len()]);
    assert_eq!(ask(bed.storage(), request), duplicates);
    assert_eq!(mailbox(bed.storage(), user(1)), packets);
    let expire = StoreOp::Expire { before: at(2), limit: 1_000 };
    for expired in [1_000, 130, 0] {
        assert_eq!(ask(bed.storage(), expire.clone()), StoreReply::Expired(expired));
        bed.storage().audit();
    }
}

/// A transaction whose answer is lost is sent again. The engine carries out both, and refuses one.
#[test]
fn transaction_whose_answer_was_lost_is_recognized() {
    let Some(engine) = TestEngine::start() else { return };
    let bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
    let storage = bed.another();
    let (key, value) =
        (storage.desk.layout.clock(), Clock { newest: at(5).into() }.value().unwrap());
    let write = [key.write(0, value.clone())];
    engine.suspend(0);
    let committed = thread::scope(|scope| {
        let committed =
            scope.spawn(|| storage.driver.block_on(storage.desk.connection.commit(&write)));
        thread::sleep(Duration::from_secs(3));
        engine.resume(0);
        committed.join().unwrap()
    });
    assert!(committed.is_ok(), "{committed:?}");
    let read = || storage.driver.block_on(storage.desk.connection.read(&key)).unwrap();
    let slot = read();
    let refused = storage.driver.block_on(storage.desk.connection.commit(&write));
    assert!(refused.is_err(), "another transaction is not taken for it");
    assert_eq!(read().revision, slot.revision, "it was carried out once");
    let Value::Record(record) = value else { panic!() };
    assert_eq!(slot.entry.unwrap().body, record);
}

#[test]
fn nothing_is_acknowledged_without_an_engine() {
    let Some(mut engine) = TestEngine::start() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, Quota::default());
    ask(bed.storage(), create(1, None));
    engine.kill(0);
    let requests = [
        StoreOp::BeginSession { user: user(1), place: Seq::START },
        append(user(1), vec![message(Profile::Wide, user(1), user(1), 1, 20)]),
        create(2, None),
    ];
    let mut outcomes = Vec::new();
    bed.commit(&requests, &mut outcomes);
    assert_eq!(outcomes, [const { Err(StoreError::Unavailable) }; 3]);
    assert!(bed.failure().is_some());
    assert_eq!(bed.failure(), None);
    bed.abandon();
}

/// Runs two servers on one deployment at once. They are numbered from 1.
fn at_once<T: Send>(
    bed: &JetStreamBed,
    run: impl Fn(&mut JetStreamStorage, u16) -> T + Sync,
) -> [T; 2] {
    thread::scope(|scope| {
        let run = &run;
        let servers = [1, 2].map(|number| {
            let mut storage = bed.another();
            scope.spawn(move || run(&mut storage, number))
        });
        servers.map(|server| server.join().unwrap())
    })
}

fn ask(storage: &mut JetStreamStorage, request: StoreOp) -> StoreReply {
    let mut outcomes = Vec::new();
    storage.commit(&[request], &mut outcomes);
    outcomes.remove(0).unwrap()
}

fn mailbox(storage: &mut JetStreamStorage, recipient: UserId) -> Vec<Packet> {
    let limit = PageLimit { items: u32::MAX, bytes: u32::MAX };
    let StoreReply::Page(page) =
        ask(storage, StoreOp::Page { recipient, after: Seq::START, limit })
    else {
        panic!()
    };
    assert!(!page.more);
    page.items.into_iter().map(|item| item.packet).collect()
}

fn create(n: u16, invitation: Option<PresentedInvitation>) -> StoreOp {
    StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 1_000,
        invitation,
    }
}

fn append(recipient: UserId, packets: Vec<Packet>) -> StoreOp {
    StoreOp::Append { recipient, packets, at: at(1) }
}

fn packet(from: UserId, to: UserId, id: u64) -> Packet {
    message(Profile::Compact, from, to, id, 20)
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}
