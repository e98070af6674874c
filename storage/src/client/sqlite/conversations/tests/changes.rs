//! Received changes of the timeline.

use sealpost_core::client::store::{InboxId, InboxItem, Trust};
use sealpost_core::event::{GroupId, Target};
use sealpost_core::keys::Fingerprint;

use super::bed::{Bed, added, of, of_own, person, said};
use crate::client::conformance::harness::author;
use crate::client::conversations::{
    Applied, Author, Body, Change, EntryRef, NewEntry, Original, Originals, OwnChange, Peer,
    Progress,
};
use crate::conformance::{at, phone};

fn edit(entry: EntryRef, text: &str) -> Change {
    Change::Edit { entry, text: text.into(), event: None }
}

#[test]
fn received_text_is_an_entry_and_a_message_without_an_event_goes_by_its_id() {
    let mut bed = Bed::new();
    let (conversation, first) = bed.hear(2, 1, "hello");
    let reply = NewEntry { reply_to: Some(of(2, 1)), event_id: None, ..said(0, "a reply") };
    let second = added(bed.apply(2, &Change::Append(reply))).1;
    assert_eq!(bed.texts(conversation), ["hello", "a reply"]);

    let entry = bed.entry(first);
    assert_eq!((entry.author, entry.phone), (Author::Peer(author(2)), Some(phone(2))));
    assert_eq!((entry.name, entry.place), (Some(of(2, 1)), Some(InboxId(1))));
    assert_eq!((entry.sent_at, entry.received_at), (at(1), Some(at(2))));
    assert_eq!((entry.trust, entry.progress()), (Some(Trust::FirstUse), None));
    let entry = bed.entry(second);
    let target = Target::Message(sealpost_core::ids::MessageId(2));
    let name = EntryRef { author: Author::Peer(author(2)), target };
    assert_eq!((entry.name, entry.reply_to), (Some(name), Some(of(2, 1))));
    assert_eq!(bed.store().find_entry(conversation, &name), Ok(Some(second)));
}

#[test]
fn message_is_applied_once_and_in_order() {
    let mut bed = Bed::new();
    let items = [bed.arrive(2), bed.arrive(2)];
    let changes = [Change::Append(said(1, "one")), Change::Append(said(2, "two"))];
    let apply = |bed: &mut Bed, n: usize| bed.store().apply(&items[n], &person(2), &changes[n]);
    let conversation = added(apply(&mut bed, 0).unwrap()).0;
    bed.reopen();
    assert_eq!(apply(&mut bed, 0), Ok(Applied::Before), "as after a crash");
    added(apply(&mut bed, 1).unwrap());
    assert_eq!(apply(&mut bed, 0), Ok(Applied::Before));
    assert_eq!(bed.store().applied_up_to(), Ok(items[1].place));
    assert_eq!(bed.texts(conversation), ["one", "two"]);
}

#[test]
fn event_that_its_author_repeats_is_one_entry() {
    let mut bed = Bed::new();
    let (conversation, _) = bed.hear(2, 1, "hello");
    assert_eq!(bed.apply(2, &Change::Append(said(1, "hello again"))), Applied::Ignored);
    assert_eq!(bed.texts(conversation), ["hello"]);
    bed.hear(3, 1, "the same id, another author");
}

#[test]
fn only_the_author_edits_and_takes_back() {
    let mut bed = Bed::new();
    let group = Peer::Group(GroupId([9; 16]));
    let (conversation, entry) = added(bed.apply_in(&group, 2, &Change::Append(said(1, "mine"))));
    let delete = Change::Delete { entry: of(2, 1) };
    for change in [edit(of(2, 1), "yours"), delete.clone()] {
        assert_eq!(bed.apply_in(&group, 3, &change), Applied::Ignored);
    }
    // Another key under the author's phone number and user id.
    let stranger = bed.arrive(2);
    let message = sealpost_core::client::store::IncomingMessage {
        signed_by: Fingerprint([77; 32]),
        trust: Trust::Changed,
        ..stranger.message.clone()
    };
    let stranger = InboxItem { message, ..stranger };
    assert_eq!(bed.store().apply(&stranger, &group, &delete), Ok(Applied::Ignored));
    assert_eq!(bed.texts(conversation), ["mine"]);

    let changed = Applied::Changed(conversation, entry);
    assert_eq!(bed.apply_in(&group, 2, &edit(of(2, 1), "mine, edited")), changed);
    assert_eq!(bed.texts(conversation), ["mine, edited"]);
    assert_eq!(bed.entry(entry).edited_at, Some(at(2)));
    assert_eq!(bed.apply_in(&group, 2, &delete), changed);
    let entry = bed.entry(entry);
    assert_eq!((entry.body, entry.deleted_at), (Body::Deleted, Some(at(2))));
    assert_eq!(bed.apply_in(&group, 2, &edit(of(2, 1), "back")), Applied::Ignored);
}

