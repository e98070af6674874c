//! The simulator of groups: a few users with their machines of `sealpost_core::groups`, a network
//! that keeps only the order of each sender, crashes, restored backups, and one user who cheats.
//!
//! ```text
//!  seed ─▶ Plan (users, steps, noise) ─▶ World ─▶ trace, tally, violation
//! ```
//!
//! | file | content |
//! |---|---|
//! | `plan` | what happens in one simulation; made from a seed, or read from a file |
//! | `world` | the users, the network between them, and what each step does |
//! | `cheat` | what the dishonest user does |
//! | `witness` | what must hold: who gets copies, which texts are shown, who agrees |
//! | `run` | runs a plan to its end, and makes a failing one small |

mod cheat;
mod plan;
mod run;
mod witness;
mod world;

pub use plan::{Cheat, Plan, Step, StepKind};
pub use run::{RunResult, Tally, run, run_with_trace, shrink};
