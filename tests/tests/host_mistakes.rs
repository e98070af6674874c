//! Both machines: what a host does wrong is reported, and changes nothing else. A machine with
//! limits that it can't work with is never made.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;

use sealpost_core::client::store::Snapshot;
use sealpost_core::client::{self, Client, Command};
use sealpost_core::crypto::{EmitError, Outcome};
use sealpost_core::entropy::Entropy;
use sealpost_core::frame::{Action, Event, Input, InvalidLimits, Machine, Misuse, StoreError};
use sealpost_core::ids::{ConnId, Ticket};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::{StoreOp, StoreReply};
use sealpost_core::server::{
    self, DeliveryId, DeliveryOutcome, OtpChannel, RegisteredPhones, Registration, Server,
};
use sealpost_core::time::{Mono, Now, Timestamp};
use sealpost_core::wire::Profile;
use sealpost_tests::beds::ClientBed;
use sealpost_tests::test_keys;

const CONN: ConnId = ConnId(1);
const NEVER_ISSUED: Ticket = Ticket(u64::MAX);

fn server_with(limits: Limits) -> Result<Server, InvalidLimits> {
    let config = server::Config {
        profile: Profile::Compact,
        server_key: test_keys::crypto(0).public_key().clone(),
        successor: None,
        servers: server::Servers::One,
        otp_channel: OtpChannel::InBand,
        registered_phones: RegisteredPhones::Told,
        registration: Registration::default(),
        exempt_networks: Vec::new(),
        limits,
    };
    Server::new(config, Entropy::from_seed([1; 32]))
}

fn server() -> Server {
    server_with(Limits::default()).unwrap()
}

fn client() -> Client {
    let server = *test_keys::crypto(0).public_key().fingerprint();
    let config = client::Config {
        profile: Profile::Compact,
        public_key: test_keys::crypto(1).public_key().clone(),
        endpoints: NonZeroUsize::MIN,
        limits: client::Limits::default(),
    };
    let snapshot = Snapshot::new(ClientBed::phone(1), server);
    Client::new(config, snapshot, Entropy::from_seed([1; 32])).unwrap()
}

fn input<M: Machine>(machine: &mut M, event: Event<M>) -> Vec<Action<M>> {
    let now = Now { mono: Mono(1), wall: Timestamp::from_unix_secs(1_700_000_000) };
    machine.handle(now, Input::Event(event)).collect()
}

/// The ticket of the one job among these actions.
fn job<M: Machine + Debug>(actions: &[Action<M>]) -> Ticket {
    let ticket = |action: &Action<M>| {
        if let Action::Compute { ticket, .. } = action { Some(*ticket) } else { None }
    };
    let tickets: Vec<_> = actions.iter().filter_map(ticket).collect();
    let [ticket] = tickets[..] else { panic!("not one job: {actions:?}") };
    ticket
}

/// Brings the client to its first job, the request for the server's key.
fn client_with_a_job() -> (Client, Ticket) {
    let mut client = client();
    input(&mut client, Event::Command(Command::Register { invitation: None }));
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let actions = input(&mut client, Event::Opened { conn: CONN, peer });
    let ticket = job(&actions);
    (client, ticket)
}

fn assert_reported<M: Machine + Debug>(actions: &[Action<M>], is_misuse: fn(&M::Notice) -> bool) {
    match actions {
        [Action::Notify(notice)] if is_misuse(notice) => {}
        other => panic!("expected one notice of misuse, got {other:?}"),
    }
}

fn server_misuse(notice: &server::Notice) -> bool {
    matches!(notice, server::Notice::Misuse { misuse: Misuse::UnexpectedOutcome })
}

fn client_misuse(notice: &client::Notice) -> bool {
    matches!(notice, client::Notice::Misuse { misuse: Misuse::UnexpectedOutcome })
}

#[test]
fn an_outcome_that_nobody_asked_for_is_reported() {
    let mut server = server();
    let computed = || Event::Computed(NEVER_ISSUED, Outcome::Verified(Ok(())));
    assert_reported(&input(&mut server, computed()), server_misuse);
    let stored = Event::Stored(NEVER_ISSUED, Ok(StoreReply::Settled));
    assert_reported(&input(&mut server, stored), server_misuse);
    let (id, outcome) = (DeliveryId(u64::MAX), DeliveryOutcome::Accepted);
    let answered = Event::Command(server::Command::OtpDelivery { id, outcome });
    assert_reported(&input(&mut server, answered), server_misuse);
    let (mut client, _) = client_with_a_job();
    let computed = Event::Computed(NEVER_ISSUED, Outcome::Verified(Ok(())));
    assert_reported(&input(&mut client, computed), client_misuse);
}

#[test]
fn an_outcome_of_another_kind_is_reported_and_ends_what_waited() {
    let (mut client, ticket) = client_with_a_job();
    let wrong = || Event::Computed(ticket, Outcome::Verified(Ok(())));
    assert_reported(&input(&mut client, wrong()), client_misuse);
    // The ticket is used up.
    assert_reported(&input(&mut client, wrong()), client_misuse);
    assert_eq!(client.is_consistent(), Ok(()));

    let mut server = server();
    let actions = input(&mut server, Event::Tick);
    let [Action::Store { ticket, op: StoreOp::RecordClock { .. } }] = actions[..] else {
        panic!("expected the record of the clock, got {actions:?}")
    };
    let wrong = Event::Stored(ticket, Ok(StoreReply::Settled));
    assert_reported(&input(&mut server, wrong), server_misuse);
    assert_eq!(server.is_consistent(), Ok(()));
}

#[test]
fn a_jobs_ticket_is_none_of_the_stores() {
    let (mut client, ticket) = client_with_a_job();
    let stored = Event::Stored(ticket, Err(StoreError::Busy));
    assert_reported(&input(&mut client, stored), client_misuse);
    // The job goes on waiting: its own failure still closes the connection.
    let failed = Outcome::Emitted(Err(EmitError));
    let actions = input(&mut client, Event::Computed(ticket, failed));
    assert!(actions.iter().any(|action| matches!(action, Action::Close { conn: CONN })));
}

#[test]
fn a_jobs_outcome_after_its_connection_is_gone_is_no_mistake() {
    let (mut client, ticket) = client_with_a_job();
    input(&mut client, Event::Closed { conn: CONN });
    let outcome = Outcome::Emitted(Err(EmitError));
    let actions = input(&mut client, Event::Computed(ticket, outcome));
    assert!(actions.is_empty(), "{actions:?}");
}

#[test]
fn a_connection_number_used_twice_is_reported() {
    let mut server = server();
    let opened = || Event::Opened { conn: CONN, peer: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    assert!(input(&mut server, opened()).is_empty());
    assert_reported(&input(&mut server, opened()), |notice| {
        matches!(notice, server::Notice::Misuse { misuse: Misuse::ReusedConn })
    });
}

#[test]
fn limits_that_allow_no_progress_are_refused_by_name() {
    let error = server_with(Limits { acks_per_packet: 0, ..Limits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "limit `acks_per_packet` must be at least 1");
    let error = server_with(Limits { append_batch: 0, ..Limits::default() }).unwrap_err();
    assert_eq!(error.to_string(), "limit `append_batch` must be at least 1");
}
