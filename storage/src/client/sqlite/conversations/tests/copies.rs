//! Copies of our entries.

use sealpost_core::client::SendRefusal;
use sealpost_core::client::store::{
    ClientOp, Content, Draft, DraftId, Failure, OutgoingMessage, Token,
};
use sealpost_core::event::{EncodedEvent, GroupId, Target};
use sealpost_core::ids::{MessageId, UserRef};

use super::bed::{Bed, copy, of_own, person, said, text};
use crate::client::OutboxCounts;
use crate::client::conformance::harness::{outgoing, user};
use crate::client::conversations::{
    Applied, Author, Cancelled, Carries, CopyFailure, EntryRef, Idempotency, Made, NewCopy,
    NewEntry, OwnChange, Peer, Progress, Sending,
};
use crate::conformance::{at, phone};

fn unsent(bed: &mut Bed) -> Vec<u64> {
    let copies = bed.store().unsent_copies(9).unwrap();
    copies.iter().map(|unsent| unsent.copy.token.0).collect()
}

#[test]
fn copy_is_to_be_sent_until_the_machine_has_it() {
    let mut bed = Bed::new();
    let first = bed.say(2, 1, "one");
    bed.say(3, 2, "two");
    bed.reopen();
    let copies = bed.store().unsent_copies(9).unwrap();
    assert_eq!((copies[0].entry, &copies[0].copy), (first, &copy(1, 2, "one")));
    assert_eq!(bed.entry(first).progress(), Some(Progress::Queued));

    let to = UserRef::Phone(phone(3));
    let content = Content::Text("two".into());
    bed.commit(ClientOp::KeepDrafts(vec![Draft {
        id: DraftId(1),
        token: Token(2),
        to,
        key: None,
        content,
    }]));
    assert_eq!(unsent(&mut bed), [1]);
    bed.enqueue(1, 2);
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    assert_eq!(bed.store().entry_of_copy(Token(1)).unwrap().unwrap().1, first);
    assert_eq!(bed.store().entry_of_copy(Token(9)), Ok(None));
}

#[test]
fn copy_that_the_machine_gives_up_is_to_be_sent_until_the_refusal_is_recorded() {
    let mut bed = Bed::new();
    let (to, content) = (UserRef::Phone(phone(4)), Content::Text("hello".into()));
    for token in [1, 2] {
        bed.say(4, token, "hello");
        let (id, token) = (DraftId(token.into()), Token(token.into()));
        let draft = Draft { id, token, to, key: None, content: content.clone() };
        bed.commit(ClientOp::KeepDrafts(vec![draft]));
    }
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    bed.commit(ClientOp::DropDrafts(vec![DraftId(2)]));
    bed.reopen();
    assert_eq!(unsent(&mut bed), [2], "as after a crash");
    assert_eq!(bed.store().unsent_copies(9).unwrap()[0].copy, copy(2, 4, "hello"));
    bed.store().refuse_copy(Token(2), SendRefusal::Cancelled, &content).unwrap();
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    // A draft that becomes a message is not given up.
    let (token, draft) = (Token(1), Some(DraftId(1)));
    let message = OutgoingMessage { token, draft, content, ..outgoing(1, 4) };
    bed.commit(ClientOp::Enqueue(vec![message]));
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
}

#[test]
fn what_a_restored_store_has_not_numbered_is_withdrawn() {
    let mut bed = Bed::new();
    let entries = [1, 2, 3].map(|n| bed.say(2, n, "hello"));
    let (to, content) = (UserRef::Phone(phone(2)), Content::Text("hello".into()));
    bed.commit(ClientOp::KeepDrafts(vec![Draft {
        id: DraftId(1),
        token: Token(1),
        to,
        key: None,
        content,
    }]));
    bed.enqueue(2, 2);
    bed.store().withdraw_unsent().unwrap();
    let cancelled = Progress::Failed(CopyFailure::Cancelled);
    let progress = entries.map(|entry| bed.entry(entry).progress().unwrap());
    assert_eq!(progress, [cancelled, Progress::Queued, cancelled]);
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    // They can be sent all the same.
    for token in [1, 3] {
        let again = bed.store().retry_copy(Token(token), Token(token + 10)).unwrap().unwrap();
        assert_eq!(again.copy.content, Content::Text("hello".into()));
    }
}

