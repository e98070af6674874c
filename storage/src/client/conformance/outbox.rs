//! Messages that we send.

use sealpost_core::client::store::{
    ClientOp, ClientReply, Content, Draft, DraftId, Failure, GivenUp, OutgoingMessage,
    QueuedMessage, Status, Token, TokenUse,
};
use sealpost_core::ids::{MessageId, UserRef};
use sealpost_core::wire::InReplyTo;

use super::harness::{Case, Harness, author, draft, event, outgoing, user};
use super::subject::Subject;
use crate::client::history::HistoryEntry;
use crate::client::outbox::OutboxCounts;
use crate::conformance::{cases, phone};

cases![
    queued_messages_come_back_byte_for_byte_in_order,
    repeat_changes_nothing,
    last_message_is_the_largest,
    last_sent_belongs_to_the_contact_and_its_pinned_id,
    failed_message_is_not_the_last_one_sent,
    content_comes_back_as_it_was,
    statuses_follow_their_order,
    marked_message_leaves_the_queue,
    message_to_another_recipient_is_not_marked,
    marked_ids_are_in_the_order_of_the_request_and_unique,
    request_sees_the_effects_of_earlier_ones,
    draft_is_kept_until_it_is_enqueued_or_dropped,
    token_names_one_draft_or_message_for_ever,
    message_that_can_not_be_delivered_is_found_by_its_packet,
    message_signed_again_keeps_its_place_and_number,
    oldest_message_without_a_receipt_is_known_of_each_contact,
];

fn queued_messages_come_back_byte_for_byte_in_order<S: Subject>(store: &mut Harness<S>) {
    let messages = [outgoing(1, 2), outgoing(3, 3), outgoing(7, 2), outgoing(u64::MAX, 3)];
    store.enqueue(&messages[..2]);
    store.enqueue(&messages[2..]);
    let queued = messages.map(|message| QueuedMessage {
        id: message.id,
        recipient: message.recipient,
        packet: message.packet,
    });
    assert_eq!(store.load().outbox, queued);
    store.enqueue(&[]);
    assert_eq!(store.load().outbox, queued);
}

fn repeat_changes_nothing<S: Subject>(store: &mut Harness<S>) {
    let messages = [outgoing(1, 2), outgoing(2, 2)];
    store.enqueue(&messages);
    let history = store.history(2, None, 9);
    store.enqueue(&messages[..1]);
    assert_eq!(store.history(2, None, 9), history);
    // Nor does a message whose status has advanced return to the queue.
    store.mark(ClientOp::MarkStored(vec![(user(2), MessageId(1))]));
    store.enqueue(&messages);
    assert_eq!(store.status(1, 2), Status::Stored);
    assert_eq!(store.load().outbox.len(), 1);
}

fn last_message_is_the_largest<S: Subject>(store: &mut Harness<S>) {
    let messages = [outgoing(1, 2), outgoing(7, 3)];
    store.enqueue(&messages);
    assert_eq!(store.load().last_message, Some(MessageId(7)));
    store.enqueue(&messages[..1]);
    assert_eq!(store.load().last_message, Some(MessageId(7)));
    store.enqueue(&[outgoing(u64::MAX, 2)]);
    assert_eq!(store.load().last_message, Some(MessageId(u64::MAX)));
}

fn last_sent_belongs_to_the_contact_and_its_pinned_id<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.pin(3);
    store.enqueue(&[outgoing(1, 2), outgoing(2, 2), outgoing(3, 4)]);
    assert_eq!(store.contact(2).last_sent, Some(MessageId(2)));
    assert_eq!(store.contact(3).last_sent, None);
    let mut to_former_id = outgoing(9, 2);
    to_former_id.recipient = user(5);
    store.enqueue(&[to_former_id, outgoing(1, 2)]);
    assert_eq!(store.contact(2).last_sent, Some(MessageId(2)));
}

