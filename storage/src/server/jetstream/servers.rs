//! What the servers of a deployment tell each other.
//!
//! Each server has a name, drawn at its start, and a subject on which it hears the others. The record
//! of a mailbox names the server that has its owner's session. So whoever changes the mailbox knows
//! whom to tell. Nothing is stored, and nothing depends on it: see [`Elsewhere`].

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::{Client, RequestErrorKind};
use futures_util::StreamExt as _;
use futures_util::stream::select;
use sealpost_core::ids::UserId;
use sealpost_core::server::store::Seq;
use sealpost_core::server::{AccountChange, Elsewhere};
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
pub(super) struct Listener(Arc<OnceLock<Box<Told>>>);

type Told = dyn Fn(Elsewhere) + Send + Sync;

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
            self.found_changed(user, AccountChange::Deleted);
        } else if let Some(session) = &mailbox.session
            && self.is_elsewhere(session)
        {
            self.listener.tell(Elsewhere::SessionBegun { user, place: Seq(session.place) });
        }
    }

    /// An account was read for a session on this server, which has to end.
    pub(super) fn found_changed(&self, user: UserId, change: AccountChange) {
        self.listener.tell(Elsewhere::AccountChanged { user, change });
    }

    /// Whether another server hears the others of its deployment, or seems to.
    pub(super) async fn is_any_other(&self) -> bool {
        let asked = self.client.request(self.everybody(), "".into()).await;
        // Where nobody has subscribed, the engine says so at once.
        !asked.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::sync::mpsc::{Receiver, TryRecvError, channel};

    use sealpost_core::server::store::{
        PageLimit, ReconnectOutcome, SessionOutcome, StoreOp, StoreReply,
    };
    use sealpost_core::wire::Profile;

    use super::*;
    use crate::conformance::{at, message, phone, public_key, wrapped_key};
    use crate::server::jetstream::JetStreamStorage;
    use crate::server::jetstream::bed::JetStreamBed;
    use crate::server::jetstream::test_engine::TestEngine;
    use crate::server::quota::Quota;
    use crate::server::suspension::Suspension;
    use crate::storage::Storage as _;

    const PROFILE: Profile = Profile::Compact;
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server, and what it hears of others.
    struct Server {
        storage: JetStreamStorage,
        heard: Receiver<Elsewhere>,
    }

    impl Server {
        fn new(bed: &JetStreamBed) -> Self {
            let (tell, heard) = channel();
            let storage = bed.another();
            storage.listen(move |what| tell.send(what).unwrap()).unwrap();
            Self { storage, heard }
        }

        fn ask(&mut self, request: StoreOp) -> StoreReply {
            let mut outcomes = Vec::new();
            self.storage.commit(&[request], &mut outcomes);
            outcomes.remove(0).unwrap()
        }

        fn register(&mut self, n: u16) -> UserId {
            let (max_id, invitation) = (u64::MAX, None);
            let (phone, public_key, aes_key) = (phone(n), public_key(n), wrapped_key(1));
            let at = at(1);
            self.ask(StoreOp::CreateUser { phone, public_key, aes_key, at, max_id, invitation });
            UserId::new(n.into()).unwrap()
        }

        fn append(&mut self, to: UserId, from: UserId, id: u64) {
            let packets = vec![message(PROFILE, from, to, id, 20)];
            self.ask(StoreOp::Append { recipient: to, packets, at: at(2) });
        }

        /// Returns the place of the session.
        fn begin_session(&mut self, user: UserId) -> Seq {
            let place = self.reconnect(user);
            self.begin_session_at(user, place);
            place
        }

        fn begin_session_at(&mut self, user: UserId, place: Seq) {
            let begun = self.ask(StoreOp::BeginSession { user, place });
            assert!(matches!(begun, StoreReply::SessionBegun(SessionOutcome::Begun(_))));
        }

        fn reconnect(&mut self, user: UserId) -> Seq {
            static SECONDS: AtomicI64 = AtomicI64::new(10);
            let now = SECONDS.fetch_add(1, Ordering::Relaxed);
            let (at, horizon) = (at(now), at(now + 300));
            let aes_key = wrapped_key(2);
            let op = StoreOp::RecordReconnect { user, at, horizon, aes_key };
            let StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(place)) = self.ask(op)
            else {
                panic!()
            };
            place
        }

        #[track_caller]
        fn hears(&self, what: Elsewhere) {
            assert_eq!(self.heard.recv_timeout(PATIENCE), Ok(what));
        }

        #[track_caller]
        fn has_heard_nothing_more(&self) {
            assert_eq!(self.heard.try_recv(), Err(TryRecvError::Empty));
        }
    }

    #[test]
    fn append_is_told_to_the_server_that_has_the_owner_s_session() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, mut other] = [(); 2].map(|()| Server::new(&bed));
        let (alice, bob) = (one.register(1), other.register(2));
        one.append(alice, bob, 1);
        one.append(bob, alice, 2);
        other.hears(Elsewhere::Appended { owner: bob });
        other.append(alice, bob, 3);
        one.hears(Elsewhere::Appended { owner: alice });
        // Bob moves: his mail is told to the other server from now on.
        one.begin_session(bob);
        other.append(bob, alice, 4);
        one.hears(Elsewhere::Appended { owner: bob });
    }

    #[test]
    fn session_is_told_to_the_server_of_the_one_before_it_begins() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, mut other] = [(); 2].map(|()| Server::new(&bed));
        let alice = one.register(1);
        let first = other.begin_session(alice);
        assert_eq!(one.heard.try_recv(), Ok(Elsewhere::SessionBegun { user: alice, place: first }));
        // Another one on the same server concerns nobody else.
        let second = other.begin_session(alice);
        assert!(second > first);
        one.has_heard_nothing_more();
        let third = one.begin_session(alice);
        other.hears(Elsewhere::SessionBegun { user: alice, place: third });
        // A server that is gone is not waited for.
        drop(one);
        assert!(other.begin_session(alice) > third);
    }

    #[test]
    fn session_that_comes_late_does_not_begin() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, mut other] = [(); 2].map(|()| Server::new(&bed));
        let alice = one.register(1);
        // The engine did not answer the one for a while, so she tried the other.
        let late = one.reconnect(alice);
        let place = other.begin_session(alice);
        one.hears(Elsewhere::SessionBegun { user: alice, place });
        let overtaken = StoreReply::SessionBegun(SessionOutcome::Overtaken);
        assert_eq!(one.ask(StoreOp::BeginSession { user: alice, place: late }), overtaken);
        other.has_heard_nothing_more();
    }

    #[test]
    fn reading_a_mailbox_reveals_a_session_of_which_nothing_was_heard() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, mut other] = [(); 2].map(|()| Server::new(&bed));
        let alice = one.register(1);
        let limit = PageLimit { items: 1, bytes: 1 };
        let page = StoreOp::Page { recipient: alice, after: Seq::START, limit };
        one.ask(page.clone());
        one.has_heard_nothing_more();
        let place = other.begin_session(alice);
        // The hint itself.
        one.hears(Elsewhere::SessionBegun { user: alice, place });
        one.ask(page.clone());
        one.hears(Elsewhere::SessionBegun { user: alice, place });
        other.storage.delete_user(phone(1)).unwrap();
        let deleted = Elsewhere::AccountChanged { user: alice, change: AccountChange::Deleted };
        one.hears(deleted);
        one.ask(page);
        one.hears(deleted);
    }

    #[test]
    fn every_server_learns_of_a_suspension_and_begins_no_session() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, other] = [(); 2].map(|()| Server::new(&bed));
        let alice = one.register(1);
        let granted = one.reconnect(alice);
        let suspended = Suspension::Suspended(at(3));
        other.storage.set_suspension(phone(1), suspended).unwrap();
        let told = Elsewhere::AccountChanged { user: alice, change: AccountChange::Suspended };
        one.hears(told);
        other.hears(told);
        // One that was granted just before does not begin.
        one.begin_session_at(alice, granted);
        assert_eq!(one.heard.try_recv(), Ok(told));
        other.storage.set_suspension(phone(1), Suspension::Active).unwrap();
        assert!(one.begin_session(alice) > Seq::START);
    }

    #[test]
    fn what_another_version_says_is_ignored() {
        let Some(engine) = TestEngine::start() else { return };
        let bed = JetStreamBed::new(&engine, PROFILE, Quota::default());
        let [mut one, mut other] = [(); 2].map(|()| Server::new(&bed));
        let (alice, bob) = (one.register(1), other.register(2));
        let subject = one.storage.desk.servers.subject(&one.storage.desk.servers.name);
        for body in ["", "{", r#"{"appended":{"owner":0}}"#, r#"{"greeting":{}}"#] {
            let client = other.storage.desk.connection.client();
            let sent = client.publish(subject.clone(), body.into());
            other.storage.driver.block_on(sent).unwrap();
        }
        other.append(alice, bob, 1);
        one.hears(Elsewhere::Appended { owner: alice });
    }
}
