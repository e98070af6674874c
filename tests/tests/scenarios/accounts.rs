//! Registration, and a second device of the same account.

use sealpost_core::client::store::Status;
use sealpost_core::client::{Command, OfflineReason};
use sealpost_core::wire::Otp;
use sealpost_tests::scenarios::{Event, Retry};
use sealpost_tests::sim::{Otps, Settings};

use crate::{ALICE, BOB, run};

#[test]
fn a_wrong_password_is_rejected_and_the_right_one_registers() {
    run(&Settings { otps: Otps::OutOfBand, clients: 1, ..Settings::default() }, |scenario| {
        scenario.command(ALICE, Command::Register { invitation: None });
        let right = scenario.password(ALICE);
        let number: u32 = right.digits().parse().unwrap();
        let wrong = Otp::from_number((number + 1) % Otp::COUNT).unwrap();
        scenario.command(ALICE, Command::Confirm { otp: wrong });
        let is_rejection = |event: &Event| matches!(event, Event::OtpRejected(_));
        scenario
            .until("rejected", |scenario| scenario.log(ALICE).events().iter().any(is_rejection));
        assert!(scenario.log(ALICE).session().is_none());
        scenario.command(ALICE, Command::Confirm { otp: right });
        scenario.until("registered", |scenario| scenario.log(ALICE).session().is_some());
    });
}

#[test]
fn a_second_device_displaces_the_first_which_stays_away() {
    run(&Settings::default(), |scenario| {
        scenario.register(&[ALICE, BOB]);
        scenario.send(ALICE, BOB, "to the first");
        scenario.until_all_delivered();
        // What Bob marked as shown is durable once he has disconnected. Without that, the copy of his
        // store could deliver the message again.
        scenario.go_offline(BOB);
        scenario.go_online(BOB);
        let second = scenario.second_device(BOB);
        assert_eq!(scenario.go_online(second), 0);
        let displaced = Event::Offline(OfflineReason::Displaced, Retry::OnDemand);
        scenario.until_event(BOB, &displaced);
        scenario.send(ALICE, BOB, "to the second");
        scenario.until_status(Status::Delivered, ALICE, BOB, "to the second");
        scenario.until_received(second, ALICE, &["to the second"]);
        assert!(scenario.log(BOB).session().is_none());
    });
}
