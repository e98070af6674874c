//! Tests of copies of a database, and of what takes the place of a lost one.

use std::time::Duration;

use sealpost_core::server::store::{Appended, CreateOutcome, Page, StoreOp, StoreReply};
use sealpost_core::wire::Profile;

use super::Inspector;
use super::bed::SqliteBed;
use super::tests::{append, create, read, user, with_a_message};
use crate::conformance::{at, message};

#[test]
fn skipped_ids_and_places_are_not_given_out() {
    let mut sqlite = with_a_message();
    let places = |sqlite: &mut SqliteBed| {
        let StoreReply::Page(Page { items, .. }) = sqlite.replies(&[read(2)]).remove(0) else {
            panic!("not a page")
        };
        items.iter().map(|item| item.seq.0).collect()
    };
    let before: Vec<u64> = places(&mut sqlite);
    sqlite.storage().skip_ids(70).unwrap();
    sqlite.storage().skip_ids(60).unwrap();
    let created = StoreReply::Created(CreateOutcome::Created(user(71)));
    assert_eq!(sqlite.replies(&[create(3)]), [created]);
    sqlite.replies(&[append(2)]);
    let after: Vec<u64> = places(&mut sqlite);
    assert_eq!(after[0], before[0], "what is stored keeps its place");
    assert!(after[1] > before[0] + (2 << 40), "{after:?}");
    assert!(sqlite.is_sound());

    sqlite.storage().skip_ids(u64::MAX).unwrap();
    assert_eq!(sqlite.storage().last_user_id().unwrap(), 65_535);
}

#[test]
fn copy_is_of_one_point_in_time_and_does_not_hold_up_the_writer() {
    let mut sqlite = with_a_message();
    let large = |id| message(Profile::Compact, user(1), user(2), id, 60_000);
    let append = |ids: std::ops::Range<u64>| StoreOp::Append {
        recipient: user(2),
        packets: ids.map(large).collect(),
        at: at(10),
    };
    sqlite.storage().set_busy_timeout(Duration::ZERO).unwrap();
    sqlite.replies(&[append(100..300)]);
    let before = Inspector::open(&sqlite.path()).unwrap().stats().unwrap();
    let copy = sqlite.folder().join("copy.db");
    let mut steps = 0;
    let inspector = Inspector::open(&sqlite.path()).unwrap();
    inspector
        .copy(&copy, |progress| {
            assert!(progress.done_bytes <= progress.all_bytes, "{progress:?}");
            steps += 1;
            assert!(steps < 100, "it begins again with every message");
            let stored = StoreReply::Appended(vec![Appended::Stored]);
            assert_eq!(sqlite.replies(&[append(1_000 + steps..1_001 + steps)]), [stored]);
        })
        .unwrap();
    assert!(steps > 2, "{steps} steps");
    let copied = Inspector::open(&copy).unwrap();
    assert!(copied.check().unwrap().is_sound());
    assert_eq!(copied.stats().unwrap(), before);
    drop(copied);
    for sidecar in ["copy.db-wal", "copy.db-shm", "copy.db-journal"] {
        assert!(!sqlite.folder().join(sidecar).exists(), "{sidecar}");
    }
}
