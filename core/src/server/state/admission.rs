//! Rate limits per address, and the meter of which every rate limit is made.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

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
    /// Counts `events` that have happened already. Returns when the next one may come, if that is
    /// later than now.
    pub(in crate::server) fn charge(&mut self, rate: Rate, events: u32, now: Mono) -> Option<Mono> {
        self.paid_off = self.paid_off.max(now) + rate.every.saturating_mul(events);
        let debt = self.paid_off.since(now);
        let credit = credit(rate);
        (debt > credit).then(|| now + debt.saturating_sub(credit))
    }

    /// Takes back an event that was charged.
    pub(in crate::server) fn refund(&mut self, rate: Rate) {
        self.paid_off = self.paid_off.earlier_by(rate.every);
    }

    /// Whether one event more would stay within the rate.
    pub(in crate::server) fn admits(mut self, rate: Rate, now: Mono) -> Result<(), TooMany> {
        self.count(rate, now)
    }

    /// Counts one event, unless it exceeds the rate.
    pub(in crate::server) fn count(&mut self, rate: Rate, now: Mono) -> Result<(), TooMany> {
        let paid_off = self.paid_off.max(now) + rate.every;
        let debt = paid_off.since(now);
        let credit = credit(rate);
        if debt > credit {
            return Err(TooMany { retry_after: debt.saturating_sub(credit) });
        }
        self.paid_off = paid_off;
        Ok(())
    }
}

/// The largest debt within a rate.
fn credit(rate: Rate) -> Duration {
    rate.every.saturating_mul(rate.burst.max(1))
}

/// Values by key, up to a maximum. One that owes nothing is the same as a new one, and is forgotten
/// from time to time and when room is needed. If all owe something, a new key is refused.
#[derive(Debug)]
pub(in crate::server) struct Ledger<K, V> {
    most: usize,
    by_key: BTreeMap<K, V>,
    /// When those who owe nothing were last searched for. A search looks at every value, and a
    /// stranger with many addresses could otherwise cause one each time.
    searched: Mono,
}

/// A value of a [`Ledger`].
pub(in crate::server) trait Account: Default {
    /// Whether something is not paid off yet.
    fn owes(&self, now: Mono) -> bool;
}

impl Account for Meter {
    fn owes(&self, now: Mono) -> bool {
        self.paid_off > now
    }
}

impl<K: Ord + Copy, V: Account> Ledger<K, V> {
    pub(in crate::server) const fn new(most: usize) -> Self {
        Self { most, by_key: BTreeMap::new(), searched: Mono(0) }
    }

    /// Changes the maximum. If there are more values already, they stay, and no new key is taken.
    pub(in crate::server) const fn resize(&mut self, most: usize) {
        self.most = most;
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(in crate::server) fn get(&self, key: K) -> Option<&V> {
        self.by_key.get(&key)
    }

    /// The value of a key, which is new if there was none.
    pub(in crate::server) fn of(&mut self, key: K, now: Mono) -> Result<&mut V, TooMany> {
        if !self.by_key.contains_key(&key) {
            self.make_room(now)?;
        }
        Ok(self.by_key.entry(key).or_default())
    }

    fn make_room(&mut self, now: Mono) -> Result<(), TooMany> {
        let is_full = |ledger: &Self| ledger.by_key.len() >= ledger.most;
        let pause = if is_full(self) { SEARCH_WHEN_FULL } else { SEARCH_EVERY };
        if now >= self.searched + pause {
            self.by_key.retain(|_, value| value.owes(now));
            self.searched = now;
        }
        if is_full(self) {
            return Err(TooMany { retry_after: (self.searched + SEARCH_WHEN_FULL).since(now) });
        }
        Ok(())
    }
}

/// Meters of one rate by key.
#[derive(Debug)]
struct Meters<K> {
    rate: Rate,
    ledger: Ledger<K, Meter>,
}

impl<K: Ord + Copy> Meters<K> {
    const fn new(rate: Rate, most: usize) -> Self {
        Self { rate, ledger: Ledger::new(most) }
    }

