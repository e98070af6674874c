//! Messages between devices that are online.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, LookupFailure, Notice, SendRefusal};
use sealpost_core::ids::UserRef;
use sealpost_core::wire::Inner;
use sealpost_tests::scenarios::{Device, Event, Scenario, Text};
use sealpost_tests::sim::{Settings, Width};

use crate::{ALICE, BOB, CAROL, run, texts};

#[test]
fn between_two_online_devices_messages_are_delivered_and_never_stored() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "hello");
        scenario.until_received(BOB, ALICE, &["hello"]);
        scenario.send(BOB, ALICE, "hello yourself");
        scenario.until_received(ALICE, BOB, &["hello yourself"]);
        scenario.until_all_delivered();
        for device in [ALICE, BOB] {
            let notices = scenario.log(device).notices();
            assert!(!notices.iter().any(|notice| matches!(notice, Notice::Stored { .. })));
        }
    });
}

#[test]
fn events_travel_like_texts_to_a_device_that_is_online_or_away() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send_event(ALICE, BOB, "an event");
        scenario.until_received(BOB, ALICE, &["an event"]);
        scenario.go_offline(BOB);
        scenario.send_event(ALICE, BOB, "another");
        scenario.send(ALICE, BOB, "a text");
        scenario.go_online(BOB);
        scenario.until_received(BOB, ALICE, &["an event", "another", "a text"]);
        scenario.until_all_delivered();
    });
}

#[test]
fn two_devices_that_send_at_once_receive_in_order() {
    let (hers, his) = (texts("alice", 30), texts("bob", 30));
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        for (hers, his) in hers.iter().zip(&his) {
            scenario.send(ALICE, BOB, hers);
            scenario.send(BOB, ALICE, his);
        }
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &hers);
        scenario.until_received(ALICE, BOB, &his);
    });
}

#[test]
fn messages_from_many_senders_arrive_in_order_for_each() {
    let senders: Vec<_> = (1..=5).map(Device).collect();
    let of = |sender: &Device| texts(&format!("sender {}", sender.0), 8);
    run(&Settings { clients: 6, ..Settings::default() }, |scenario| {
        scenario.register(&[ALICE]);
        scenario.register(&senders);
        for number in 0..8 {
            for sender in &senders {
                scenario.send(*sender, ALICE, &of(sender)[number]);
            }
        }
        scenario.until_all_delivered();
        for sender in &senders {
            scenario.until_received(ALICE, *sender, &of(sender));
        }
    });
}

#[test]
fn empty_foreign_and_long_texts_arrive_whole_and_one_too_long_is_given_back() {
    let long: String = "0123456789".repeat(6_000);
    let longest = "a".repeat(Inner::MAX_CONTENT);
    let too_long = "b".repeat(Inner::MAX_CONTENT + 1);
    let all = ["", "Grüße, 你好, שלום, 👩🏽‍🚀\u{0}\r\n", &long, &longest];
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, &too_long);
        let refused = Event::SendRefused(Text(too_long.clone()), SendRefusal::TooLong);
        scenario.until_event(ALICE, &refused);
        for text in all {
            scenario.send(ALICE, BOB, text);
        }
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}

#[test]
fn look_ups_and_messages_work_in_pieces_of_97_bytes_and_in_both_profiles() {
    for width in [Width::Compact, Width::Wide] {
        run(&Settings { clients: 3, width, piece: 97, ..Settings::default() }, |scenario| {
            let all = [ALICE, BOB, CAROL];
            scenario.register(&all);
            let pairs = all.into_iter().flat_map(|from| all.map(|to| (from, to)));
            for (from, to) in pairs.filter(|(from, to)| from != to) {
                find(scenario, from, to);
                scenario.send(from, to, format!("{} to {}", from.0, to.0));
            }
            scenario.until_all_delivered();
            scenario.until_received(CAROL, ALICE, &["0 to 2"]);
        });
    }
}

/// Looks a device up, and expects its current key.
fn find(scenario: &mut Scenario<'_>, from: Device, to: Device) {
    let (phone, key) = (scenario.phone(to), scenario.deployment().fingerprint(to));
    scenario.command(from, Command::Lookup { phone });
    let found = |notice: &Notice| {
        matches!(notice, Notice::Found { phone: of, fingerprint, .. }
            if (*of, *fingerprint) == (phone, key))
    };
    scenario.until("found", |scenario| scenario.log(from).notices().iter().any(found));
}

#[test]
fn a_phone_is_found_and_can_be_written_to_only_once_it_is_registered() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE]);
        let nobody = scenario.phone(BOB);
        scenario.command(ALICE, Command::Lookup { phone: nobody });
        let failure = LookupFailure::UnknownUser;
        scenario.until_event(ALICE, &Event::LookupFailed(UserRef::Phone(nobody), failure));
        scenario.send(ALICE, BOB, "is anybody there?");
        let words = Text("is anybody there?".to_owned());
        scenario.until_event(ALICE, &Event::SendRefused(words, SendRefusal::UnknownUser));
        scenario.register(&[BOB]);
        scenario.send(ALICE, BOB, "you are there");
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &["you are there"]);
    });
}

#[test]
fn a_message_to_oneself_is_a_message_like_any_other() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE]);
        scenario.send(ALICE, ALICE, "remember the milk");
        scenario.until_status(Status::Delivered, ALICE, ALICE, "remember the milk");
        scenario.until_received(ALICE, ALICE, &["remember the milk"]);
    });
}
