//! Connections that break, and processes that die.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, OfflineReason};
use sealpost_core::wire::ErrorCode;
use sealpost_tests::scenario::{Event, Marking, Return, Road};
use sealpost_tests::sim::Settings;

use crate::{ALICE, BOB, play, texts};

#[test]
fn what_was_under_way_on_a_broken_connection_is_repeated_and_delivered_once() {
    let all = texts("letter", 6);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        for (number, text) in all.iter().enumerate() {
            scene.write(ALICE, BOB, text);
            scene.until_it_is(Status::Queued, ALICE, BOB, text);
            scene.cut(if number % 2 == 0 { ALICE } else { BOB });
        }
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}

#[test]
fn what_is_written_without_a_connection_leaves_when_there_is_one() {
    let all = texts("letter", 4);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.keep_away(ALICE);
        // Whoever is no contact yet has to be looked up first.
        for text in &all {
            scene.write(ALICE, BOB, text);
        }
        scene.set_road(ALICE, Road::Open);
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}

#[test]
fn a_killed_server_loses_nothing_that_it_acknowledged_and_everybody_comes_back() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "one");
        scene.until_it_is(Status::Delivered, ALICE, BOB, "one");
        scene.keep_away(BOB);
        scene.write(ALICE, BOB, "two");
        scene.until_it_is(Status::Stored, ALICE, BOB, "two");
        scene.write(ALICE, BOB, "three");
        scene.until_it_is(Status::Queued, ALICE, BOB, "three");
        scene.kill_server();
        scene.set_road(BOB, Road::Open);
        scene.start_server();
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &["one", "two", "three"]);
    });
}

#[test]
fn an_orderly_stop_is_told_to_everybody_and_all_goes_on_after_it() {
    let stopped = Event::Offline(OfflineReason::Refused(ErrorCode::ShuttingDown), Return::ByItself);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "before");
        scene.until_all_is_delivered();
        scene.stop_server();
        scene.until_told(ALICE, &stopped);
        scene.until_told(BOB, &stopped);
        scene.write(ALICE, BOB, "meanwhile");
        scene.until_it_is(Status::Queued, ALICE, BOB, "meanwhile");
        scene.start_server();
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &["before", "meanwhile"]);
    });
}

#[test]
fn a_killed_client_keeps_its_account_its_contacts_and_its_outbox() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "one");
        scene.until_all_is_delivered();
        scene.keep_away(ALICE);
        scene.write(ALICE, BOB, "two");
        scene.until_it_is(Status::Queued, ALICE, BOB, "two");
        scene.restart(ALICE);
        // Durable without a connection: nobody has to be looked up again.
        scene.write(ALICE, BOB, "three");
        scene.until_it_is(Status::Queued, ALICE, BOB, "three");
        scene.set_road(ALICE, Road::Open);
        scene.go_online(ALICE);
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &["one", "two", "three"]);
    });
}

#[test]
fn a_killed_reader_is_shown_again_what_it_had_not_marked_and_nothing_else() {
    let all = texts("letter", 3);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.set_marking(BOB, Marking::Withheld);
        for text in &all {
            scene.write(ALICE, BOB, text);
        }
        scene.until_all_is_delivered();
        scene.restart(BOB);
        scene.set_marking(BOB, Marking::Prompt);
        scene.go_online(BOB);
        scene.until("shown again", |scene| scene.diary(BOB).shown().len() == all.len());
        assert_eq!(scene.diary(BOB).shown(), all);
        // Whatever Bob has marked is durable before he has taken his leave.
        scene.go_offline(BOB);
        scene.restart(BOB);
        scene.go_online(BOB);
        scene.write(ALICE, BOB, "the last");
        scene.until_all_is_delivered();
        assert_eq!(scene.diary(BOB).shown(), ["the last"]);
    });
}

#[test]
fn order_holds_while_everybody_dies_in_turn() {
    let all = texts("letter", 18);
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        for (round, texts) in all.chunks(3).enumerate() {
            for text in texts {
                scene.write(ALICE, BOB, text);
            }
            scene.until_it_is(Status::Queued, ALICE, BOB, &texts[2]);
            match round % 3 {
                0 => {
                    scene.kill_server();
                    scene.start_server();
                }
                1 => {
                    scene.restart(BOB);
                    scene.command(BOB, Command::Connect);
                }
                _ => {
                    scene.restart(ALICE);
                    scene.command(ALICE, Command::Connect);
                }
            }
        }
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}
