//! The client machine: connections, their ends, and reconnecting (PROTOCOL 4).

use std::time::Duration;

use sealpost_core::client::store::ClientReply;
use sealpost_core::client::{Command, Limits, Notice, OfflineReason, Suspicion};
use sealpost_core::crypto::{EmitError, Outcome, Part};
use sealpost_core::frame::{Event, Misuse, StoreError};
use sealpost_core::ids::{EndpointIndex, Ticket, UserId};
use sealpost_core::wire::{ErrorCode, ErrorForm, InReplyTo, Op};
use sealpost_tests::beds::offline;
use sealpost_tests::client_fixture::ClientFixture;
use sealpost_tests::scripted_server::Request;

/// The longest of the first pauses.
const SHORT: Duration = Duration::from_millis(500);

#[test]
fn the_end_of_another_connection_ends_no_session() {
    let mut fixture = ClientFixture::online(Limits::default());
    let old = fixture.conn;
    fixture.bed.cut(old);
    fixture.reconnect();
    fixture.bed.take_notices();
    fixture.bed.input_event(Event::Closed { conn: old });
    assert_eq!(fixture.bed.take_notices(), []);
}

#[test]
fn the_end_of_another_connection_ends_no_attempt() {
    let mut fixture = ClientFixture::online(Limits::default());
    let old = fixture.conn;
    fixture.bed.cut(old);
    while fixture.bed.next_dial().is_none() {
        fixture.bed.advance_to_deadline();
    }
    fixture.bed.take_notices();
    fixture.bed.input_event(Event::Closed { conn: old });
    assert_eq!(fixture.bed.take_notices(), []);
}

#[test]
fn pauses_between_attempts_grow_and_are_short_again_after_a_session_that_lasted() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    let mut longest = Duration::ZERO;
    for _ in 0..40 {
        let notices = fixture.bed.take_notices();
        let Some(Notice::Offline { retry_in: Some(pause), .. }) = notices.last() else {
            panic!("{notices:?}");
        };
        assert!(*pause <= Duration::from_mins(1));
        longest = longest.max(*pause);
        fixture.bed.advance(*pause);
        let conn = fixture.bed.next_dial().expect("it dials when the pause is over");
        fixture.bed.cut(conn);
    }
    assert!(longest > Duration::from_secs(20), "{longest:?}");

    fixture.reconnect();
    fixture.bed.take_notices();
    fixture.bed.advance(Duration::from_secs(30));
    fixture.bed.cut(fixture.conn);
    let notices = fixture.bed.take_notices();
    let [Notice::Offline { reason: OfflineReason::Lost, retry_in: Some(pause) }] = notices[..]
    else {
        panic!("{notices:?}");
    };
    assert!(pause <= Duration::from_millis(500));
}

/// The endpoint that the client dials, once it does. The connection can't be made.
fn next_endpoint(fixture: &mut ClientFixture) -> EndpointIndex {
    loop {
        if let Some((conn, endpoint)) = fixture.bed.next_dial_to() {
            fixture.bed.cut(conn);
            return endpoint;
        }
        fixture.bed.advance_to_deadline();
    }
}

#[test]
fn servers_of_one_deployment_take_turns_and_are_all_tried_before_pauses_grow() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed = fixture.bed.restart_with("a:1,b:1,c:1");
    fixture.bed.command(Command::Connect);
    let round = [(); 3].map(|()| next_endpoint(&mut fixture));
    for endpoint in [0, 1, 2].map(EndpointIndex) {
        assert!(round.contains(&endpoint), "{round:?}");
    }
    let pauses = fixture.bed.take_notices().into_iter().map(|notice| {
        let Notice::Offline { reason: OfflineReason::Unreachable, retry_in: Some(pause) } = notice
        else {
            panic!("{notice:?}")
        };
        pause
    });
    let pauses: Vec<_> = pauses.collect();
    assert!(pauses.len() == 3 && pauses.iter().all(|pause| *pause <= SHORT), "{pauses:?}");

    // The next one has a session, and the one after that is tried first when it is lost.
    fixture.bed.advance_to_deadline();
    let (conn, endpoint) = fixture.bed.next_dial_to().unwrap();
    assert_eq!(endpoint, round[0], "the order stays");
    fixture.conn = conn;
    fixture.bed.opened(conn);
    fixture.grant_session(0);
    let online = Notice::Online { pending: Some(0), endpoint };
    assert!(fixture.bed.take_notices().contains(&online));
    fixture.bed.cut(conn);
    assert_eq!(next_endpoint(&mut fixture), round[1]);
}

