//! The client machine: the life of a message, both ways (PROTOCOL 5).
#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

use std::time::Duration;

use sealpost_core::client::store::{
    ClientOp, Content, Failure, InboxItem, ReceivedContent, Trust, Verification,
};
use sealpost_core::client::{
    Command, Continuity, Limits, LookupFailure, Notice, OfflineReason, Refusal, Suspicion, Token,
};
use sealpost_core::ids::{MessageId, ReceiptId, UserId};
use sealpost_core::machine::Event;
use sealpost_core::store::{StoreError, UserRef};
use sealpost_core::wire::{ErrorCode, ErrorForm, Packet, Profile, Receipt};
use sealpost_storage::client::ClientStorage;
use sealpost_tests::clerk::{Asked, Counter, Peer};
use sealpost_tests::client_stage::ClientStage;

fn me() -> UserId {
    UserId::new(1).unwrap()
}

fn ids(ids: &[u64]) -> Vec<MessageId> {
    ids.iter().copied().map(MessageId).collect()
}

fn bob() -> Peer {
    Peer::new(Profile::Compact, 2)
}

/// A client that is online and knows bob.
fn acquainted() -> (Counter, Peer) {
    acquainted_with(Limits::default())
}

fn acquainted_with(limits: Limits) -> (Counter, Peer) {
    let mut counter = Counter::online(limits);
    let bob = bob();
    counter.introduce(&bob);
    (counter, bob)
}

fn message(to: &Peer, id: u64) -> Asked {
    Asked::Message(to.id, MessageId(id))
}

fn receipt(to: &Peer, receipt_id: u64, messages: &[u64]) -> Asked {
    Asked::Receipt(to.id, Receipt { receipt_id: ReceiptId(receipt_id), message_ids: ids(messages) })
}

/// A peer's message reaches the client.
fn arrive(counter: &mut Counter, peer: &mut Peer, numbers: (u64, u64), text: &str) -> Packet {
    let key = counter.stage.public_key().clone();
    let packet = peer.message(counter.at(), (me(), &key), numbers, text);
    counter.say(&packet);
    packet
}

fn texts(items: &[InboxItem]) -> Vec<&str> {
    items
        .iter()
        .map(|item| match &item.message.content {
            ReceivedContent::Opened(Content::Text(text)) => text,
            ReceivedContent::Opened(Content::Bytes(_)) => "(bytes)",
            ReceivedContent::Undecryptable => "(undecryptable)",
        })
        .collect()
}

fn session_error(counter: &mut Counter, code: ErrorCode) {
    let error = counter.clerk.error(counter.at(), ErrorForm::SessionKey, code);
    counter.say(&error);
}

#[test]
fn a_message_leaves_once_it_is_durable_and_is_stored_and_delivered() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.hold_store = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear(), None, "nothing leaves before it is durable");
    assert_eq!(counter.stage.notices(), []);
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);

    let sent = counter.clerk.last().clone();
    let inner = bob.read(sent, counter.stage.public_key());
    assert_eq!((inner.content(), inner.previous()), (&b"hello"[..], None));

    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
    let receipt = bob.receipt(counter.at(), me(), 7, &[1]);
    counter.say(&receipt);
    let delivered = Notice::Delivered { reader: bob.id, ids: ids(&[1]) };
    assert_eq!(counter.stage.notices(), [delivered]);
    assert_eq!(counter.hear_all(), [], "receipts are gathered for a second");
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(7))])]);
    let counts = counter.stage.store.inner().outbox().unwrap();
    assert_eq!((counts.queued, counts.delivered), (0, 1));
}

#[test]
fn each_message_names_the_one_before_it_to_the_same_reader() {
    let (mut counter, mut bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    for to in [bob.id, carol.id, bob.id] {
        counter.stage.send_text(UserRef::Id(to), "hello");
    }
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&carol, 2), message(&bob, 3)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(1)));

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(0);
    counter.hear_all();
    counter.stage.send_text(UserRef::Id(bob.id), "again");
    assert_eq!(counter.hear_all(), [message(&bob, 4)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(3)));
}

#[test]
fn what_is_not_acknowledged_is_repeated_byte_for_byte() {
    let (mut counter, bob) = acquainted();
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    let first: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(first.len(), 3);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(2))]);
    counter.say(&stored);

    counter.stage.cut(counter.conn);
    counter.come_back();
    let again: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(0);
    let again: Vec<_> = std::iter::from_fn(|| counter.stage.sent()).map(|(_, p)| p).collect();
    assert_eq!(again, [first[0].clone(), first[2].clone()]);
}

