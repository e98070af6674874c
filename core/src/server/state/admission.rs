//! Rate limits per address and user.

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::time::Duration;

use crate::server::limits::{Limits, Rate};
use crate::time::Mono;

/// One meter: the generic cell rate algorithm, which needs a single moment for its state.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct Meter {
    /// The moment at which all events so far are paid off.
    paid_off: Mono,
}

/// The rate is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct TooMany {
    /// How long until one more event may come.
    pub(in crate::server) retry_after: Duration,
}

impl Meter {
    pub(in crate::server) const fn new() -> Self {
        Self { paid_off: Mono(0) }
    }

    /// Counts one event that has happened already. Returns when the next one may come, if that is
    /// later than now.
    pub(in crate::server) fn charge(&mut self, rate: Rate, now: Mono) -> Option<Mono> {
        self.paid_off = self.paid_off.max(now) + rate.every;
        let credit = rate.every.saturating_mul(rate.burst.max(1));
        let debt = self.paid_off.since(now);
        (debt > credit).then(|| now + debt.saturating_sub(credit))
    }

    /// Counts one event, unless it exceeds the rate.
    pub(in crate::server) fn count(&mut self, rate: Rate, now: Mono) -> Result<(), TooMany> {
        let paid_off = self.paid_off.max(now) + rate.every;
        let debt = paid_off.since(now);
        let credit = rate.every.saturating_mul(rate.burst.max(1));
        if debt > credit {
            return Err(TooMany { retry_after: debt.saturating_sub(credit) });
        }
        self.paid_off = paid_off;
        Ok(())
    }
}

/// Meters by key, up to a maximum. A meter that owes nothing is the same as a new one, and is
/// forgotten when room is needed; if all owe something, a new key is refused.
#[derive(Debug)]
struct Meters<K> {
    rate: Rate,
    most: usize,
    by_key: BTreeMap<K, Meter>,
}

impl<K: Ord> Meters<K> {
    const fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most, by_key: BTreeMap::new() }
    }

    fn count(&mut self, key: K, now: Mono) -> Result<(), TooMany> {
        if self.rate.every.is_zero() {
            return Ok(());
        }
        if self.by_key.len() >= self.most && !self.by_key.contains_key(&key) {
            self.by_key.retain(|_, meter| meter.paid_off > now);
            if self.by_key.len() >= self.most {
                return Err(TooMany { retry_after: self.rate.every });
            }
        }
        self.by_key.entry(key).or_default().count(self.rate, now)
    }
}

/// The rate limits on connections without a session.
#[derive(Debug)]
pub(in crate::server) struct Admission {
    registrations: Meters<IpAddr>,
    reconnects: Meters<IpAddr>,
    refusals: Meters<IpAddr>,
}

impl Admission {
    pub(in crate::server) const fn new(limits: &Limits) -> Self {
        Self {
            registrations: Meters::new(limits.registrations_per_address, limits.remembered),
            reconnects: Meters::new(limits.reconnects_per_address, limits.remembered),
            refusals: Meters::new(limits.refusals_per_address, limits.remembered),
        }
    }

    /// Count of addresses in the largest of the limiters.
    pub(in crate::server) fn remembered(&self) -> usize {
        let limiters = [&self.registrations, &self.reconnects, &self.refusals];
        limiters.map(|meters| meters.by_key.len()).into_iter().max().unwrap_or(0)
    }

    pub(in crate::server) fn registration(
        &mut self,
        peer: IpAddr,
        now: Mono,
    ) -> Result<(), TooMany> {
        self.registrations.count(neighbourhood(peer), now)
    }

    pub(in crate::server) fn reconnect(&mut self, peer: IpAddr, now: Mono) -> Result<(), TooMany> {
        self.reconnects.count(neighbourhood(peer), now)
    }

    /// Counts an error that is sent to a connection without a session.
    pub(in crate::server) fn refusal(&mut self, peer: IpAddr, now: Mono) -> Result<(), TooMany> {
        self.refusals.count(neighbourhood(peer), now)
    }
}

/// The address that is counted: an IPv4 address itself, for an IPv6 address its /64 network, which
/// one household or host has to itself.
pub(super) fn neighbourhood(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & (u128::MAX << 64)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// In every stretch of time there is at most the burst, and one event for each interval in
        /// it. An event that was told to wait is admitted then.
        #[test]
        fn no_stretch_of_time_sees_more_than_the_rate(
            burst in 0..6_u32,
            every in 1..30_u64,
            waits in prop::collection::vec(0..40_u64, 1..80),
        ) {
            let rate = Rate { burst, every: Duration::from_micros(every) };
            let (mut meter, mut now, mut ledger) = (Meter::new(), Mono(0), Vec::new());
            for wait in waits {
                now = Mono(now.0 + wait);
                match meter.count(rate, now) {
                    Ok(()) => ledger.push(now),
                    Err(TooMany { retry_after }) => {
                        prop_assert!(!retry_after.is_zero());
                        let just_before = now + retry_after.saturating_sub(Duration::from_micros(1));
                        let (mut early, mut punctual) = (meter, meter);
                        prop_assert!(early.count(rate, just_before).is_err());
                        prop_assert_eq!(punctual.count(rate, now + retry_after), Ok(()));
                    }
                }
                for (nth, since) in ledger.iter().enumerate() {
                    let seen = ledger.len() - nth;
                    let most = u64::from(burst.max(1)) + (now.0 - since.0) / every;
                    prop_assert!(seen as u64 <= most, "{seen} since {since:?}");
                }
            }
        }

        /// Events that were counted after the fact are paid for as well.
        #[test]
        fn what_has_happened_is_charged(burst in 1..6_u32, extra in 1..20_u32) {
            let rate = Rate { burst, every: Duration::from_secs(1) };
            let mut meter = Meter::new();
            for _ in 0..burst {
                prop_assert_eq!(meter.charge(rate, Mono(0)), None);
            }
            for nth in 1..=extra {
                prop_assert_eq!(meter.charge(rate, Mono(0)), Some(Mono(0) + rate.every * nth));
            }
            prop_assert_eq!(meter.charge(rate, Mono(0) + rate.every * (extra + 1)), None);
        }
    }

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    #[test]
    fn a_burst_passes_then_one_each_interval() {
        let mut meter = Meter::default();
        let start = Mono(5_000_000);
        for _ in 0..3 {
            assert_eq!(meter.count(RATE, start), Ok(()));
        }
        let wait = Duration::from_secs(10);
        assert_eq!(meter.count(RATE, start), Err(TooMany { retry_after: wait }));
        assert_eq!(meter.count(RATE, start + wait), Ok(()));
        assert!(meter.count(RATE, start + wait).is_err());
        assert_eq!(meter.count(RATE, start + wait * 10), Ok(()));
    }

    #[test]
    fn a_full_table_forgets_only_who_owes_nothing() {
        let mut meters = Meters::new(RATE, 2);
        assert_eq!([meters.count('a', Mono(0)), meters.count('b', Mono(0))], [Ok(()), Ok(())]);
        assert!(meters.count('c', Mono(0)).is_err(), "both still owe");
        assert_eq!(meters.count('a', Mono(0)), Ok(()), "who is known needs no room");
        assert_eq!(meters.count('c', Mono(0) + RATE.every), Ok(()), "the other owes nothing more");
    }

    #[test]
    fn ipv6_counts_per_network() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
