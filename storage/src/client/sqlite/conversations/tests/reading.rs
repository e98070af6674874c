//! Conversations, pages, settings and consumers.

use sealpost_core::client::store::InboxId;
use sealpost_core::event::GroupId;

use super::bed::{Bed, person, said, text};
use crate::client::conversations::{
    Body, Change, EntryId, Mute, NewEntry, Originals, Peer, Visibility,
};
use crate::client::sqlite::SqliteClientStorage;
use crate::conformance::at;

#[test]
fn conversations_are_in_the_order_of_their_last_entries_with_what_is_unread() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "one");
    bed.hear(3, 1, "two");
    let (second, last) = bed.hear(2, 2, "three");
    let notice = NewEntry { body: Body::Notice("renamed".into()), ..said(3, "") };
    bed.apply(3, &Change::Append(notice));
    bed.say(4, 1, "four");
    let list = bed.store().conversations(9).unwrap();
    let shown: Vec<_> = list
        .iter()
        .map(|found| (found.peer, found.unread, found.last.as_ref().map(text).unwrap()))
        .collect();
    let expected = [
        (person(4), 0, "four".to_owned()),
        (person(3), 1, "Notice(\"renamed\")".to_owned()),
        (person(2), 2, "three".to_owned()),
    ];
    assert_eq!(shown, expected);

    assert_eq!(bed.store().read_up_to(second, EntryId(1), at(5)), Ok(None));
    let found = bed.store().conversation(&person(2)).unwrap().unwrap();
    assert_eq!((found.unread, found.read_up_to), (1, Some(EntryId(1))));
    assert_eq!(bed.store().read_up_to(second, EntryId(u64::MAX), at(5)), Ok(Some(EntryId(1))));
    assert_eq!(bed.store().read_up_to(second, EntryId(1), at(5)), Ok(Some(last)), "never back");
    bed.hear(2, 4, "five");
    let found = bed.store().conversation_of(second).unwrap().unwrap();
    assert_eq!((found.unread, found.read_up_to), (1, Some(last)), "not beyond the last one");
}

#[test]
fn pages_go_both_ways() {
    let mut bed = Bed::new();
    for n in 1..=5 {
        bed.hear(2, n, &n.to_string());
        bed.hear(3, n, "elsewhere");
    }
    let id = bed.store().conversation(&person(2)).unwrap().unwrap().id;
    let mut page = |before: Option<u64>, after: Option<u64>| {
        let store = bed.store();
        let entries = match after {
            Some(after) => store.entries_after(id, EntryId(after), 2),
            None => store.entries_before(id, before.map(EntryId), 2),
        };
        entries.unwrap().iter().map(text).collect::<Vec<_>>().concat()
    };
    assert_eq!(page(None, None), "45");
    assert_eq!(page(Some(u64::MAX), None), "45");
    assert_eq!(page(None, Some(u64::MAX)), "");
    assert_eq!(page(Some(7), None), "23");
    assert_eq!(page(Some(3), None), "1");
    assert_eq!((page(None, Some(0)), page(None, Some(5))), ("12".into(), "45".into()));
}

#[test]
fn settings_of_a_conversation_are_kept() {
    let mut bed = Bed::new();
    let id = bed.store().open_conversation(&person(2)).unwrap();
    assert_eq!(bed.store().open_conversation(&person(2)), Ok(id));
    let store = bed.store();
    store.set_name(id, Some("Bob")).unwrap();
    store.set_visibility(id, Visibility::Blocked).unwrap();
    store.set_expiry(id, Some(60)).unwrap();
    store.set_originals(id, Originals::Kept).unwrap();
    store.set_draft(id, "I was about").unwrap();
    for mute in [Mute::Always, Mute::Until(at(7)), Mute::Off] {
        bed.store().set_mute(id, mute).unwrap();
        bed.reopen();
        assert_eq!(bed.store().conversation_of(id).unwrap().unwrap().mute, mute);
    }
    let found = bed.store().conversation(&person(2)).unwrap().unwrap();
    assert_eq!((found.name.as_deref(), found.draft.as_str()), (Some("Bob"), "I was about"));
    assert_eq!((found.visibility, found.originals), (Visibility::Blocked, Originals::Kept));
    assert_eq!((found.expiry_secs, found.last), (Some(60), None));
}

#[test]
fn conversations_with_people_are_read_without_groups_and_last_entries() {
    let mut bed = Bed::new();
    let (said, _) = bed.hear(2, 1, "hello");
    let named = bed.store().open_conversation(&person(3)).unwrap();
    bed.store().set_name(named, Some("Carol")).unwrap();
    bed.store().open_conversation(&Peer::Group(GroupId([7; 16]))).unwrap();
    let mut found = bed.store().conversations_with_people().unwrap();
    found.sort_unstable_by_key(|found| found.id.0);
    let ids: Vec<_> = found.iter().map(|found| (found.id, found.name.as_deref())).collect();
    assert_eq!(ids, [(said, None), (named, Some("Carol"))]);
    assert!(found.iter().all(|found| found.last.is_none()));
}

#[test]
fn consumer_moves_forward_only() {
    let mut bed = Bed::new();
    let places = [bed.arrive(2).place, bed.arrive(3).place];
    assert_eq!(bed.store().consumer("bot"), Ok(None));
    assert_eq!(bed.store().inbox_after(InboxId::START, 9).unwrap().len(), 2);
    for (up_to, reached) in [(places[1], places[1]), (places[0], places[1])] {
        assert_eq!(bed.store().advance_consumer("bot", up_to), Ok(reached));
    }
    bed.store().advance_consumer("archive", InboxId::START).unwrap();
    assert_eq!(bed.store().inbox_after(places[0], 9).unwrap().len(), 1);
    let consumers = [("archive".to_owned(), InboxId::START), ("bot".to_owned(), places[1])];
    assert_eq!(bed.store().consumers(), Ok(consumers.to_vec()));
    assert_eq!(bed.store().remove_consumer("bot"), Ok(true));
    assert_eq!(bed.store().remove_consumer("bot"), Ok(false));
}

#[test]
fn second_connection_reads_while_the_first_writes() {
    let mut bed = Bed::new();
    bed.hear(2, 1, "hello");
    let mut reader = SqliteClientStorage::open_read_only(&bed.sqlite().path()).unwrap();
    let (conversation, _) = bed.hear(2, 2, "world");
    let entries = reader.entries_before(conversation, None, 9).unwrap();
    assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), ["hello", "world"]);
    assert_eq!(reader.search("wor", None, None, 9).unwrap().len(), 1);
    assert_eq!(reader.conversations(9).unwrap().len(), 1);
    assert!(reader.set_name(conversation, Some("Bob")).is_err());
}