#[test]
fn messages_wait_while_offline_and_keep_their_order_however_sealing_finishes() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.hold_jobs = true;
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Phone(bob.phone), text);
    }
    assert_eq!(counter.stage.waiting_jobs(), 3);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|jobs| jobs.reverse());
    let queued = counter.stage.notices().into_iter().filter_map(|notice| {
        let Notice::Queued { id, .. } = notice else { return None };
        Some(id)
    });
    assert_eq!(queued.collect::<Vec<_>>(), ids(&[1, 2, 3]));
    counter.come_back();
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2), message(&bob, 3)]);
}

#[test]
fn a_stranger_is_looked_up_before_the_first_message() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    let token = counter.stage.send_text(UserRef::Phone(bob.phone), "hello");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);

    let token = counter.stage.send_text(UserRef::Id(UserId::new(9).unwrap()), "hello");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(UserId::new(9).unwrap()))]);
    session_error(&mut counter, ErrorCode::UnknownUser);
    let content = Content::Text("hello".into());
    let refusal = Refusal::UnknownUser;
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
}

#[test]
fn a_lookup_that_the_server_limits_is_asked_again_later() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    counter.stage.command(Command::Lookup { phone: bob.phone });
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    session_error(&mut counter, ErrorCode::RateLimited);
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(5));
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob.phone))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(
        counter.stage.notices(),
        [Notice::Found {
            phone: bob.phone,
            user: bob.id,
            fingerprint: *bob.public_key().fingerprint(),
            verification: Verification::FirstUse,
        }]
    );
}

#[test]
fn an_answer_about_somebody_else_is_not_believed() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    let carol = Peer::new(Profile::Compact, 3);
    let answer = counter.clerk.key_of(counter.at(), &carol);
    counter.say(&answer);
    let notices = counter.stage.notices();
    assert_eq!(notices[0], Notice::Suspicious(Suspicion::UnaskedAnswer));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn an_unanswered_lookup_ends_the_connection_and_is_asked_on_the_next() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    counter.stage.pass(Duration::from_secs(10));
    assert!(counter.stage.is_closed(counter.conn));
    counter.come_back();
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob().phone))]);
}

#[test]
fn nothing_overtakes_a_message_that_a_full_mailbox_holds_back() {
    let (mut counter, bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    session_error(&mut counter, ErrorCode::MailboxFull);
    counter.stage.send_text(UserRef::Id(bob.id), "two");
    counter.stage.send_text(UserRef::Id(carol.id), "three");
    assert_eq!(counter.hear_all(), [message(&carol, 3)], "others are not held back");

    counter.stage.pass(Duration::from_secs(4));
    assert_eq!(counter.hear_all(), [message(&bob, 1)], "the first goes alone");
    session_error(&mut counter, ErrorCode::MailboxFull);
    counter.stage.pass(Duration::from_secs(8));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
}

#[test]
fn a_message_to_nobody_fails() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    session_error(&mut counter, ErrorCode::UnknownUser);
    let failure = Failure::UnknownUser;
    assert_eq!(counter.stage.notices(), [Notice::Failed { ids: ids(&[1]), failure }]);
    counter.stage.cut(counter.conn);
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
}

#[test]
fn a_message_that_the_server_can_not_read_is_not_sent_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    session_error(&mut counter, ErrorCode::Malformed);
    assert!(counter.stage.is_closed(counter.conn));
    let failure = Failure::Refused;
    assert!(counter.stage.notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
}

#[test]
fn a_message_is_tried_for_thirty_days() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.stage.jump(31 * 24 * 3_600);
    counter.stage.notices();
    counter.come_back();
    assert_eq!(counter.hear_all(), []);
    let failure = Failure::Expired;
    assert!(counter.stage.notices().contains(&Notice::Failed { ids: ids(&[1]), failure }));
}

#[test]
fn a_server_that_acknowledges_nothing_is_left_after_a_minute() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.stage.pass(Duration::from_secs(59));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn what_is_too_much_is_refused_and_given_back() {
    let limits = Limits { outbox_messages: 2, ..Limits::default() };
    let (mut counter, bob) = acquainted_with(limits);
    let tokens: Vec<_> = ["one", "two", "three"]
        .map(|text| counter.stage.send_text(UserRef::Id(bob.id), text))
        .into();
    let refused = Notice::SendRefused {
        token: tokens[2],
        refusal: Refusal::OutboxFull,
        content: Content::Text("three".into()),
    };
    assert!(counter.stage.notices().contains(&refused));
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    let token = counter.stage.send_text(UserRef::Id(bob.id), "three");
    assert!(counter.stage.notices().contains(&Notice::Queued { token, id: MessageId(3) }));
}

