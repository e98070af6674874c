//! Entries whose lifetime is over.

use sealpost_core::client::store::{Content, InboxId, ReceivedContent};

use super::bed::{Bed, added, copy, in_file, of, person, said};
use crate::client::conversations::{Body, Change, Made, NewEntry, Originals, OwnChange};
use crate::client::storage::ClientStorage;
use crate::conformance::at;

#[test]
fn lifetime_begins_when_shown_and_its_end_leaves_nothing() {
    let mut bed = Bed::new();
    let secret = "for your eyes only";
    let new = NewEntry { expiry_secs: Some(60), ..said(1, secret) };
    let item = bed.arrive(2);
    let (conversation, entry) =
        added(bed.store().apply(&item, &person(2), &Change::Append(new)).unwrap());
    bed.store().set_originals(conversation, Originals::Kept).unwrap();
    let text = "for your eyes only, edited".to_owned();
    bed.apply(2, &Change::Edit { entry: of(2, 1), text, event: None });
    bed.apply(2, &Change::React { entry: of(2, 1), emoji: Some("👀".into()) });
    assert_eq!(bed.store().next_expiry(), Ok(None), "it was not shown");
    bed.store().read_up_to(conversation, entry, at(100)).unwrap();
    bed.store().read_up_to(conversation, entry, at(130)).unwrap();
    assert_eq!(bed.store().next_expiry(), Ok(Some(at(160))), "the first time counts");
    assert_eq!(bed.store().expire(at(159), 9), Ok(vec![]));
    assert!(in_file(&mut bed, "eyes only"));
    assert_eq!(bed.store().expire(at(160), 9), Ok(vec![(conversation, entry)]));
    assert_eq!(bed.store().expire(at(160), 9), Ok(vec![]));
    let expired = bed.entry(entry);
    assert_eq!((expired.body, expired.reactions), (Body::Expired, vec![]));
    assert_eq!(bed.store().originals(entry), Ok(vec![]));
    assert_eq!(bed.store().search("eyes", None, None, 9), Ok(vec![]));
    let items = bed.store().inbox_after(InboxId::START, 2).unwrap();
    let empty = ReceivedContent::Opened(Content::Bytes(vec![]));
    assert!(items.iter().all(|item| item.message.content == empty), "the edit, too");
    assert!(!in_file(&mut bed, "eyes"), "words of the index, too");
    // The reaction had no text of the entry.
    let reaction = bed.store().inbox_after(items[1].place, 1).unwrap();
    assert!(reaction[0].message.content != empty);
}

#[test]
fn our_lifetime_begins_when_all_have_it_and_what_is_not_sent_stays() {
    let mut bed = Bed::new();
    let new = NewEntry { expiry_secs: Some(60), ..said(1, "hello") };
    let copies = [copy(1, 2, "hello"), copy(2, 3, "hello")];
    let made = bed.store().append(&person(2), (&new, at(0)), &copies, None).unwrap();
    let Made::New(entry) = made else { panic!("{made:?}") };
    bed.enqueue(1, 2);
    bed.enqueue(2, 3);
    bed.deliver(1, 2);
    assert_eq!(bed.store().begin_expiry_of_delivered(at(10)), Ok(0));
    assert_eq!(bed.store().expire(at(1_000), 9), Ok(vec![]));
    assert_eq!(bed.entry(entry).body, Body::Text("hello".into()));
    bed.deliver(2, 3);
    assert_eq!(bed.store().begin_expiry_of_delivered(at(20)), Ok(1));
    assert_eq!(bed.store().begin_expiry_of_delivered(at(30)), Ok(0));
    assert_eq!(bed.store().next_expiry(), Ok(Some(at(80))));
    assert_eq!(bed.store().expire(at(80), 9).unwrap().len(), 1);
    assert_eq!(bed.entry(entry).body, Body::Expired);
    assert!(!in_file(&mut bed, "in the outbox"));
}

#[test]
fn what_we_take_back_before_it_is_sent_is_still_sent_first() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "hello");
    let packet = bed.enqueue(1, 2);
    bed.store().change((entry, &OwnChange::Delete), at(5), &[copy(2, 2, "delete")]).unwrap();
    assert_eq!(bed.entry(entry).body, Body::Deleted);
    let loaded = bed.store().load().unwrap();
    assert_eq!(loaded.outbox[0].packet, packet);
    let unsent = bed.store().unsent_copies(9).unwrap();
    assert_eq!(
        unsent.iter().map(|unsent| unsent.copy.clone()).collect::<Vec<_>>(),
        [copy(2, 2, "delete")]
    );
}
