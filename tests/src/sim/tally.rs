//! Counts of what a run exercised.

use std::collections::BTreeMap;

/// Counts of faults, states, messages and packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Number of times that machines reached a state, by name.
    pub states: BTreeMap<&'static str, u64>,
    /// Messages that applications sent.
    pub messages: u64,
    /// Messages delivered to their recipients' applications.
    pub delivered: u64,
    /// Messages that greedy users sent.
    pub greedy_messages: u64,
    /// Packets that machines sent.
    pub packets: u64,
    /// Inputs to machines.
    pub inputs: u64,
    /// Simulated time, in microseconds.
    pub micros: u64,
}

impl Tally {
    /// Counts a fault.
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// Counts a state.
    pub(super) fn state(&mut self, name: &'static str) {
        *self.states.entry(name).or_default() += 1;
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in [(&mut self.faults, &other.faults), (&mut self.states, &other.states)]
        {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.greedy_messages += other.greedy_messages;
        self.packets += other.packets;
        self.inputs += other.inputs;
        self.micros += other.micros;
    }
}
