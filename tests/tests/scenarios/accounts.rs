//! How people come by accounts, and by sessions.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, OfflineReason};
use sealpost_core::wire::Otp;
use sealpost_tests::scenario::{Event, Return};
use sealpost_tests::sim::{Otps, Settings};

use crate::{ALICE, BOB, play};

#[test]
fn a_wrong_password_is_rejected_and_the_right_one_registers() {
    play(&Settings { otps: Otps::OutOfBand, clients: 1, ..Settings::default() }, |scene| {
        scene.command(ALICE, Command::Register);
        let right = scene.password(ALICE);
        let number: u32 = right.digits().parse().unwrap();
        let wrong = Otp::from_number((number + 1) % Otp::COUNT).unwrap();
        scene.command(ALICE, Command::Confirm { otp: wrong });
        let is_rejection = |event: &Event| matches!(event, Event::OtpRejected(_));
        scene.until("rejected", |scene| scene.diary(ALICE).events().iter().any(is_rejection));
        assert!(scene.diary(ALICE).session().is_none());
        scene.command(ALICE, Command::Confirm { otp: right });
        scene.until("registered", |scene| scene.diary(ALICE).session().is_some());
    });
}

#[test]
fn a_second_device_displaces_the_first_which_stays_away() {
    play(&Settings::default(), |scene| {
        scene.register(&[ALICE, BOB]);
        scene.write(ALICE, BOB, "to the first");
        scene.until_all_is_delivered();
        let second = scene.twin(BOB);
        assert_eq!(scene.go_online(second), 0);
        let displaced = Event::Offline(OfflineReason::Displaced, Return::OnDemand);
        scene.until_told(BOB, &displaced);
        scene.write(ALICE, BOB, "to the second");
        scene.until_it_is(Status::Delivered, ALICE, BOB, "to the second");
        scene.until_read(second, ALICE, &["to the second"]);
        assert!(scene.diary(BOB).session().is_none());
    });
}
