//! Runs the server.

use std::net::SocketAddr;
use std::path::Path;

use sealpost_core::address::ServerAddress;
use sealpost_core::keys::Fingerprint;
use sealpost_core::server::limits::Limits;
use sealpost_core::server::{self, Server};
use sealpost_core::wire::Profile;
use sealpost_mio::{HostConfig, ServerHost, SignalHandling};
use sealpost_programs::{Failure, Line, entropy, log_to_stderr, runner};
use tracing_subscriber::filter::LevelFilter;

use crate::application::ServerApplication;
use crate::args::{ProfileName, Serving};
use crate::confine::confine;
use crate::couriers::CourierThread;
use crate::data::DataFolder;

/// Runs the server until a signal stops it.
pub(crate) fn serve(data: &Path, args: &Serving) -> Result<(), Failure> {
    refuse_unlimited_access(args)?;
    log_to_stderr(LevelFilter::INFO)?;
    let data = DataFolder::make(data)?;
    let _lock = data.lock()?;
    let provider = args.crypto.provider();
    let (store, profile) = data.open(args.profile.map(ProfileName::profile))?;
    let keys = data.keys(&*provider)?;

    let server_key = keys.private.public_key().clone();
    let fingerprint = *server_key.fingerprint();
    let machine = Server::new(
        server::Config {
            profile,
            server_key,
            otp_channel: args.otp.channel(),
            limits: limits(args),
        },
        entropy()?,
    )?;
    let mut config = HostConfig {
        crypto_workers: args.workers,
        signals: SignalHandling::Daemon,
        ..HostConfig::default()
    };
    let crypto = runner(provider, keys.private, keys.wrapping)?;
    // Counting the cores reads files outside the data folder.
    config.crypto_workers = Some(config.worker_count());
    let courier = CourierThread::start(&args.otp)
        .map_err(Failure::context("can't start the thread that delivers one-time passwords"))?;
    let application = ServerApplication::new(courier);
    confine(data.path())?.log();
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
    if args.no_limits {
        tracing::warn!("rate limits are off: use --no-limits for tests and benchmarks only");
        Limits::without_rates()
    } else {
        Limits::default()
    }
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
    let file = data.address();
    std::fs::write(&file, format!("{address}\n")).map_err(Failure::context(file.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_host_keeps_its_scope() {
        for (listen, expected) in
            [("127.0.0.1:1", "127.0.0.1"), ("[::1]:1", "::1"), ("[fe80::1%4]:1", "fe80::1%4")]
        {
            assert_eq!(host(listen.parse().unwrap()), expected);
        }
    }
}
