//! The simulator: a server, its clients and their environment in one process, with one event queue
//! and one seed. No sockets, no clock, no threads.
//!
//! ```text
//!  seed or bytes ─▶ Dice ─▶ Plan ─▶ World ─▶ trace, tally, violation
//!                     (settings, steps, noise)
//! ```
//!
//! A [`Plan`] determines a run completely. It is text, so a failing one can be kept, shrunk and
//! replayed. A [`World`] runs both unchanged machines against a network that cuts, delays, stalls
//! and loses, disks that fail and lose power, and attackers. A model checks what must hold after
//! every step and at rest.

mod accounts;
mod allowances;
mod application;
mod attackers;
mod attacks;
mod backups;
mod bounds;
mod client_directories;
mod connections;
mod crypto;
mod dice;
mod disk;
mod disk_limits;
mod drain;
mod environment;
mod event;
mod event_queue;
mod fairness;
mod generate;
mod greedy;
mod greedy_plan;
mod greedy_tactics;
mod invitations;
mod memory_limits;
mod model;
mod network;
mod node;
mod notices;
mod plan;
mod process;
mod recordings;
mod restarts;
mod run;
mod script;
mod scripted_world;
mod server_keys;
mod state_names;
mod steps;
mod tally;
mod timeliness;
mod trace;
mod trust;
mod world;

pub use crypto::InsecureRsa;
pub use dice::Dice;
pub use generate::FaultFamily;
pub use plan::{
    Attack, CryptoKind, DiskFault, End, Greed, KeyStep, LastWrite, Misbehaviour, Otps, Plan, Rates,
    Registering, Settings, Step, StepKind, Tampering, Width,
};
pub use recordings::{RecordedRun, run_recorded};
pub use run::{RunResult, run, run_with_trace, shrink};
pub use tally::Tally;
pub use trace::Trace;
pub use world::World;