    /// Changes the rate. What is owed stays owed.
    const fn adjust(&mut self, rate: Rate, most: usize) {
        self.rate = rate;
        self.ledger.resize(most);
    }

    fn count(&mut self, key: K, now: Mono) -> Result<(), TooMany> {
        if self.rate.every.is_zero() {
            return Ok(());
        }
        self.ledger.of(key, now)?.count(self.rate, now)
    }
}

/// The rate limits on connections without a session.
#[derive(Debug)]
pub(in crate::server) struct Admission {
    registrations: Meters<IpAddr>,
    reconnects: Meters<IpAddr>,
    key_requests: Meters<IpAddr>,
    refusals: Meters<IpAddr>,
    exempt: Vec<IpNet>,
}

impl Admission {
    pub(in crate::server) const fn new(limits: &Limits, exempt: Vec<IpNet>) -> Self {
        Self {
            exempt,
            registrations: Meters::new(limits.registrations_per_address, limits.remembered),
            reconnects: Meters::new(limits.reconnects_per_address, limits.remembered),
            key_requests: Meters::new(limits.key_requests_per_address, limits.remembered),
            refusals: Meters::new(limits.refusals_per_address, limits.remembered),
        }
    }

    /// Takes over new limits. What is owed stays owed.
    pub(in crate::server) const fn adjust(&mut self, limits: &Limits) {
        self.registrations.adjust(limits.registrations_per_address, limits.remembered);
        self.reconnects.adjust(limits.reconnects_per_address, limits.remembered);
        self.key_requests.adjust(limits.key_requests_per_address, limits.remembered);
        self.refusals.adjust(limits.refusals_per_address, limits.remembered);
    }

    /// Count of addresses in the largest of the limiters.
    pub(in crate::server) fn remembered(&self) -> usize {
        let limiters = [&self.registrations, &self.reconnects, &self.key_requests, &self.refusals];
        limiters.map(|meters| meters.ledger.len()).into_iter().max().unwrap_or(0)
    }

    pub(in crate::server) fn registration(
        &mut self,
        peer: IpAddr,
        now: Mono,
    ) -> Result<(), TooMany> {
        let Some(counted) = self.counted(peer) else { return Ok(()) };
        self.registrations.count(counted, now)
    }

    /// Counts a 106 that names no id, or one that failed.
    pub(in crate::server) fn unproven_reconnect(
        &mut self,
        peer: IpAddr,
        now: Mono,
    ) -> Result<(), TooMany> {
        let Some(counted) = self.counted(peer) else { return Ok(()) };
        self.reconnects.count(counted, now)
    }

    /// Counts a request for the server's key.
    pub(in crate::server) fn key_request(
        &mut self,
        peer: IpAddr,
        now: Mono,
    ) -> Result<(), TooMany> {
        let Some(counted) = self.counted(peer) else { return Ok(()) };
        self.key_requests.count(counted, now)
    }

    /// Counts an error that is sent to a connection without a session.
    pub(in crate::server) fn refusal(&mut self, peer: IpAddr, now: Mono) -> Result<(), TooMany> {
        let Some(counted) = self.counted(peer) else { return Ok(()) };
        self.refusals.count(counted, now)
    }

    /// The address that is counted; `None` if no rate limit applies to the peer.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let address = peer.to_canonical();
        let is_exempt = self.exempt.iter().any(|network| network.contains(&address));
        (!is_exempt).then(|| neighbourhood(peer))
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

/// Pause between two searches of a ledger with room, which only free memory.
const SEARCH_EVERY: Duration = Duration::from_mins(10);
/// Pause between two searches of a full ledger.
const SEARCH_WHEN_FULL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
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
            let (mut meter, mut now, mut ledger) = (Meter::default(), Mono(0), Vec::new());
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

