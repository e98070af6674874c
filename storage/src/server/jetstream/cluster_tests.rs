//! Three nodes of the engine, which fail and go on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{
    Appended, PageLimit, Seq, SessionOutcome, Settlement, StoreOp, StoreOutcome, StoreReply,
};
use sealpost_core::wire::{ItemId, Profile};

use super::bed::JetStreamBed;
use super::test_engine::TestEngine;
use super::tests::agree_with_memory;
use super::{Config, JetStreamStorage};
use crate::conformance::{at, message, phone, public_key, receipt, wrapped_key};
use crate::server::quota::{Quota, Shares};
use crate::storage::Storage;

#[test]
fn memory_and_three_replicas_agree() {
    let Some(engine) = TestEngine::start_cluster() else { return };
    agree_with_memory(&engine, 8);
}

/// Two servers send to one mailbox and a third one takes what is there, while nodes fail.
#[test]
fn nothing_is_lost_twice_or_out_of_order_while_nodes_fail() {
    let Some(mut engine) = TestEngine::start_cluster() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, QUOTA);
    (1..=3).for_each(|n| drop(ask(bed.storage(), create(n)).unwrap()));
    let senders = [2, 3].map(|id| UserId::new(id).unwrap());
    let (sent, end) = ([const { AtomicU64::new(0) }; 2], AtomicBool::new(false));
    let taken = thread::scope(|scope| {
        let (ending, end) = (End(&end), &end);
        for (sender, sent) in senders.into_iter().zip(&sent) {
            let mut storage = bed.another();
            scope.spawn(move || send_until(end, &mut storage, sender, sent));
        }
        let mut storage = bed.another();
        let taking = scope.spawn(move || take_until(end, &mut storage));
        for round in 0..fault_count() {
            wait_for_progress(&sent);
            fail(&mut engine, round);
        }
        wait_for_progress(&sent);
        drop(ending);
        taking.join().unwrap()
    });
    let all: Vec<_> = taken.into_iter().chain(items(bed.storage(), owner())).collect();
    for (sender, sent) in senders.into_iter().zip(sent) {
        // What was taken just before a failure is taken again.
        let mut seen = BTreeSet::new();
        let ids = all.iter().filter(|item| item.origin == sender).map(|item| item.id);
        let first: Vec<_> = ids.filter(|id| seen.insert(*id)).collect();
        let count = sent.into_inner();
        assert!(first.iter().copied().eq(1..=count), "{count} were sent, taken: {first:?}");
    }
    bed.storage().audit();
}

