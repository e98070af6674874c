//! Three nodes of the engine, which are killed and started again.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::frame::StoreError;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Appended, PageLimit, Seq, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::{ItemId, Profile};

use super::bed::JetStreamBed;
use super::test_engine::TestEngine;
use super::tests::agree_with_memory;
use super::{Config, JetStreamStorage};
use crate::conformance::{at, message, phone, public_key, wrapped_key};
use crate::server::quota::{Quota, Shares};
use crate::storage::Storage;

#[test]
fn memory_and_three_replicas_agree() {
    let Some(engine) = TestEngine::start_cluster() else { return };
    agree_with_memory(&engine, 8);
}

/// Two servers with a sender each write to one mailbox, while nodes are killed and started again.
#[test]
fn nothing_is_lost_or_stored_twice_while_nodes_are_killed() {
    let Some(mut engine) = TestEngine::start_cluster() else { return };
    let mut bed = JetStreamBed::new(&engine, Profile::Wide, QUOTA);
    (1..=3).for_each(|n| drop(ask(bed.storage(), create(n))));
    let end = Instant::now() + KILLING;
    let acknowledged: BTreeMap<UserId, u64> = thread::scope(|scope| {
        let senders = [2, 3].map(|id| {
            let mut storage = bed.another();
            let sender = UserId::new(id).unwrap();
            scope.spawn(move || (sender, send_until(end, &mut storage, sender)))
        });
        let mut victims = (0..3).cycle();
        while Instant::now() < end {
            thread::sleep(Duration::from_secs(2));
            let victim = victims.next().unwrap();
            engine.kill(victim);
            thread::sleep(Duration::from_millis(1_500));
            engine.restart(victim);
        }
        senders.map(|sender| sender.join().unwrap()).into_iter().collect()
    });
    let page = StoreOp::Page {
        recipient: owner(),
        after: Seq::START,
        limit: PageLimit { items: u32::MAX, bytes: u32::MAX },
    };
    let Ok(StoreReply::Page(page)) = until_available(bed.storage(), &page) else { panic!() };
    for (sender, count) in acknowledged {
        let items = page.items.iter().map(|item| ItemId::of(&item.packet).unwrap());
        let ids: Vec<_> = items.filter(|item| item.origin == sender).map(|item| item.id).collect();
        assert!(ids.iter().copied().eq(1..=count), "{count} were acknowledged, stored: {ids:?}");
        assert!(count > 20, "{count} messages are no test");
    }
    bed.storage().audit();
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
    let count = until_available(&mut storage, &StoreOp::Count(owner())).unwrap();
    let StoreReply::Counted(waiting) = count else { panic!() };
    assert_eq!(waiting.items, 1);
}

/// Sends one message after the other, each until it is acknowledged. Returns how many.
fn send_until(end: Instant, storage: &mut JetStreamStorage, sender: UserId) -> u64 {
    for id in 1.. {
        if Instant::now() > end {
            return id - 1;
        }
        let reply = until_available(storage, &append(sender, id)).unwrap();
        let StoreReply::Appended(outcomes) = reply else { panic!() };
        assert!(matches!(outcomes[..], [Appended::Stored | Appended::Duplicate]), "{outcomes:?}");
    }
    unreachable!()
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

const KILLING: Duration = Duration::from_secs(20);
