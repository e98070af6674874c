//! Runs the server.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use sealpost_core::entropy::Entropy;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, Command, Server, Servers};
use sealpost_core::wire::Profile;
use sealpost_mio::{HostConfig, ListeningSocket, ServerHost, SignalHandling, raise_file_limit};
use sealpost_programs::{Failure, Line, entropy, start_log};

use crate::address::{address, announce};
use crate::admin::{AdminSocket, SocketFile};
use crate::application::ServerApplication;
use crate::bound;
use crate::config::{Config, Layers, Listen, Origin, Record, Settings, StoreAddress, show};
use crate::confine::confine;
use crate::couriers::{Couriers, OtpRoute, SharedCouriers};
use crate::data::{DataFolder, PublicKeys};
use crate::metrics::{MetricsSocket, Process, Vitals};
use crate::recording::{self, Recording};
use crate::running::{MemoryLimits, Running};
use crate::size::Size;
use crate::sockets;
use crate::store::{self, Opened};
use crate::supervisor::{Reloadable, Supervisor};
use crate::tls::Certificate;

/// Runs the server until a signal stops it. With `init` it makes the data folder if there is none.
pub(crate) fn serve(layers: &Layers, init: bool) -> Result<(), Failure> {
    let settings = layers.settings()?;
    let config = Config::new(&settings)?;
    let log = start_log(config.log.level.clone(), config.log.format);
    let couriers = SharedCouriers::new(Couriers::start(&config.otp)?);
    warn_of_unproved_numbers(&config);
    let certificate = Certificate::load(&config.tls)?;
    warn_of_plain_tcp(&config, certificate.as_ref());
    warn_of_plain_nats(&config);
    let data = data_folder(&config, &settings, init)?;
    let _lock = data.lock()?;
    let provider = config.crypto.provider.provider(config.crypto.verify);
    if !data.is_used()? {
        data.write_config(&show(&Settings::defaults()?))?;
    }
    let Opened { store, reading, quota, profile, keys } = store::open(&data, &config, &*provider)?;

    let limits = limits(&config)?;
    let host = host_config(&config, &limits, certificate.as_ref());
    bound::announce(&limits, &host, &config);
    let memory_limits = MemoryLimits::new(&limits, host.queued_bytes_in_all);
    let vitals = Arc::new(Vitals::default());
    let reloadable = Reloadable {
        layers: layers.clone(),
        settings,
        connections: limits.connections,
        quota: quota.clone(),
        couriers: couriers.clone(),
        vitals: Arc::clone(&vitals),
        certificate: certificate.clone(),
    };
    let supervisor = Supervisor::start(reloadable, log.clone())?;
    let reloader = supervisor.reloader();
    let public_keys = keys.public();
    let machine_config = machine_config(&config, profile, store.servers(), &public_keys, limits);
    let crypto = keys.runner(Arc::clone(&provider))?;

    let OpenFiles { clients, admin, metrics, process, record } =
        open_files_and_confine(&data, &config, certificate.as_ref())?;
    let (local, bound) = (texts(&clients), sockets::first_address(&clients));
    let (recording, entropy) = recording(record, config.record.size, &machine_config)?;
    let machine = Server::new(machine_config, entropy)?;
    let application = ServerApplication::new(couriers, supervisor, recording);
    let host = ServerHost::new(&host, clients, store, crypto, machine, application)?;
    let running = Running {
        data: data.clone(),
        handle: host.handle(),
        store: host.store(),
        reading: reading.clone(),
        log,
        reloader,
        since: SystemTime::now(),
        provider,
        quota,
        memory_limits,
        vitals,
        certificate: certificate.as_ref().map(Certificate::expiry),
        process,
    };
    let handle = host.handle();
    let tell = move |what| handle.command(Command::Elsewhere(what));
    running
        .store
        .with_store(move |store| store.listen(tell))
        .recv()
        .map_err(Failure::context("the store's thread has ended"))??;
    metrics.map_or(Ok(()), |socket| socket.serve(running.clone()))?;
    let _socket = take_commands(admin, running)?;
    reading.watch()?;

    let fingerprint = *public_keys.newest().fingerprint();
    let address = address(&config, certificate.as_ref(), profile, bound, fingerprint)?;
    certificate.map_or(Ok(()), Certificate::watch)?;
    announce(&address, &public_keys);
    data.write_address(&address)?;
    Line::text(format_args!("ready {local} sha256:{fingerprint}"))?;
    host.run()?;
    tracing::info!("stopped");
    Ok(())
}

/// What a confined server can't open any more.
struct OpenFiles {
    clients: Vec<ListeningSocket>,
    admin: Result<AdminSocket, Failure>,
    metrics: Option<MetricsSocket>,
    process: Arc<Process>,
    /// Where to record to.
    record: Option<File>,
}

/// Opens every socket and file, and then confines this thread and those that it starts from now on.
fn open_files_and_confine(
    data: &DataFolder,
    config: &Config,
    certificate: Option<&Certificate>,
) -> Result<OpenFiles, Failure> {
    let admin = AdminSocket::bind(data);
    let metrics = config.metrics.listen.map(MetricsSocket::bind).transpose()?;
    let process = Arc::new(Process::open());
    let folders = certificate.map(Certificate::folders).unwrap_or_default();
    let clients = sockets::open(&config.listen)?;
    let Record { file, size } = &config.record;
    // Created last, so that a start that fails leaves no file in the way of the next one.
    let record = file.as_ref().map(|path| recording::create(path, *size)).transpose()?;
    confine(data.path(), &folders, &sockets::folders(&config.listen))?.log();
    Ok(OpenFiles { clients, admin, metrics, process, record })
}