#[test]
fn what_is_being_sealed_fills_the_outbox_too() {
    let by_number = Limits { outbox_messages: 2, ..Limits::default() };
    let by_size = Limits { outbox_bytes: 6, ..Limits::default() };
    for limits in [by_number, by_size] {
        let (mut counter, bob) = acquainted_with(limits);
        counter.stage.hold_jobs = true;
        for text in ["one", "two"] {
            counter.stage.send_text(UserRef::Id(bob.id), text);
        }
        assert_eq!(counter.stage.notices(), []);
        let (refusal, content) = (Refusal::OutboxFull, Content::Text("3".into()));
        let token = counter.stage.send_text(UserRef::Id(bob.id), "3");
        assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    }
}

#[test]
fn a_server_that_acknowledges_is_not_left() {
    let (mut counter, bob) = acquainted();
    for text in ["one", "two"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    for id in 1..=2 {
        counter.stage.pass(Duration::from_secs(45));
        assert!(!counter.stage.is_closed(counter.conn));
        let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(id))]);
        counter.say(&stored);
    }
    counter.stage.pass(Duration::from_mins(5));
    assert!(!counter.stage.is_closed(counter.conn), "nothing more is awaited");
}

#[test]
fn so_many_lookups_wait_and_no_more() {
    let mut counter = Counter::online(Limits { lookups_waiting: 1, ..Limits::default() });
    let (bob, carol) = (bob(), Peer::new(Profile::Compact, 3));
    counter.stage.command(Command::Lookup { phone: bob.phone });
    assert_eq!(counter.stage.notices(), []);
    counter.stage.command(Command::Lookup { phone: carol.phone });
    let (who, failure) = (UserRef::Phone(carol.phone), LookupFailure::Busy);
    assert_eq!(counter.stage.notices(), [Notice::LookupFailed { who, failure }]);
}

#[test]
fn only_a_window_of_messages_is_in_flight() {
    let limits = Limits { in_flight_messages: 2, ..Limits::default() };
    let (mut counter, bob) = acquainted_with(limits);
    for text in ["one", "two", "three"] {
        counter.stage.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(counter.hear_all(), [message(&bob, 1), message(&bob, 2)]);
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    assert_eq!(counter.hear_all(), [message(&bob, 3)]);
}

#[test]
fn nothing_is_sent_to_a_connection_that_is_congested() {
    let (mut counter, bob) = acquainted();
    counter.stage.event(Event::Congested { conn: counter.conn });
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), []);
    counter.stage.event(Event::Writable { conn: counter.conn });
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn what_the_store_can_not_keep_is_refused_and_its_numbers_are_given_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let lost =
        ["two", "three"].map(|text| (counter.stage.send_text(UserRef::Id(bob.id), text), text));
    counter.stage.fail_store(1, StoreError::DiskFull);
    counter.stage.notices();
    counter.stage.release_store();
    let refused = lost.map(|(token, text)| Notice::SendRefused {
        token,
        refusal: Refusal::StoreFailed,
        content: Content::Text(text.into()),
    });
    let notices = counter.stage.notices();
    assert_eq!(notices[0], Notice::StoreFailed(StoreError::DiskFull));
    assert_eq!(notices[1..], refused);

    counter.stage.hold_store = false;
    counter.stage.send_text(UserRef::Id(bob.id), "four");
    assert_eq!(counter.hear_all(), [message(&bob, 2)]);
    let last = counter.clerk.last().clone();
    assert_eq!(bob.read(last, counter.stage.public_key()).previous(), Some(MessageId(1)));
}

#[test]
fn a_busy_store_is_asked_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.fail_store(1, StoreError::Busy);
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn nobody_sends_without_an_account_nor_more_than_fits() {
    let mut counter = Counter::new();
    let token = counter.stage.send_text(UserRef::Id(me()), "hello");
    let (refusal, content) = (Refusal::NotRegistered, Content::Text("hello".into()));
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);

    let (mut counter, bob) = acquainted();
    let (token, to, content) = (Token(9), UserRef::Id(bob.id), Content::Bytes(vec![0; 65_236]));
    counter.stage.command(Command::Send { token, to, content: content.clone() });
    let refusal = Refusal::TooLong;
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    let (token, content) = (Token(10), Content::Bytes(vec![7; 65_235]));
    counter.stage.command(Command::Send { token, to, content });
    assert_eq!(counter.hear_all(), [message(&bob, 1)], "the largest fits");
}

