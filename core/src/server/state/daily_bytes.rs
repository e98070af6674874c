//! Bytes that each user has had stored lately.

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::ids::UserId;
use crate::server::limits::Limits;
use crate::time::Mono;

/// What users have had stored and is not a day ago, by user. It outlives their sessions. Any user
/// may have a day's bytes stored at once; they are forgiven evenly over the next day.
#[derive(Debug, Default)]
pub(in crate::server) struct DailyBytes(BTreeMap<UserId, Debt>);

#[derive(Clone, Copy, Debug)]
struct Debt {
    bytes: u64,
    at: Mono,
}

impl Debt {
    fn bytes_now(self, limits: &Limits, now: Mono) -> u64 {
        let forgiven = u128::from(limits.stored_bytes_per_day)
            .saturating_mul(now.since(self.at).as_micros())
            / DAY.as_micros();
        self.bytes.saturating_sub(u64::try_from(forgiven).unwrap_or(u64::MAX))
    }
}

impl DailyBytes {
    pub(in crate::server) fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks that a user may have `bytes` more stored.
    ///
    /// # Errors
    /// How long until there is room for them; a user whom there is no room to remember has to wait
    /// as if all were used up.
    pub(in crate::server) fn admit(
        &mut self,
        limits: &Limits,
        user: UserId,
        bytes: usize,
        now: Mono,
    ) -> Result<(), Duration> {
        let day = limits.stored_bytes_per_day;
        if day == u64::MAX {
            return Ok(());
        }
        let debt = if let Some(debt) = self.0.get(&user) {
            debt.bytes_now(limits, now)
        } else if self.has_room(limits, now) {
            0
        } else {
            day
        };
        let over = debt.saturating_add(bytes as u64).saturating_sub(day);
        if over == 0 {
            return Ok(());
        }
        let wait = u128::from(over) * DAY.as_micros() / u128::from(day.max(1));
        Err(Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX)))
    }

    /// Counts a message that was stored.
    pub(in crate::server) fn charge(
        &mut self,
        limits: &Limits,
        user: UserId,
        bytes: usize,
        now: Mono,
    ) {
        if limits.stored_bytes_per_day == u64::MAX {
            return;
        }
        let known = self.0.contains_key(&user) || self.has_room(limits, now);
        if known {
            let debt = self.0.entry(user).or_insert(Debt { bytes: 0, at: now });
            let bytes = debt.bytes_now(limits, now).saturating_add(bytes as u64);
            *debt = Debt { bytes, at: now.max(debt.at) };
        }
    }

    /// Whether one more user can be remembered. Those to whom everything is forgiven are forgotten
    /// if it takes that.
    fn has_room(&mut self, limits: &Limits, now: Mono) -> bool {
        if self.0.len() >= limits.remembered {
            self.0.retain(|_, debt| debt.bytes_now(limits, now) > 0);
        }
        self.0.len() < limits.remembered
    }
}

const DAY: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn limits() -> Limits {
        Limits { stored_bytes_per_day: 24_000, remembered: 2, ..Limits::default() }
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_days_bytes_may_come_at_once_and_are_forgiven_evenly() {
        let (limits, mut bytes, start) = (limits(), DailyBytes::default(), Mono(0) + HOUR);
        bytes.charge(&limits, user(1), 24_000, start);
        assert_eq!(bytes.admit(&limits, user(1), 1_000, start), Err(HOUR));
        assert_eq!(bytes.admit(&limits, user(1), 1_000, start + HOUR), Ok(()));
        assert_eq!(bytes.admit(&limits, user(2), 24_000, start), Ok(()));
        bytes.charge(&limits, user(1), 1_000, start + HOUR);
        assert_eq!(bytes.admit(&limits, user(1), 1_000, start + HOUR), Err(HOUR));
    }

    #[test]
    fn a_clock_that_steps_back_forgives_nothing_and_locks_nobody_out() {
        let (limits, mut bytes, start) = (limits(), DailyBytes::default(), Mono(0) + 30 * HOUR);
        bytes.charge(&limits, user(1), 23_000, start);
        let earlier = Mono(0) + HOUR;
        assert_eq!(bytes.admit(&limits, user(1), 2_000, earlier), Err(HOUR));
        bytes.charge(&limits, user(1), 1_000, earlier);
        assert_eq!(bytes.admit(&limits, user(1), 24_000, start + 24 * HOUR), Ok(()));
    }

    #[test]
    fn without_room_to_remember_new_users_wait_and_nobody_is_forgotten() {
        let (limits, mut bytes, start) = (limits(), DailyBytes::default(), Mono(0) + HOUR);
        bytes.charge(&limits, user(1), 24_000, start);
        bytes.charge(&limits, user(2), 1_000, start);
        assert_eq!(bytes.admit(&limits, user(3), 1_000, start), Err(HOUR));
        bytes.charge(&limits, user(3), 1_000, start);
        assert_eq!(bytes.len(), 2);
        // User 2 owes nothing any more.
        assert_eq!(bytes.admit(&limits, user(3), 1_000, start + HOUR), Ok(()));
        assert_eq!(bytes.admit(&limits, user(1), 2_000, start + HOUR), Err(HOUR));
    }
}
