//! The client machine: by which clock it dates what it signs.

use std::time::Duration;

use sealpost_core::client::{Command, Limits, Notice, OfflineReason};
use sealpost_core::ids::{EndpointIndex, UserRef};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::{ErrorCode, ErrorForm};
use sealpost_tests::beds::offline;
use sealpost_tests::client_fixture::{ClientFixture, client_knowing_bob, message};
use sealpost_tests::scripted_server::Request;

const DAY: i64 = 86_400;

fn last_date(fixture: &ClientFixture) -> Timestamp {
    fixture.server.last_request().header().timestamp
}

/// Answers the client's 106 with a 206 of another date.
fn grant_session_at(fixture: &mut ClientFixture, at: Timestamp) {
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    let resumed = fixture.server.session_resumed(at, 0);
    fixture.send(&resumed);
}

#[test]
fn a_message_written_while_the_clock_was_in_1970_is_dated_by_the_session_that_sends_it() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    let since_1970 = fixture.now().secs_since(Timestamp::from_unix_secs(0));
    fixture.bed.jump_wall_clock(-since_1970);
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    fixture.bed.jump_wall_clock(since_1970);
    fixture.reconnect();
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    assert_eq!(last_date(&fixture), fixture.now());
}

#[test]
fn an_offset_learnt_while_the_clock_was_wrong_does_not_outlive_the_next_session() {
    let (mut fixture, bob) = client_knowing_bob();
    fixture.bed.cut(fixture.conn);
    fixture.bed.jump_wall_clock(-200);
    fixture.redial();
    let server_time = fixture.now().plus_secs(200);
    grant_session_at(&mut fixture, server_time);
    fixture.bed.cut(fixture.conn);
    fixture.bed.jump_wall_clock(200);
    fixture.bed.send_text(UserRef::Id(bob.id), "hello");
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    assert_eq!(last_date(&fixture), fixture.now().plus_secs(200), "the offset is believed");
    let resumed = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&resumed);
    assert_eq!(fixture.receive_all(), [message(&bob, 1)]);
    assert_eq!(last_date(&fixture), fixture.now());
}

#[test]
fn a_wall_clock_that_jumps_during_a_session_changes_no_date() {
    let (mut fixture, bob) = client_knowing_bob();
    let before = fixture.now();
    for (years, text) in [(1, "ahead"), (-2, "behind")] {
        fixture.bed.jump_wall_clock(years * 365 * DAY);
        fixture.bed.advance(Duration::from_secs(10));
        fixture.bed.send_text(UserRef::Id(bob.id), text);
    }
    assert_eq!(fixture.receive_all(), [message(&bob, 1), message(&bob, 2)]);
    assert_eq!(last_date(&fixture), before.plus_secs(20));
}

#[test]
fn a_clock_that_is_a_minute_off_is_reported_in_each_session() {
    for (secs, reported) in [(59, false), (60, true), (-60, true)] {
        let mut fixture = ClientFixture::online(Limits::default());
        for _ in 0..2 {
            fixture.bed.cut(fixture.conn);
            fixture.redial();
            fixture.bed.take_notices();
            let at = fixture.now().plus_secs(secs);
            grant_session_at(&mut fixture, at);
            let notices = fixture.bed.take_notices();
            let online = Notice::Online { pending: Some(0), endpoint: EndpointIndex(0) };
            let expected = [Notice::ClockOffset { secs }, online];
            assert_eq!(notices, expected[usize::from(!reported)..], "{secs} s");
        }
    }
}

#[test]
fn a_clock_that_is_a_day_off_begins_no_session_and_signs_nothing() {
    for secs in [DAY, -DAY] {
        let (mut fixture, bob) = client_knowing_bob();
        fixture.bed.cut(fixture.conn);
        fixture.bed.send_text(UserRef::Id(bob.id), "hello");
        fixture.redial();
        fixture.bed.take_notices();
        let at = fixture.now().plus_secs(secs);
        grant_session_at(&mut fixture, at);
        let notices = fixture.bed.take_notices();
        assert_eq!(notices[0], Notice::ClockOffset { secs });
        assert_eq!(offline(&notices), Some((OfflineReason::WrongClock, false)));
        assert_eq!(fixture.receive_all(), []);

        fixture.bed.command(Command::Connect);
        fixture.connect();
        grant_session_at(&mut fixture, at.plus_secs(-secs));
        assert_eq!(fixture.receive_all(), [message(&bob, 1)], "once the clock is right");
    }
}

#[test]
fn a_refusal_that_names_a_time_a_day_off_is_not_followed() {
    let mut fixture = ClientFixture::online(Limits::default());
    let at = fixture.now().plus_secs(DAY);
    fixture.bed.command(Command::Lookup { phone: sealpost_tests::client_fixture::bob().phone });
    fixture.receive_all();
    let skew = fixture.server.error(at, ErrorForm::SessionKey, ErrorCode::ClockSkew);
    fixture.send(&skew);
    let wrong = Some((OfflineReason::WrongClock, false));
    assert_eq!(offline(&fixture.bed.take_notices()), wrong, "in a session");

    fixture.bed.command(Command::Connect);
    fixture.connect();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    let skew = fixture.server.error(at, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
    fixture.send(&skew);
    assert_eq!(offline(&fixture.bed.take_notices()), wrong, "before one");
    assert_eq!(fixture.receive_all(), []);
}
