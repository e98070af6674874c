//! Messages that we receive, and the history.

use sealpost_core::client::store::{
    Arrival, ClientOp, Content, Continuity, Failure, InboxId, InboxItem, IncomingMessage,
    Placement, ReceivedContent, Trust,
};
use sealpost_core::ids::MessageId;
use sealpost_core::wire::RequestHash;

use super::harness::{Case, Harness, binding, event, incoming, other_packet, outgoing, user};
use super::subject::Subject;
use crate::client::history::{HistoryEntry, Place};
use crate::conformance::{at, cases, phone};

cases![
    message_is_delivered_once,
    each_sender_has_ids_of_its_own,
    batch_is_received_in_order,
    gap_is_reported_and_kept,
    message_held_back_by_thousands_of_ids_is_late_and_no_repeat,
    known_id_with_another_packet_is_another_message,
    message_that_fills_a_gap_is_reported_however_late,
    message_without_a_hash_is_told_apart_by_what_is_known_of_it,
    message_signed_again_for_another_id_is_a_repeat,
    message_before_counts_under_every_id_of_the_same_key,
    message_before_does_not_count_under_another_key,
    largest_ids_fit,
    content_and_trust_come_back_as_they_were,
    unshown_messages_are_read_in_batches,
    shown_message_is_not_read_again,
    shown_mark_never_goes_back,
    later_message_is_not_marked_as_shown,
    history_is_in_chronological_order,
    history_ends_before_a_place,
    history_spans_all_ids_of_one_phone_number,
];

fn message_is_delivered_once<S: Subject>(store: &mut Harness<S>) {
    store.accept(incoming(5, 2, None));
    let mut again = incoming(5, 2, None);
    again.content = ReceivedContent::Undecryptable;
    assert_eq!(store.receive(again), Placement::Repeat);
    store.accept(incoming(6, 2, None));
    assert_eq!(store.receive(incoming(5, 2, None)), Placement::Repeat);
    assert_eq!(store.unshown_ids(), [5, 6]);
    // Even after it was shown, and however old it is, a message is a repeat.
    store.accept(incoming(5_000, 2, None));
    store.tell(ClientOp::MarkShown { up_to: InboxId(u64::MAX) });
    for id in [5, 6, 5_000] {
        assert_eq!(store.receive(incoming(id, 2, None)), Placement::Repeat, "{id}");
    }
}

fn each_sender_has_ids_of_its_own<S: Subject>(store: &mut Harness<S>) {
    store.accept(incoming(5, 2, None));
    store.accept(incoming(5, 3, None));
    assert_eq!(store.receive(incoming(5, 3, None)), Placement::Repeat);
    assert_eq!(store.accept_as(incoming(4, 4, None)), (Continuity::Next, Arrival::InOrder));
}

fn batch_is_received_in_order<S: Subject>(store: &mut Harness<S>) {
    let batch = [(1, 2), (1, 3), (1, 2), (2, 2)].map(|(id, from)| incoming(id, from, None));
    let arrivals = store.receive_all(batch.into());
    let new: Vec<_> = arrivals.iter().map(|arrival| *arrival != Placement::Repeat).collect();
    assert_eq!(new, [true, true, false, true]);
    assert_eq!(store.unshown_ids(), [1, 1, 2]);
    assert_eq!(store.receive_all(Vec::new()), []);
}

fn gap_is_reported_and_kept<S: Subject>(store: &mut Harness<S>) {
    let new = [(1, None), (3, Some(2)), (4, Some(3)), (2, Some(1))]
        .map(|(id, previous)| store.accept_as(incoming(id, 2, previous)));
    let expected = [
        (Continuity::Next, Arrival::InOrder),
        (Continuity::AfterGap, Arrival::InOrder),
        (Continuity::Next, Arrival::InOrder),
        (Continuity::Next, Arrival::FillsGap),
    ];
    assert_eq!(new, expected);
    let (items, _) = store.unshown(InboxId::START, 9);
    assert!(items.iter().map(|item| (item.continuity, item.arrival)).eq(expected));
}

