//! Turns of the machine of groups.

use sealpost_core::client::store::{
    ClientOp, Content, Draft, DraftId, InboxId, InboxItem, ReceivedContent, Token,
};
use sealpost_core::event::{EncodedEvent, GroupId};
use sealpost_core::ids::UserRef;

use super::bed::{Bed, added, copy, person, said};
use crate::client::conformance::harness::{author, incoming};
use crate::client::conversations::{
    Applied, Body, Change, GroupPost, GroupRecord, GroupStep, GroupTurn, Idempotency, Notice, Peer,
    Saying, TurnDone, Written,
};
use crate::conformance::{at, phone};

const GROUP: GroupId = GroupId([9; 16]);

fn turn(message: Option<&InboxItem>, steps: Vec<GroupStep>) -> GroupTurn {
    GroupTurn { message: message.cloned(), at: at(1), steps }
}

fn record(bytes: &[u8], name: &str) -> GroupStep {
    let (record, name) = (bytes.to_vec(), name.to_owned());
    GroupStep::Keep(GroupRecord { group: GROUP, record, name, expiry_secs: Some(60) })
}

fn show(item: &InboxItem, event: u8, text: &str, written: Written) -> GroupStep {
    let change = Change::Append(said(event, text));
    GroupStep::Show { item: Box::new(item.clone()), group: GROUP, change, written }
}

fn note(text: &str, cause: Option<&str>) -> GroupStep {
    let notice = Notice { text: text.into(), cause: cause.map(str::to_owned) };
    GroupStep::Note { with: Peer::Group(GROUP), notice }
}

fn post(token: u64) -> GroupPost {
    let event = [&[0xa2, 0x00, 0x18, 99, 0x01, 0x50][..], &[7; 16]].concat();
    let event = EncodedEvent::parse(event.into()).unwrap();
    GroupPost { token: Token(token), group: GROUP, phone: phone(2), key: author(2), event }
}

fn take(bed: &mut Bed, turn: &GroupTurn) -> TurnDone {
    bed.store().take_turn(turn).unwrap()
}

#[test]
fn turn_is_taken_once_and_survives_a_restart() {
    let mut bed = Bed::new();
    let item = bed.arrive(2);
    let steps = vec![
        record(b"first", "climbers"),
        record(b"second", "climbers again"),
        GroupStep::Post(post(5)),
        note("invited", None),
        show(&item, 1, "hello", Written::Older),
    ];
    let first = turn(Some(&item), steps);
    let done = take(&mut bed, &first);
    let (conversation, entry) = added(done.applied[1]);
    bed.reopen();
    assert_eq!(take(&mut bed, &first).applied, [Applied::Before]);
    assert_eq!(bed.store().group_records().unwrap(), [(GROUP, b"second".to_vec())]);
    assert_eq!(bed.store().group_posts(9).unwrap(), [post(5)]);
    assert_eq!(bed.texts(conversation), ["Notice(\"invited\")", "hello"]);
    let shown = bed.entry(entry);
    assert_eq!((shown.written, shown.place), (Written::Older, Some(item.place)));
    let found = bed.store().conversation(&Peer::Group(GROUP)).unwrap().unwrap();
    assert_eq!((found.name.as_deref(), found.expiry_secs), (Some("climbers again"), Some(60)));
    assert_eq!(bed.store().applied_up_to(), Ok(item.place));
}

#[test]
fn post_is_to_be_sent_until_the_machine_has_it() {
    let mut bed = Bed::new();
    take(&mut bed, &turn(None, [7, 5, 6].map(|token| GroupStep::Post(post(token))).into()));
    let tokens = |bed: &mut Bed| -> Vec<u64> {
        let posts = bed.store().group_posts(9).unwrap();
        posts.into_iter().map(|post| post.token.0).collect()
    };
    assert_eq!(tokens(&mut bed), [7, 5, 6], "in the order in which they were made");
    let GroupPost { token, phone, key, event, .. } = post(5);
    let content = Content::Event(event);
    let to = UserRef::Phone(phone);
    bed.commit(ClientOp::KeepDrafts(vec![Draft {
        id: DraftId(1),
        token,
        to,
        key: Some(key),
        content,
    }]));
    bed.enqueue(7, 2);
    assert_eq!(tokens(&mut bed), [6]);
    assert_eq!(bed.store().drop_group_post(Token(6)), Ok(Some(post(6))));
    assert_eq!(bed.store().drop_group_post(Token(6)), Ok(None));
}

