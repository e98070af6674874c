//! The simulator: a server, its clients, and everything between them in one process, under one
//! queue of events and one seed. No sockets, no clock, no threads.
//!
//! ```text
//!  seed or bytes ─▶ Dice ─▶ Plan ─▶ World ─▶ trace, tally, violation
//!                     (settings, steps, noise)
//! ```
//!
//! A [`Plan`] is everything that a run is made of; the same plan gives the same run. It is text, so
//! a failing one is kept, shrunk and replayed. A [`World`] runs both machines, unchanged, against a
//! network that cuts, delays, stalls and loses, disks that fail and lose power, and people on the
//! wire. A model knows what must hold after every step and at rest.

mod agenda;
mod around;
mod attackers;
mod bounds;
mod crypto;
mod dice;
mod disk;
mod generate;
mod happenings;
mod homes;
mod lines;
mod listening;
mod lives;
mod model;
mod net;
mod node;
mod plan;
mod rest;
mod run;
mod script;
mod states;
mod tally;
mod trace;
mod trust;
mod world;

pub use crypto::InsecureRsa;
pub use dice::Dice;
pub use generate::Family;
pub use plan::{
    Attack, CryptoKind, DiskFault, End, Happening, LastWrite, Mischief, Otps, Plan, Rates,
    Settings, Step, Tampering, Width,
};
pub use run::{Ran, run, run_with_lines, shrink};
pub use tally::Tally;
pub use trace::Trace;
pub use world::World;
