//! Broken connections and killed processes.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, OfflineReason};
use sealpost_core::wire::ErrorCode;
use sealpost_tests::scenarios::{Event, Marking, Reachability, Retry};
use sealpost_tests::sim::Settings;

use crate::{ALICE, BOB, run, texts};

#[test]
fn messages_in_flight_on_a_broken_connection_are_repeated_and_delivered_once() {
    let all = texts("letter", 6);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        for (number, text) in all.iter().enumerate() {
            scenario.send(ALICE, BOB, text);
            scenario.until_status(Status::Queued, ALICE, BOB, text);
            scenario.cut(if number % 2 == 0 { ALICE } else { BOB });
        }
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}

#[test]
fn messages_sent_while_unreachable_leave_once_connected() {
    let all = texts("letter", 4);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.isolate(ALICE);
        // The recipient is not a contact yet, so the client has to look it up first.
        for text in &all {
            scenario.send(ALICE, BOB, text);
        }
        scenario.set_reachability(ALICE, Reachability::Reachable);
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}

#[test]
fn a_killed_server_loses_nothing_it_acknowledged_and_every_device_returns() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "one");
        scenario.until_status(Status::Delivered, ALICE, BOB, "one");
        scenario.isolate(BOB);
        scenario.send(ALICE, BOB, "two");
        scenario.until_status(Status::Stored, ALICE, BOB, "two");
        scenario.send(ALICE, BOB, "three");
        scenario.until_status(Status::Queued, ALICE, BOB, "three");
        scenario.kill_server();
        scenario.set_reachability(BOB, Reachability::Reachable);
        scenario.start_server();
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &["one", "two", "three"]);
    });
}

#[test]
fn an_orderly_stop_is_announced_and_everything_continues_after_it() {
    let stopped = Event::Offline(OfflineReason::Refused(ErrorCode::ShuttingDown), Retry::Automatic);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "before");
        scenario.until_all_delivered();
        scenario.stop_server();
        scenario.until_event(ALICE, &stopped);
        scenario.until_event(BOB, &stopped);
        scenario.send(ALICE, BOB, "meanwhile");
        scenario.until_kept(ALICE);
        scenario.start_server();
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &["before", "meanwhile"]);
    });
}

#[test]
fn a_killed_client_keeps_its_account_its_contacts_and_its_outbox() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "one");
        scenario.until_all_delivered();
        scenario.isolate(ALICE);
        scenario.send(ALICE, BOB, "two");
        scenario.until_kept(ALICE);
        scenario.restart(ALICE);
        // Durable without a connection, before the restart and after it.
        scenario.send(ALICE, BOB, "three");
        scenario.until_kept(ALICE);
        scenario.set_reachability(ALICE, Reachability::Reachable);
        scenario.go_online(ALICE);
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &["one", "two", "three"]);
    });
}

#[test]
fn a_killed_recipient_gets_again_what_it_had_not_marked_and_nothing_else() {
    let all = texts("letter", 3);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.set_marking(BOB, Marking::Withheld);
        for text in &all {
            scenario.send(ALICE, BOB, text);
        }
        scenario.until_all_delivered();
        scenario.restart(BOB);
        scenario.set_marking(BOB, Marking::Prompt);
        scenario.go_online(BOB);
        scenario.until("shown again", |scenario| scenario.log(BOB).delivered().len() == all.len());
        assert_eq!(scenario.log(BOB).delivered(), all);
        // What Bob marked as shown is durable before his disconnect completes.
        scenario.go_offline(BOB);
        scenario.restart(BOB);
        scenario.go_online(BOB);
        scenario.send(ALICE, BOB, "the last");
        scenario.until_all_delivered();
        assert_eq!(scenario.log(BOB).delivered(), ["the last"]);
    });
}

#[test]
fn order_holds_while_every_process_dies_in_turn() {
    let all = texts("letter", 18);
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        for (round, texts) in all.chunks(3).enumerate() {
            for text in texts {
                scenario.send(ALICE, BOB, text);
            }
            scenario.until_status(Status::Queued, ALICE, BOB, &texts[2]);
            match round % 3 {
                0 => {
                    scenario.kill_server();
                    scenario.start_server();
                }
                1 => {
                    scenario.restart(BOB);
                    scenario.command(BOB, Command::Connect);
                }
                _ => {
                    scenario.restart(ALICE);
                    scenario.command(ALICE, Command::Connect);
                }
            }
        }
        scenario.until_all_delivered();
        scenario.until_received(BOB, ALICE, &all);
    });
}