#[test]
fn a_message_of_a_stranger_is_delivered_once_its_sender_was_looked_up() {
    let mut counter = Counter::online(Limits::default());
    let mut bob = bob();
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.stage.delivered(), []);
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.stage.hold_store = true;
    counter.say(&answer);
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])], "only what is durable is signed for");
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["hello"]);
    assert_eq!(delivered[0].message.phone, bob.phone);
    assert_eq!(delivered[0].message.trust, Trust::FirstUse);
    assert_eq!(delivered[0].continuity, Continuity::Next);
}

#[test]
fn a_repeat_is_acknowledged_again_and_not_delivered_again() {
    let (mut counter, mut bob) = acquainted();
    let packet = arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
    counter.say(&packet);
    assert_eq!(counter.hear_all(), [receipt(&bob, 2, &[1])]);
    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    counter.resume(1);
    counter.stage.delivered();
    counter.say(&packet);
    assert_eq!(counter.stage.delivered(), []);
    let Some(Asked::Receipt(_, again)) = counter.hear() else { panic!() };
    assert!(again.receipt_id > ReceiptId(2), "numbers are not used again after a crash");
}

#[test]
fn what_was_left_out_is_noticed() {
    let (mut counter, mut bob) = acquainted();
    arrive(&mut counter, &mut bob, (1, 0), "one");
    arrive(&mut counter, &mut bob, (3, 2), "three");
    arrive(&mut counter, &mut bob, (4, 3), "four");
    let continuity: Vec<_> = counter.stage.delivered().iter().map(|item| item.continuity).collect();
    assert_eq!(continuity, [Continuity::Next, Continuity::AfterGap, Continuity::Next]);
}

#[test]
fn messages_are_delivered_in_order_however_their_verification_finishes() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.hold_jobs = true;
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        arrive(&mut counter, &mut bob, numbers, text);
    }
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|jobs| jobs.reverse());
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["one", "two", "three"]);
    assert!(delivered.iter().all(|item| item.continuity == Continuity::Next));
}

#[test]
fn while_a_receipt_is_signed_the_next_are_gathered() {
    let (mut counter, mut bob) = acquainted();
    let key = counter.stage.public_key().clone();
    arrive(&mut counter, &mut bob, (1, 0), "one");
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
    let packets = [2, 3, 4].map(|id| bob.message(counter.at(), (me(), &key), (id, id - 1), "more"));
    let bytes: Vec<u8> = packets.iter().flat_map(|packet| packet.bytes().to_vec()).collect();
    counter.stage.hold_store = true;
    counter.stage.bytes(counter.conn, &bytes);
    counter.stage.hold_jobs = true;
    // The first is being stored when the others come, and they are stored together.
    for _ in 0..2 {
        counter.stage.release_store();
    }
    counter.stage.hold_jobs = false;
    counter.stage.hold_store = false;
    counter.stage.release_jobs(|_| {});
    assert_eq!(counter.hear_all(), [receipt(&bob, 2, &[2]), receipt(&bob, 3, &[3, 4])]);
}

#[test]
fn what_does_not_open_is_shown_as_such_and_gets_the_same_receipt() {
    let (mut counter, mut bob) = acquainted();
    let carol = Peer::new(Profile::Compact, 3);
    // Sealed for carol, and so of no use to us.
    let packet = bob.message(counter.at(), (me(), carol.public_key()), (1, 0), "hello");
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["(undecryptable)"]);
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1])]);
}

#[test]
fn a_forged_message_is_neither_delivered_nor_acknowledged_and_asked_for_once_more() {
    let (mut counter, mut bob) = acquainted();
    let key = counter.stage.public_key().clone();
    let packet = bob.message(counter.at(), (me(), &key), (1, 0), "hello");
    let mut bytes = packet.bytes().to_vec();
    bytes[300] ^= 1;
    for again in [false, true] {
        counter.stage.bytes(counter.conn, &bytes);
        assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))], "is it another key?");
        let answer = counter.clerk.key_of(counter.at(), &bob);
        counter.say(&answer);
        let forged = Suspicion::ForgedMessage { sender: bob.id, id: MessageId(1) };
        assert_eq!(counter.stage.notices().first(), Some(&Notice::Suspicious(forged)));
        assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
        assert_eq!(counter.stage.is_closed(counter.conn), !again, "the second time it is left");
        if !again {
            counter.come_back();
            counter.hear_all();
            counter.stage.notices();
        }
    }
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["hello"], "the true one is still welcome");
}