fn message_held_back_by_thousands_of_ids_is_late_and_no_repeat<S: Subject>(store: &mut Harness<S>) {
    store.accept(incoming(1, 2, None));
    store.accept(incoming(9_000, 2, None));
    for id in [2, 7_976, 7_977, 8_999] {
        let new = store.accept_as(incoming(id, 2, Some(1)));
        assert_eq!(new, (Continuity::Next, Arrival::Late), "{id}");
        assert_eq!(store.receive(incoming(id, 2, Some(1))), Placement::Repeat, "{id}");
    }
    assert_eq!(store.unshown_ids(), [1, 9_000, 2, 7_976, 7_977, 8_999], "none is reordered");
}

fn known_id_with_another_packet_is_another_message<S: Subject>(store: &mut Harness<S>) {
    for id in [5, 9_000] {
        store.accept(incoming(id, 2, None));
    }
    for id in [5, 9_000] {
        let other = other_packet(incoming(id, 2, None));
        assert_eq!(store.accept_as(other.clone()), (Continuity::Next, Arrival::ReusedId));
        assert_eq!(store.receive(other), Placement::Repeat);
        assert_eq!(store.receive(incoming(id, 2, None)), Placement::Repeat);
    }
    assert_eq!(store.unshown_ids(), [5, 9_000, 5, 9_000]);
}

fn message_that_fills_a_gap_is_reported_however_late<S: Subject>(store: &mut Harness<S>) {
    assert_eq!(store.accept_as(incoming(8, 2, Some(6))), (Continuity::AfterGap, Arrival::InOrder));
    store.accept(incoming(9_000, 2, Some(8)));
    assert_eq!(store.accept_as(incoming(7, 2, Some(5))), (Continuity::AfterGap, Arrival::Late));
    assert_eq!(store.accept_as(incoming(6, 2, Some(5))), (Continuity::AfterGap, Arrival::FillsGap));
    assert_eq!(store.accept_as(incoming(5, 2, None)), (Continuity::Next, Arrival::FillsGap));
    // The gaps of one sender are not those of another.
    store.accept(incoming(9, 3, None));
    assert_eq!(store.accept_as(incoming(6, 3, None)), (Continuity::Next, Arrival::Late));
}

/// A message from the time before hashes were kept has 32 zeros.
fn message_without_a_hash_is_told_apart_by_what_is_known_of_it<S: Subject>(store: &mut Harness<S>) {
    let mut unhashed = incoming(5, 2, Some(4));
    unhashed.packet_hash = RequestHash([0; 32]);
    store.accept(unhashed);
    assert_eq!(store.receive(incoming(5, 2, Some(4))), Placement::Repeat);
    let mut dated_otherwise = incoming(5, 2, Some(4));
    dated_otherwise.packet_hash.0[30] = 9;
    dated_otherwise.sent_at = dated_otherwise.sent_at.plus_secs(1);
    for other in [other_packet(incoming(5, 2, Some(4))), incoming(5, 2, None), dated_otherwise] {
        assert_eq!(store.accept_as(other.clone()).1, Arrival::ReusedId);
        assert_eq!(store.receive(other), Placement::Repeat);
    }
}

fn message_signed_again_for_another_id_is_a_repeat<S: Subject>(store: &mut Harness<S>) {
    let signed_again = |mut message: IncomingMessage, sender| {
        message.packet_hash.0[31] = 3;
        message.sender = user(sender);
        message
    };
    let mut closed = incoming(6, 2, None);
    closed.content = ReceivedContent::Undecryptable;
    for message in [incoming(5, 2, Some(4)), closed.clone()] {
        store.accept(message);
    }
    // Another id of the sender, and another one of ours.
    for sender in [7, 2] {
        let repeat = signed_again(incoming(5, 2, Some(4)), sender);
        assert_eq!(store.receive(repeat), Placement::Repeat);
    }
    let mut later = signed_again(incoming(5, 2, Some(4)), 7);
    later.sent_at = at(9);
    let text = other_packet(signed_again(incoming(5, 2, Some(4)), 7));
    let previous = signed_again(incoming(5, 2, Some(3)), 7);
    let mut person = signed_again(incoming(5, 2, Some(4)), 8);
    person.phone = phone(3);
    // What does not open can't be compared.
    for other in [later, text, previous, person, signed_again(closed, 7)] {
        store.accept(other);
    }
}