#[test]
fn entry_has_come_as_far_as_the_copy_that_came_least_far() {
    let mut bed = Bed::new();
    let copies = [copy(1, 2, "hello"), copy(2, 3, "hello")];
    let group = Peer::Group(GroupId([1; 16]));
    let plain = NewEntry { event_id: None, ..said(1, "hello") };
    let made = bed.store().append(&group, (&plain, at(0)), &copies, None).unwrap();
    let Made::New(entry) = made else { panic!("{made:?}") };
    let progress = |bed: &mut Bed| bed.entry(entry).progress().unwrap();
    bed.enqueue(1, 2);
    bed.enqueue(2, 3);
    bed.deliver(1, 2);
    assert_eq!(progress(&mut bed), Progress::Queued);
    bed.commit(ClientOp::MarkStored(vec![(user(3), MessageId(2))]));
    assert_eq!(progress(&mut bed), Progress::Stored);
    bed.deliver(2, 3);
    assert_eq!(progress(&mut bed), Progress::Delivered);
    // Either recipient knows it by the id of their message.
    let conversation = bed.entry(entry).conversation;
    for id in [1, 2] {
        let name = EntryRef { author: Author::Own, target: Target::Message(MessageId(id)) };
        assert_eq!(bed.store().find_entry(conversation, &name), Ok(Some(entry)));
    }
    assert_eq!(bed.entry(entry).name, None, "it has two names");
}

#[test]
fn entry_has_failed_only_if_every_copy_has() {
    let mut bed = Bed::new();
    let copies = [copy(1, 2, "hello"), copy(2, 3, "hello")];
    let group = Peer::Group(GroupId([1; 16]));
    let new = NewEntry { expiry_secs: Some(60), ..said(1, "hello") };
    let made = bed.store().append(&group, (&new, at(0)), &copies, None).unwrap();
    let Made::New(entry) = made else { panic!("{made:?}") };
    let refuse = |bed: &mut Bed, token| {
        let content = Content::Text("hello".into());
        bed.store().refuse_copy(Token(token), SendRefusal::UnknownUser, &content).unwrap();
    };
    let counts = |bed: &mut Bed| {
        let OutboxCounts { queued, stored, delivered, failed } =
            bed.store().message_counts().unwrap();
        [queued, stored, delivered, failed]
    };
    refuse(&mut bed, 1);
    assert_eq!(bed.entry(entry).progress(), Some(Progress::Queued));
    assert_eq!(bed.store().begin_expiry_of_delivered(at(0)), Ok(0));
    bed.enqueue(2, 3);
    assert_eq!(counts(&mut bed), [1, 0, 0, 0], "one message, whatever its copies");
    bed.deliver(2, 3);
    assert_eq!(bed.entry(entry).progress(), Some(Progress::Delivered));
    assert_eq!(bed.store().begin_expiry_of_delivered(at(0)), Ok(1), "nothing else is awaited");
    let failed = bed.say(2, 3, "alone");
    refuse(&mut bed, 3);
    let refused = Progress::Failed(CopyFailure::Refused(SendRefusal::UnknownUser));
    assert_eq!(bed.entry(failed).progress(), Some(refused));
    assert_eq!(counts(&mut bed), [0, 0, 1, 1]);
}

