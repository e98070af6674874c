//! A deployment in NATS JetStream: how it is reached, and why it is refused.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::ids::{Phone, UserId, UserRef};
use sealpost_core::time::Timestamp;
use sealpost_core::wire::Profile;
use sealpost_programs::{Failure, secret_line_of_file};
use sealpost_storage::server::jetstream::{
    self, Admission, Census, Credentials, Identity, JetStreamInspector, JetStreamStorage, Missing,
    MovingDeployment, OpenJetStreamError, ServerKeys, Syncing, Tls, Traffic,
};
use sealpost_storage::{
    DatabaseId, InvitationRecord, NewInvitation, Quota, Suspension, SuspensionOutcome, UserRecord,
};

use super::changing::AccountStore;
use super::reading::{Contents, Link, StoreReader};
use crate::config::{Config, Nats, StoreAddress};
use crate::data::PublicKeys;
use crate::key::SUCCESSOR;

/// The store of a server in a deployment.
pub(crate) type EngineStore = JetStreamStorage;

/// A deployment that is not open.
#[derive(Debug)]
pub(crate) struct Engine(jetstream::Config);

/// Reads the deployment. Its clones share what they have found out.
#[derive(Clone, Debug)]
pub(crate) struct EngineReader {
    inspector: JetStreamInspector,
    census: Arc<Mutex<Option<Kept>>>,
}

/// A census that is not taken again so soon.
#[derive(Debug)]
struct Kept {
    census: Census,
    until: Instant,
}

impl Engine {
    /// Refuses settings that no deployment could have.
    pub(crate) fn check(address: &StoreAddress, nats: &Nats) -> Result<(), Failure> {
        let config = without_secrets(address, nats, Syncing::Trusted);
        config.validate().map_err(|error| Failure::usage(format_args!("[nats]: {error}")))
    }

    /// The deployment of the configuration. Reads the files with secrets. `None` if the store is the
    /// database.
    pub(crate) fn of(config: &Config) -> Result<Option<Self>, Failure> {
        let Some(address) = &config.store else { return Ok(None) };
        let nats = &config.nats;
        let syncing = match nats.system_login() {
            Some(login) => Syncing::AskedBy(credentials(Some(login))?),
            None => Syncing::Trusted,
        };
        let credentials = credentials(nats.login())?;
        Ok(Some(Self(jetstream::Config { credentials, ..without_secrets(address, nats, syncing) })))
    }

    /// Name of the deployment.
    pub(crate) fn deployment(&self) -> &str {
        &self.0.deployment
    }

    /// The same deployment, which must exist: one that is missing was lost.
    #[must_use]
    pub(crate) fn existing(mut self) -> Self {
        self.0.missing = Missing::Refuse;
        self
    }

    /// Opens the deployment for a command.
    pub(crate) fn open_existing(self) -> Result<EngineStore, Failure> {
        Ok(JetStreamStorage::open(&self.existing().0, None, Quota::default())?)
    }

    /// Opens the deployment to move accounts into it, and creates it if it does not exist.
    pub(crate) fn open_to_move(
        self,
        profile: Option<Profile>,
        database: DatabaseId,
    ) -> Result<MovingDeployment, Failure> {
        Ok(MovingDeployment::open(&self.0, profile, database)?)
    }

    /// Opens the deployment to move accounts out of it.
    pub(crate) fn open_existing_to_move(
        mut self,
        database: DatabaseId,
    ) -> Result<MovingDeployment, Failure> {
        self.0.missing = Missing::Refuse;
        self.open_to_move(None, database)
    }

    /// Opens the deployment for a command that changes nothing.
    pub(crate) fn inspect(&self) -> Result<EngineReader, Failure> {
        Ok(EngineReader::over(JetStreamInspector::open(&self.0)?))
    }

    /// Opens the deployment for a server, and creates it unless it must exist. Waits for an engine
    /// that is being started, and says so in the log.
    pub(crate) fn open(
        &self,
        profile: Option<Profile>,
        quota: Quota,
    ) -> Result<EngineStore, Failure> {
        let mut waiting = Waiting::default();
        loop {
            match JetStreamStorage::open(&self.0, profile, quota) {
                Err(error) if error.may_pass() && waiting.goes_on() => {
                    waiting.log(&self.0.servers, error.to_string());
                    thread::sleep(PAUSE);
                }
                Err(error @ OpenJetStreamError::NoDeployment(_)) => {
                    return Err(Failure::new(error).and(
                        "nothing was created: check store and nats.deployment, or restore the \
                         streams from a backup; to begin with nothing, use a new data folder",
                    ));
                }
                opened => return Ok(opened?),
            }
        }
    }
}