#[test]
fn server_with_a_wrong_key_does_not_keep_the_client_from_the_others() {
    let mut fixture = ClientFixture::with(Limits::default());
    fixture.bed = fixture.bed.restart_with("a:1,b:1");
    fixture.bed.command(Command::Register { invitation: None });
    let (conn, wrong) = fixture.bed.next_dial_to().unwrap();
    fixture.conn = conn;
    fixture.bed.opened(conn);
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    fixture.server.change_key(4);
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
    assert!(matches!(fixture.receive(), Some(Request::NamedKey(_))));
    let key = fixture.server.server_key(fixture.now());
    fixture.send(&key);
    let notices = fixture.bed.take_notices();
    assert!(matches!(notices[0], Notice::Suspicious { .. }), "{notices:?}");
    assert_eq!(offline(&notices), Some((OfflineReason::WrongServer, true)));
    assert_ne!(next_endpoint(&mut fixture), wrong);
}

#[test]
fn every_106_is_dated_after_the_last_even_after_a_crash() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    let mut last = None;
    for round in 0..4 {
        if round == 2 {
            fixture.bed = fixture.bed.restart();
            fixture.bed.command(Command::Connect);
        } else {
            fixture.bed.advance_to_deadline();
        }
        fixture.connect();
        let Some(Request::Reconnect(Some(_), _, at)) = fixture.receive() else { panic!() };
        assert!(last < Some(at));
        last = Some(at);
        fixture.bed.cut(fixture.conn);
    }
}

#[test]
fn a_recorded_206_begins_no_session() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    let recorded = fixture.server.session_resumed(fixture.now(), 0);
    fixture.send(&recorded);
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    fixture.bed.take_notices();
    fixture.send(&recorded);
    let notices = fixture.bed.take_notices();
    assert!(notices.contains(&Notice::Suspicious { suspicion: Suspicion::UnaskedAnswer }));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_106_waits_until_its_date_is_durable() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.advance_to_deadline();
    fixture.bed.hold_store = true;
    fixture.connect();
    assert_eq!(fixture.receive(), None);
    fixture.bed.hold_store = false;
    fixture.bed.release_store();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));

    fixture.bed.cut(fixture.conn);
    fixture.bed.advance_to_deadline();
    fixture.bed.fail_store(1, StoreError::DiskFull);
    fixture.connect();
    assert_eq!(fixture.receive(), None, "and does not leave if it is not");
    assert!(fixture.bed.is_closed(fixture.conn));
}

#[test]
fn a_106_is_sent_once_on_the_connection_that_its_date_is_for() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.hold_store = true;
    for _ in 0..2 {
        fixture.redial();
        assert_eq!(fixture.receive(), None);
        fixture.bed.cut(fixture.conn);
    }
    fixture.redial();
    fixture.bed.hold_store = false;
    fixture.bed.release_store(); // the dates for all three
    let asked = fixture.receive_all();
    assert!(matches!(asked[..], [Request::Reconnect(..)]), "{asked:?}");
}

#[test]
fn a_wrong_clock_is_corrected_by_the_answer_to_a_request_of_ours_and_kept() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.jump_wall_clock(-3_600);
    fixture.bed.advance_to_deadline();
    fixture.connect();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    let server_time = fixture.now().plus_secs(3_600);
    let skew = fixture.server.error(server_time, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
    fixture.send(&skew);
    assert!(fixture.bed.take_notices().contains(&Notice::ClockOffset { secs: 3_600 }));
    let Some(Request::Reconnect(_, _, at)) = fixture.receive() else {
        panic!("asks again at once")
    };
    assert_eq!(at, server_time);

    fixture.bed = fixture.bed.restart();
    fixture.bed.command(Command::Connect);
    fixture.connect();
    let Some(Request::Reconnect(_, _, at)) = fixture.receive() else { panic!() };
    assert!(at > server_time, "the offset outlives the process");
}

#[test]
fn a_server_that_keeps_correcting_the_clock_is_left() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.bed.advance_to_deadline();
    fixture.connect();
    for _ in 0..=Limits::default().clock_corrections {
        assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
        let at = fixture.now().plus_secs(1_000);
        let skew = fixture.server.error(at, ErrorForm::ReplyKey, ErrorCode::ClockSkew);
        fixture.send(&skew);
    }
    assert_eq!(fixture.receive(), None);
    let reason = OfflineReason::Refused(ErrorCode::ClockSkew);
    assert_eq!(offline(&fixture.bed.take_notices()[2..]), Some((reason, true)));
}

#[test]
fn a_displaced_client_stays_offline_even_if_the_connection_ends_before_the_reason_is_verified() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.hold_jobs = true;
    let displaced = fixture.server.error_to(
        fixture.now(),
        ErrorForm::SessionKey,
        ErrorCode::Displaced,
        InReplyTo::default(),
    );
    fixture.send(&displaced);
    fixture.bed.cut(fixture.conn);
    assert_eq!(fixture.bed.take_notices(), []);
    fixture.bed.hold_jobs = false;
    fixture.bed.release_jobs(|_| {});
    let reason = OfflineReason::Displaced;
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in: None }]);
    fixture.bed.advance(Duration::from_mins(10));
    assert_eq!(fixture.bed.next_dial(), None);
}