#[test]
fn a_message_from_nobody_is_neither_delivered_nor_acknowledged() {
    let mut counter = Counter::online(Limits::default());
    let mut bob = bob();
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.hear_all();
    session_error(&mut counter, ErrorCode::UnknownUser);
    let unknown = Suspicion::UnknownSender { sender: bob.id, id: MessageId(1) };
    assert_eq!(counter.stage.notices().first(), Some(&Notice::Suspicious(unknown)));
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
}

#[test]
fn a_forged_receipt_is_not_believed_and_is_taken_off_the_server_when_it_comes_again() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let mut mallory = Peer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    let forged = mallory.receipt(counter.at(), me(), 9, &[1]);
    let suspicion = Notice::Suspicious(Suspicion::ForgedReceipt { reader: bob.id });
    counter.say(&forged);
    assert_eq!(counter.stage.notices().first(), Some(&suspicion));
    assert!(counter.stage.is_closed(counter.conn), "it may have been changed on the way");
    counter.come_back();
    counter.hear_all();
    counter.stage.notices();
    counter.say(&forged);
    assert_eq!(counter.stage.notices(), [suspicion]);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(9))])]);
    let mut carol = Peer::new(Profile::Compact, 3);
    counter.introduce(&carol);
    let of_another = carol.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&of_another);
    assert_eq!(counter.stage.notices(), [], "only the recipient's counts");
    assert_eq!(counter.stage.store.inner().outbox().unwrap().queued, 1);
}

#[test]
fn a_receipt_is_told_to_the_server_only_once_it_is_durable() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.hold_store = true;
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.pass(Duration::from_secs(5));
    assert_eq!(counter.hear_all(), [], "the server would forget it");
    counter.stage.hold_store = false;
    counter.stage.release_store();
    counter.stage.pass(Duration::from_secs(2));
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))])]);
}

#[test]
fn a_receipt_that_can_not_be_recorded_is_not_taken_and_comes_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    counter.stage.fail_store(1, StoreError::Io);
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    assert_eq!(counter.stage.notices().first(), Some(&Notice::StoreFailed(StoreError::Io)));
    assert!(counter.stage.is_closed(counter.conn), "so that the server brings it again");
    counter.come_back();
    counter.stage.pass(Duration::from_secs(2));
    counter.hear_all();
    counter.stage.notices();
    counter.say(&packet);
    let delivered = Notice::Delivered { reader: bob.id, ids: ids(&[1]) };
    assert_eq!(counter.stage.notices(), [delivered]);
}

#[test]
fn a_message_that_can_not_be_stored_is_not_acknowledged_and_comes_again() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.fail_store(1, StoreError::DiskFull);
    let packet = arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert!(counter.stage.is_closed(counter.conn));
    assert_eq!((counter.hear_all(), counter.stage.delivered()), (vec![], vec![]));
    counter.come_back();
    counter.say(&packet);
    assert_eq!(texts(&counter.stage.delivered()), ["hello"]);
}

#[test]
fn under_a_changed_key_messages_are_shown_so_and_nothing_is_sent_until_it_is_accepted() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "for the old key");
    counter.hear_all();
    counter.stage.notices();
    // The same phone, registered again: another id, another key.
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    arrive(&mut counter, &mut new_bob, (1, 0), "it's me");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(new_bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &new_bob);
    counter.say(&answer);
    let (pinned, offered) = (*bob.public_key().fingerprint(), *new_bob.public_key().fingerprint());
    let phone = bob.phone;
    assert_eq!(counter.stage.notices(), [Notice::KeyChanged { phone, pinned, offered }]);
    let delivered = counter.stage.delivered();
    assert_eq!(texts(&delivered), ["it's me"]);
    assert_eq!(delivered[0].message.trust, Trust::Changed);
    assert_eq!(counter.hear_all(), [receipt(&new_bob, 1, &[1])]);

    let token = counter.stage.send_text(UserRef::Phone(phone), "hello");
    let (refusal, content) = (Refusal::KeyChanged, Content::Text("hello".into()));
    assert_eq!(counter.stage.notices(), [Notice::SendRefused { token, refusal, content }]);
    counter.stage.command(Command::AcceptKey { phone, fingerprint: pinned });
    assert_eq!(counter.stage.notices(), [Notice::KeyMismatch { phone }]);

    counter.stage.command(Command::AcceptKey { phone, fingerprint: offered });
    let failure = Failure::KeyReplaced;
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::KeyAccepted { phone, fingerprint: offered },
            Notice::Failed { ids: ids(&[1]), failure },
        ]
    );
    counter.stage.send_text(UserRef::Phone(phone), "hello");
    assert_eq!(counter.hear_all(), [message(&new_bob, 2)]);
    let last = counter.clerk.last().clone();
    assert_eq!(new_bob.read(last, counter.stage.public_key()).previous(), None);
}

