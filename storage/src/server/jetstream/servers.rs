//! What the servers of a deployment tell each other.
//!
//! Each server has a name, drawn at its start, and a subject on which it hears the others. The record
//! of a mailbox names the server that has its owner's session. So whoever changes the mailbox knows
//! whom to tell. Nothing is stored, and nothing depends on it: see [`Elsewhere`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt as _;
use futures_util::stream::select;
use sealpost_core::ids::UserId;
use sealpost_core::server::AccountChange;
use sealpost_core::server::store::{Elsewhere, Seq};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::failure::Failure;
use super::mailbox::{Mailbox, SessionRecord};
use super::values::UserNumber;

/// This server among those of its deployment.
#[derive(Debug)]
pub(super) struct Servers {
    client: Client,
    deployment: String,
    name: String,
    listener: Listener,
}

/// Who is told what other servers do. Nobody at first.
#[derive(Clone, Default)]
pub(super) struct Listener(Arc<OnceLock<Box<dyn Fn(Elsewhere) + Send + Sync>>>);

/// A message between servers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Note {
    Appended { owner: UserNumber },
    Session { user: UserNumber, place: u64 },
    Suspended { user: UserNumber },
    Deleted { user: UserNumber },
}

impl Servers {
    pub(super) fn new(client: &Client, deployment: &str, listener: Listener) -> Self {
        let (client, deployment) = (client.clone(), deployment.to_owned());
        // Its last part is drawn anew each time.
        let inbox = client.new_inbox();
        let name = inbox.rsplit('.').next().unwrap_or(&inbox).to_owned();
        Self { client, deployment, name, listener }
    }

    /// The record of a session that begins on this server.
    pub(super) fn session(&self, place: u64) -> SessionRecord {
        SessionRecord { server: self.name.clone(), place }
    }

    /// Whether a session is, as far as it is known, on another server.
    pub(super) fn is_elsewhere(&self, session: &SessionRecord) -> bool {
        session.server != self.name
    }

    /// Hears the others from now on.
    pub(super) async fn listen(
        &self,
        listener: impl Fn(Elsewhere) + Send + Sync + 'static,
    ) -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
        let own = self.client.subscribe(self.subject(&self.name)).await;
        let all = self.client.subscribe(self.everybody()).await;
        let own = own.map_err(Failure::unavailable)?;
        let mut messages = select(own, all.map_err(Failure::unavailable)?);
        // Only once the engine knows of the subscriptions does nothing get lost.
        self.client.flush().await.map_err(Failure::unavailable)?;
        // Whoever listens first stays.
        let _ = self.listener.0.set(Box::new(listener));
        let (client, listener) = (self.client.clone(), self.listener.clone());
        Ok(async move {
            while let Some(message) = messages.next().await {
                // What another version says may be unknown to this one.
                if let Ok(note) = serde_json::from_slice::<Note>(&message.payload) {
                    listener.tell(note.into());
                }
                if let Some(reply) = message.reply {
                    // Who asked goes on without the answer.
                    let _ = client.publish(reply, "".into()).await;
                }
            }
        })
    }

    /// Something was appended to a mailbox whose owner has this session.
    pub(super) async fn appended(&self, owner: UserId, session: Option<&SessionRecord>) {
        if let Some(session) = session.filter(|session| self.is_elsewhere(session)) {
            let note = Note::Appended { owner: UserNumber(owner) };
            self.publish(self.subject(&session.server), &note).await;
        }
    }

    /// A session of a user begins here, at a place behind `old`, which is displaced. Returns when the
    /// other server has been told, or does not answer.
    pub(super) async fn displace(&self, user: UserId, old: Option<&SessionRecord>, place: u64) {
        let Some(old) = old.filter(|session| self.is_elsewhere(session)) else { return };
        let note = Note::Session { user: UserNumber(user), place };
        let Ok(note) = serde_json::to_vec(&note) else { return };
        let asked = self.client.request(self.subject(&old.server), note.into());
        // A server that is gone has no subscription, which the engine says at once.
        let _ = timeout(DISPLACED_WITHIN, asked).await;
    }

    /// An account was changed here.
    pub(super) async fn account_changed(&self, user: UserId, change: AccountChange) {
        let user = UserNumber(user);
        let note = match change {
            AccountChange::Deleted => Note::Deleted { user },
            AccountChange::Suspended => Note::Suspended { user },
        };
        self.publish(self.everybody(), &note).await;
    }

    /// A mailbox was read for a session on this server. It may say that the session is no more.
    pub(super) fn found(&self, user: UserId, mailbox: &Mailbox) {
        if mailbox.is_closed {
            self.listener.tell(Elsewhere::AccountChanged { user, change: AccountChange::Deleted });
        } else if let Some(session) = &mailbox.session
            && self.is_elsewhere(session)
        {
            self.listener.tell(Elsewhere::SessionBegun { user, place: Seq(session.place) });
        }
    }

    async fn publish(&self, subject: String, note: &Note) {
        if let Ok(note) = serde_json::to_vec(note) {
            // It is a hint.
            let _ = self.client.publish(subject, note.into()).await;
        }
    }

    fn subject(&self, server: &str) -> String {
        format!("{}.{server}", self.everybody())
    }

    fn everybody(&self) -> String {
        format!("{}.servers", self.deployment)
    }
}

impl Listener {
    pub(super) fn tell(&self, what: Elsewhere) {
        if let Some(listener) = self.0.get() {
            listener(what);
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl From<Note> for Elsewhere {
    fn from(note: Note) -> Self {
        match note {
            Note::Appended { owner } => Self::Appended { owner: owner.0 },
            Note::Session { user, place } => Self::SessionBegun { user: user.0, place: Seq(place) },
            Note::Suspended { user } => {
                Self::AccountChanged { user: user.0, change: AccountChange::Suspended }
            }
            Note::Deleted { user } => {
                Self::AccountChanged { user: user.0, change: AccountChange::Deleted }
            }
        }
    }
}

/// How long a session that begins waits until the server of the one before has been told.
const DISPLACED_WITHIN: Duration = Duration::from_secs(1);