fn message_before_counts_under_every_id_of_the_same_key<S: Subject>(store: &mut Harness<S>) {
    // The person registers again, twice.
    store.pin(2);
    for id in [7, 8] {
        store.tell(ClientOp::AcceptKey { phone: phone(2), accepted: binding(id, 2) });
    }
    store.accept(incoming(5, 2, None));
    assert_eq!(store.accept_as(under(8, incoming(6, 2, Some(5)))).0, Continuity::Next);
    assert_eq!(store.accept_as(under(7, incoming(7, 2, Some(6)))).0, Continuity::Next);
    // Even before the user has accepted the key.
    for id in [20, 21, 22] {
        store.tell(ClientOp::OfferKey { phone: phone(2), offered: binding(id, 3) });
        let (id, previous) = (id - 10, (id > 20).then_some(id - 11));
        let message = under(id + 10, incoming(id, 2, previous));
        assert_eq!(store.accept_as(message).0, Continuity::Next, "{id}");
    }
    store.tell(ClientOp::AcceptKey { phone: phone(2), accepted: binding(22, 3) });
    assert_eq!(store.accept_as(under(22, incoming(13, 2, Some(10)))).0, Continuity::Next);
    let mut stranger = under(22, incoming(14, 2, Some(13)));
    stranger.phone = phone(3);
    assert_eq!(store.accept_as(stranger).0, Continuity::AfterGap);
}

/// The phone number has changed hands.
fn message_before_does_not_count_under_another_key<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.accept(incoming(5, 2, None));
    let next = |id| under(7, incoming(id, 2, Some(5)));
    assert_eq!(store.accept_as(next(6)).0, Continuity::AfterGap, "of an id that nobody knows");
    store.tell(ClientOp::OfferKey { phone: phone(2), offered: binding(7, 3) });
    assert_eq!(store.accept_as(next(7)).0, Continuity::AfterGap, "before the key is accepted");
    store.tell(ClientOp::AcceptKey { phone: phone(2), accepted: binding(7, 3) });
    assert_eq!(store.accept_as(next(8)).0, Continuity::AfterGap, "once it is");
    assert_eq!(store.accept_as(incoming(9, 2, Some(5))).0, Continuity::Next, "of the former owner");
}

/// The same message, from another user id.
fn under(sender: u64, mut message: IncomingMessage) -> IncomingMessage {
    message.sender = user(sender);
    message
}

fn largest_ids_fit<S: Subject>(store: &mut Harness<S>) {
    const LARGE: u64 = 1 << 63;
    let (in_order, late) = (Arrival::InOrder, Arrival::Late);
    let arrivals = [
        (1, in_order),
        (LARGE, in_order),
        (LARGE - 1, late),
        (u64::MAX, in_order),
        (LARGE + 1, late),
    ];
    for (id, arrival) in arrivals {
        assert_eq!(store.accept_as(incoming(id, 2, None)), (Continuity::Next, arrival), "{id}");
    }
    assert_eq!(store.unshown_ids(), arrivals.map(|(id, _)| id));
}

fn content_and_trust_come_back_as_they_were<S: Subject>(store: &mut Harness<S>) {
    let contents = [
        (ReceivedContent::Opened(Content::Text("Grüße".into())), Trust::FirstUse),
        (ReceivedContent::Opened(Content::Bytes(vec![0, 0xff])), Trust::Verified),
        (ReceivedContent::Undecryptable, Trust::Changed),
        (ReceivedContent::Opened(Content::Event(event())), Trust::FirstUse),
    ];
    let mut expected = Vec::new();
    for (id, (content, trust)) in (1..).zip(contents) {
        let mut message = incoming(id, 2, None);
        (message.content, message.trust) = (content, trust);
        let place = store.accept(message.clone());
        let (continuity, arrival) = (Continuity::Next, Arrival::InOrder);
        expected.push(InboxItem { place, message, continuity, arrival });
    }
    assert_eq!(store.unshown(InboxId::START, 9), (expected, false));
}