#[test]
fn another_key_under_the_same_id_is_noticed_by_the_signature() {
    let (mut counter, bob) = acquainted();
    let mut mallory = Peer::new(Profile::Compact, 3);
    (mallory.id, mallory.phone) = (bob.id, bob.phone);
    arrive(&mut counter, &mut mallory, (1, 0), "trust me");
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &mallory);
    counter.say(&answer);
    assert!(matches!(counter.stage.notices()[..], [Notice::KeyChanged { .. }]));
    assert_eq!(counter.stage.delivered()[0].message.trust, Trust::Changed);

    // The server names the true key again: it was pinned all along.
    counter.stage.command(Command::Lookup { phone: bob.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    let withdrawn = Notice::OfferWithdrawn { phone: bob.phone };
    assert!(counter.stage.notices().contains(&withdrawn));
    counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn one_id_for_two_phones_is_not_believed() {
    let (mut counter, bob) = acquainted();
    let mut mallory = Peer::new(Profile::Compact, 3);
    mallory.id = bob.id;
    counter.stage.command(Command::Lookup { phone: mallory.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &mallory);
    counter.say(&answer);
    let (who, failure) = (UserRef::Phone(mallory.phone), LookupFailure::Contradiction);
    assert_eq!(
        counter.stage.notices(),
        [
            Notice::Suspicious(Suspicion::Contradiction { user: bob.id }),
            Notice::LookupFailed { who, failure },
        ]
    );
}

#[test]
fn a_contact_whose_safety_number_was_compared_is_verified() {
    let (mut counter, mut bob) = acquainted();
    let (phone, fingerprint) = (bob.phone, *bob.public_key().fingerprint());
    counter.stage.command(Command::MarkVerified { phone, fingerprint });
    assert_eq!(counter.stage.notices(), [Notice::Verified { phone }]);
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    assert_eq!(counter.stage.delivered()[0].message.trust, Trust::Verified);
}

#[test]
fn the_fingerprint_of_another_key_verifies_nobody() {
    let (mut counter, bob) = acquainted();
    let fingerprint = *Peer::new(Profile::Compact, 3).public_key().fingerprint();
    counter.stage.command(Command::MarkVerified { phone: bob.phone, fingerprint });
    assert_eq!(counter.stage.notices(), [Notice::KeyMismatch { phone: bob.phone }]);
    let contacts = counter.stage.store.inner().load().unwrap().contacts;
    assert_eq!(contacts[0].verification, Verification::FirstUse);
}

#[test]
fn what_comes_right_behind_the_206_is_taken_in_the_session() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.redial();
    counter.hear();
    counter.stage.hold_jobs = true;
    let resumed = counter.clerk.session_resumed(counter.at(), 1);
    counter.say(&resumed);
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(texts(&counter.stage.delivered()), ["hello"]);
}

#[test]
fn what_the_application_has_not_taken_over_is_delivered_again_at_the_next_start() {
    let (mut counter, mut bob) = acquainted();
    for (numbers, text) in [((1, 0), "one"), ((2, 1), "two"), ((3, 2), "three")] {
        arrive(&mut counter, &mut bob, numbers, text);
    }
    let first = counter.stage.delivered()[0].place;
    counter.stage.command(Command::MarkShown { up_to: first });
    counter.stage = counter.stage.restart();
    counter.stage.event(Event::Tick);
    assert_eq!(texts(&counter.stage.delivered()), ["two", "three"]);
    counter.stage.event(Event::Tick);
    assert_eq!(counter.stage.delivered(), []);
}

#[test]
fn a_long_backlog_comes_in_pages_and_in_order_with_what_arrives_meanwhile() {
    let limits = Limits { unshown_page: 2, ..Limits::default() };
    let (mut counter, mut bob) = acquainted_with(limits);
    for id in 1..=5 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    counter.stage = counter.stage.restart();
    counter.stage.hold_store = true;
    counter.stage.command(Command::Connect);
    counter.open();
    counter.stage.release_store();
    counter.resume(1);
    arrive(&mut counter, &mut bob, (6, 5), "6");
    for _ in 0..6 {
        counter.stage.release_store();
    }
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn reading_pauses_while_too_much_is_under_way() {
    let limits = Limits { arriving: 4, ..Limits::default() };
    let (mut counter, mut bob) = acquainted_with(limits);
    counter.stage.hold_jobs = true;
    for id in 1..=6 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(counter.stage.is_paused(counter.conn));
    assert_eq!(counter.stage.waiting_jobs(), 4);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    assert!(!counter.stage.is_paused(counter.conn));
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_stop_waits_for_what_is_being_sealed() {
    let (mut counter, bob) = acquainted();
    counter.stage.cut(counter.conn);
    counter.stage.hold_jobs = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    counter.stage.notices();
    counter.stage.event(Event::Shutdown);
    assert!(!counter.stage.notices().contains(&Notice::Stopped));
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    let queued = Notice::Queued { token, id: MessageId(1) };
    assert_eq!(counter.stage.notices(), [queued, Notice::Stopped]);
}

#[test]
fn before_leaving_what_has_arrived_is_read() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    let stored = counter.clerk.stored(counter.at(), &[]);
    counter.say(&stored);
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.stage.waiting_jobs(), 1, "the 222 is not made yet");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
}

#[test]
fn what_is_being_sealed_outlives_the_connection() {
    let (mut counter, bob) = acquainted();
    counter.stage.hold_jobs = true;
    let token = counter.stage.send_text(UserRef::Id(bob.id), "hello");
    counter.stage.cut(counter.conn);
    let notices = counter.stage.notices();
    let lost = |notice: &Notice| {
        matches!(notice, Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(_) })
    };
    assert!(notices.len() == 1 && lost(&notices[0]), "{notices:?}");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.stage.notices(), [Notice::Queued { token, id: MessageId(1) }]);
    counter.come_back();
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn a_message_from_the_servers_future_waits_for_its_time() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "hello");
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
    let behind = counter.at().plus_secs(-400);
    let skew = counter.clerk.error(behind, ErrorForm::SessionKey, ErrorCode::ClockSkew);
    counter.say(&skew);
    counter.stage.pass(Duration::from_secs(399));
    assert_eq!(counter.hear_all(), []);
    counter.stage.pass(Duration::from_secs(1));
    assert_eq!(counter.hear_all(), [message(&bob, 1)]);
}