fn failed_message_is_not_the_last_one_sent<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.pin(3);
    store.enqueue(&[outgoing(1, 2), outgoing(2, 3), outgoing(3, 2), outgoing(4, 2)]);
    store.mark(to(Status::Stored, 1));
    let last = |user_id, last: Option<u64>| (user(user_id), last.map(MessageId));
    let fail = |ids: &[u64]| ClientOp::MarkFailed {
        messages: ids.iter().copied().map(MessageId).collect(),
        failure: Failure::Refused,
    };
    let failed = |ids: &[u64], last_sent: &[_]| {
        let ids = ids.iter().copied().map(MessageId).collect();
        ClientReply::Failed(GivenUp { ids, last_sent: last_sent.to_vec() })
    };
    assert_eq!(store.ask(fail(&[3, 9])), failed(&[3], &[last(2, Some(4))]), "it is not the last");
    assert_eq!(store.contact(2).last_sent, Some(MessageId(4)));
    let expected = failed(&[4, 2], &[last(2, Some(1)), last(3, None)]);
    assert_eq!(store.ask(fail(&[4, 2])), expected);
    assert_eq!(store.contact(2).last_sent, Some(MessageId(1)));
    assert_eq!(store.contact(3).last_sent, None);
    assert_eq!(store.ask(fail(&[4])), failed(&[], &[]), "it has failed already");
    let named = outgoing(1, 2).packet.request_hash().in_reply_to();
    let expected = failed(&[1], &[last(2, None)]);
    assert_eq!(store.ask(ClientOp::MarkUndeliverable(vec![named])), expected);
    assert_eq!(store.contact(2).last_sent, None);
}

fn content_comes_back_as_it_was<S: Subject>(store: &mut Harness<S>) {
    let contents = [
        Content::Text("Grüße, 你好".into()),
        Content::Text(String::new()),
        Content::Bytes(vec![0, 0xff, 0xfe]),
        Content::Bytes(vec![]),
        Content::Event(event()),
    ];
    let messages: Vec<_> = (1..)
        .zip(&contents)
        .map(|(id, content)| {
            let mut message = outgoing(id, 2);
            message.content = content.clone();
            message
        })
        .collect();
    store.enqueue(&messages);
    let entries = store.history(2, None, 9);
    assert_eq!(entries.len(), contents.len());
    for (entry, message) in entries.into_iter().zip(messages) {
        let HistoryEntry::Sent(sent) = entry else { panic!("received") };
        assert_eq!((sent.id, sent.recipient, sent.phone), (message.id, user(2), message.phone));
        assert_eq!((sent.content, sent.status), (message.content, Status::Queued));
        assert_eq!(sent.sent_at, message.packet.header().timestamp);
    }
}

fn statuses_follow_their_order<S: Subject>(store: &mut Harness<S>) {
    use Status::{Delivered, Failed, Queued, Stored};
    let failed = Failed(Failure::Refused);
    let allowed = [(Queued, Stored), (Queued, Delivered), (Queued, failed), (Stored, Delivered)];
    let mut id = 0;
    for from in [Queued, Stored, Delivered, failed] {
        for next in [Stored, Delivered, failed] {
            id += 1;
            store.enqueue(&[outgoing(id, 2)]);
            if from != Queued {
                assert_eq!(store.mark(to(from, id)), [id]);
            }
            let moves = allowed.contains(&(from, next));
            assert_eq!(!store.mark(to(next, id)).is_empty(), moves, "{from:?} → {next:?}");
            assert_eq!(store.status(id, 2), if moves { next } else { from });
        }
    }
    for failure in [Failure::UnknownUser, Failure::Refused, Failure::Expired, Failure::KeyReplaced]
    {
        id += 1;
        store.enqueue(&[outgoing(id, 2)]);
        store.mark(to(Failed(failure), id));
        assert_eq!(store.status(id, 2), Failed(failure));
    }
}

/// Returns the request that gives message `id` to user 2 a status.
fn to(status: Status, id: u64) -> ClientOp {
    let id = MessageId(id);
    match status {
        Status::Queued => panic!("nothing becomes queued again"),
        Status::Stored => ClientOp::MarkStored(vec![(user(2), id)]),
        Status::Delivered => ClientOp::MarkDelivered { recipient: user(2), messages: vec![id] },
        Status::Failed(failure) => ClientOp::MarkFailed { messages: vec![id], failure },
    }
}

fn marked_message_leaves_the_queue<S: Subject>(store: &mut Harness<S>) {
    store.enqueue(&[1, 2, 3, 4].map(|id| outgoing(id, 2)));
    store.mark(to(Status::Stored, 1));
    store.mark(to(Status::Delivered, 2));
    store.mark(to(Status::Failed(Failure::Expired), 3));
    let queued: Vec<_> = store.load().outbox.iter().map(|message| message.id.0).collect();
    assert_eq!(queued, [4]);
    let counts = OutboxCounts { queued: 1, stored: 1, delivered: 1, failed: 1 };
    assert_eq!(store.store().outbox(), Ok(counts));
}

