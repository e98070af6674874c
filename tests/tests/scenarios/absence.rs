//! Messages to and from devices that are offline.

use sealpost_core::client::Notice;
use sealpost_core::client::store::Status;
use sealpost_core::wire::ErrorCode;
use sealpost_tests::sim::Settings;

use crate::{ALICE, BOB, run, texts};

#[test]
fn messages_to_an_offline_device_are_stored_and_arrive_when_it_returns() {
    let all = texts("letter", 3);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.go_offline(BOB);
        for text in &all {
            scenario.send(ALICE, BOB, text);
        }
        for text in &all {
            scenario.until_status(Status::Stored, ALICE, BOB, text);
            assert_eq!(scenario.status(ALICE, BOB, text), Some(Status::Stored));
        }
        assert_eq!(scenario.go_online(BOB), 3);
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
        let caught_up = Notice::CaughtUp { drained: 3 };
        scenario.until("caught up", |scenario| scenario.log(BOB).notices().contains(&caught_up));
    });
}

#[test]
fn receipts_wait_for_an_offline_sender() {
    let all = texts("letter", 3);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.go_offline(BOB);
        for text in &all {
            scenario.send(ALICE, BOB, text);
            scenario.until_status(Status::Stored, ALICE, BOB, text);
        }
        scenario.go_offline(ALICE);
        scenario.go_online(BOB);
        scenario.until_received(BOB, ALICE, &all);
        scenario.go_offline(BOB);
        for text in &all {
            assert_eq!(scenario.status(ALICE, BOB, text), Some(Status::Stored));
        }
        assert!(scenario.go_online(ALICE) > 0);
        scenario.until_all_delivered();
    });
}

#[test]
fn a_burst_to_an_offline_recipient_arrives_in_windows_and_pages_in_order() {
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
    run(&settings, |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.go_offline(BOB);
        for text in &all {
            scenario.send(ALICE, BOB, text);
        }
        for text in &all {
            scenario.until_status(Status::Stored, ALICE, BOB, text);
        }
        assert_eq!(scenario.go_online(BOB), 40);
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}

#[test]
fn messages_sent_while_a_mailbox_drains_arrive_after_the_stored_ones() {
    let (before, after) = (texts("before", 12), texts("after", 12));
    run(&Settings { drain_items: 2, ..Settings::default() }, |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.go_offline(BOB);
        for text in &before {
            scenario.send(ALICE, BOB, text);
        }
        for text in &before {
            scenario.until_status(Status::Stored, ALICE, BOB, text);
        }
        assert_eq!(scenario.go_online(BOB), 12);
        for text in &after {
            scenario.send(ALICE, BOB, text);
        }
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &[before.clone(), after.clone()].concat());
    });
}

#[test]
fn a_full_mailbox_holds_messages_back_until_its_owner_returns() {
    let all = texts("letter", 5);
    run(&Settings { quota_messages: 2, ..Settings::default() }, |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.go_offline(BOB);
        for text in &all {
            scenario.send(ALICE, BOB, text);
        }
        for text in &all[..2] {
            scenario.until_status(Status::Stored, ALICE, BOB, text);
        }
        scenario.until_refused(ErrorCode::MailboxFull);
        for text in &all[2..] {
            scenario.until_status(Status::Queued, ALICE, BOB, text);
            assert_eq!(scenario.status(ALICE, BOB, text), Some(Status::Queued));
        }
        assert_eq!(scenario.go_online(BOB), 2);
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}