#[test]
fn message_that_waited_comes_behind_what_consumers_may_have_seen() {
    let mut bed = Bed::new();
    let held = bed.arrive(2);
    take(&mut bed, &turn(Some(&held), vec![GroupStep::Hide(held.place)]));
    assert_eq!(bed.store().is_hidden(held.place), Ok(true));
    let state = bed.arrive(3);
    // One that arrived and was not applied when the group released the other.
    let waiting = bed.arrive(2);
    let done =
        take(&mut bed, &turn(Some(&state), vec![show(&held, 1, "waited", Written::Current)]));
    let released = done.released.unwrap();
    assert!(released > waiting.place);
    let (_, entry) = added(done.applied[0]);
    assert_eq!(bed.entry(entry).place, Some(released));
    assert_eq!(bed.store().inbox_at(held.place), Ok(None));
    let moved = InboxItem { place: released, ..held };
    assert_eq!(bed.store().inbox_at(released), Ok(Some(moved.clone())));
    assert_eq!(bed.store().is_hidden(released), Ok(false));
    let settled = InboxId(waiting.place.0 - 1);
    assert_eq!(bed.store().settled_up_to(), Ok(settled), "one is not applied");
    bed.store().apply(&waiting, &person(2), &Change::Append(said(2, "later"))).unwrap();
    assert_eq!(bed.store().settled_up_to(), Ok(released));
    // The machine brings it again after a restart.
    let again = bed.store().apply(&moved, &person(2), &Change::Append(said(1, "twice")));
    assert_eq!(again, Ok(Applied::Before));
    assert_eq!(bed.store().applied_up_to(), Ok(released));
}

#[test]
fn own_text_is_said_once_for_each_request() {
    let mut bed = Bed::new();
    let say = |event, request_hash| {
        let token = |to| u64::from(event) * 10 + u64::from(to);
        GroupStep::Say(Box::new(Saying {
            group: GROUP,
            new: said(event, "hello"),
            copies: [2, 3].map(|to| copy(token(to), to, "hello")).into(),
            transfers: Vec::new(),
            idempotency: Some(Idempotency { key: "one".into(), request_hash }),
        }))
    };
    let first = take(&mut bed, &turn(None, vec![say(1, [1; 32])]));
    let (conversation, entry) = added(first.applied[0]);
    let again = take(&mut bed, &turn(None, vec![say(2, [1; 32]), record(b"new", "new")]));
    assert_eq!(again, TurnDone { made_before: Some(entry), ..TurnDone::default() });
    let other = take(&mut bed, &turn(None, vec![say(3, [2; 32])]));
    assert!(other.is_other_request);
    assert_eq!(bed.texts(conversation), ["hello"]);
    assert_eq!(bed.entry(entry).copies.len(), 2);
    assert_eq!(bed.store().group_records(), Ok(Vec::new()));
}

#[test]
fn edit_in_a_group_is_its_author_s_alone() {
    let mut bed = Bed::new();
    let text = bed.arrive(2);
    let done = take(&mut bed, &turn(Some(&text), vec![show(&text, 1, "mine", Written::Current)]));
    let (conversation, entry) = added(done.applied[0]);
    for from in [3, 2] {
        let item = bed.arrive(from);
        let change =
            Change::Edit { entry: super::bed::of(2, 1), text: format!("by {from}"), event: None };
        let step = GroupStep::Show {
            item: Box::new(item.clone()),
            group: GROUP,
            change,
            written: Written::Current,
        };
        take(&mut bed, &turn(Some(&item), vec![step]));
        let expected = if from == 2 { "by 2" } else { "mine" };
        assert_eq!(bed.entry(entry).body, Body::Text(expected.into()));
    }
    assert_eq!(bed.texts(conversation).len(), 1);
}

