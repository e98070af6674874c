//! Recordings of a simulated server, one for each of its processes.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng;
use sealpost_core::entropy::Entropy;
use sealpost_core::server::{Config, Server};

use super::model::MARK;
use super::plan::Plan;
use super::run::RunResult;
use super::trace::Trace;
use super::world::World;
use crate::recorded::{SharedRecorder, Watcher, record, watcher};

/// Recordings of all processes of the server so far, if there are any to be made.
#[derive(Default)]
pub(super) struct Recordings {
    is_on: bool,
    recorders: Vec<SharedRecorder>,
}

/// A run whose server was recorded.
pub struct RecordedRun {
    /// Result of the run.
    pub result: RunResult,
    /// Text of each recording.
    pub recordings: Vec<String>,
    /// What must not be in them, as text.
    pub secrets: Vec<String>,
}

/// Runs a plan to its end, and records each process of its server.
pub fn run_recorded(plan: &Plan) -> RecordedRun {
    let mut world = World::recorded(plan, Trace::default());
    world.run();
    let violation = world.violation().map(str::to_owned);
    let result = RunResult { digest: world.digest(), tally: world.tally(), violation };
    RecordedRun { result, recordings: world.recordings.texts(), secrets: secrets(&world) }
}

impl Recordings {
    pub(super) const fn on() -> Self {
        Self { is_on: true, recorders: Vec::new() }
    }

    /// Begins to record a server that is about to start. Returns its generator.
    pub(super) fn begin(
        &mut self,
        config: &Config,
        seed: [u8; 32],
    ) -> (Entropy, Option<Watcher<Server>>) {
        if !self.is_on {
            return (Entropy::from_seed(seed), None);
        }
        let (entropy, recorder) = record(config, Box::new(ChaCha20Rng::from_seed(seed)));
        let watcher = watcher(&recorder);
        self.recorders.push(recorder);
        (entropy, Some(watcher))
    }

    fn texts(&self) -> Vec<String> {
        self.recorders.iter().map(|recorder| recorder.borrow_mut().take_lines()).collect()
    }
}

/// Contents of messages, phone numbers, and keys in hex.
fn secrets(world: &World) -> Vec<String> {
    let people = 0..world.clients.len() + world.greedy.len();
    let phones = people.map(|person| world.phone_of(person).digits().to_string());
    let keys = (0..world.env.settings.crypto.keys()).flat_map(|index| {
        let key = world.env.settings.crypto.public_key(index);
        let modulus = key.der().get(40..60).unwrap_or_default();
        [hex::encode(modulus), key.fingerprint().to_string()]
    });
    [MARK.to_owned()].into_iter().chain(phones).chain(keys).collect()
}
