//! The same messages, applied in pages of any size with crashes between, give the same timeline.

use proptest::collection::vec;
use proptest::prelude::*;
use sealpost_core::client::store::InboxItem;

use super::bed::{Bed, of, of_own, person, said};
use crate::client::conversations::{Change, Entry, Peer};
use crate::client::sqlite::SqliteClientStorage;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn timeline_does_not_depend_on_pages_and_crashes(
        changes in vec((2..4_u16, change()), 1..20),
        crashes in vec((1..6_usize, 0..6_usize), 1..8),
    ) {
        let (mut straight, mut broken) = (Bed::new(), Bed::new());
        let received = receive(&mut straight, &changes);
        for (item, (peer, change)) in &received {
            straight.store().apply(item, peer, change).unwrap();
        }
        let received = receive(&mut broken, &changes);
        let mut crashes = crashes.into_iter().cycle();
        while behind(broken.store()) > 0 {
            let (page, done) = crashes.next().unwrap_or((1, 1));
            // What was applied before the crash counts; the page is read again.
            let cursor = broken.store().applied_up_to().unwrap();
            let waiting = received.iter().filter(|(item, _)| item.place > cursor);
            let again = received.iter().filter(|(item, _)| item.place <= cursor).last();
            for (item, (peer, change)) in again.into_iter().chain(waiting.take(page.min(done + 1))) {
                broken.store().apply(item, peer, change).unwrap();
            }
            broken.reopen();
        }
        prop_assert_eq!(contents(&mut straight), contents(&mut broken));
    }
}

type Received = (InboxItem, (Peer, Change));

fn receive(bed: &mut Bed, changes: &[(u16, Change)]) -> Vec<Received> {
    bed.say(2, 1, "ours");
    let received = changes.iter().map(|(from, change)| {
        let item = bed.arrive(*from);
        (item, (person(2), change.clone()))
    });
    received.collect()
}

fn behind(store: &SqliteClientStorage) -> usize {
    store.inbox_after(store.applied_up_to().unwrap(), u32::MAX).unwrap().len()
}

fn contents(bed: &mut Bed) -> Vec<(u64, Vec<Entry>)> {
    let list = bed.store().conversations(u32::MAX).unwrap();
    let page = |id| bed.store().entries_before(id, None, u32::MAX).unwrap();
    list.iter()
        .map(|found| found.id)
        .map(page)
        .zip(list.iter().map(|found| found.unread))
        .map(|(entries, unread)| (unread, entries))
        .collect()
}

fn change() -> impl Strategy<Value = Change> {
    let entry =
        || prop_oneof![(2..4_u16, 1..4_u8).prop_map(|(n, event)| of(n, event)), Just(of_own(1))];
    let emoji = proptest::option::of(Just("👍".to_owned()));
    prop_oneof![
        3 => (1..4_u8).prop_map(|event| Change::Append(said(event, "text"))),
        2 => entry().prop_map(|entry| Change::Edit { entry, text: "edited".into(), event: None }),
        1 => entry().prop_map(|entry| Change::Delete { entry }),
        2 => (entry(), emoji).prop_map(|(entry, emoji)| Change::React { entry, emoji }),
        1 => entry().prop_map(|entry| Change::Read { entries: vec![entry] }),
        1 => Just(Change::Nothing),
    ]
}