fn message_to_another_recipient_is_not_marked<S: Subject>(store: &mut Harness<S>) {
    store.enqueue(&[outgoing(1, 2)]);
    assert_eq!(store.mark(ClientOp::MarkStored(vec![(user(3), MessageId(1))])), [0_u64; 0]);
    let messages = vec![MessageId(1), MessageId(9)];
    assert_eq!(store.mark(ClientOp::MarkDelivered { recipient: user(3), messages }), [0_u64; 0]);
    assert_eq!(store.status(1, 2), Status::Queued);
}

fn marked_ids_are_in_the_order_of_the_request_and_unique<S: Subject>(store: &mut Harness<S>) {
    store.enqueue(&[1, 2, 3].map(|id| outgoing(id, 2)));
    let messages = [3, 9, 1, 3].map(MessageId).to_vec();
    let delivered = ClientOp::MarkDelivered { recipient: user(2), messages };
    assert_eq!(store.mark(delivered.clone()), [3, 1]);
    assert_eq!(store.mark(delivered), [0_u64; 0]);
}

fn request_sees_the_effects_of_earlier_ones<S: Subject>(store: &mut Harness<S>) {
    let outcomes = store.commit(&[
        ClientOp::Enqueue(vec![outgoing(1, 2)]),
        to(Status::Stored, 1),
        to(Status::Stored, 1),
        to(Status::Delivered, 1),
    ]);
    let marked = |ids: &[u64]| ClientReply::Marked(ids.iter().copied().map(MessageId).collect());
    let expected = [ClientReply::Done, marked(&[1]), marked(&[]), marked(&[1])];
    assert_eq!(outcomes, expected.map(Ok));
    assert_eq!(store.commit(&[]), []);
}

fn draft_is_kept_until_it_is_enqueued_or_dropped<S: Subject>(store: &mut Harness<S>) {
    let drafts = [
        draft(2, UserRef::Phone(phone(2))),
        draft(3, UserRef::Id(user(3))),
        Draft {
            key: Some(author(2)),
            content: Content::Bytes(vec![0, 255]),
            ..draft(u64::MAX, UserRef::Phone(phone(2)))
        },
    ];
    store.tell(ClientOp::KeepDrafts(drafts[1..].to_vec()));
    store.tell(ClientOp::KeepDrafts(drafts.to_vec()));
    let other = Draft { content: Content::Text("other".into()), ..drafts[0].clone() };
    store.tell(ClientOp::KeepDrafts(vec![other]));
    assert_eq!(store.load().drafts, drafts, "in order, and the first one stays");
    assert_eq!(store.queued(), 3);

    store.enqueue(&[OutgoingMessage { draft: Some(DraftId(2)), ..outgoing(1, 2) }]);
    assert_eq!(store.drafts(), [3, u64::MAX]);
    assert_eq!(store.queued(), 3, "one is a message now");
    store.tell(ClientOp::DropDrafts(vec![DraftId(u64::MAX), DraftId(7)]));
    assert_eq!(store.drafts(), [3]);
    // A repeat, as after a crash before the outcome was reported.
    store.tell(ClientOp::KeepDrafts(drafts[..1].to_vec()));
    store.enqueue(&[OutgoingMessage { draft: Some(DraftId(2)), ..outgoing(1, 2) }]);
    assert_eq!(store.drafts(), [3]);
}