#[test]
fn notices_of_one_cause_are_counted_and_go_with_it() {
    let mut bed = Bed::new();
    let once = vec![note("before", None), note("Bob is not reached", Some("unreached 2"))];
    let done = take(&mut bed, &turn(None, once));
    let (conversation, entry) = added(done.applied[1]);
    let again = note("Bob is still not reached", Some("unreached 2"));
    let done = take(&mut bed, &turn(None, vec![again, note("other", Some("unreached 3"))]));
    assert_eq!(done.applied[0], Applied::Changed(conversation, entry));
    let noted = bed.entry(entry);
    assert_eq!((noted.body, noted.repeats), (Body::Notice("Bob is still not reached".into()), 2));
    let (_, other) = added(done.applied[1]);
    assert_eq!(bed.store().has_notices_of("unreached 3"), Ok(true));

    assert_eq!(bed.store().settle(&["unreached 3".into()]), Ok(vec![(Peer::Group(GROUP), other)]));
    assert_eq!(bed.store().has_notices_of("unreached 3"), Ok(false));
    let settle = |with| GroupStep::Settle { with, cause: "unreached 2".into() };
    let elsewhere = take(&mut bed, &turn(None, vec![settle(person(2))]));
    assert_eq!(elsewhere.removed, []);
    let done = take(&mut bed, &turn(None, vec![settle(Peer::Group(GROUP))]));
    assert_eq!(done.removed, [(Peer::Group(GROUP), entry)]);
    assert_eq!(bed.texts(conversation), ["Notice(\"before\")"]);
    let last = bed.store().conversation_of(conversation).unwrap().unwrap().last;
    assert_eq!(last.map(|last| last.body), Some(Body::Notice("before".into())));
}

#[test]
fn invitation_has_the_place_of_its_message_and_is_unread() {
    let mut bed = Bed::new();
    let item = bed.arrive(2);
    let invite =
        GroupStep::Invite { item: Box::new(item.clone()), group: GROUP, text: "come".into() };
    let done = take(&mut bed, &turn(Some(&item), vec![record(b"first", "climbers"), invite]));
    let (conversation, entry) = added(done.applied[0]);
    assert_eq!(bed.store().entry_at(item.place), Ok(Some(entry)));
    assert_eq!(bed.entry(entry).body, Body::Invitation("come".into()));
    let unread = |bed: &mut Bed| bed.store().conversation_of(conversation).unwrap().unwrap().unread;
    assert_eq!(unread(&mut bed), 1);
    bed.store().read_up_to(conversation, entry, at(0)).unwrap();
    assert_eq!(unread(&mut bed), 0);
}

#[test]
fn message_of_a_blocked_person_leaves_its_hash_for_a_while() {
    let mut bed = Bed::new();
    let (_, before) = bed.hear(2, 1, "before");
    let kept = bed.entry(before).place.unwrap();
    let drop = |item: &InboxItem| turn(Some(item), vec![GroupStep::Drop(Box::new(item.clone()))]);
    let first = bed.arrive(2);
    take(&mut bed, &drop(&first));
    let left = bed.store().inbox_at(first.place).unwrap().unwrap().message;
    assert_eq!(left.content, ReceivedContent::Opened(Content::Bytes(Vec::new())));
    assert_eq!(left.packet_hash, first.message.packet_hash, "a repeat is still known");
    bed.commit(ClientOp::Receive((100..1_124).map(|id| incoming(id, 2, None)).collect()));
    for item in bed.store().inbox_after(first.place, u32::MAX).unwrap() {
        assert_eq!(bed.store().apply(&item, &person(2), &Change::Drop), Ok(Applied::Ignored));
    }
    assert_eq!(bed.store().inbox_at(first.place), Ok(None));
    assert!(bed.store().inbox_at(kept).unwrap().is_some(), "what is shown stays");
    assert_eq!(bed.store().inbox_behind(InboxId::START), Ok(1_025));
}