#[test]
fn changes_that_wait_are_told_from_messages() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "one");
    let event = [&[0xa2, 0x00, 0x18, 99, 0x01, 0x50][..], &[7; 16]].concat();
    let event = EncodedEvent::parse(event.into()).unwrap();
    let reaction = NewCopy { content: Content::Event(event.clone()), ..copy(5, 2, "") };
    let react = OwnChange::React(Some("👍".into()));
    bed.store().change((entry, &react), at(3), &[reaction]).unwrap();
    let carried = |found: Vec<Sending>| -> Vec<_> {
        found.into_iter().map(|sending| (sending.copy.token.0, sending.carries)).collect()
    };
    let change = Carries::Change(Some(event.clone()));
    let waiting = bed.store().waiting_copies(9).unwrap();
    assert_eq!(carried(waiting), [(1, Carries::Entry), (5, change.clone())]);
    bed.store().refuse_copy(Token(5), SendRefusal::KeyChanged, &Content::Event(event)).unwrap();
    let all = bed.store().copies_of(entry).unwrap();
    assert!(all[1].copy.progress.has_failed());
    assert_eq!(carried(all), [(1, Carries::Entry), (5, change)]);
    let counts = bed.store().message_counts().unwrap();
    assert_eq!((counts.queued, counts.failed), (1, 0), "only messages are counted");
}

#[test]
fn refused_and_failed_copies_are_sent_again_under_another_token() {
    let mut bed = Bed::new();
    let refused = bed.say(2, 1, "one");
    let failed = bed.say(2, 2, "two");
    let content = Content::Text("one".into());
    bed.store().refuse_copy(Token(1), SendRefusal::KeyChanged, &content).unwrap();
    bed.enqueue(2, 2);
    let failure = Failure::Expired;
    bed.commit(ClientOp::MarkFailed { messages: vec![MessageId(2)], failure });
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    let list = bed.store().failed_copies(9).unwrap();
    let shown: Vec<_> = list.iter().map(|one| (one.entry, one.copy.progress)).collect();
    let given_up = Progress::Failed(CopyFailure::GivenUp(Failure::Expired));
    let key_changed = Progress::Failed(CopyFailure::Refused(SendRefusal::KeyChanged));
    assert_eq!(shown, [(failed, given_up), (refused, key_changed)]);
    assert_eq!(bed.entry(refused).progress(), Some(key_changed));

    let again = bed.store().retry_copy(Token(1), Token(11)).unwrap().unwrap();
    assert_eq!((again.entry, again.copy), (refused, copy(11, 2, "one")));
    let again = bed.store().retry_copy(Token(2), Token(12)).unwrap().unwrap();
    assert_eq!((again.entry, again.copy), (failed, copy(12, 2, "in the outbox")));
    assert_eq!(bed.store().retry_copy(Token(11), Token(13)), Ok(None), "it has not failed");
    assert_eq!(unsent(&mut bed), [11, 12]);
    assert_eq!(bed.store().failed_copies(9).unwrap(), []);
    assert_eq!(bed.entry(failed).progress(), Some(Progress::Queued));
}

#[test]
fn what_has_failed_is_withdrawn_and_can_be_sent_all_the_same() {
    let mut bed = Bed::new();
    let entries = [bed.say(2, 1, "one"), bed.say(2, 2, "in the outbox"), bed.say(2, 3, "three")];
    let content = Content::Text("one".into());
    bed.store().refuse_copy(Token(1), SendRefusal::KeyChanged, &content).unwrap();
    bed.enqueue(2, 2);
    bed.enqueue(3, 3);
    let failed =
        |id| ClientOp::MarkFailed { messages: vec![MessageId(id)], failure: Failure::Expired };
    bed.commit(failed(2));
    bed.commit(failed(3));
    let withdrawn = [1, 2].map(|token| bed.store().cancel_copy(Token(token)).unwrap());
    assert_eq!(withdrawn, [Cancelled::Done; 2]);
    let listed = bed.store().failed_copies(9).unwrap();
    assert_eq!(listed.iter().map(|one| one.entry).collect::<Vec<_>>(), [entries[2]]);
    assert_eq!(bed.store().message_counts().unwrap().failed, 1);
    let cancelled = Progress::Failed(CopyFailure::Cancelled);
    for entry in &entries[..2] {
        assert_eq!(bed.entry(*entry).progress(), Some(cancelled));
    }
    for (token, text) in [(1, "one"), (2, "in the outbox")] {
        let again = bed.store().retry_copy(Token(token), Token(token + 10)).unwrap().unwrap();
        assert_eq!(again.copy, copy(token + 10, 2, text));
    }
}

