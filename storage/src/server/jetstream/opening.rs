//! Opening of a deployment: the engine's version, the layout, and the streams.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{
    CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType};
use async_nats::{Client, ConnectOptions, Event};
use sealpost_core::server::store::Elsewhere;
use sealpost_core::wire::Profile;

use super::config::{Config, Credentials, Syncing};
use super::connection::{ANSWER_TIMEOUT, Connection};
use super::failure::Failure;
use super::layout::Layout;
use super::records::{LayoutFields, LayoutRecord, Record};
use super::retry::retried;
use super::servers::Listener;
use super::survey::survey;

/// Why a deployment could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenJetStreamError {
    /// A name that streams and subjects can't have.
    #[error(
        "\"{0}\" can't be the name of a deployment: use 1 to 32 letters, digits, hyphens and \
         underscores"
    )]
    InvalidName(String),
    /// A number of streams or replicas that is out of range.
    #[error("a deployment has 1 to 1,000 shards, and 1, 3 or 5 replicas")]
    InvalidSize,
    /// No server could be reached, or none accepted the credentials.
    #[error("cannot connect to NATS: {0}")]
    Connect(String),
    /// The server is too old.
    #[error("NATS server {found} is too old: 2.14 or newer is needed")]
    OldServer {
        /// Its version.
        found: String,
    },
    /// A server of the engine acknowledges what it has not written to its disk.
    #[error(
        "NATS server {0} acknowledges messages that a power loss can take: set sync_interval: always \
         in its jetstream block"
    )]
    NotSynced(String),
    /// Fewer servers than there are to be replicas answered about their storage.
    #[error("{found} of {needed} NATS servers with JetStream answered: start the others")]
    TooFewServers {
        /// How many answered.
        found: usize,
        /// How many the deployment needs.
        needed: usize,
    },
    /// The servers don't tell this user how they store.
    #[error(
        "the user who is to ask the NATS servers how they store is not one of the system account"
    )]
    NotSystemUser,
    /// The runtime of the client could not be started.
    #[error("cannot start the NATS client: {0}")]
    Runtime(#[from] std::io::Error),
    /// A later version of the program has changed the layout.
    #[error(
        "the streams have layout {found}, but this program supports {known}: upgrade the program"
    )]
    OtherLayout {
        /// Version of the layout.
        found: u32,
        /// Version that this program supports.
        known: u32,
    },
    /// The deployment was created for another profile.
    #[error("the streams were created for the other profile: start with that one")]
    OtherProfile,
    /// A stream is gone that the deployment had.
    #[error("stream {0} is missing: restore it from a backup")]
    LostStream(String),
    /// A stream was not made by this program, or was changed.
    #[error("stream {0} is not configured as this program does it; it was left unchanged")]
    ForeignStream(String),
    /// The engine failed.
    #[error("cannot open the streams: {0}")]
    Engine(String),
}

impl From<Failure> for OpenJetStreamError {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure.to_string())
    }
}

/// Connects to the engine, and verifies that it is new enough and, unless it is trusted, that it
/// syncs.
pub(super) async fn connect(
    config: &Config,
    listener: &Listener,
) -> Result<Connection, OpenJetStreamError> {
    let client = connect_as(config, &config.credentials, listener.clone()).await?;
    // Transactions are newer than most of the engine, and this version repairs them.
    if !client.is_server_compatible(2, 14, 0) {
        return Err(OpenJetStreamError::OldServer { found: client.server_info().version });
    }
    match &config.syncing {
        Syncing::Trusted => {}
        Syncing::AskedBy(system) => {
            survey(&connect_as(config, system, Listener::default()).await?, config.replicas)
                .await?;
        }
    }
    Ok(Connection::new(client, config.patience))
}

async fn connect_as(
    config: &Config,
    credentials: &Credentials,
    listener: Listener,
) -> Result<Client, OpenJetStreamError> {
    let mut options = ConnectOptions::new()
        .name("sealpost")
        .request_timeout(Some(ANSWER_TIMEOUT))
        .event_callback(move |event| {
            let listener = listener.clone();
            async move {
                if let Event::Connected | Event::SlowConsumer(_) = event {
                    listener.tell(Elsewhere::Missed);
                }
            }
        });
    options = match credentials {
        Credentials::None => options,
        Credentials::Password { user, password } => {
            options.user_and_password(user.clone(), password.to_string())
        }
    };
    if let Some(tls) = &config.tls {
        options = options.require_tls(true);
        if let Some(authorities) = &tls.authorities {
            options = options.add_root_certificates(authorities.clone());
        }
    }
    let connected = options.connect(&config.servers).await;
    connected.map_err(|error| OpenJetStreamError::Connect(error.to_string()))
}

