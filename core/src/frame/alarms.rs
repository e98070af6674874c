//! Named alarms: the times at which a machine wants to be called again.

use alloc::collections::{BTreeMap, BTreeSet};

use super::Deadline;
use crate::time::Mono;

/// The alarms of a machine, by name. There is at most one of each name; setting it again moves it.
#[derive(Debug)]
pub(crate) struct Alarms<K> {
    queue: BTreeSet<(Mono, K)>,
    armed: BTreeMap<K, Mono>,
}

impl<K: Copy + Ord> Alarms<K> {
    pub(crate) const fn new() -> Self {
        Self { queue: BTreeSet::new(), armed: BTreeMap::new() }
    }

    /// Sets the alarm. If it is set already, it moves to the new time.
    pub(crate) fn arm(&mut self, name: K, at: Mono) {
        self.cancel(name);
        self.armed.insert(name, at);
        self.queue.insert((at, name));
    }

    /// Sets the alarm unless it is set already.
    pub(crate) fn arm_if_idle(&mut self, name: K, at: Mono) {
        if !self.armed.contains_key(&name) {
            self.arm(name, at);
        }
    }

    /// Sets the alarm. If it is set already, the earlier time counts.
    pub(crate) fn arm_at_latest(&mut self, name: K, at: Mono) {
        if self.armed.get(&name).is_none_or(|armed| at < *armed) {
            self.arm(name, at);
        }
    }

    /// Cancels the alarm, if it is set.
    pub(crate) fn cancel(&mut self, name: K) {
        if let Some(at) = self.armed.remove(&name) {
            self.queue.remove(&(at, name));
        }
    }

    /// Takes the earliest alarm that is due.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<K> {
        let &(at, name) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.cancel(name);
        Some(name)
    }

    /// Time of the earliest alarm.
    #[cfg(test)]
    pub(crate) fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }
}

impl<K: Alarm> Alarms<K> {
    /// Time and purpose of the earliest alarm.
    pub(crate) fn deadline(&self) -> Option<Deadline> {
        self.queue.first().map(|(at, name)| Deadline { at: *at, why: name.why() })
    }
}

/// Name of an alarm.
pub(crate) trait Alarm: Copy + Ord {
    /// Purpose of the alarm, in words for a log.
    fn why(self) -> &'static str;
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Arm(u8, u64),
        ArmIfIdle(u8, u64),
        ArmAtLatest(u8, u64),
        Cancel(u8),
        PopDue(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (name, at) = (|| 0..5_u8, || 0..20_u64);
        prop_oneof![
            (name(), at()).prop_map(|(name, at)| Step::Arm(name, at)),
            (name(), at()).prop_map(|(name, at)| Step::ArmIfIdle(name, at)),
            (name(), at()).prop_map(|(name, at)| Step::ArmAtLatest(name, at)),
            name().prop_map(Step::Cancel),
            at().prop_map(Step::PopDue),
        ]
    }

    proptest! {
        #[test]
        fn alarms_go_off_in_order_of_time(steps in prop::collection::vec(step(), 0..60)) {
            let mut alarms = Alarms::new();
            let mut list: Vec<(Mono, u8)> = Vec::new();
            for step in steps {
                match step {
                    Step::Arm(name, at) => {
                        alarms.arm(name, Mono(at));
                        list.retain(|(_, other)| *other != name);
                        list.push((Mono(at), name));
                    }
                    Step::ArmIfIdle(name, at) => {
                        alarms.arm_if_idle(name, Mono(at));
                        if list.iter().all(|(_, other)| *other != name) {
                            list.push((Mono(at), name));
                        }
                    }
                    Step::ArmAtLatest(name, at) => {
                        alarms.arm_at_latest(name, Mono(at));
                        list.push((Mono(at), name));
                        list.sort_unstable();
                        let first = list.iter().copied().find(|(_, other)| *other == name);
                        list.retain(|(_, other)| *other != name);
                        list.extend(first);
                    }
                    Step::Cancel(name) => {
                        alarms.cancel(name);
                        list.retain(|(_, other)| *other != name);
                    }
                    Step::PopDue(now) => {
                        let due = list.first().copied().filter(|(at, _)| *at <= Mono(now));
                        prop_assert_eq!(alarms.pop_due(Mono(now)), due.map(|(_, name)| name));
                        list.drain(..usize::from(due.is_some()));
                    }
                }
                list.sort_unstable();
                prop_assert_eq!(alarms.next(), list.first().map(|(at, _)| *at));
            }
        }
    }

    #[test]
    fn due_alarms_go_off_once_earliest_first() {
        let mut alarms = Alarms::new();
        alarms.arm('b', Mono(20));
        alarms.arm('a', Mono(10));
        alarms.arm('c', Mono(30));
        assert_eq!(alarms.next(), Some(Mono(10)));
        assert_eq!(alarms.pop_due(Mono(9)), None);
        assert_eq!(
            [alarms.pop_due(Mono(20)), alarms.pop_due(Mono(20)), alarms.pop_due(Mono(20))],
            [Some('a'), Some('b'), None]
        );
        assert_eq!(alarms.next(), Some(Mono(30)));
    }

    #[test]
    fn arming_again_moves_the_alarm() {
        let mut alarms = Alarms::new();
        alarms.arm('a', Mono(10));
        alarms.arm('a', Mono(20));
        alarms.arm_if_idle('a', Mono(5));
        assert_eq!((alarms.pop_due(Mono(10)), alarms.next()), (None, Some(Mono(20))));
        alarms.cancel('a');
        assert_eq!(alarms.next(), None);
    }
}
