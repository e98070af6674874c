//! What was met on the way: so that a run can say what it has tried.

use std::collections::BTreeMap;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// States that machines were seen in, by name.
    pub states: BTreeMap<&'static str, u64>,
    /// Messages that were wished to be sent.
    pub messages: u64,
    /// Messages that reached their readers' applications.
    pub delivered: u64,
    /// Packets that arrived whole or in pieces.
    pub packets: u64,
    /// Inputs to machines.
    pub inputs: u64,
    /// Simulated time, in microseconds.
    pub micros: u64,
}

impl Tally {
    /// A fault struck.
    pub(super) fn fault(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }

    /// A state was reached.
    pub(super) fn state(&mut self, name: &'static str) {
        *self.states.entry(name).or_default() += 1;
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in [(&mut self.faults, &other.faults), (&mut self.states, &other.states)]
        {
            for (name, count) in others {
                *mine.entry(name).or_default() += count;
            }
        }
        self.messages += other.messages;
        self.delivered += other.delivered;
        self.packets += other.packets;
        self.inputs += other.inputs;
        self.micros += other.micros;
    }
}