#[test]
fn before_leaving_what_is_owed_goes_out() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    let packet = bob.receipt(counter.at(), me(), 1, &[1]);
    counter.say(&packet);
    counter.stage.hold_store = true;
    arrive(&mut counter, &mut bob, (1, 0), "hello");
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.hear_all(), [Asked::Taken(vec![(bob.id, ReceiptId(1))])]);
    counter.stage.hold_store = false;
    counter.stage.hold_jobs = true;
    counter.stage.release_store();
    assert_eq!(counter.stage.waiting_jobs(), 1, "the receipt is signed first");
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| ());
    assert_eq!(counter.hear_all(), [receipt(&bob, 1, &[1]), Asked::Disconnect]);
}

#[test]
fn caught_up_is_told() {
    let mut counter = Counter::online(Limits::default());
    let no_more = counter.clerk.no_more(counter.at(), 12);
    counter.say(&no_more);
    assert_eq!(counter.stage.notices(), [Notice::CaughtUp { drained: 12 }]);
}

#[test]
fn a_repeat_of_the_stored_ack_changes_nothing() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let stored = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&stored);
    counter.say(&stored);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
    counter.stage.hold_store = true;
    let wrong = counter.clerk.stored(counter.at(), &[(me(), MessageId(1))]);
    counter.say(&wrong);
    assert!(!counter.stage.waiting_ops().any(|op| matches!(op, ClientOp::MarkStored(_))));
}

#[test]
fn a_message_is_stored_for_its_own_recipient_only() {
    let (mut counter, bob) = acquainted();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.notices();
    let wrong = counter.clerk.stored(counter.at(), &[(me(), MessageId(1))]);
    counter.say(&wrong);
    assert_eq!(counter.stage.notices(), []);
    let right = counter.clerk.stored(counter.at(), &[(bob.id, MessageId(1))]);
    counter.say(&right);
    assert_eq!(counter.stage.notices(), [Notice::Stored(ids(&[1]))]);
}