/// Ends the threads of a test, even if it panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until each sender has had some messages acknowledged.
fn wait_for_progress(sent: &[AtomicU64; 2]) {
    let before = sent.each_ref().map(|sent| sent.load(Ordering::Relaxed));
    let deadline = Instant::now() + Duration::from_mins(1);
    for (sent, before) in sent.iter().zip(before) {
        while sent.load(Ordering::Relaxed) < before + 20 {
            assert!(Instant::now() < deadline, "the engine does not recover");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Lets one, two or all nodes fail, and start again or go on.
fn fail(engine: &mut TestEngine, round: usize) {
    let nodes = [round, round + 1, round + 2].map(|node| node % 3);
    let victims = match round % 4 {
        0 => &nodes[..1],
        1 => {
            engine.suspend(nodes[0]);
            thread::sleep(Duration::from_secs(3));
            return engine.resume(nodes[0]);
        }
        2 => &nodes[..2],
        _ => &nodes[..],
    };
    for node in victims {
        engine.kill(*node);
    }
    thread::sleep(Duration::from_secs(1));
    for node in victims {
        engine.restart(*node);
    }
}

/// Takes messages in their order and acknowledges each. Returns what was taken.
fn take_until(end: &AtomicBool, storage: &mut JetStreamStorage) -> Vec<ItemId> {
    let mut taken = Vec::new();
    while !end.load(Ordering::Relaxed) {
        for item in items(storage, owner()) {
            taken.push(item);
            let number = taken.len() as u64;
            let settlement = Settlement {
                recipient: owner(),
                delivered: vec![item],
                receipt: receipt(Profile::Wide, owner(), item.origin, number, &[item.id]),
                at: at(2),
            };
            let settled = until_available(storage, &StoreOp::Settle(settlement));
            assert_eq!(settled, Ok(StoreReply::Settled));
        }
    }
    taken
}

/// Everything in a mailbox.
fn items(storage: &mut JetStreamStorage, recipient: UserId) -> Vec<ItemId> {
    let limit = PageLimit { items: u32::MAX, bytes: u32::MAX };
    let page = StoreOp::Page { recipient, after: Seq::START, limit };
    let Ok(StoreReply::Page(page)) = until_available(storage, &page) else { panic!() };
    page.items.iter().map(|item| ItemId::of(&item.packet).unwrap()).collect()
}

/// How often nodes fail.
fn fault_count() -> usize {
    let count = std::env::var("SEALPOST_FAULTS").ok();
    count.map_or(4, |count| count.parse().expect("a number"))
}

/// One of them may be nearer to the leader, and must not win always.
#[test]
fn two_servers_that_write_to_one_mailbox_take_turns() {
    let Some(engine) = TestEngine::start_cluster() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, QUOTA);
    (1..=3).for_each(|n| drop(ask(bed.storage(), create(n)).unwrap()));
    let (sent, end) = ([const { AtomicU64::new(0) }; 2], AtomicBool::new(false));
    thread::scope(|scope| {
        let _ending = End(&end);
        for (id, sent) in [2, 3].into_iter().zip(&sent) {
            let (mut storage, end) = (bed.another(), &end);
            let sender = UserId::new(id).unwrap();
            scope.spawn(move || send_until(end, &mut storage, sender, sent));
        }
        thread::sleep(Duration::from_secs(4));
    });
    let [one, other] = sent.map(AtomicU64::into_inner);
    assert!(one.min(other) * 5 > one.max(other), "{one} and {other} messages");
}

#[test]
fn without_a_majority_nothing_is_acknowledged() {
    let Some(mut engine) = TestEngine::start_cluster() else { return };
    let config = Config { patience: Duration::from_secs(3), ..engine.deployment() };
    let mut storage = JetStreamStorage::open(&config, Profile::Wide, QUOTA).unwrap();
    ask(&mut storage, create(1)).unwrap();
    for node in [0, 1] {
        engine.kill(node);
    }
    assert_eq!(ask(&mut storage, append(owner(), 1)), Err(StoreError::Unavailable));
    engine.restart(0);
    let outcome = until_available(&mut storage, &append(owner(), 1)).unwrap();
    let StoreReply::Appended(outcomes) = outcome else { panic!() };
    assert!(matches!(outcomes[..], [Appended::Stored | Appended::Duplicate]));
    let count =
        until_available(&mut storage, &StoreOp::BeginSession { user: owner(), place: Seq::START })
            .unwrap();
    let StoreReply::SessionBegun(SessionOutcome::Begun(waiting)) = count else { panic!() };
    assert_eq!(waiting.items, 1);
}

/// Sends one message after the other, each until it is acknowledged, and counts them.
fn send_until(end: &AtomicBool, storage: &mut JetStreamStorage, sender: UserId, sent: &AtomicU64) {
    for id in 1.. {
        if end.load(Ordering::Relaxed) {
            return;
        }
        let reply = until_available(storage, &append(sender, id)).unwrap();
        let StoreReply::Appended(outcomes) = reply else { panic!() };
        assert!(matches!(outcomes[..], [Appended::Stored | Appended::Duplicate]), "{outcomes:?}");
        sent.store(id, Ordering::Relaxed);
    }
}

fn until_available(storage: &mut JetStreamStorage, request: &StoreOp) -> StoreOutcome {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let outcome = ask(storage, request.clone());
        let passes = [Err(StoreError::Unavailable), Err(StoreError::Busy)].contains(&outcome);
        if !passes || Instant::now() > deadline {
            return outcome;
        }
    }
}

fn ask(storage: &mut JetStreamStorage, request: StoreOp) -> StoreOutcome {
    let mut outcomes = Vec::new();
    storage.commit(&[request], &mut outcomes);
    outcomes.remove(0)
}

fn create(n: u16) -> StoreOp {
    StoreOp::CreateUser {
        phone: phone(n),
        public_key: public_key(n),
        aes_key: wrapped_key(1),
        at: at(0),
        max_id: 1_000,
        invitation: None,
    }
}

fn append(sender: UserId, id: u64) -> StoreOp {
    let packets = vec![message(Profile::Wide, sender, owner(), id, 20)];
    StoreOp::Append { recipient: owner(), packets, at: at(1) }
}

/// The first user.
fn owner() -> UserId {
    UserId::new(1).unwrap()
}

const QUOTA: Quota = Quota {
    messages: 100_000,
    bytes: 1 << 30,
    shares: Shares::Unlimited,
    store_bytes: u64::MAX,
    disk_reserve_bytes: 0,
};