/// A start that waits for the engine.
#[derive(Debug, Default)]
struct Waiting {
    since: Option<Instant>,
    /// What was logged last, and when.
    logged: Option<(String, Instant)>,
}

impl Waiting {
    fn goes_on(&mut self) -> bool {
        self.since.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }

    /// Logs why the engine can't be used yet: each new reason, and now and then that it is the same.
    fn log(&mut self, servers: &[String], reason: String) {
        let is_known = |(logged, at): &(String, Instant)| {
            *logged == reason && at.elapsed() < SAME_REASON_EVERY
        };
        if !self.logged.as_ref().is_some_and(is_known) {
            tracing::info!("waiting for NATS at {}: {reason}", servers.join(", "));
            self.logged = Some((reason, Instant::now()));
        }
    }
}

fn without_secrets(address: &StoreAddress, nats: &Nats, syncing: Syncing) -> jetstream::Config {
    let identity = nats
        .identity()
        .map(|(certificate, key)| Identity { certificate: certificate.clone(), key: key.clone() });
    let tls = Tls { authorities: nats.authorities.clone(), identity };
    jetstream::Config {
        tls: address.is_encrypted().then_some(tls),
        deployment: nats.deployment.clone(),
        shards: nats.shards,
        replicas: nats.replicas,
        ..jetstream::Config::new(address.servers(), syncing)
    }
}

fn credentials(login: Option<(&String, &PathBuf)>) -> Result<Credentials, Failure> {
    let Some((user, password_file)) = login else { return Ok(Credentials::None) };
    let password = secret_line_of_file(password_file)?;
    Ok(Credentials::Password { user: user.clone(), password })
}

/// Fails if the deployment has a key, so that a server without one must not make another.
pub(super) fn refuse_new_key(store: &EngineStore) -> Result<(), Failure> {
    match store.server_keys()? {
        None => Ok(()),
        Some(keys) => Err(Failure::new(format_args!(
            "the servers of this deployment have the key sha256:{}, and this data folder has none: \
             copy server-key.pem into it, from the data folder of another server or from a backup",
            keys.first
        ))),
    }
}

/// Fails if a server with these keys must not serve the deployment: its clients would take the
/// server for an impostor.
pub(super) fn admit(store: &EngineStore, keys: &PublicKeys) -> Result<(), Failure> {
    let successor = keys.successor.as_ref().map(|key| *key.fingerprint());
    let own = ServerKeys { first: *keys.first.fingerprint(), successor };
    match store.admit(own)? {
        Admission::Admitted => Ok(()),
        Admission::OldKeyKept => {
            tracing::warn!(
                "this server keeps an old key that the other servers have retired: run sealpostd \
                 key retire, and restart it"
            );
            Ok(())
        }
        Admission::Refused(ServerKeys { first, successor: Some(successor) })
            if first == own.first =>
        {
            Err(Failure::new(format_args!(
                "the servers of this deployment change their key to sha256:{successor}, which this \
                 one lacks: copy {SUCCESSOR} from the data folder of another server into its own, \
                 with its date (cp -p)"
            )))
        }
        Admission::Refused(ServerKeys { first, .. }) => Err(Failure::new(format_args!(
            "this server has the key sha256:{}, and the other servers of the deployment have \
             sha256:{first}: copy server-key.pem from the data folder of one of them in place of \
             its own, or use another nats.deployment",
            own.first
        ))),
    }
}

/// Logs when the connection is lost and when it is there again. The client connects again by itself.
pub(super) fn watch(reader: &EngineReader) -> Result<(), Failure> {
    let (reader, mut lost_at) = (reader.clone(), None);
    let look = move || loop {
        thread::sleep(PAUSE);
        let is_connected = reader.link().is_connected;
        match (is_connected, lost_at) {
            (false, None) => {
                lost_at = Some(Instant::now());
                tracing::warn!(
                    "the connection to NATS is lost, and is tried again: what needs the store waits, \
                     or is refused for now; nothing acknowledged is lost"
                );
            }
            (true, Some(since)) => {
                lost_at = None;
                tracing::info!("connected to NATS again after {} s", since.elapsed().as_secs());
            }
            (false, Some(_)) | (true, None) => {}
        }
    };
    let thread = thread::Builder::new().name("nats-watch".into());
    thread.spawn(look).map_err(Failure::context("can't start the thread that watches NATS"))?;
    Ok(())
}

