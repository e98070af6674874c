//! Named alarms, each set at most once.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Mono;

/// Alarms by name. Setting one again moves it.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    queue: BTreeSet<(Mono, K)>,
    armed: BTreeMap<K, Mono>,
}

impl<K: Copy + Ord> Timers<K> {
    pub(crate) const fn new() -> Self {
        Self { queue: BTreeSet::new(), armed: BTreeMap::new() }
    }

    /// Sets the alarm, in place of an earlier setting.
    pub(crate) fn arm(&mut self, name: K, at: Mono) {
        self.cancel(name);
        self.armed.insert(name, at);
        self.queue.insert((at, name));
    }

    /// Sets the alarm unless it is set.
    pub(crate) fn arm_if_idle(&mut self, name: K, at: Mono) {
        if !self.armed.contains_key(&name) {
            self.arm(name, at);
        }
    }

    /// Takes the alarm back.
    pub(crate) fn cancel(&mut self, name: K) {
        if let Some(at) = self.armed.remove(&name) {
            self.queue.remove(&(at, name));
        }
    }

    /// Takes the earliest alarm whose time has come.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<K> {
        let &(at, name) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.cancel(name);
        Some(name)
    }

    /// When the earliest alarm goes off.
    pub(crate) fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_alarms_go_off_once_earliest_first() {
        let mut timers = Timers::new();
        timers.arm('b', Mono(20));
        timers.arm('a', Mono(10));
        timers.arm('c', Mono(30));
        assert_eq!(timers.next(), Some(Mono(10)));
        assert_eq!(timers.pop_due(Mono(9)), None);
        assert_eq!(
            [timers.pop_due(Mono(20)), timers.pop_due(Mono(20)), timers.pop_due(Mono(20))],
            [Some('a'), Some('b'), None]
        );
        assert_eq!(timers.next(), Some(Mono(30)));
    }

    #[test]
    fn arming_again_moves_the_alarm() {
        let mut timers = Timers::new();
        timers.arm('a', Mono(10));
        timers.arm('a', Mono(20));
        timers.arm_if_idle('a', Mono(5));
        assert_eq!((timers.pop_due(Mono(10)), timers.next()), (None, Some(Mono(20))));
        timers.cancel('a');
        assert_eq!(timers.next(), None);
    }
}