#[test]
fn nobody_changes_entries_of_ours_or_those_of_an_unknown_key() {
    let mut bed = Bed::new();
    let own = bed.say(2, 1, "ours");
    assert_eq!(bed.apply(2, &edit(of_own(1), "theirs")), Applied::Ignored);
    assert_eq!(bed.apply(2, &Change::Delete { entry: of_own(1) }), Applied::Ignored);
    assert_eq!(bed.entry(own).body, Body::Text("ours".into()));

    let item = bed.arrive(2);
    let signed_by = Fingerprint([0; 32]);
    let message =
        sealpost_core::client::store::IncomingMessage { signed_by, ..item.message.clone() };
    let item = InboxItem { message, ..item };
    let append = Change::Append(said(5, "from before"));
    added(bed.store().apply(&item, &person(2), &append).unwrap());
    let entry = EntryRef { author: Author::Peer(signed_by), ..of(2, 5) };
    assert_eq!(bed.apply(2, &Change::React { entry, emoji: None }), Applied::Ignored);
}

#[test]
fn changes_stay_within_their_conversation() {
    let mut bed = Bed::new();
    let (_, entry) = bed.hear(2, 1, "hello");
    bed.hear(3, 1, "hello");
    let emoji = Some("👍".to_owned());
    assert_eq!(bed.apply(3, &Change::React { entry: of(2, 1), emoji }), Applied::Ignored);
    let group = Peer::Group(GroupId([9; 16]));
    assert_eq!(bed.apply_in(&group, 2, &edit(of(2, 1), "elsewhere")), Applied::Ignored);
    assert_eq!(bed.entry(entry).reactions, []);
    assert_eq!(bed.entry(entry).body, Body::Text("hello".into()));
}

#[test]
fn each_author_has_one_reaction_to_an_entry() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "ours");
    let react = |emoji: Option<&str>| Change::React {
        entry: of_own(1),
        emoji: emoji.map(ToOwned::to_owned),
    };
    for emoji in ["👍", "👎"] {
        assert!(
            matches!(bed.apply(2, &react(Some(emoji))), Applied::Changed(_, changed) if changed == entry)
        );
    }
    assert_eq!(bed.apply(2, &react(Some(&"x".repeat(65)))), Applied::Ignored);
    bed.store().change((entry, &OwnChange::React(Some("🎉".into()))), at(9), &[]).unwrap();
    let reactions = bed.entry(entry).reactions;
    let shown: Vec<_> =
        reactions.iter().map(|reaction| (reaction.author, reaction.emoji.as_str())).collect();
    assert_eq!(shown, [(Author::Own, "🎉"), (Author::Peer(author(2)), "👎")]);
    bed.apply(2, &react(None));
    bed.store().change((entry, &OwnChange::React(None)), at(9), &[]).unwrap();
    assert_eq!(bed.entry(entry).reactions, []);
}

#[test]
fn originals_are_kept_if_the_user_wants_it() {
    let mut bed = Bed::new();
    let (conversation, entry) = bed.hear(2, 1, "one");
    bed.apply(2, &edit(of(2, 1), "two"));
    assert_eq!(bed.store().originals(entry), Ok(vec![]));
    bed.store().set_originals(conversation, Originals::Kept).unwrap();
    bed.apply(2, &edit(of(2, 1), "three"));
    bed.apply(2, &Change::Delete { entry: of(2, 1) });
    let kept = ["two", "three"].map(|text| Original { until: at(2), text: text.into() });
    assert_eq!(bed.store().originals(entry), Ok(kept.to_vec()));
    assert_eq!(bed.entry(entry).body, Body::Deleted);
}

#[test]
fn read_receipt_marks_the_senders_copy() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "ours");
    bed.enqueue(1, 2);
    bed.deliver(1, 2);
    assert_eq!(bed.entry(entry).progress(), Some(Progress::Delivered));
    let read = Change::Read { entries: vec![of(2, 1), of_own(7), of_own(1)] };
    assert_eq!(bed.apply(3, &read), Applied::Ignored, "of another conversation");
    assert!(matches!(bed.apply(2, &read), Applied::Changed(_, changed) if changed == entry));
    let entry = bed.entry(entry);
    assert_eq!((entry.progress(), entry.copies[0].read_at), (Some(Progress::Read), Some(at(2))));
}