#[test]
fn a_session_error_that_is_not_in_the_sessions_form_ends_the_connection() {
    let (mut counter, _) = acquainted();
    let clear = counter.clerk.error(counter.at(), ErrorForm::Clear, ErrorCode::Displaced);
    counter.say(&clear);
    let notices = counter.stage.notices();
    let Some(Notice::Offline { reason: OfflineReason::Fault, retry_in: Some(_) }) = notices.last()
    else {
        panic!("an old clear error must not keep us away: {notices:?}");
    };
}

#[test]
fn the_answer_to_a_lookup_is_read_however_many_messages_wait_for_it() {
    let limits = Limits { arriving: 2, ..Limits::default() };
    let mut counter = Counter::online(limits);
    let mut bob = bob();
    for id in 1..=6 {
        arrive(&mut counter, &mut bob, (id, id - 1), &id.to_string());
    }
    assert!(!counter.stage.is_paused(counter.conn));
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Id(bob.id))]);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    assert_eq!(texts(&counter.stage.delivered()), ["1", "2", "3", "4", "5", "6"]);
}

#[test]
fn a_server_that_sends_far_more_than_can_wait_is_left() {
    let limits = Limits { waiting: 3, ..Limits::default() };
    let mut counter = Counter::online(limits);
    let mut bob = bob();
    for id in 1..=4 {
        assert!(!counter.stage.is_closed(counter.conn));
        arrive(&mut counter, &mut bob, (id, id - 1), "hello");
    }
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_lookup_has_its_full_time_on_each_connection() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Lookup { phone: bob().phone });
    counter.hear_all();
    counter.stage.pass(Duration::from_secs(8));
    counter.stage.cut(counter.conn);
    counter.come_back();
    assert_eq!(counter.hear_all(), [Asked::Lookup(UserRef::Phone(bob().phone))]);
    counter.stage.pass(Duration::from_secs(9));
    assert!(!counter.stage.is_closed(counter.conn));
    counter.stage.pass(Duration::from_secs(1));
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_message_under_way_outlives_the_acceptance_of_another_key() {
    let (mut counter, mut bob) = acquainted();
    let mut new_bob = Peer::new(Profile::Compact, 3);
    new_bob.phone = bob.phone;
    counter.stage.command(Command::Lookup { phone: bob.phone });
    counter.hear_all();
    let answer = counter.clerk.key_of(counter.at(), &new_bob);
    counter.say(&answer);
    counter.stage.hold_jobs = true;
    arrive(&mut counter, &mut bob, (1, 0), "the last of the old");
    let fingerprint = *new_bob.public_key().fingerprint();
    counter.stage.command(Command::AcceptKey { phone: bob.phone, fingerprint });
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    assert_eq!(texts(&counter.stage.delivered()), ["the last of the old"]);
    arrive(&mut counter, &mut new_bob, (1, 0), "the first of the new");
    assert_eq!(texts(&counter.stage.delivered()), ["the first of the new"]);
}

#[test]
fn a_contact_is_durable_before_anything_is_queued_for_it() {
    let mut counter = Counter::online(Limits::default());
    let bob = bob();
    counter.stage.send_text(UserRef::Id(bob.id), "one");
    counter.hear_all();
    counter.stage.fail_store(1, StoreError::Busy);
    let answer = counter.clerk.key_of(counter.at(), &bob);
    counter.say(&answer);
    let kept = |counter: &Counter| {
        let store = counter.stage.store.inner();
        (store.load().unwrap().contacts.len(), store.outbox().unwrap().queued)
    };
    assert_eq!(kept(&counter), (0, 0));
    counter.stage.pass(Duration::from_secs(2));
    assert_eq!(kept(&counter), (1, 1));
}

#[test]
fn a_lookup_behind_much_else_is_waited_for() {
    let (mut counter, mut bob) = acquainted();
    counter.stage.command(Command::Lookup { phone: ClientStage::phone(3) });
    for id in 1..=4 {
        counter.stage.pass(Duration::from_secs(8));
        arrive(&mut counter, &mut bob, (id, id - 1), "more");
    }
    assert!(!counter.stage.is_closed(counter.conn), "the connection is alive");
    counter.stage.pass(Duration::from_secs(11));
    assert!(counter.stage.is_closed(counter.conn), "and now it is silent");
}
