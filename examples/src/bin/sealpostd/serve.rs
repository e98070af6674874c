//! Runs the server.

use std::net::SocketAddr;
use std::path::Path;

use sealpost_core::address::ServerAddress;
use sealpost_core::entropy::Entropy;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, Server};
use sealpost_core::wire::Profile;
use sealpost_mio::{HostConfig, ServerHost, SignalHandling};
use sealpost_programs::{Failure, Line, log_to_stderr, random_seed, runner};
use sealpost_storage::{Quota, Shares};
use tracing_subscriber::filter::LevelFilter;

use crate::application::ServerApplication;
use crate::args::{ProfileName, Serving};
use crate::couriers::CourierThread;
use crate::data::DataFolder;
use crate::size::Size;

/// Runs the server until a signal stops it.
pub(crate) fn serve(data: &Path, args: &Serving) -> Result<(), Failure> {
    refuse_unlimited_access(args)?;
    log_to_stderr(LevelFilter::INFO)?;
    let data = DataFolder::make(data)?;
    let _lock = data.lock()?;
    let provider = args.crypto.provider();
    let (store, profile) = data.open(args.profile.map(ProfileName::profile), quota(args))?;
    let keys = data.keys(&*provider)?;

    let limits = limits(args);
    let config = HostConfig {
        max_connections: Some(args.bounds.connections),
        crypto_workers: args.workers,
        signals: SignalHandling::Daemon,
        ..HostConfig::default()
    };
    announce_bounds(&limits, &config, args);
    let server_key = keys.private.public_key().clone();
    let fingerprint = *server_key.fingerprint();
    let machine = Server::new(
        server::Config { profile, server_key, otp_channel: args.otp.channel(), limits },
        Entropy::from_seed(random_seed()?),
    )?;
    let crypto = runner(provider, keys.private, keys.wrapping)?;
    let courier = CourierThread::start(&args.otp)
        .map_err(Failure::context("can't start the thread that delivers one-time passwords"))?;
    let application = ServerApplication::new(courier);
    let host = ServerHost::bind(&config, args.listen, store, crypto, machine, application)?;

    let local = host.local_addr();
    announce(&data, profile, local, fingerprint)?;
    Line::text(format_args!("ready {local} sha256:{fingerprint}"))?;
    host.run()?;
    tracing::info!("stopped");
    Ok(())
}

/// Without rate limits a stranger can flood the server, so only this machine may reach it.
fn refuse_unlimited_access(args: &Serving) -> Result<(), Failure> {
    if args.no_limits && !args.listen.ip().to_canonical().is_loopback() {
        return Err(Failure::usage(format_args!(
            "--no-limits is not allowed on {}, which other machines may reach; listen on a \
             loopback address such as 127.0.0.1:7465",
            args.listen
        )));
    }
    Ok(())
}

fn limits(args: &Serving) -> Limits {
    let bounds = &args.bounds;
    let memory = usize::try_from(bounds.packet_memory.0).unwrap_or(usize::MAX);
    let base = if args.no_limits {
        tracing::warn!("rate limits are off: use --no-limits for tests and benchmarks only");
        Limits::without_rates()
    } else {
        Limits { stored_bytes_per_day: bounds.daily_size.0, ..Limits::default() }
    };
    Limits {
        connections: bounds.connections,
        held_bytes_in_all: memory / 4,
        in_flight_bytes_in_all: memory / 4,
        receipt_bytes: bounds.receipts_size.0,
        ..base
    }
}

fn quota(args: &Serving) -> Quota {
    let bounds = &args.bounds;
    let (shares, disk_reserve_bytes) = if args.no_limits {
        (Shares::Unlimited, 0)
    } else {
        (Shares::Limited, bounds.disk_reserve.0)
    };
    Quota {
        messages: bounds.mailbox_messages,
        bytes: bounds.mailbox_size.0,
        shares,
        store_bytes: bounds.store_size.0,
        disk_reserve_bytes,
    }
}

/// Logs how much memory and disk the server takes at most.
fn announce_bounds(limits: &Limits, host: &HostConfig, args: &Serving) {
    let machine = limits.memory_bound(host.read_budget.get());
    let total = machine.saturating_add(host.memory_bound()).saturating_add(PROGRAM);
    tracing::info!(
        "memory bound: {}, if each of {} connections is used against the server; store bound: {} \
         of packets, {} of disk left free",
        Size(total),
        limits.connections,
        args.bounds.store_size,
        args.bounds.disk_reserve,
    );
}

/// Logs the server's address, and saves it for `sealpostd address`.
fn announce(
    data: &DataFolder,
    profile: Profile,
    local: SocketAddr,
    fingerprint: Fingerprint,
) -> Result<(), Failure> {
    let open = local.ip().is_unspecified();
    let host = if open { ANY_HOST.to_owned() } else { local.ip().to_string() };
    let address = ServerAddress::new(profile, &host, local.port(), fingerprint)?;
    if open {
        tracing::info!("{address} (put this machine's name or address in place of HOST)");
    } else {
        tracing::info!("{address}");
    }
    let file = data.address();
    std::fs::write(&file, format!("{address}\n")).map_err(Failure::context(file.display()))
}

/// Placeholder in an address for the name by which clients reach this machine.
pub(crate) const ANY_HOST: &str = "HOST";

/// Memory of the program itself: its code, its threads, and the caches of the database.
const PROGRAM: u64 = 64 << 20;
