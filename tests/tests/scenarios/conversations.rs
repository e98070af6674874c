//! People who are online and write to each other.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, LookupFailure, Notice, Refusal};
use sealpost_core::ids::UserRef;
use sealpost_core::wire::Inner;
use sealpost_tests::scenario::{Device, Event, Scene, Words};
use sealpost_tests::sim::{Settings, Width};

use crate::{ALICE, BOB, CAROL, play, texts};

#[test]
fn between_two_who_are_online_messages_are_delivered_and_never_stored() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "hello");
        scene.until_read(BOB, ALICE, &["hello"]);
        scene.write(BOB, ALICE, "hello yourself");
        scene.until_read(ALICE, BOB, &["hello yourself"]);
        scene.until_all_is_delivered();
        for device in [ALICE, BOB] {
            let notices = scene.diary(device).notices();
            assert!(!notices.iter().any(|notice| matches!(notice, Notice::Stored(_))));
        }
    });
}

#[test]
fn two_who_write_at_once_read_each_other_in_order() {
    let (hers, his) = (texts("alice", 30), texts("bob", 30));
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        for (hers, his) in hers.iter().zip(&his) {
            scene.write(ALICE, BOB, hers);
            scene.write(BOB, ALICE, his);
        }
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &hers);
        scene.until_read(ALICE, BOB, &his);
    });
}

#[test]
fn a_reader_of_many_senders_reads_each_in_order() {
    let senders: Vec<_> = (1..=5).map(Device).collect();
    let of = |sender: &Device| texts(&format!("sender {}", sender.0), 8);
    play(&Settings { clients: 6, ..Settings::default() }, |scene| {
        scene.register(&[ALICE]);
        scene.register(&senders);
        for number in 0..8 {
            for sender in &senders {
                scene.write(*sender, ALICE, &of(sender)[number]);
            }
        }
        scene.until_all_is_delivered();
        for sender in &senders {
            scene.until_read(ALICE, *sender, &of(sender));
        }
    });
}

#[test]
fn empty_foreign_and_long_texts_arrive_whole_and_one_too_long_is_given_back() {
    let long: String = "0123456789".repeat(6_000);
    let longest = "a".repeat(Inner::MAX_CONTENT);
    let too_long = "b".repeat(Inner::MAX_CONTENT + 1);
    let all = ["", "Grüße, 你好, שלום, 👩🏽‍🚀\u{0}\r\n", &long, &longest];
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, &too_long);
        let refused = Event::SendRefused(Words(too_long.clone()), Refusal::TooLong);
        scene.until_told(ALICE, &refused);
        for text in all {
            scene.write(ALICE, BOB, text);
        }
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &all);
    });
}

#[test]
fn in_pieces_of_97_bytes_and_with_ids_of_either_width_everybody_finds_the_others_and_talks() {
    for width in [Width::Compact, Width::Wide] {
        play(&Settings { clients: 3, width, piece: 97, ..Settings::default() }, |scene| {
            let all = [ALICE, BOB, CAROL];
            scene.register(&all);
            let pairs = all.into_iter().flat_map(|from| all.map(|to| (from, to)));
            for (from, to) in pairs.filter(|(from, to)| from != to) {
                find(scene, from, to);
                scene.write(from, to, format!("{} to {}", from.0, to.0));
            }
            scene.until_all_is_delivered();
            scene.until_read(CAROL, ALICE, &["0 to 2"]);
        });
    }
}

/// Somebody looks somebody up, and finds the key that they have.
fn find(scene: &mut Scene<'_>, from: Device, to: Device) {
    let (phone, key) = (scene.phone(to), scene.ground().fingerprint(to));
    scene.command(from, Command::Lookup { phone });
    let found = |notice: &Notice| {
        matches!(notice, Notice::Found { phone: of, fingerprint, .. }
            if (*of, *fingerprint) == (phone, key))
    };
    scene.until("found", |scene| scene.diary(from).notices().iter().any(found));
}

#[test]
fn nobody_is_found_and_written_to_before_there_is_somebody() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE]);
        let nobody = scene.phone(BOB);
        scene.command(ALICE, Command::Lookup { phone: nobody });
        let failure = LookupFailure::UnknownUser;
        scene.until_told(ALICE, &Event::LookupFailed(UserRef::Phone(nobody), failure));
        scene.write(ALICE, BOB, "is anybody there?");
        let words = Words("is anybody there?".to_owned());
        scene.until_told(ALICE, &Event::SendRefused(words, Refusal::UnknownUser));
        scene.register(&[BOB]);
        scene.write(ALICE, BOB, "you are there");
        scene.until_all_is_delivered();
        scene.until_read(BOB, ALICE, &["you are there"]);
    });
}

#[test]
fn a_message_to_oneself_is_a_message_like_any_other() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE]);
        scene.write(ALICE, ALICE, "remember the milk");
        scene.until_it_is(Status::Delivered, ALICE, ALICE, "remember the milk");
        scene.until_read(ALICE, ALICE, &["remember the milk"]);
    });
}
