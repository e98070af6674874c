//! The SQLite store on this machine's disk: one synced transaction for all gathered operations.

#![expect(clippy::expect_used, reason = "a benchmark that goes wrong must not report a figure")]

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sealpost_benches::packets::BODY;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::{Appended, PageLimit, Seq, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::wire::{Packet, Profile};
use sealpost_storage::conformance::{at, message, phone, public_key, wrapped_key};
use sealpost_storage::{Quota, SqliteStorage, Storage};
use tempfile::TempDir;

const PROFILE: Profile = Profile::Compact;

/// A database with a sender and a recipient.
struct Database {
    storage: SqliteStorage,
    sender: UserId,
    recipient: UserId,
    last_message: u64,
    _folder: TempDir,
}

impl Database {
    /// Creates the database in the build's folder, because the system's folder for temporary files
    /// may be in memory.
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let path = folder.path().join("bench.db");
        let mut storage =
            SqliteStorage::open(&path, PROFILE, Quota::default()).expect("a new database");
        let create = |number| StoreOp::CreateUser {
            phone: phone(number),
            public_key: public_key(number),
            aes_key: wrapped_key(0),
            at: at(0),
            max_id: PROFILE.max_user_id(),
            invitation: None,
        };
        storage.commit(&[create(1), create(2)], &mut Vec::new());
        let [sender, recipient] = [1, 2].map(|id| UserId::new(id).expect("not 0"));
        Self { storage, sender, recipient, last_message: 0, _folder: folder }
    }

    /// The next `count` messages, none of which is stored yet.
    fn messages(&mut self, count: u64) -> Vec<Packet> {
        let ids = self.last_message + 1..=self.last_message + count;
        self.last_message += count;
        ids.map(|id| message(PROFILE, self.sender, self.recipient, id, 9 + BODY)).collect()
    }

    fn append(&mut self, packets: Vec<Packet>) -> StoreReply {
        self.commit(StoreOp::Append { recipient: self.recipient, packets, at: at(0) })
    }

    fn empty(&mut self) {
        self.commit(StoreOp::Expire { before: at(1), limit: u32::MAX });
    }

    fn commit(&mut self, op: StoreOp) -> StoreReply {
        let mut outcomes: Vec<StoreOutcome> = Vec::new();
        self.storage.commit(&[op], &mut outcomes);
        outcomes.pop().expect("one outcome").expect("the store works")
    }
}

fn append(criterion: &mut Criterion) {
    let mut database = Database::new();
    let mut group = criterion.benchmark_group("append");
    group.sample_size(20);
    for count in [1, 64, 512] {
        group.throughput(Throughput::Elements(count));
        group.bench_function(BenchmarkId::new("sqlite", count), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    let packets = database.messages(count);
                    let start = Instant::now();
                    let reply = database.append(packets);
                    time += start.elapsed();
                    let StoreReply::Appended(appended) = reply else { unreachable!() };
                    assert!(appended.iter().all(|one| *one == Appended::Stored));
                    database.empty();
                }
                time
            });
        });
    }
    group.finish();
}

fn page(criterion: &mut Criterion) {
    const ITEMS: u32 = 512;
    let mut database = Database::new();
    let packets = database.messages(ITEMS.into());
    database.append(packets);
    let mut group = criterion.benchmark_group("page");
    group.throughput(Throughput::Elements(ITEMS.into()));
    group.bench_function(BenchmarkId::new("sqlite", ITEMS), |bencher| {
        bencher.iter(|| {
            let limit = PageLimit { items: ITEMS, bytes: u32::MAX };
            let op = StoreOp::Page { recipient: database.recipient, after: Seq::START, limit };
            let StoreReply::Page(page) = database.commit(op) else { unreachable!() };
            assert_eq!(page.items.len(), ITEMS as usize);
            page
        });
    });
    group.finish();
}

criterion_group!(benches, append, page);
criterion_main!(benches);
