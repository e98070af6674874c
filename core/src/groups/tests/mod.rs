//! Groups as traces.

mod bed;
mod forks;
mod membership;
mod states;
mod texts;
