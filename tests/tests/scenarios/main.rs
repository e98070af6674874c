//! Scenarios, each played in the simulator and over real sockets. A script says what people must
//! see; beyond that, all that they saw must be the same on both grounds, to the last message.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what goes wrong fails the test"
)]

mod absence;
mod accounts;
mod clocks;
mod conversations;
mod failures;
mod loopback;
mod process;
mod relay;

use loopback::Loopback;
use sealpost_tests::scenario::{Device, Ground, Scene, Seen};
use sealpost_tests::sim::{Settings, World};

const ALICE: Device = Device(0);
const BOB: Device = Device(1);
const CAROL: Device = Device(2);

/// Plays a scenario on both grounds, and in the simulator with other noise as well.
fn play(settings: &Settings, script: impl Fn(&mut Scene<'_>)) {
    let seen = play_on(&mut World::scripted(settings, 0), &script);
    for noise in 1..NOISES {
        assert_eq!(play_on(&mut World::scripted(settings, noise), &script), seen);
    }
    assert_eq!(play_on(&mut Loopback::new(settings), &script), seen, "over sockets, simulated");
}

fn play_on(ground: &mut dyn Ground, script: impl Fn(&mut Scene<'_>)) -> Seen {
    let mut scene = Scene::new(ground);
    script(&mut scene);
    scene.finish()
}

/// So many texts that are told apart.
fn texts(name: &str, count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("{name} {number}")).collect()
}

/// How often a scenario is played in the simulator.
const NOISES: u64 = 8;
