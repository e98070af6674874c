//! The server machine: no rate and no timeout depends on the wall clock. A clock that steps back
//! locks nobody out, and one that steps forward forgives nothing.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use sealpost_core::server::OtpChannel;
use sealpost_core::server::limits::{Limits, Rate};
use sealpost_core::wire::{ErrorCode, Lookup, Otp, OtpIssued, Packet, Profile};
use sealpost_storage::Quota;
use sealpost_tests::beds::ServerBed;
use sealpost_tests::scripted_client::{Received, ScriptedClient};
use sealpost_tests::server_fixture::{pair, send, stored};

/// Steps of the wall clock, in seconds.
const STEPS: [i64; 3] = [-500, 500, -40_000_000];
/// A rate that three events at once exceed.
const RATE: Rate = Rate { burst: 2, every: Duration::from_secs(100) };

fn bed(limits: Limits) -> ServerBed {
    ServerBed::with(Profile::Compact, OtpChannel::InBand, limits, Quota::default())
}

/// Sends a packet, and returns the code of the error that answers it, if one does.
fn refusal(bed: &mut ServerBed, client: &mut ScriptedClient, packet: &Packet) -> Option<ErrorCode> {
    bed.input_packet(client.conn, packet);
    client.receive_all(bed).into_iter().find_map(|received| {
        if let Received::Error(_, reply) = received { Some(reply.code) } else { None }
    })
}

/// Exceeds a rate with `event`, steps the clock, and checks that the rate is paid off neither
/// sooner nor later than without the step. `event` returns whether the rate was exceeded.
fn paid_off_in_time(mut bed: ServerBed, step: i64, mut event: impl FnMut(&mut ServerBed) -> bool) {
    assert!(!event(&mut bed) && !event(&mut bed), "two events are allowed at once");
    bed.jump_wall_clock(step);
    assert!(event(&mut bed), "a step of {step} s forgives nothing");
    bed.advance(Duration::from_secs(98));
    assert!(event(&mut bed), "a step of {step} s forgives nothing");
    bed.advance(Duration::from_secs(2));
    assert!(!event(&mut bed), "a step of {step} s locks nobody out");
}

#[test]
fn registrations_of_an_address() {
    let limits = Limits { registrations_per_address: RATE, ..Limits::without_rates() };
    for step in STEPS {
        let mut number = 0;
        paid_off_in_time(bed(limits.clone()), step, |bed| {
            number += 1;
            let mut stranger = ScriptedClient::unregistered(bed, 1);
            stranger.phone = format!("+4916000000{number:02}").parse().unwrap();
            let request = stranger.register(bed.now().wall);
            refusal(bed, &mut stranger, &request) == Some(ErrorCode::RateLimited)
        });
    }
}

#[test]
fn passwords_of_all_phones() {
    let limits = Limits { otps_issued: RATE, ..Limits::without_rates() };
    for step in STEPS {
        let mut number = 0;
        paid_off_in_time(bed(limits.clone()), step, |bed| {
            number += 1;
            let mut stranger = ScriptedClient::unregistered(bed, 1);
            stranger.phone = format!("+4916000000{number:02}").parse().unwrap();
            let request = stranger.register(bed.now().wall);
            refusal(bed, &mut stranger, &request) == Some(ErrorCode::RateLimited)
        });
    }
}

#[test]
fn reconnects_of_an_address() {
    let limits = Limits { reconnects_per_address: RATE, ..Limits::without_rates() };
    for step in STEPS {
        paid_off_in_time(bed(limits.clone()), step, |bed| {
            // Of a user who does not exist, so that no date of an earlier 106 matters.
            let mut stranger = ScriptedClient::unregistered(bed, 1);
            let request = stranger.reconnect(bed.now().wall);
            refusal(bed, &mut stranger, &request) == Some(ErrorCode::RateLimited)
        });
    }
}

#[test]
fn errors_to_an_address() {
    let limits = Limits { refusals_per_address: RATE, ..Limits::without_rates() };
    for step in STEPS {
        paid_off_in_time(bed(limits.clone()), step, |bed| {
            let mut stranger = ScriptedClient::unregistered(bed, 1);
            let late = stranger.register(bed.now().wall.plus_secs(-999));
            refusal(bed, &mut stranger, &late).is_none()
        });
    }
}

#[test]
fn look_ups_of_a_user() {
    let limits = Limits { lookups_per_user: RATE, ..Limits::without_rates() };
    for step in STEPS {
        let mut bed = bed(limits.clone());
        let mut alice = ScriptedClient::registered(&mut bed, 1);
        paid_off_in_time(bed, step, |bed| {
            let request = alice.lookup(bed.now().wall, &Lookup::Phone(alice.phone));
            refusal(bed, &mut alice, &request) == Some(ErrorCode::RateLimited)
        });
    }
}

#[test]
fn packets_of_a_user() {
    let limits = Limits { packets_per_user: RATE, ..Limits::without_rates() };
    for step in STEPS {
        let mut bed = bed(limits.clone());
        let mut alice = ScriptedClient::registered(&mut bed, 1);
        let bob = ScriptedClient::registered(&mut bed, 2);
        for _ in 0..3 {
            send(&mut bed, &mut alice, &bob, "text");
        }
        bed.jump_wall_clock(step);
        bed.advance(Duration::from_secs(99));
        assert!(bed.is_paused(alice.conn), "a step of {step} s");
        bed.advance(Duration::from_secs(1));
        assert!(!bed.is_paused(alice.conn), "a step of {step} s");
    }
}

#[test]
fn the_life_of_a_password() {
    for step in STEPS {
        for (secs, lives) in [(299, true), (300, false)] {
            let mut bed = bed(Limits::without_rates());
            let (mut alice, otp) = with_password(&mut bed);
            bed.jump_wall_clock(step);
            bed.advance(Duration::from_secs(secs));
            alice.conn = bed.connect();
            let confirm = alice.confirm(bed.now().wall, &otp);
            let expected = (!lives).then_some(ErrorCode::OtpExpired);
            assert_eq!(refusal(&mut bed, &mut alice, &confirm), expected, "a step of {step} s");
        }
    }
}

fn with_password(bed: &mut ServerBed) -> (ScriptedClient, Otp) {
    let mut alice = ScriptedClient::unregistered(bed, 1);
    let request = alice.register(bed.now().wall);
    bed.input_packet(alice.conn, &request);
    let Some(Received::OtpIssued(OtpIssued { otp: Some(otp), .. })) = alice.receive(bed) else {
        panic!("no one-time password");
    };
    (alice, otp)
}

#[test]
fn the_time_until_a_session() {
    for step in STEPS {
        let mut bed = bed(Limits::without_rates());
        let silent = bed.connect();
        bed.jump_wall_clock(step);
        bed.advance(Duration::from_millis(9_999));
        assert!(!bed.is_closed(silent), "a step of {step} s");
        bed.advance(Duration::from_millis(1));
        assert!(bed.is_closed(silent), "a step of {step} s");
    }
}

#[test]
fn the_time_until_a_message_is_stored() {
    for step in STEPS {
        let (mut bed, mut alice, bob) = pair();
        send(&mut bed, &mut alice, &bob, "to somebody silent");
        bed.jump_wall_clock(step);
        bed.advance(Duration::from_millis(4_999));
        assert_eq!(alice.receive_all(&mut bed), []);
        bed.advance(Duration::from_millis(1));
        assert_eq!(alice.receive_all(&mut bed), [stored(&bob, &[1])], "a step of {step} s");
    }
}
