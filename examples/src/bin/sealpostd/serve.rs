//! Runs the server.

use std::net::SocketAddr;
use std::path::Path;

use sealpost_core::address::ServerAddress;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, OtpChannel, Server};
use sealpost_core::wire::Profile;
use sealpost_mio::{HostConfig, ServerHost, SignalHandling, raise_file_limit};
use sealpost_programs::{Failure, Line, entropy, log_to_stderr, runner};
use sealpost_storage::{Quota, Shares};
use tracing_subscriber::filter::LevelFilter;

use crate::application::ServerApplication;
use crate::args::{ProfileName, Serving};
use crate::confine::confine;
use crate::couriers::{Couriers, OtpRoute};
use crate::data::DataFolder;
use crate::size::Size;

/// Runs the server until a signal stops it.
pub(crate) fn serve(data: &Path, args: &Serving) -> Result<(), Failure> {
    refuse_strangers(args)?;
    refuse_told_phones(args)?;
    log_to_stderr(LevelFilter::INFO)?;
    warn_of_unproved_numbers(args);
    let data = DataFolder::make(data)?;
    let _lock = data.lock()?;
    let provider = args.crypto.provider(args.verify);
    let (store, profile) = data.open(args.profile.map(ProfileName::profile), quota(args))?;
    let keys = data.keys(&*provider)?;

    let limits = limits(args)?;
    let mut config = HostConfig {
        max_connections: Some(limits.connections),
        crypto_workers: args.workers,
        signals: SignalHandling::Daemon,
        queued_bytes_in_all: limits.connection_bytes_in_all,
        ..HostConfig::default()
    };
    announce_bounds(&limits, &config, args);
    let server_key = keys.private.public_key().clone();
    let fingerprint = *server_key.fingerprint();
    let machine = Server::new(
        server::Config {
            profile,
            server_key,
            otp_channel: args.otp.channel(),
            registered_phones: args.registered_phones(),
            registration: args.joining.registration(),
            exempt_networks: args.joining.exempt_network.clone(),
            limits,
        },
        entropy()?,
    )?;
    let crypto = runner(provider, keys.private, keys.wrapping)?;
    // Counting the cores reads files outside the data folder.
    config.crypto_workers = Some(config.worker_count());
    let application = ServerApplication::new(Couriers::start(&args.otp)?);
    confine(data.path())?.log();
    let host = ServerHost::bind(&config, args.listen, store, crypto, machine, application)?;

    let local = host.local_addr();
    announce(&data, profile, local, fingerprint)?;
    Line::text(format_args!("ready {local} sha256:{fingerprint}"))?;
    host.run()?;
    tracing::info!("stopped");
    Ok(())
}

/// Fails if other machines may reach a server that only this one may. Without rate limits a stranger
/// can flood the server; with passwords in band a stranger can register any number.
fn refuse_strangers(args: &Serving) -> Result<(), Failure> {
    let refused = |option| {
        Err(Failure::usage(format_args!(
            "{option} is not allowed on {}, which other machines may reach; listen on a loopback \
             address such as 127.0.0.1:7465",
            args.listen
        )))
    };
    if args.listen.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    match args.otp {
        _ if args.no_limits => refused("--no-limits"),
        OtpRoute::InBand => refused("--otp in-band"),
        OtpRoute::InBandToAnyone
        | OtpRoute::Console
        | OtpRoute::Program(_)
        | OtpRoute::Webhook(_) => Ok(()),
    }
}

/// Fails if registered phone numbers are to be hidden while everybody gets the password that reveals
/// them.
fn refuse_told_phones(args: &Serving) -> Result<(), Failure> {
    match args.otp.channel() {
        OtpChannel::InBand if args.hide_registered => Err(Failure::usage(
            "--hide-registered hides nothing with one-time passwords in band: whoever asks gets \
             the password, and with it the answer",
        )),
        OtpChannel::InBand | OtpChannel::OutOfBand => Ok(()),
    }
}

/// Warns of a way to deliver passwords by which nobody proves to own a phone number.
fn warn_of_unproved_numbers(args: &Serving) {
    match args.otp {
        _ if !args.joining.sends_passwords() => {}
        OtpRoute::Console => tracing::warn!(
            "one-time passwords are printed on standard output: whoever reads it can register any \
             phone number"
        ),
        OtpRoute::InBand | OtpRoute::InBandToAnyone => tracing::warn!(
            "one-time passwords are in band: whoever can connect can register any phone number"
        ),
        OtpRoute::Program(_) | OtpRoute::Webhook(_) => {}
    }
}

fn limits(args: &Serving) -> Result<Limits, Failure> {
    let bounds = &args.bounds;
    let connections = raise_file_limit(bounds.connections)?;
    if connections < bounds.connections {
        tracing::warn!(
            "only {connections} of {} connections are possible: the hard limit of open files is too \
             low; raise it with `ulimit -Hn` or LimitNOFILE",
            bounds.connections
        );
    }
    let memory = usize::try_from(bounds.packet_memory.0).unwrap_or(usize::MAX);
    let mut base = if args.no_limits {
        tracing::warn!("rate limits are off: use --no-limits for tests and benchmarks only");
        Limits::without_rates()
    } else {
        Limits { stored_bytes_per_day: bounds.daily_size.0, ..Limits::default() }
    };
    args.joining.bound(&mut base);
    Ok(Limits {
        connections,
        held_bytes_in_all: memory / 4,
        in_flight_bytes_in_all: memory / 4,
        connection_bytes_in_all: memory,
        receipt_bytes: bounds.receipts_size.0,
        ..base
    })
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
    tracing::info!(
        "memory bound: {}, if each of {} connections is used against the server; store bound: {} \
         of packets, {} of disk left free",
        Size(memory_bound(limits, host)),
        limits.connections,
        args.bounds.store_size,
        args.bounds.disk_reserve,
    );
}

/// Bytes of memory that the process takes at most.
fn memory_bound(limits: &Limits, host: &HostConfig) -> u64 {
    let machine = limits.memory_bound(host.read_budget.get());
    machine.saturating_add(host.memory_bound()).saturating_add(PROGRAM)
}

/// Logs the server's address, and saves it for `sealpostd address`.
fn announce(
    data: &DataFolder,
    profile: Profile,
    local: SocketAddr,
    fingerprint: Fingerprint,
) -> Result<(), Failure> {
    let open = local.ip().is_unspecified();
    let host = if open { ANY_HOST.to_owned() } else { host(local) };
    let address = ServerAddress::new(profile, &host, local.port(), fingerprint)?;
    if open {
        tracing::info!("{address} (put this machine's name or address in place of HOST)");
    } else {
        tracing::info!("{address}");
    }
    data.write_address(&address)
}

/// The host part of an address. A link-local one keeps its scope, without which it can't be reached.
fn host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => {
            format!("{}%{}", address.ip(), address.scope_id())
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => address.ip().to_string(),
    }
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

    #[test]
    fn link_local_host_keeps_its_scope() {
        for (listen, expected) in
            [("127.0.0.1:1", "127.0.0.1"), ("[::1]:1", "::1"), ("[fe80::1%4]:1", "fe80::1%4")]
        {
            assert_eq!(host(listen.parse().unwrap()), expected);
        }
    }
}