fn unshown_messages_are_read_in_batches<S: Subject>(store: &mut Harness<S>) {
    let places = [1, 2, 3].map(|id| store.accept(incoming(id, 2, None)));
    assert!(places.is_sorted_by(|a, b| a < b));
    let cases = [
        (InboxId::START, 0, 0..0, true),
        (InboxId::START, 2, 0..2, true),
        (InboxId::START, 3, 0..3, false),
        (places[0], 1, 1..2, true),
        (places[1], 9, 2..3, false),
        (places[2], 9, 3..3, false),
        (InboxId(u64::MAX), 9, 3..3, false),
    ];
    for (after, limit, expected, more) in cases {
        let (items, more_reported) = store.unshown(after, limit);
        assert!(items.iter().map(|item| &item.place).eq(&places[expected]), "{after:?}, {limit}");
        assert_eq!(more_reported, more, "{after:?}, {limit}");
    }
}

fn shown_message_is_not_read_again<S: Subject>(store: &mut Harness<S>) {
    let places = [1, 2, 3].map(|id| store.accept(incoming(id, 2, None)));
    store.tell(ClientOp::MarkShown { up_to: places[1] });
    assert_eq!(store.unshown_ids(), [3]);
    assert_eq!(store.unshown(places[0], 9).0.len(), 1);
}

fn shown_mark_never_goes_back<S: Subject>(store: &mut Harness<S>) {
    let places = [1, 2, 3].map(|id| store.accept(incoming(id, 2, None)));
    for up_to in [places[2], places[0]] {
        store.tell(ClientOp::MarkShown { up_to });
        assert_eq!(store.unshown_ids(), [0_u64; 0]);
    }
}

fn later_message_is_not_marked_as_shown<S: Subject>(store: &mut Harness<S>) {
    store.accept(incoming(1, 2, None));
    store.tell(ClientOp::MarkShown { up_to: InboxId(u64::MAX) });
    store.accept(incoming(2, 2, None));
    assert_eq!(store.unshown_ids(), [2]);
}

fn history_is_in_chronological_order<S: Subject>(store: &mut Harness<S>) {
    store.enqueue(&[outgoing(1, 2)]);
    store.accept(incoming(1, 2, None));
    store.accept(incoming(1, 3, None));
    store.enqueue(&[outgoing(2, 2), outgoing(3, 3)]);
    store.accept(incoming(2, 2, None));
    let entries = store.history(2, None, 9);
    let ids: Vec<_> = entries.iter().map(id_of).collect();
    assert_eq!(ids, [("sent", 1), ("received", 1), ("sent", 2), ("received", 2)]);
    assert!(entries.is_sorted_by(|a, b| a.place() < b.place()));
    assert_eq!(store.history(4, None, 9), []);
    // A message keeps its place when its status changes.
    let messages = vec![MessageId(1)];
    store.mark(ClientOp::MarkFailed { messages, failure: Failure::Expired });
    store.tell(ClientOp::MarkShown { up_to: InboxId(u64::MAX) });
    assert!(store.history(2, None, 9).iter().map(id_of).eq(ids));
}

fn history_ends_before_a_place<S: Subject>(store: &mut Harness<S>) {
    for id in 1..=3 {
        store.enqueue(&[outgoing(id, 2)]);
        store.accept(incoming(id, 2, None));
    }
    let all = store.history(2, None, 9);
    assert_eq!(store.history(2, None, 0), []);
    assert_eq!(store.history(2, None, 4), all[2..]);
    assert_eq!(store.history(2, Some(all[3].place()), 2), all[1..3]);
    assert_eq!(store.history(2, Some(all[1].place()), 9), all[..1]);
    assert_eq!(store.history(2, Some(Place(0)), 9), []);
    assert_eq!(store.history(2, Some(Place(u64::MAX)), 9), all);
}

fn history_spans_all_ids_of_one_phone_number<S: Subject>(store: &mut Harness<S>) {
    let mut before = incoming(1, 2, None);
    before.sender = user(7);
    store.accept(before);
    store.accept(incoming(2, 2, None));
    let entries = store.history(2, None, 9);
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let HistoryEntry::Received(item) = entry else { panic!("sent") };
        assert_eq!(item.message.phone, phone(2));
    }
}

const fn id_of(entry: &HistoryEntry) -> (&'static str, u64) {
    match entry {
        HistoryEntry::Sent(sent) => ("sent", sent.id.0),
        HistoryEntry::Received(item) => ("received", item.message.id.0),
    }
}
