//! Opening of a deployment: the engine's version, the layout, and the streams.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{
    AccountErrorKind, CreateStreamError, CreateStreamErrorKind, GetStreamErrorKind,
};
use async_nats::jetstream::stream::{Config as StreamConfig, DiscardPolicy, StorageType};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event};
use sealpost_core::server::Elsewhere;
use sealpost_core::wire::Profile;

use super::config::{Config, Credentials, Identity, Missing, Syncing};
use super::connection::{ANSWER_TIMEOUT, Connection};
use super::failure::Failure;
use super::layout::Layout;
use super::records::{LayoutFields, LayoutRecord, MigrationFields, MigrationState, Record};
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
    /// No server answered. It may yet, if the engine is being started.
    #[error("cannot reach NATS: {0}")]
    Unreachable(String),
    /// A server answered, and no connection came about.
    #[error("cannot connect to NATS: {0}")]
    Connect(String),
    /// A server refused the credentials.
    #[error("NATS {}", unauthorized(.0.as_deref()))]
    Unauthorized(Option<String>),
    /// The user's account in the engine has no streams.
    #[error(
        "NATS has no JetStream for this user: enable it in the servers' configuration (a jetstream \
         block), and for the account"
    )]
    NoJetStream,
    /// The deployment does not exist, and must not be created.
    #[error(
        "there is no deployment \"{0}\" in this NATS, or it is empty: it was lost, or this is another \
         NATS or account than before"
    )]
    NoDeployment(String),
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
    #[error("the streams were created for the other profile, {0:?}: start with that one")]
    OtherProfile(Profile),
    /// The accounts of a database are not in the deployment completely.
    #[error(
        "a migration into the deployment \"{0}\" is not finished: repeat it, or delete the streams"
    )]
    Arriving(String),
    /// The accounts are being moved, or were moved, into a database.
    #[error(
        "the accounts of the deployment \"{0}\" were moved to a database, or the migration is not \
         finished; to serve them from NATS as they were then, remove the record of it: nats stream \
         purge {0}-accounts --subject {0}.accounts.migration"
    )]
    Left(String),
    /// A stream is gone that the deployment had.
    #[error("stream {0} is missing: restore it from a backup")]
    LostStream(String),
    /// A stream was not made by this program, or was changed.
    #[error("stream {0} is not configured as this program does it; it was left unchanged")]
    ForeignStream(String),
    /// The engine did not answer, or a stream has no leader.
    #[error("cannot open the streams: {0}")]
    Unavailable(String),
    /// The engine failed.
    #[error("cannot open the streams: {0}")]
    Engine(String),
}

impl OpenJetStreamError {
    /// Whether the engine may only need time: it is being started, or elects leaders.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::TooFewServers { .. } | Self::Unavailable(_))
    }
}

impl From<Failure> for OpenJetStreamError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(_) => Self::Unavailable(failure.to_string()),
            Failure::Misuse
            | Failure::Conflict
            | Failure::Full(_)
            | Failure::Refused(_)
            | Failure::Damaged(_) => Self::Engine(failure.to_string()),
        }
    }
}

fn unauthorized(user: Option<&str>) -> String {
    user.map_or_else(
        || "asks for a user and a password, or for a certificate, and got none".to_owned(),
        |user| format!("refused the user \"{user}\": check the name and the password"),
    )
}

/// Connects to the engine to write, and verifies that it is new enough and, unless it is trusted,
/// that it syncs.
pub(super) async fn connect(
    config: &Config,
    listener: &Listener,
) -> Result<Connection, OpenJetStreamError> {
    let connection = connect_to_read(config, listener).await?;
    match &config.syncing {
        Syncing::Trusted => {}
        Syncing::AskedBy(system) => {
            survey(&connect_as(config, system, Listener::default()).await?, config.replicas)
                .await?;
        }
    }
    Ok(connection)
}

/// Connects to the engine, and verifies that it is new enough and has streams.
pub(super) async fn connect_to_read(
    config: &Config,
    listener: &Listener,
) -> Result<Connection, OpenJetStreamError> {
    let client = connect_as(config, &config.credentials, listener.clone()).await?;
    // Transactions are newer than most of the engine, and this version repairs them.
    if !client.is_server_compatible(2, 14, 0) {
        return Err(OpenJetStreamError::OldServer { found: client.server_info().version });
    }
    let connection = Connection::new(client, config.patience);
    if connection.patiently(async || has_streams(&connection).await).await? {
        Ok(connection)
    } else {
        Err(OpenJetStreamError::NoJetStream)
    }
}

