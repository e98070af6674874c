//! `sealpost status`.

use sealpost_chat::Zone;
use sealpost_messenger::api::{self, Caller, Connection, Empty};
use sealpost_messenger::rpc::{Greeted, Remote};
use sealpost_programs::{Failure, Format, Line};
use sealpost_storage::client::{ClientStorage, OutboxCounts};
use serde::Serialize;

use crate::home::Home;

/// Prints the account, and the state of its outbox.
pub(crate) fn status(home: &Home, format: Format, zone: &Zone) -> Result<(), Failure> {
    let store = home.look()?;
    let identity = store.identity()?;
    let snapshot = store.load()?;
    let OutboxCounts { queued, stored, delivered, failed } = store.message_counts()?;
    let (connection, endpoint) = session(home)?.unzip();
    let endpoint = endpoint.flatten();
    let status = Status {
        phone: identity.phone.to_string(),
        id: snapshot.account.user.map(sealpost_core::ids::UserId::value),
        server: identity.address().to_string(),
        fingerprint: home.public_key()?.fingerprint().to_string(),
        contacts: snapshot.contacts.len(),
        queued,
        stored,
        delivered,
        failed,
        clock_offset_seconds: snapshot.account.clock_offset_secs,
        connection,
        endpoint,
    };
    match format {
        Format::Json => Line::json(&status),
        Format::Text => status.text(zone).lines().try_for_each(Line::text),
    }
}

#[derive(Serialize)]
struct Status {
    phone: String,
    id: Option<u64>,
    server: String,
    fingerprint: String,
    contacts: usize,
    queued: u64,
    stored: u64,
    delivered: u64,
    failed: u64,
    clock_offset_seconds: i64,
    /// That of the process that has the home; left out if none takes requests there.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<Connection>,
    /// `HOST:PORT` of the server that the session is with.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
}

/// The connection of the process that has the home, if one takes requests there, and the server that
/// it is with.
fn session(home: &Home) -> Result<Option<(Connection, Option<String>)>, Failure> {
    let Some(stream) = home.connect()? else { return Ok(None) };
    // It may be ending, and is none then.
    let Ok((remote, _)) = Greeted::by(stream).and_then(Remote::new) else { return Ok(None) };
    let status = remote.call::<api::Status>(&Empty {}).ok();
    Ok(status.map(|status| (status.connection, status.endpoint)))
}

impl Status {
    fn text(&self, zone: &Zone) -> String {
        let id = self.id.map_or_else(|| "not registered".into(), |id| format!("user {id}"));
        format!(
            "account   {} ({id})\nserver    {}\nkey       sha256:{}\ncontacts  {}\n\
             messages  {} queued, {} stored, {} delivered, {} failed",
            self.phone,
            self.server,
            self.fingerprint,
            self.contacts,
            self.queued,
            self.stored,
            self.delivered,
            self.failed,
        ) + &self.connection.as_ref().map(|it| self.shown(it, zone)).unwrap_or_default()
    }

    fn shown(&self, connection: &Connection, zone: &Zone) -> String {
        match connection {
            Connection::Connecting { since } => {
                format!("\nsession   connecting since {}", zone.stamp(*since))
            }
            Connection::Online { since, .. } => {
                let with = self.endpoint.as_ref().map(|endpoint| format!(" with {endpoint}"));
                format!(
                    "\nsession   online since {}{}",
                    zone.stamp(*since),
                    with.unwrap_or_default()
                )
            }
            Connection::Offline { since, reason, .. } => {
                format!("\nsession   offline since {}: {reason}", zone.stamp(*since))
            }
        }
    }
}