impl EngineReader {
    /// Reads over the connection of a server's store.
    pub(super) fn new(store: &EngineStore) -> Self {
        Self::over(store.inspector())
    }

    fn over(inspector: JetStreamInspector) -> Self {
        Self { inspector, census: Arc::default() }
    }

    /// How many accounts there are.
    pub(crate) fn count_users(&self) -> Result<u64, Failure> {
        Ok(self.inspector.count_users()?)
    }

    /// Fails unless the engine answers within a time.
    pub(crate) fn probe(&self, within: Duration) -> Result<(), Failure> {
        Ok(self.inspector.probe(within)?)
    }

    /// The connection, and what has passed over it.
    pub(crate) fn link(&self) -> Link {
        let Traffic { is_connected, reconnects, received_bytes, sent_bytes } =
            self.inspector.traffic();
        Link { is_connected, reconnects, received_bytes, sent_bytes }
    }
}

impl EngineReader {
    fn take_census(&self) -> Result<Kept, Failure> {
        let began = Instant::now();
        let census = self.inspector.census(LARGEST)?;
        Ok(Kept { census, until: Instant::now() + began.elapsed().saturating_mul(9) })
    }
}

impl StoreReader for EngineReader {
    fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<UserRecord>, Failure> {
        Ok(self.inspector.users(after, limit)?)
    }

    fn user(&self, who: UserRef) -> Result<Option<UserRecord>, Failure> {
        Ok(self.inspector.user(who)?)
    }

    fn invitations(&self, after: u64, limit: u32) -> Result<Vec<InvitationRecord>, Failure> {
        let mut all = self.inspector.invitations()?;
        all.retain(|invitation| invitation.id > after);
        all.truncate(limit as usize);
        Ok(all)
    }

    /// Reads the record of every mailbox. A reader spends a tenth of the time on it at most.
    fn contents(&self, largest: u32) -> Result<Contents, Failure> {
        let mut last = self.census.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = last.take().filter(|kept| Instant::now() < kept.until);
        let kept = last.insert(kept.map_or_else(|| self.take_census(), Ok)?);
        let Census { stats, largest: mut mailboxes } = kept.census.clone();
        mailboxes.truncate(largest as usize);
        Ok(Contents { stats, largest: mailboxes })
    }
}

impl AccountStore for JetStreamStorage {
    fn set_suspension(
        &mut self,
        phone: Phone,
        suspension: Suspension,
    ) -> Result<SuspensionOutcome, Failure> {
        Ok(Self::set_suspension(self, phone, suspension)?)
    }

    fn delete_items_of(&mut self, _: UserId, _: u32) -> Result<u32, Failure> {
        Ok(0)
    }

    fn delete_user(&mut self, phone: Phone) -> Result<Option<UserId>, Failure> {
        Ok(Self::delete_user(self, phone)?)
    }

    fn create_invitation(&mut self, new: &NewInvitation) -> Result<u64, Failure> {
        Ok(Self::create_invitation(self, new)?)
    }

    fn revoke_invitation(&mut self, id: u64) -> Result<bool, Failure> {
        Ok(Self::revoke_invitation(self, id)?)
    }

    fn trust_clock(&mut self, clock: Timestamp) -> Result<(), Failure> {
        Ok(Self::trust_clock(self, clock)?)
    }

    fn another(&self) -> Option<Box<dyn AccountStore + Send>> {
        Some(Box::new(Self::another(self)))
    }
}

/// How long a start waits for the engine. systemd gives a service 90 s to start.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a start that waits says so, while the reason is the same.
const SAME_REASON_EVERY: Duration = Duration::from_secs(10);
/// Pause between two attempts, or looks at the connection.
const PAUSE: Duration = Duration::from_secs(1);
/// Mailboxes that a census keeps: as many as `top` shows.
const LARGEST: usize = 10;
