//! People who are away, and come back.

use sealpost_core::client::Notice;
use sealpost_core::client::store::Status;
use sealpost_core::wire::ErrorCode;
use sealpost_tests::sim::Settings;

use crate::{ALICE, BOB, play, texts};

#[test]
fn what_is_sent_to_somebody_away_is_stored_and_comes_with_the_return() {
    let all = texts("letter", 3);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.go_offline(BOB);
        for text in &all {
            scene.write(ALICE, BOB, text);
        }
        for text in &all {
            scene.until_it_is(Status::Stored, ALICE, BOB, text);
            assert_eq!(scene.status(ALICE, BOB, text), Some(Status::Stored));
        }
        assert_eq!(scene.go_online(BOB), 3);
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
        let caught_up = Notice::CaughtUp { drained: 3 };
        scene.until("caught up", |scene| scene.diary(BOB).notices().contains(&caught_up));
    });
}

#[test]
fn receipts_wait_for_a_sender_who_is_away() {
    let all = texts("letter", 3);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.go_offline(BOB);
        for text in &all {
            scene.write(ALICE, BOB, text);
            scene.until_it_is(Status::Stored, ALICE, BOB, text);
        }
        scene.go_offline(ALICE);
        scene.go_online(BOB);
        scene.until_read(BOB, ALICE, &all);
        scene.go_offline(BOB);
        for text in &all {
            assert_eq!(scene.status(ALICE, BOB, text), Some(Status::Stored));
        }
        assert!(scene.go_online(ALICE) > 0);
        scene.until_all_is_delivered();
    });
}

#[test]
fn a_burst_for_an_absent_reader_comes_in_windows_and_pages_in_order() {
    let all = texts("letter", 40);
    let settings = Settings {
        drain_items: 4,
        append_batch: 3,
        acks_per_packet: 2,
        client_arriving: 3,
        client_enqueue: 5,
        client_in_flight: 6,
        client_page: 2,
        client_receipt_items: 2,
        ..Settings::default()
    };
    play(&settings, |scene| {
        scene.register(&[ALICE, BOB]);
        scene.go_offline(BOB);
        for text in &all {
            scene.write(ALICE, BOB, text);
        }
        for text in &all {
            scene.until_it_is(Status::Stored, ALICE, BOB, text);
        }
        assert_eq!(scene.go_online(BOB), 40);
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}

#[test]
fn what_is_sent_while_a_mailbox_drains_comes_after_what_waited_in_it() {
    let (before, after) = (texts("before", 12), texts("after", 12));
    play(&Settings { drain_items: 2, ..Settings::default() }, |scene| {
        scene.register(&[ALICE, BOB]);
        scene.go_offline(BOB);
        for text in &before {
            scene.write(ALICE, BOB, text);
        }
        for text in &before {
            scene.until_it_is(Status::Stored, ALICE, BOB, text);
        }
        assert_eq!(scene.go_online(BOB), 12);
        for text in &after {
            scene.write(ALICE, BOB, text);
        }
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &[before.clone(), after.clone()].concat());
    });
}

#[test]
fn a_full_mailbox_holds_messages_back_until_its_owner_returns() {
    let all = texts("letter", 5);
    play(&Settings { quota_messages: 2, ..Settings::default() }, |scene| {
        scene.register(&[ALICE, BOB]);
        scene.go_offline(BOB);
        for text in &all {
            scene.write(ALICE, BOB, text);
        }
        for text in &all[..2] {
            scene.until_it_is(Status::Stored, ALICE, BOB, text);
        }
        scene.until_refused(ErrorCode::MailboxFull);
        for text in &all[2..] {
            scene.until_it_is(Status::Queued, ALICE, BOB, text);
            assert_eq!(scene.status(ALICE, BOB, text), Some(Status::Queued));
        }
        assert_eq!(scene.go_online(BOB), 2);
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}
