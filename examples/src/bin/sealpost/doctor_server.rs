//! What `sealpost doctor` finds out about the server.

use std::time::{Duration, Instant};

use sealpost_core::address::{Endpoints, Transport};
use sealpost_core::client::OfflineReason;
use sealpost_messenger::api::{
    Changed, Connection, Empty, ErrorKind, ListContacts, LookUp, LookUpParams, Notification, Status,
};
use sealpost_programs::Failure;
use sealpost_storage::client::Identity;

use crate::finding::{Check, Finding};
use crate::hands::{Hands, failure, seconds, subscribe_changes};
use crate::home::Home;

/// The connection to the server, and whether it leads there.
pub(crate) struct Reached {
    connection: Connection,
    /// `HOST:PORT` of the server that the session is with.
    endpoint: Option<String>,
    proof: Proof,
}

impl Reached {
    /// Whether the server has answered now.
    pub(crate) fn has_answered(&self) -> bool {
        self.proof == Proof::Answer && matches!(self.connection, Connection::Online { .. })
    }
}

/// What shows that the server still answers.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    /// A session that began now, or an answer.
    Answer,
    /// Nothing but that the connection of another process was not lost.
    Connection,
    /// It did not answer.
    Silence(String),
}

/// How the connection to the server is, once that is known.
pub(crate) fn connect(
    home: &Home,
    endpoints: &Endpoints,
    timeout: u64,
) -> Result<Reached, Failure> {
    let hands = Hands::take(home, subscribe_changes)?;
    let reached = await_connection(&hands, endpoints, timeout).map(|connection| {
        let is_new = hands.runs_here() || !matches!(connection, Connection::Online { .. });
        let proof = if is_new { Proof::Answer } else { ask(&hands, timeout) };
        let endpoint = hands.call::<Status>(&Empty {}).ok().and_then(|status| status.endpoint);
        Reached { connection, endpoint, proof }
    });
    hands.finish()?;
    reached
}

/// Has the process that has the home ask the server for a contact, because its connection may be dead
/// without a sign.
fn ask(hands: &Hands, timeout: u64) -> Proof {
    let listed = hands.call::<ListContacts>(&Empty {}).map(|listed| listed.contacts);
    let Some(recipient) = listed.ok().and_then(|contacts| Some(contacts.first()?.phone)) else {
        return Proof::Connection;
    };
    let params = LookUpParams { recipient, timeout_seconds: seconds(timeout) };
    match hands.call::<LookUp>(&params) {
        Err(error) if error.kind() == Some(ErrorKind::Unavailable) => {
            Proof::Silence(error.to_string())
        }
        // A refusal is an answer, too.
        Ok(_) | Err(_) => Proof::Answer,
    }
}

fn await_connection(
    hands: &Hands,
    endpoints: &Endpoints,
    timeout: u64,
) -> Result<Connection, Failure> {
    let deadline = Instant::now().checked_add(Duration::from_secs(timeout));
    let mut connection =
        hands.call::<Status>(&Empty {}).map_err(|error| failure(&error))?.connection;
    let mut untried = if hands.runs_here() { endpoints.count().get() } else { 1 };
    // At the start it is offline, and nothing was tried.
    let mut is_attempt = !hands.runs_here();
    loop {
        match connection {
            Connection::Online { .. } => return Ok(connection),
            Connection::Offline { next_attempt: None, .. } if is_attempt => return Ok(connection),
            Connection::Offline { .. } if is_attempt => untried -= 1,
            Connection::Offline { .. } | Connection::Connecting { .. } => {}
        }
        if untried == 0 {
            return Ok(connection);
        }
        is_attempt = true;
        let left = deadline
            .map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        connection = loop {
            match hands.notifications.recv_timeout(left) {
                Ok(Notification::Changed(Changed::Connection { connection })) => break connection,
                Ok(_) => {}
                Err(_) => return Ok(connection),
            }
        };
    }
}

pub(crate) fn examine_connection(
    identity: &Identity,
    reached: Result<Reached, Failure>,
) -> Vec<Finding> {
    let ask = "check the network and the address (sealpost address), or ask the server's operator";
    let Reached { connection, endpoint, proof } = match reached {
        Ok(reached) => reached,
        Err(error) => {
            let advice = "see the other lines";
            return vec![Check::Server.error(format_args!("not checked: {error}"), advice)];
        }
    };
    let place = endpoint.unwrap_or_else(|| identity.endpoints.to_string());
    let reason = match connection {
        Connection::Online { .. } => {
            let certificate = (identity.transport == Transport::Tls)
                .then(|| Check::Certificate.ok("valid for the server's name"));
            let server = match proof {
                Proof::Answer => {
                    Check::Server.ok(format_args!("{place} answers, with the key of the address"))
                }
                Proof::Connection => Check::Server.ok(format_args!(
                    "{place} is connected; not asked, because there is no contact to look up"
                )),
                Proof::Silence(why) => Check::Server.error(why, ask),
            };
            return certificate.into_iter().chain([server]).collect();
        }
        Connection::Offline { reason, .. } => reason,
        Connection::Connecting { .. } => "no answer in time".to_owned(),
    };
    if reason.contains("certificate") {
        let advice = about_certificate(&reason);
        return vec![Check::Certificate.error(reason, advice)];
    }
    if reason == OfflineReason::Displaced.to_string() {
        return vec![Check::Server.error(reason, ELSEWHERE)];
    }
    vec![Check::Server.error(format_args!("{place}: {reason}"), ask)]
}

/// What to do about a server's certificate that is not accepted. The reason is a
/// [`DialError`](sealpost_mio::DialError) in words.
fn about_certificate(reason: &str) -> &'static str {
    if reason.contains("expired") || reason.contains("not valid yet") {
        "if the clock of this device is right, ask the server's operator to renew the certificate"
    } else if reason.contains("not for this host") {
        "if the server has moved, give sealpost address its new name; else ask its operator for a \
         certificate for this one"
    } else {
        "if you know that the server's operator has an authority of their own, pass its certificate \
         with --ca; else somebody may sit between you and the server"
    }
}

const ELSEWHERE: &str = "end the other program, which uses a copy of this home; then run sealpost call connect. If there is \
     no such program, somebody else has your key: ask the server's operator to suspend the account";
