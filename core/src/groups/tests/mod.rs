//! Groups as traces.

mod bed;
mod forks;
mod kept;
mod membership;
mod states;
mod texts;