fn token_names_one_draft_or_message_for_ever<S: Subject>(store: &mut Harness<S>) {
    let kept = draft(1, UserRef::Phone(phone(2)));
    store.tell(ClientOp::KeepDrafts(vec![kept.clone()]));
    store.enqueue(&[outgoing(7, 2)]);
    let (draft, message) = (Some(TokenUse::Draft), |id| Some(TokenUse::Message(MessageId(id))));
    assert_eq!(store.find(&[7, 1001, 8, 7]), [message(7), draft, None, message(7)]);

    let named = |token| Draft { id: DraftId(9), token: Token(token), ..kept.clone() };
    store.tell(ClientOp::KeepDrafts(vec![named(1001), named(7)]));
    assert_eq!(store.drafts(), [1], "the names are taken");
    for token in [7, 1001] {
        store.enqueue(&[OutgoingMessage { token: Token(token), ..outgoing(8, 2) }]);
    }
    assert_eq!(store.load().outbox.len(), 1);
    assert_eq!(store.load().last_message, Some(MessageId(7)));

    let was_draft = OutgoingMessage { token: kept.token, draft: Some(kept.id), ..outgoing(8, 2) };
    store.enqueue(&[was_draft]);
    let OutgoingMessage { recipient, packet, .. } = outgoing(8, 3);
    store.tell(ClientOp::Readdress(vec![QueuedMessage { id: MessageId(8), recipient, packet }]));
    let failure = Failure::Refused;
    store.mark(ClientOp::MarkFailed { messages: vec![MessageId(8)], failure });
    assert_eq!(store.find(&[1001]), [message(8)], "whatever becomes of it");
    let entries = store.history(2, None, 9);
    let tokens = entries.iter().map(|entry| match entry {
        HistoryEntry::Sent(sent) => Some(sent.token),
        HistoryEntry::Received(_) => None,
    });
    assert_eq!(tokens.collect::<Vec<_>>(), [Some(Token(7)), Some(Token(1001))]);

    let refused = named(2000);
    store.tell(ClientOp::KeepDrafts(vec![refused.clone()]));
    store.tell(ClientOp::DropDrafts(vec![refused.id]));
    assert_eq!(store.find(&[2000]), [None], "nothing came of it");
}

fn message_that_can_not_be_delivered_is_found_by_its_packet<S: Subject>(store: &mut Harness<S>) {
    let messages: Vec<_> = (1..=4).map(|id| outgoing(id, 2)).collect();
    store.enqueue(&messages);
    let packets: Vec<_> =
        messages.iter().map(|sent| sent.packet.request_hash().in_reply_to()).collect();
    store.mark(ClientOp::MarkStored(vec![(user(2), MessageId(1)), (user(2), MessageId(2))]));
    let messages = vec![MessageId(2)];
    store.mark(ClientOp::MarkDelivered { recipient: user(2), messages });
    let failed = Status::Failed(Failure::UnknownUser);
    let named = vec![InReplyTo::default(), packets[2], packets[1], packets[0], packets[2]];
    assert_eq!(store.mark(ClientOp::MarkUndeliverable(named)), [3, 1]);
    let statuses = [1, 2, 3, 4].map(|id| store.status(id, 2));
    assert_eq!(statuses, [failed, Status::Delivered, failed, Status::Queued]);
    let queued: Vec<_> = store.load().outbox.iter().map(|message| message.id.0).collect();
    assert_eq!(queued, [4]);
}

fn message_signed_again_keeps_its_place_and_number<S: Subject>(store: &mut Harness<S>) {
    store.enqueue(&[outgoing(4, 2), outgoing(5, 2), outgoing(6, 2)]);
    store.mark(ClientOp::MarkStored(vec![(user(2), MessageId(5))]));
    let again = |id| {
        let packet = outgoing(id, 7).packet;
        QueuedMessage { id: MessageId(id), recipient: user(7), packet }
    };
    for _ in 0..2 {
        store.tell(ClientOp::Readdress(vec![again(4), again(5), again(9)]));
    }
    let OutgoingMessage { id, recipient, packet, .. } = outgoing(6, 2);
    assert_eq!(store.load().outbox, [again(4), QueuedMessage { id, recipient, packet }]);
    assert_eq!(store.history(2, None, 9).len(), 3);
    // It goes by the new packet and the new recipient.
    let named = |to| outgoing(4, to).packet.request_hash().in_reply_to();
    assert_eq!(store.mark(ClientOp::MarkUndeliverable(vec![named(2)])), [0_u64; 0]);
    assert_eq!(store.mark(ClientOp::MarkStored(vec![(user(2), MessageId(4))])), [0_u64; 0]);
    assert_eq!(store.mark(ClientOp::MarkUndeliverable(vec![named(7)])), [4]);
}

fn oldest_message_without_a_receipt_is_known_of_each_contact<S: Subject>(store: &mut Harness<S>) {
    store.pin(2);
    store.enqueue(&[outgoing(4, 2), outgoing(5, 3)]);
    assert_eq!(store.contact(2).unanswered_since, None, "the server does not hold it");
    store.mark(ClientOp::MarkStored(vec![(user(2), MessageId(4)), (user(3), MessageId(5))]));
    let date = outgoing(4, 2).packet.header().timestamp;
    assert_eq!(store.contact(2).unanswered_since, Some(date));
    store.mark(ClientOp::MarkDelivered { recipient: user(2), messages: vec![MessageId(4)] });
    assert_eq!(store.contact(2).unanswered_since, None);
}
