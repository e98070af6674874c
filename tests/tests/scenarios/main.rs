//! Scenarios, each run in the simulator and over real sockets, without and with TLS. A scenario asserts what applications
//! must observe. Beyond that, its outcome must be the same on both deployments.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod absence;
mod accounts;
#[path = "../../../transport-mio/tests/certificates/mod.rs"]
mod certificates;
mod clocks;
mod conversations;
mod failures;
mod loopback;
mod process;
mod relay;
mod server_disk;
#[cfg(feature = "jetstream")]
#[path = "../../../storage/src/server/jetstream/test_engine.rs"]
#[expect(dead_code, reason = "faults of the engine are for the tests of the store")]
mod test_engine;

use loopback::Loopback;
use sealpost_core::address::Transport;
#[cfg(feature = "jetstream")]
use sealpost_storage::server::jetstream::{Config, Syncing};
use sealpost_tests::scenarios::{Deployment, Device, Outcome, Scenario};
use sealpost_tests::sim::{Settings, World};
use server_disk::ServerDisk;

const ALICE: Device = Device(0);
const BOB: Device = Device(1);
const CAROL: Device = Device(2);

/// Runs a scenario on both deployments, in the simulator with several seeds.
fn run(settings: &Settings, script: impl Fn(&mut Scenario<'_>)) {
    let seen = run_on(&mut World::scripted(settings, 0), &script);
    for seed in 1..SEEDS {
        assert_eq!(run_on(&mut World::scripted(settings, seed), &script), seen);
    }
    for transport in [Transport::Tcp, Transport::Tls] {
        assert_eq!(
            run_on(&mut Loopback::new(settings, transport, ServerDisk::sqlite()), &script),
            seen,
            "left: over sockets ({transport:?}), right: simulated"
        );
    }
    #[cfg(feature = "jetstream")]
    if let Some(disk) = ServerDisk::jetstream() {
        assert_eq!(
            run_on(&mut Loopback::new(settings, Transport::Tcp, disk), &script),
            seen,
            "left: with a store in NATS JetStream, right: simulated"
        );
    }
}

fn run_on(deployment: &mut dyn Deployment, script: impl Fn(&mut Scenario<'_>)) -> Outcome {
    let mut scenario = Scenario::new(deployment);
    script(&mut scenario);
    scenario.finish()
}

/// `count` distinct texts.
fn texts(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{name} {number}")).collect()
}

/// Number of simulator seeds for each scenario.
const SEEDS: u64 = 8;