fn host_config(config: &Config, limits: &Limits, certificate: Option<&Certificate>) -> HostConfig {
    let host = HostConfig {
        max_connections: Some(limits.connections),
        crypto_workers: config.crypto.workers,
        signals: SignalHandling::Daemon,
        queued_bytes_in_all: limits.connection_bytes_in_all,
        tls: certificate.map(Certificate::server),
        trusted_proxies: config.proxy.trusted.clone(),
        ..HostConfig::default()
    };
    // Counting the cores reads files that a confined server does not reach.
    HostConfig { crypto_workers: Some(host.worker_count()), ..host }
}

fn machine_config(
    config: &Config,
    profile: Profile,
    servers: Servers,
    keys: &PublicKeys,
    limits: Limits,
) -> server::Config {
    server::Config {
        profile,
        server_key: keys.first.clone(),
        successor: keys.successor.clone(),
        servers,
        otp_channel: config.otp.route.channel(),
        registered_phones: config.registered_phones(),
        registration: config.registration.registrants(),
        exempt_networks: config.limits.exempt_networks.clone(),
        limits,
    }
}

/// Begins a recording if there is a file for one. Returns the generator for the machine, too.
fn recording(
    file: Option<File>,
    limit: Size,
    config: &server::Config,
) -> Result<(Option<Recording>, Entropy), Failure> {
    let Some(file) = file else { return Ok((None, entropy()?)) };
    let (recording, entropy) = Recording::begin(file, limit, config)?;
    Ok((Some(recording), entropy))
}

/// Takes commands, if the socket for them could be created. A server without it serves all the same,
/// on file systems that have no sockets.
fn take_commands(
    socket: Result<AdminSocket, Failure>,
    server: Running,
) -> Result<Option<SocketFile>, Failure> {
    match socket {
        Ok(socket) => socket.serve(server).map(Some),
        Err(failure) => {
            tracing::warn!(
                "this server takes no commands, so stop it for those that change something: \
                 {failure}"
            );
            Ok(None)
        }
    }
}

/// Opens the data folder. Only the default one is made without being asked for: elsewhere, a folder
/// that is not there is more likely a mistyped path than a new server.
fn data_folder(config: &Config, settings: &Settings, init: bool) -> Result<DataFolder, Failure> {
    let path = &config.data;
    let is_default = settings.of("data").is_some_and(|setting| setting.origin == Origin::Default);
    if init || is_default {
        if !path.exists() {
            tracing::info!("making the data folder {}: there was none", path.display());
        }
        return DataFolder::make(path);
    }
    let unused = || {
        Failure::new(format_args!(
            "{} is not the data folder of a server: check its path, or make it one with sealpostd \
             init",
            path.display()
        ))
    };
    if !path.exists() {
        return Err(unused());
    }
    let data = DataFolder::existing(path)?;
    if data.is_a_server_s()? { Ok(data) } else { Err(unused()) }
}

/// Warns of a way to deliver passwords by which nobody proves to own a phone number.
fn warn_of_unproved_numbers(config: &Config) {
    match config.otp.route {
        _ if !config.registration.sends_passwords() => {}
        OtpRoute::Console => tracing::warn!(
            "one-time passwords are printed on standard output: whoever reads it can register any \
             phone number"
        ),
        OtpRoute::InBand | OtpRoute::InBandToAnyone => tracing::warn!(
            "one-time passwords are in band: whoever can connect can register any phone number"
        ),
        OtpRoute::Program(_) | OtpRoute::Webhook | OtpRoute::WebhookFile(_) => {}
    }
}

/// Warns of packets that anyone on the way can look at.
fn warn_of_plain_tcp(config: &Config, certificate: Option<&Certificate>) {
    let is_encrypted = |listen: &Listen| certificate.is_some() && listen.takes_tls();
    let is_open = |listen: &&Listen| !listen.is_local() && !is_encrypted(listen);
    for listen in config.listen.iter().filter(is_open) {
        tracing::warn!(
            "connections to {listen} are not encrypted by TLS: the network sees who writes to whom, \
             when, and how much, though not what; pass --tls-cert and --tls-key to hide it"
        );
    }
}

/// Warns of a connection to NATS that anyone on the way can look at.
fn warn_of_plain_nats(config: &Config) {
    let is_open = |store: &&StoreAddress| !store.is_encrypted() && !store.is_local();
    if let Some(store) = config.store.as_ref().filter(is_open) {
        tracing::warn!(
            "the connection to {store} may not be encrypted: the network sees phone numbers, public \
             keys and who writes to whom, though not what, and can change them; write tls:// instead"
        );
    }
}

/// The addresses of all sockets, for the operator.
fn texts(sockets: &[ListeningSocket]) -> String {
    let each: Vec<_> = sockets.iter().map(|socket| socket.local_address().to_string()).collect();
    each.join(",")
}

fn limits(config: &Config) -> Result<Limits, Failure> {
    let wanted = config.limits.connections;
    let connections = raise_file_limit(wanted)?;
    if connections < wanted {
        tracing::warn!(
            "only {connections} of {wanted} connections are possible: the hard limit of open files \
             is too low; raise it with `ulimit -Hn` or LimitNOFILE"
        );
    }
    if config.limits.disabled {
        tracing::warn!("rate limits are off: use --no-limits for tests and benchmarks only");
    }
    Ok(config.core_limits(connections))
}
