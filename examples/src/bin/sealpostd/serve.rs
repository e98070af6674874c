//! Runs the server.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use sealpost_core::address::{ServerAddress, Transport};
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, Server};
use sealpost_core::wire::Profile;
use sealpost_mio::{HostConfig, ListeningSocket, ServerHost, SignalHandling, raise_file_limit};
use sealpost_programs::{Failure, Line, entropy, start_log};

use crate::admin::{AdminSocket, SocketFile};
use crate::application::ServerApplication;
use crate::args::ProfileName;
use crate::ballast::Ballasted;
use crate::config::{Config, Layers, Listen, Origin, PORT, Place, Settings, show};
use crate::confine::confine;
use crate::couriers::{Couriers, OtpRoute, SharedCouriers};
use crate::data::{DataFolder, PublicKeys};
use crate::key::PlausibleClock;
use crate::metrics::{MetricsSocket, Process, Vitals};
use crate::offline::with_key;
use crate::running::{MemoryLimits, Running};
use crate::size::Size;
use crate::sockets;
use crate::supervisor::{Reloadable, Supervisor};
use crate::tls::Certificate;

/// Runs the server until a signal stops it. With `init` it makes the data folder if there is none.
pub(crate) fn serve(layers: &Layers, init: bool) -> Result<(), Failure> {
    let settings = layers.settings()?;
    let config = Config::new(&settings)?;
    let log = start_log(config.log.level.clone(), config.log.format);
    let couriers = Couriers::start(&config.otp)?;
    warn_of_unproved_numbers(&config);
    let certificate = Certificate::load(&config.tls)?;
    warn_of_plain_tcp(&config, certificate.as_ref());
    let data = data_folder(&config, &settings, init)?;
    let _lock = data.lock()?;
    if !data.is_used()? {
        data.write_config(&show(&Settings::defaults()?))?;
    }
    let provider = config.crypto.provider.provider(config.crypto.verify);
    let (store, profile) = data.open(config.profile.map(ProfileName::profile), config.quota())?;
    let clock = PlausibleClock { newest: store.newest_time()?, step: config.storage.clock_step.0 };
    data.retire_key_when_due(config.key.retire_after.0, &clock)?;
    let keys = data.keys(&*provider)?;
    let quota = store.quota();
    let reserve_bytes = config.quota().disk_reserve_bytes;
    let store = Ballasted::new(data.marked(store)?, data.ballast(), reserve_bytes);

    let limits = limits(&config)?;
    let host = host_config(&config, &limits, certificate.as_ref());
    announce_bounds(&limits, &host, &config);
    let (connections, memory_limits) =
        (limits.connections, MemoryLimits::new(&limits, host.queued_bytes_in_all));
    let public_keys = keys.public();
    let machine = machine_config(&config, profile, &public_keys, limits);
    let machine = Server::new(machine, entropy()?)?;
    let crypto = keys.runner(Arc::clone(&provider))?;
    let couriers = SharedCouriers::new(couriers);
    let vitals = Arc::new(Vitals::default());
    let reloadable = Reloadable {
        layers: layers.clone(),
        settings,
        connections,
        quota: quota.clone(),
        couriers: couriers.clone(),
        vitals: Arc::clone(&vitals),
        certificate: certificate.clone(),
    };
    let supervisor = Supervisor::start(reloadable, log.clone())?;
    let reloader = supervisor.reloader();
    let application = ServerApplication::new(couriers, supervisor);
    // Sockets can't be created any more once the server is confined.
    let admin = AdminSocket::bind(&data);
    let metrics = config.metrics.listen.map(MetricsSocket::bind).transpose()?;
    let process = Arc::new(Process::open());
    let folders = certificate.as_ref().map(Certificate::folders).unwrap_or_default();
    let sockets = sockets::open(&config.listen)?;
    let (local, bound) = (texts(&sockets), sockets::first_address(&sockets));
    confine(data.path(), &folders, &sockets::folders(&config.listen))?.log();
    let host = ServerHost::new(&host, sockets, store, crypto, machine, application)?;
    let running = Running {
        data: data.clone(),
        handle: host.handle(),
        store: host.store(),
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
    metrics.map_or(Ok(()), |socket| socket.serve(running.clone()))?;
    let _socket = take_commands(admin, running)?;

    let fingerprint = *public_keys.newest().fingerprint();
    let address = address(&config, certificate.as_ref(), profile, bound, fingerprint)?;
    certificate.map_or(Ok(()), Certificate::watch)?;
    announce(&address, &public_keys)?;
    data.write_address(&address)?;
    Line::text(format_args!("ready {local} sha256:{fingerprint}"))?;
    host.run()?;
    tracing::info!("stopped");
    Ok(())
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
    keys: &PublicKeys,
    limits: Limits,
) -> server::Config {
    server::Config {
        profile,
        server_key: keys.first.clone(),
        successor: keys.successor.clone(),
        otp_channel: config.otp.route.channel(),
        registered_phones: config.registered_phones(),
        registration: config.registration.registrants(),
        exempt_networks: config.limits.exempt_networks.clone(),
        limits,
    }
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

/// Logs how much memory and disk the server takes at most.
fn announce_bounds(limits: &Limits, host: &HostConfig, config: &Config) {
    tracing::info!(
        "memory bound: {}, if each of {} connections is used against the server; store bound: {} \
         of packets, {} of disk left free",
        Size(memory_bound(limits, host)),
        limits.connections,
        config.storage.store_size,
        config.storage.disk_reserve,
    );
}

/// Bytes of memory that the process takes at most.
fn memory_bound(limits: &Limits, host: &HostConfig) -> u64 {
    let machine = limits.memory_bound(host.read_budget.get());
    machine.saturating_add(host.memory_bound()).saturating_add(PROGRAM)
}

/// The address by which clients reach the server: the public one, or else the first TCP address
/// that it listens on, of which `bound` has the port and which may be that of a service manager. A
/// server with a certificate has the name for which that is made.
pub(crate) fn address(
    config: &Config,
    certificate: Option<&Certificate>,
    profile: Profile,
    bound: Option<SocketAddr>,
    fingerprint: Fingerprint,
) -> Result<ServerAddress, Failure> {
    let own = if certificate.is_some() { Transport::Tls } else { Transport::Tcp };
    if let Some(public) = &config.public_address {
        let transport = public.transport.unwrap_or(own);
        return Ok(ServerAddress::new(transport, profile, &public.host, public.port, fingerprint)?);
    }
    let configured = config.listen.iter().find_map(|listen| match &listen.place {
        Place::Tcp { host, port } => Some((host.clone(), *port)),
        Place::Unix { .. } | Place::ServiceManager => None,
    });
    let (local, port) = match (configured, bound) {
        (Some((host, 0)), Some(bound)) => (host, bound.port()),
        (Some(configured), _) => configured,
        (None, Some(bound)) => (bound.ip().to_string(), bound.port()),
        (None, None) => (ANY_HOST.to_owned(), PORT),
    };
    let named = certificate.and_then(|certificate| certificate.host(&local));
    let is_any = local.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    let host = named.unwrap_or(if is_any { ANY_HOST } else { &local });
    Ok(ServerAddress::new(own, profile, host, port, fingerprint)?)
}

/// Logs the server's address, and the old one while both work.
fn announce(address: &ServerAddress, keys: &PublicKeys) -> Result<(), Failure> {
    if address.host() == ANY_HOST {
        tracing::info!("{address} (put this machine's name or address in place of HOST)");
    } else {
        tracing::info!("{address}");
    }
    if keys.successor.is_some() {
        let old = with_key(address, *keys.first.fingerprint())?;
        tracing::info!("{old} works as well, until the old key is retired");
    }
    Ok(())
}

/// Placeholder in an address for the name by which clients reach this machine.
pub(crate) const ANY_HOST: &str = "HOST";

/// Memory of the program itself: its code, its threads, and the caches of the database.
const PROGRAM: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_memory_bound_is_one_that_an_operator_can_use() {
        let bound = |connections| {
            let limits = Limits { connections, ..Limits::default() };
            let host = HostConfig { max_connections: Some(connections), ..HostConfig::default() };
            memory_bound(&limits, &host) >> 20
        };
        assert!(bound(16_384) < 1_024, "{} MiB", bound(16_384));
        assert!(bound(4_096) < 1_024 - 48, "{} MiB", bound(4_096));
    }
}
