//! State of a world under a scenario.

use std::collections::VecDeque;

use crate::scenarios::Observation;

/// Observations for the scenario, and the accounts of the devices.
pub(super) struct Script {
    pub(super) observations: VecDeque<Observation>,
    /// For each client, the first client with the same account.
    pub(super) accounts: Vec<usize>,
}