#[test]
fn copy_is_withdrawn_only_before_the_machine_has_it() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "one");
    bed.say(2, 2, "two");
    bed.enqueue(2, 2);
    let to = UserRef::Phone(phone(2));
    let content = Content::Text("three".into());
    bed.say(2, 3, "three");
    bed.commit(ClientOp::KeepDrafts(vec![Draft {
        id: DraftId(1),
        token: Token(3),
        to,
        key: None,
        content,
    }]));
    let cancelled = [1, 2, 3, 4].map(|token| bed.store().cancel_copy(Token(token)).unwrap());
    let expected = [Cancelled::Done, Cancelled::TooLate, Cancelled::IsDraft, Cancelled::Unknown];
    assert_eq!(cancelled, expected);
    assert_eq!(unsent(&mut bed), [0_u64; 0]);
    let progress = Some(Progress::Failed(CopyFailure::Cancelled));
    assert_eq!(bed.entry(entry).progress(), progress);
    bed.say(2, 5, "five");
    let waiting = bed.store().waiting_copies(9).unwrap();
    assert_eq!(waiting.iter().map(|one| one.copy.token.0).collect::<Vec<_>>(), [2, 3, 5]);
    assert!(waiting.iter().all(|one| one.copy.progress == Progress::Queued));
}

#[test]
fn our_changes_have_copies_that_do_not_count_for_the_entry() {
    let mut bed = Bed::new();
    let entry = bed.say(2, 1, "one");
    bed.enqueue(1, 2);
    bed.deliver(1, 2);
    let edit = OwnChange::Edit { text: "two".into(), event: None };
    let changed = bed.store().change((entry, &edit), at(3), &[copy(5, 2, "edit")]).unwrap();
    assert!(matches!(changed, Applied::Changed(..)));
    assert_eq!(unsent(&mut bed), [5]);
    let edited = bed.entry(entry);
    assert_eq!((edited.progress(), edited.copies.len()), (Some(Progress::Delivered), 1));
    assert_eq!((text(&edited), edited.edited_at), ("two".to_owned(), Some(at(3))));

    let (_, theirs) = bed.hear(2, 9, "theirs");
    for change in [edit, OwnChange::Delete] {
        let refused = bed.store().change((theirs, &change), at(3), &[copy(6, 2, "")]);
        assert_eq!(refused, Ok(Applied::Ignored));
    }
    assert_eq!(unsent(&mut bed), [5]);
}

#[test]
fn request_under_a_key_is_carried_out_once() {
    let mut bed = Bed::new();
    let request = |n: u8| Idempotency { key: "key".into(), request_hash: [n; 32] };
    let ask = |bed: &mut Bed, event, hash, secs| {
        let new = said(event, "hello");
        let copies = [copy(event.into(), 2, "hello")];
        let key = request(hash);
        bed.store().append(&person(2), (&new, at(secs)), &copies, Some(&key)).unwrap()
    };
    let Made::New(entry) = ask(&mut bed, 1, 1, 0) else { panic!("the first time") };
    bed.reopen();
    assert_eq!(ask(&mut bed, 2, 1, 1), Made::Before(entry));
    assert_eq!(ask(&mut bed, 3, 2, 1), Made::OtherRequest);
    assert_eq!(unsent(&mut bed), [1]);
    let month = 30 * 24 * 3_600;
    assert_eq!(ask(&mut bed, 4, 1, month), Made::Before(entry));
    assert!(matches!(ask(&mut bed, 5, 1, month + 1), Made::New(_)), "it was forgotten");
    // The same event is one entry, with a key or without.
    let new = said(5, "hello");
    let again = bed.store().append(&person(2), (&new, at(0)), &[copy(9, 2, "")], None).unwrap();
    assert!(matches!(again, Made::Before(_)));
    let name = of_own(5);
    let conversation = bed.entry(entry).conversation;
    assert!(bed.store().find_entry(conversation, &name).unwrap().is_some());
}