#[test]
fn an_orderly_stop_of_the_server_is_followed_by_another_attempt() {
    let mut fixture = ClientFixture::online(Limits::default());
    let stopping = fixture.server.error_to(
        fixture.now(),
        ErrorForm::SessionKey,
        ErrorCode::ShuttingDown,
        InReplyTo::default(),
    );
    fixture.send(&stopping);
    let reason = OfflineReason::Refused(ErrorCode::ShuttingDown);
    assert_eq!(offline(&fixture.bed.take_notices()), Some((reason, true)));
    fixture.reconnect();
}

#[test]
fn a_disconnect_is_announced_and_waits_for_the_answer() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.command(Command::Disconnect);
    assert_eq!(fixture.receive_all(), [Request::Disconnect]);
    assert!(!fixture.bed.is_closed(fixture.conn));
    let farewell = fixture.server.disconnect(fixture.now());
    fixture.send(&farewell);
    assert!(fixture.bed.is_closed(fixture.conn));
    let reason = OfflineReason::Requested;
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in: None }]);
    assert_eq!(fixture.bed.deadline(), None);
}

#[test]
fn leaving_a_server_that_does_not_answer_takes_five_seconds() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.input_event(Event::Shutdown);
    assert_eq!(fixture.receive_all(), [Request::Disconnect]);
    fixture.bed.advance(Duration::from_secs(5));
    assert!(fixture.bed.is_closed(fixture.conn));
    assert_eq!(fixture.bed.take_notices().last(), Some(&Notice::Stopped));
}

#[test]
fn bytes_that_are_not_a_packet_end_the_connection() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.input_bytes(fixture.conn, &[0xff; 40]);
    assert!(fixture.bed.is_closed(fixture.conn));
    let notices = fixture.bed.take_notices();
    assert!(matches!(notices[0], Notice::Suspicious { suspicion: Suspicion::BadPacket(_) }));
    assert_eq!(offline(&notices), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_packet_for_another_user_ends_the_connection() {
    let mut fixture = ClientFixture::online(Limits::default());
    let at = fixture.now();
    let other = fixture.server.packet(Op::Disconnect, UserId::new(2), at, Vec::<Part>::new());
    fixture.send(&other);
    assert_eq!(offline(&fixture.bed.take_notices()), Some((OfflineReason::Fault, true)));
}

#[test]
fn a_pause_that_the_server_names_is_believed_up_to_an_hour() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.cut(fixture.conn);
    fixture.redial();
    assert!(matches!(fixture.receive(), Some(Request::Reconnect(..))));
    fixture.bed.take_notices();
    let limited = fixture.server.rate_limited(fixture.now(), u32::MAX);
    fixture.send(&limited);
    let retry_in = Some(Duration::from_hours(1));
    let reason = OfflineReason::Refused(ErrorCode::RateLimited);
    assert_eq!(fixture.bed.take_notices(), [Notice::Offline { reason, retry_in }]);
}

/// Packets from it were still being verified.
#[test]
fn a_connection_that_has_ended_is_not_closed() {
    let mut fixture = ClientFixture::new();
    fixture.bed.command(Command::Register { invitation: None });
    fixture.connect();
    assert_eq!(fixture.receive(), Some(Request::ServerKey));
    let key = fixture.server.server_key(fixture.now());
    fixture.bed.hold_jobs = true;
    fixture.send(&key);
    fixture.bed.cut(fixture.conn);
    fixture.bed.command(Command::Disconnect);
    assert_eq!(offline(&fixture.bed.take_notices()), Some((OfflineReason::Requested, false)));
    assert!(!fixture.bed.is_closed(fixture.conn));
}

#[test]
fn an_outcome_that_nothing_waits_for_is_reported_and_changes_nothing() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.take_notices();
    let misuse = Notice::Misuse { misuse: Misuse::UnexpectedOutcome };
    let ticket = Ticket(u64::MAX);
    fixture.bed.input_event(Event::Computed(ticket, Outcome::Verified(Ok(()))));
    fixture.bed.input_event(Event::Stored(ticket, Ok(ClientReply::Done)));
    assert_eq!(fixture.bed.take_notices(), [misuse.clone(), misuse]);
    assert!(!fixture.bed.is_closed(fixture.conn));
}

#[test]
fn an_outcome_of_another_job_proves_nothing() {
    let mut fixture = ClientFixture::online(Limits::default());
    fixture.bed.take_notices();
    fixture.bed.hold_jobs = true;
    let stopping = fixture.server.error_to(
        fixture.now(),
        ErrorForm::SessionKey,
        ErrorCode::ShuttingDown,
        InReplyTo::default(),
    );
    fixture.send(&stopping);
    let mut tickets = Vec::new();
    fixture.bed.release_jobs(|jobs| tickets.extend(jobs.drain(..).map(|(ticket, _)| ticket)));
    let made = Outcome::Emitted(Err(EmitError));
    fixture.bed.input_event(Event::Computed(tickets[0], made));
    let misuse = Notice::Misuse { misuse: Misuse::UnexpectedOutcome };
    assert_eq!(fixture.bed.take_notices(), [misuse]);
    assert!(!fixture.bed.is_closed(fixture.conn));
}
