//! The simulator: one or several servers, their clients and their environment in one process, with one
//! event queue and one seed. No sockets, no clock, no threads.
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
mod applications;
mod attackers;
mod attacks;
mod backups;
mod batches;
mod bounds;
mod client_directories;
mod connections;
mod crypto;
mod dice;
mod disk;
mod disk_limits;
mod drain;
mod drawn_settings;
mod engine;
mod environment;
mod episodes;
mod event;
mod event_queue;
mod fairness;
mod fault_family;
mod generate;
mod greedy;
mod greedy_plan;
mod greedy_tactics;
mod hints;
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
mod server_store;
mod settings;
mod state_names;
mod step;
mod steps;
mod tally;
mod timeliness;
mod trace;
mod trust;
mod world;

pub use crypto::{CryptoKind, InsecureRsa};
pub use dice::Dice;
pub use disk::{DiskFault, LastWrite};
pub use engine::EngineFault;
pub use fault_family::FaultFamily;
pub use plan::Plan;
pub use recordings::{RecordedRun, run_recorded};
pub use run::{RunResult, run, run_with_trace, shrink};
pub use settings::{Otps, Rates, Registering, Settings, Width};
pub use step::{Attack, End, Greed, KeyStep, Misbehaviour, Step, StepKind, Tampering};
pub use tally::Tally;
pub use trace::Trace;
pub use world::World;
