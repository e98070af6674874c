//! The client machine: connections, and how they end; back to a session on a new one (PROTOCOL 4).

use std::time::Duration;

use sealpost_core::client::{Command, Limits, Notice, OfflineReason, Suspicion};
use sealpost_core::crypto::Part;
use sealpost_core::frame::{Event, StoreError};
use sealpost_core::ids::UserId;
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Op};
use sealpost_tests::clerk::{Asked, Counter};
use sealpost_tests::client_stage::offline;

#[test]
fn the_end_of_another_connection_ends_no_session() {
    let mut counter = Counter::online(Limits::default());
    let old = counter.conn;
    counter.stage.cut(old);
    counter.come_back();
    counter.stage.notices();
    counter.stage.event(Event::Closed { conn: old });
    assert_eq!(counter.stage.notices(), []);
}

#[test]
fn the_end_of_another_connection_ends_no_attempt() {
    let mut counter = Counter::online(Limits::default());
    let old = counter.conn;
    counter.stage.cut(old);
    while counter.stage.dialled().is_none() {
        counter.stage.pass_to_alarm();
    }
    counter.stage.notices();
    counter.stage.event(Event::Closed { conn: old });
    assert_eq!(counter.stage.notices(), []);
}

#[test]
fn pauses_between_attempts_grow_and_are_short_again_after_a_session_that_lasted() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        let notices = counter.stage.notices();
        let Some(Notice::Offline { retry_in: Some(pause), .. }) = notices.last() else {
            panic!("{notices:?}");
        };
        assert!(*pause <= Duration::from_mins(1));
        longest = longest.max(*pause);
        counter.stage.pass(*pause);
        let conn = counter.stage.dialled().expect("it dials when the pause is over");
        counter.stage.cut(conn);
    }
    assert!(longest > Duration::from_secs(20), "{longest:?}");

    counter.come_back();
    counter.stage.notices();
    counter.stage.pass(Duration::from_secs(30));
    counter.stage.cut(counter.conn);
    let notices = counter.stage.notices();
    let [Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(pause) }] = notices[..]
    else {
        panic!("{notices:?}");
    };
    assert!(pause <= Duration::from_millis(500));
}

#[test]
fn every_106_is_dated_after_the_last_even_after_a_crash() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    let mut last = None;
    for round in 0..4 {
        if round == 2 {
            counter.stage = counter.stage.restart();
            counter.stage.command(Command::Connect);
        } else {
            counter.stage.pass_to_alarm();
        }
        counter.open();
        let Some(Asked::Reconnect(Some(_), _, at)) = counter.hear() else { panic!() };
        assert!(last < Some(at));
        last = Some(at);
        counter.stage.cut(counter.conn);
    }
}

#[test]
fn a_recorded_206_begins_no_session() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    let recorded = counter.clerk.session_resumed(counter.at(), 0);
    counter.say(&recorded);
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    counter.stage.notices();
    counter.say(&recorded);
    let notices = counter.stage.notices();
    assert!(notices.contains(&Notice::Suspicious(Suspicion::UnaskedAnswer)));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_106_waits_until_its_date_is_durable() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.stage.hold_store = true;
    counter.open();
    assert_eq!(counter.hear(), None);
    counter.stage.hold_store = false;
    counter.stage.release_store();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));

    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.stage.fail_store(1, StoreError::DiskFull);
    counter.open();
    assert_eq!(counter.hear(), None, "and does not leave if it is not");
    assert!(counter.stage.is_closed(counter.conn));
}

#[test]
fn a_106_is_sent_once_on_the_connection_that_its_date_is_for() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.hold_store = true;
    for _ in 0..2 {
        counter.redial();
        assert_eq!(counter.hear(), None);
        counter.stage.cut(counter.conn);
    }
    counter.redial();
    counter.stage.hold_store = false;
    counter.stage.release_store(); // the dates for all three
    let asked = counter.hear_all();
    assert!(matches!(asked[..], [Asked::Reconnect(..)]), "{asked:?}");
}

#[test]
fn a_wrong_clock_is_corrected_by_the_answer_to_a_request_of_ours_and_kept() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.jump(-3_600);
    counter.stage.pass_to_alarm();
    counter.open();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    let server_time = counter.at().plus_secs(3_600);
    let skew = counter.clerk.error(server_time, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
    counter.say(&skew);
    assert!(counter.stage.notices().contains(&Notice::ClockOffset { secs: 3_600 }));
    let Some(Asked::Reconnect(_, _, at)) = counter.hear() else { panic!("asks again at once") };
    assert_eq!(at, server_time);

    counter.stage = counter.stage.restart();
    counter.stage.command(Command::Connect);
    counter.open();
    let Some(Asked::Reconnect(_, _, at)) = counter.hear() else { panic!() };
    assert!(at > server_time, "the offset outlives the process");
}