/// Whether the user's account has streams. Without them nobody answers, or with an error.
async fn has_streams(connection: &Connection) -> Result<bool, Failure> {
    let Err(error) = connection.context().query_account().await else { return Ok(true) };
    match error.kind() {
        AccountErrorKind::JetStream(error)
            if [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT]
                .contains(&error.error_code()) =>
        {
            Ok(false)
        }
        AccountErrorKind::JetStream(error) => Err(Failure::answered(&error)),
        // A server alone knows whether it has streams. In a cluster, those that have may be starting.
        AccountErrorKind::JetStreamUnavailable if connection.is_alone_without_streams() => {
            Ok(false)
        }
        AccountErrorKind::JetStreamUnavailable
        | AccountErrorKind::TimedOut
        | AccountErrorKind::Other => Err(Failure::unavailable(error)),
    }
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
        if let Some(Identity { certificate, key }) = &tls.identity {
            options = options.add_client_certificate(certificate.clone(), key.clone());
        }
    }
    let connected = options.connect(&config.servers).await;
    connected.map_err(|error| not_connected(&error, credentials))
}

fn not_connected(error: &ConnectError, credentials: &Credentials) -> OpenJetStreamError {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            OpenJetStreamError::Unauthorized(credentials.user().map(str::to_owned))
        }
        ConnectErrorKind::Dns | ConnectErrorKind::TimedOut => {
            OpenJetStreamError::Unreachable(error.to_string())
        }
        ConnectErrorKind::Io if !is_tls(error) => {
            OpenJetStreamError::Unreachable(error.to_string())
        }
        ConnectErrorKind::Io
        | ConnectErrorKind::ServerParse
        | ConnectErrorKind::Tls
        | ConnectErrorKind::MaxReconnects => OpenJetStreamError::Connect(error.to_string()),
    }
}

/// Whether a connection broke in the handshake of TLS, which time does not mend.
fn is_tls(error: &ConnectError) -> bool {
    let source = std::error::Error::source(error);
    let io = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidData)
}

/// Opens a deployment, creating what is missing of a new one. Returns its profile, which is the
/// requested one, if one is.
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
    requested: Option<Profile>,
) -> Result<(Layout, Profile), OpenJetStreamError> {
    if config.missing == Missing::Refuse {
        open_to_read(connection, config).await?;
    }
    let mut layout = Layout { deployment: config.deployment.clone(), shards: config.shards };
    let accounts = (layout.accounts(), layout.account_subjects());
    if !exists(connection, &accounts.0).await? {
        create(connection, accounts, config.replicas).await?;
    }
    let new = requested.unwrap_or(Profile::Compact);
    let fields = retried(async || record_layout(connection, &layout, new).await).await?;
    let fields = fields.map_err(other_layout)?;
    let profile = fields.profile.into();
    if requested.is_some_and(|requested| requested != profile) {
        return Err(OpenJetStreamError::OtherProfile(profile));
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
    Ok((layout, profile))
}

/// Opens a deployment that is complete, and changes nothing.
pub(super) async fn open_to_read(
    connection: &Connection,
    config: &Config,
) -> Result<(Layout, Profile), OpenJetStreamError> {
    let missing = || OpenJetStreamError::NoDeployment(config.deployment.clone());
    let mut layout = Layout { deployment: config.deployment.clone(), shards: 0 };
    if !exists(connection, &layout.accounts()).await? {
        return Err(missing());
    }
    let slot = connection.read(&layout.layout()).await?;
    let Some(record) = LayoutRecord::of(&slot)? else { return Err(missing()) };
    let fields = fields(record)?.map_err(other_layout)?;
    if !fields.complete {
        return Err(missing());
    }
    layout.shards = fields.shards;
    Ok((layout, fields.profile.into()))
}

/// Fails if the deployment is one side of a migration.
pub(super) async fn refuse_migration(
    connection: &Connection,
    layout: &Layout,
) -> Result<(), OpenJetStreamError> {
    let slot = connection.read(&layout.migration()).await?;
    let deployment = || layout.deployment.clone();
    match MigrationFields::of(&slot)?.map(|migration| migration.state) {
        None => Ok(()),
        Some(MigrationState::Arriving) => Err(OpenJetStreamError::Arriving(deployment())),
        Some(MigrationState::Leaving | MigrationState::Left) => {
            Err(OpenJetStreamError::Left(deployment()))
        }
    }
}

const fn other_layout(found: u32) -> OpenJetStreamError {
    OpenJetStreamError::OtherLayout { found, known: VERSION }
}

/// Reads the layout, or records the one that is wanted. The version of another one is an error.
async fn record_layout(
    connection: &Connection,
    wanted: &Layout,
    profile: Profile,
) -> Result<Result<LayoutFields, u32>, Failure> {
    let key = wanted.layout();
    let slot = connection.read(&key).await?;
    if let Some(record) = LayoutRecord::of(&slot)? {
        return fields(record);
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

/// The fields of a layout. The version of another one is an error.
fn fields(
    LayoutRecord { version, rest }: LayoutRecord,
) -> Result<Result<LayoutFields, u32>, Failure> {
    if version != VERSION {
        return Ok(Err(version));
    }
    let fields = serde_json::from_value(rest);
    fields.map(Ok).map_err(|_| Failure::Damaged(LayoutRecord::NAME))
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