/// Opens a deployment, creating what is missing of a new one.
///
/// 1. The stream of the accounts. 2. In it the layout, incomplete. 3. The streams of the mailboxes.
///    4. The layout is complete.
///
/// After a crash, the next start goes on where this one ended. Once the layout is complete, nothing is
/// created any more: a stream that is missing then was lost, and an empty one in its place would
/// hide that.
pub(super) async fn open(
    connection: &Connection,
    config: &Config,
    profile: Profile,
) -> Result<Layout, OpenJetStreamError> {
    let mut layout = Layout { deployment: config.deployment.clone(), shards: config.shards };
    let accounts = (layout.accounts(), layout.account_subjects());
    if !exists(connection, &accounts.0).await? {
        create(connection, accounts, config.replicas).await?;
    }
    let fields = retried(async || record_layout(connection, &layout, profile).await).await?;
    let fields =
        fields.map_err(|found| OpenJetStreamError::OtherLayout { found, known: VERSION })?;
    if Profile::from(fields.profile) != profile {
        return Err(OpenJetStreamError::OtherProfile);
    }
    layout.shards = fields.shards;
    for shard in 0..layout.shards {
        let stream = layout.mailboxes(shard);
        if exists(connection, &stream).await? {
            continue;
        }
        if fields.complete {
            return Err(OpenJetStreamError::LostStream(stream));
        }
        create(connection, (stream, layout.mailbox_subjects(shard)), config.replicas).await?;
    }
    if !fields.complete {
        retried(async || complete_layout(connection, &layout, fields).await).await?;
    }
    Ok(layout)
}

/// Reads the layout, or records the one that is wanted. The version of another one is an error.
async fn record_layout(
    connection: &Connection,
    wanted: &Layout,
    profile: Profile,
) -> Result<Result<LayoutFields, u32>, Failure> {
    let key = wanted.layout();
    let slot = connection.read(&key).await?;
    if let Some(LayoutRecord { version, rest }) = LayoutRecord::of(&slot)? {
        if version != VERSION {
            return Ok(Err(version));
        }
        let fields = serde_json::from_value(rest);
        return fields.map(Ok).map_err(|_| Failure::Damaged(LayoutRecord::NAME));
    }
    let fields = LayoutFields { profile: profile.into(), shards: wanted.shards, complete: false };
    connection.commit(&[key.write(slot.revision, record(fields)?.value()?)]).await?;
    Ok(Ok(fields))
}

async fn complete_layout(
    connection: &Connection,
    layout: &Layout,
    fields: LayoutFields,
) -> Result<(), Failure> {
    let key = layout.layout();
    let revision = connection.read(&key).await?.revision;
    let value = record(LayoutFields { complete: true, ..fields })?.value()?;
    connection.commit(&[key.write(revision, value)]).await
}

fn record(fields: LayoutFields) -> Result<LayoutRecord, Failure> {
    let rest = serde_json::to_value(fields).map_err(|_| Failure::Damaged(LayoutRecord::NAME))?;
    Ok(LayoutRecord { version: VERSION, rest })
}

/// Whether a stream exists. One that the store could not rely on is an error.
async fn exists(connection: &Connection, stream: &str) -> Result<bool, OpenJetStreamError> {
    match connection.patiently(async || look_for(connection, stream).await).await? {
        Existence::Ours => Ok(true),
        Existence::Missing => Ok(false),
        Existence::Foreign => Err(OpenJetStreamError::ForeignStream(stream.into())),
    }
}

/// What there is under the name of a stream.
enum Existence {
    Ours,
    Foreign,
    Missing,
}

async fn look_for(connection: &Connection, stream: &str) -> Result<Existence, Failure> {
    match connection.context().get_stream(stream).await {
        Ok(found) => {
            let config = &found.cached_info().config;
            let is_ours = config.max_messages_per_subject == 1
                && config.allow_atomic_publish
                && config.allow_message_ttl
                && config.allow_direct
                && config.max_age.is_zero()
                && config.discard == DiscardPolicy::New;
            Ok(if is_ours { Existence::Ours } else { Existence::Foreign })
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(Existence::Missing)
            }
            GetStreamErrorKind::JetStream(error) => Err(Failure::answered(&error)),
            GetStreamErrorKind::Request => Err(Failure::unavailable(error)),
            GetStreamErrorKind::EmptyName | GetStreamErrorKind::InvalidStreamName => {
                Err(Failure::Refused(error.to_string()))
            }
        },
    }
}

/// Creates a stream. Another server may create it at the same time, in the same way.
async fn create(
    connection: &Connection,
    (name, subject): (String, String),
    replicas: usize,
) -> Result<(), OpenJetStreamError> {
    let config = StreamConfig {
        name,
        subjects: vec![subject],
        storage: StorageType::File,
        num_replicas: replicas,
        // Each subject keeps its last message, and nothing is dropped for want of room.
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        allow_direct: true,
        allow_atomic_publish: true,
        allow_message_ttl: true,
        ..StreamConfig::default()
    };
    let create = async || match connection.context().create_stream(config.clone()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(not_created(&error)),
    };
    Ok(connection.patiently(create).await?)
}

/// While an engine starts, it can't create streams, and may not answer.
fn not_created(error: &CreateStreamError) -> Failure {
    match error.kind() {
        CreateStreamErrorKind::JetStream(error) => Failure::answered(&error),
        CreateStreamErrorKind::TimedOut | CreateStreamErrorKind::JetStreamUnavailable => {
            Failure::unavailable(error)
        }
        CreateStreamErrorKind::EmptyStreamName
        | CreateStreamErrorKind::InvalidStreamName
        | CreateStreamErrorKind::DomainAndExternalSet
        | CreateStreamErrorKind::Response
        | CreateStreamErrorKind::NotFound
        | CreateStreamErrorKind::ResponseParse => Failure::Refused(error.to_string()),
    }
}

/// Version of the layout that this program reads and writes.
const VERSION: u32 = 1;
