//! Groups as traces.

mod bed;
mod membership;