#[test]
fn a_server_that_keeps_correcting_the_clock_is_left() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.stage.pass_to_alarm();
    counter.open();
    for _ in 0..=Limits::default().clock_corrections {
        assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
        let at = counter.at().plus_secs(1_000);
        let skew = counter.clerk.error(at, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
        counter.say(&skew);
    }
    assert_eq!(counter.hear(), None);
    let reason = OfflineReason::Refused(ErrorCode::ClockSkew);
    assert_eq!(offline(&counter.stage.notices()[2..]), Some((reason, true)));
}

#[test]
fn who_is_displaced_stays_away_even_if_the_connection_ends_before_the_reason_is_verified() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.hold_jobs = true;
    let displaced = counter.clerk.error_to(
        counter.at(),
        ErrorForm::SessionKey,
        ErrorCode::Displaced,
        InReplyTo::default(),
    );
    counter.say(&displaced);
    counter.stage.cut(counter.conn);
    assert_eq!(counter.stage.notices(), []);
    counter.stage.hold_jobs = false;
    counter.stage.release_jobs(|_| {});
    let reason = OfflineReason::Displaced;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
    counter.stage.pass(Duration::from_mins(10));
    assert_eq!(counter.stage.dialled(), None);
}

#[test]
fn an_orderly_stop_of_the_server_is_followed_by_another_attempt() {
    let mut counter = Counter::online(Limits::default());
    let stopping = counter.clerk.error_to(
        counter.at(),
        ErrorForm::SessionKey,
        ErrorCode::ShuttingDown,
        InReplyTo::default(),
    );
    counter.say(&stopping);
    let reason = OfflineReason::Refused(ErrorCode::ShuttingDown);
    assert_eq!(offline(&counter.stage.notices()), Some((reason, true)));
    counter.come_back();
}

#[test]
fn leaving_is_said_and_waits_for_the_answer() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.command(Command::Disconnect);
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
    assert!(!counter.stage.is_closed(counter.conn));
    let goodbye = counter.clerk.goodbye(counter.at());
    counter.say(&goodbye);
    assert!(counter.stage.is_closed(counter.conn));
    let reason = OfflineReason::Wished;
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in: None }]);
    assert_eq!(counter.stage.deadline(), None);
}

#[test]
fn leaving_a_server_that_does_not_answer_takes_five_seconds() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.event(Event::Shutdown);
    assert_eq!(counter.hear_all(), [Asked::Disconnect]);
    counter.stage.pass(Duration::from_secs(5));
    assert!(counter.stage.is_closed(counter.conn));
    assert_eq!(counter.stage.notices().last(), Some(&Notice::Stopped));
}

#[test]
fn bytes_that_are_no_packet_end_the_connection() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.bytes(counter.conn, &[0xff; 40]);
    assert!(counter.stage.is_closed(counter.conn));
    let notices = counter.stage.notices();
    assert!(matches!(notices[0], Notice::Suspicious(Suspicion::BadPacket(_))));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_packet_for_somebody_else_ends_the_connection() {
    let mut counter = Counter::online(Limits::default());
    let at = counter.at();
    let other = counter.clerk.packet(Op::Disconnect, UserId::new(2), at, Vec::<Part>::new());
    counter.say(&other);
    assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_pause_that_the_server_names_is_believed_up_to_an_hour() {
    let mut counter = Counter::online(Limits::default());
    counter.stage.cut(counter.conn);
    counter.redial();
    assert!(matches!(counter.hear(), Some(Asked::Reconnect(..))));
    counter.stage.notices();
    let limited = counter.clerk.rate_limited(counter.at(), u32::MAX);
    counter.say(&limited);
    let retry_in = Some(Duration::from_hours(1));
    let reason = OfflineReason::Refused(ErrorCode::RateLimited);
    assert_eq!(counter.stage.notices(), [Notice::Offline { reason, retry_in }]);
}

/// What had arrived on it was still being verified.
#[test]
fn a_connection_that_has_ended_is_not_closed() {
    let mut counter = Counter::new();
    counter.stage.command(Command::Register);
    counter.open();
    assert_eq!(counter.hear(), Some(Asked::ServerKey));
    let key = counter.clerk.server_key(counter.at());
    counter.stage.hold_jobs = true;
    counter.say(&key);
    counter.stage.cut(counter.conn);
    counter.stage.command(Command::Disconnect);
    assert_eq!(offline(&counter.stage.notices()), Some((OfflineReason::Wished, false)));
    assert!(!counter.stage.is_closed(counter.conn));
}