        /// Those who ask all the time get exactly what a day has, whenever it begins.
        #[test]
        fn a_rate_per_day_admits_that_much_in_any_day(events in 1..400_u32, shift in 0..48_u64) {
            let (rate, hour) = (Rate::per_day(events), Duration::from_hours(1));
            let (mut meter, mut admitted) = (Meter::default(), Vec::new());
            for minute in 0..4 * 24 * 60 {
                let now = Mono(0) + Duration::from_mins(minute);
                admitted.extend((0..9).filter(|_| meter.count(rate, now).is_ok()).map(|_| now));
            }
            let begin = Mono(0) + hour * u32::try_from(shift).unwrap();
            let in_a_day = |now: &&Mono| now.since(begin) < hour * 24 && **now >= begin;
            let count = admitted.iter().filter(in_a_day).count();
            prop_assert!(count <= events as usize, "{count} of {events}");
        }

        /// Events that were counted after the fact are paid for as well.
        #[test]
        fn what_has_happened_is_charged(burst in 1..6_u32, extra in 1..20_u32) {
            let rate = Rate { burst, every: Duration::from_secs(1) };
            let mut meter = Meter::default();
            for _ in 0..burst {
                prop_assert_eq!(meter.charge(rate, 1, Mono(0)), None);
            }
            for nth in 1..=extra {
                prop_assert_eq!(meter.charge(rate, 1, Mono(0)), Some(Mono(0) + rate.every * nth));
            }
            let mut at_once = Meter::default();
            at_once.charge(rate, burst + extra, Mono(0));
            prop_assert_eq!(at_once.paid_off, meter.paid_off);
            meter.refund(rate);
            prop_assert_eq!(meter.charge(rate, 1, Mono(0)), Some(Mono(0) + rate.every * extra));
            prop_assert_eq!(meter.charge(rate, 1, Mono(0) + rate.every * (extra + 1)), None);
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
    fn a_full_ledger_forgets_only_who_owes_nothing() {
        let mut meters = Meters::new(RATE, 2);
        assert_eq!([meters.count('a', Mono(0)), meters.count('b', Mono(0))], [Ok(()), Ok(())]);
        assert!(meters.count('c', Mono(0)).is_err(), "both still owe");
        assert_eq!(meters.count('a', Mono(0)), Ok(()), "who is known needs no room");
        assert_eq!(meters.count('c', Mono(0) + RATE.every), Ok(()), "the other owes nothing more");
    }

    #[test]
    fn a_full_ledger_is_searched_once_a_second() {
        let rate = Rate { burst: 3, every: Duration::from_millis(1) };
        let mut meters = Meters::new(rate, 1);
        assert_eq!(meters.count('a', Mono(0)), Ok(()));
        let wait = Duration::from_secs(1);
        assert_eq!(meters.count('b', Mono(0)), Err(TooMany { retry_after: wait }));
        assert!(meters.count('b', Mono(999_999)).is_err(), "although there would be room");
        assert_eq!(meters.count('b', Mono(1_000_000)), Ok(()));
    }

    #[test]
    fn exempt_networks_are_not_counted() {
        let limits = Limits { registrations_per_address: RATE, ..Limits::default() };
        let exempt = ["192.0.2.0/24", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let mut admission = Admission::new(&limits, exempt.into());
        let mut admitted = |peer: &str| {
            let peer = peer.parse().unwrap();
            (0..9).filter(|_| admission.registration(peer, Mono(0)).is_ok()).count()
        };
        for exempt in ["192.0.2.255", "::ffff:192.0.2.1", "2001:db8:1::1"] {
            assert_eq!(admitted(exempt), 9, "{exempt}");
        }
        for counted in ["192.0.3.1", "2001:db9::1", "::192.0.2.1"] {
            assert_eq!(admitted(counted), 3, "{counted}");
        }
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
