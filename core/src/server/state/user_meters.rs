//! Rate limits per user. They outlive sessions: who reconnects owes what they owed before.

use super::admission::{Account, Ledger, Meter, TooMany};
use crate::ids::UserId;
use crate::server::limits::Limits;
use crate::time::Mono;

/// The meters of the users who owe something, by id.
#[derive(Debug)]
pub(in crate::server) struct UserMeters(Ledger<UserId, UserMeter>);

/// What a user owes.
#[derive(Debug, Default)]
struct UserMeter {
    reconnects: Meter,
    /// Meters of the last session. A session that goes on has them itself.
    session: SessionMeters,
}

/// The meters that every packet of a session is charged to. A session holds them, so that a packet
/// costs no search.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct SessionMeters {
    packets: Meter,
    lookups: Meter,
}

impl Account for UserMeter {
    fn owes(&self, now: Mono) -> bool {
        let SessionMeters { packets, lookups } = &self.session;
        [&self.reconnects, packets, lookups].into_iter().any(|meter| meter.owes(now))
    }
}

impl UserMeters {
    pub(in crate::server) const fn new(limits: &Limits) -> Self {
        Self(Ledger::new(limits.remembered))
    }

    /// Takes over new limits. What is owed stays owed.
    pub(in crate::server) const fn adjust(&mut self, limits: &Limits) {
        self.0.resize(limits.remembered);
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the user may reconnect now. Nothing is charged, because anybody can name the user.
    pub(in crate::server) fn admits_reconnect(
        &self,
        limits: &Limits,
        user: UserId,
        now: Mono,
    ) -> Result<(), TooMany> {
        let Some(meter) = self.0.get(user) else { return Ok(()) };
        meter.reconnects.admits(limits.reconnects_per_user, now)
    }

    /// Charges a reconnect that the user has signed and that is not a repeat. Makes the room in
    /// which the meters of the session are kept after its end.
    pub(in crate::server) fn charge_reconnect(
        &mut self,
        limits: &Limits,
        user: UserId,
        now: Mono,
    ) -> Result<(), TooMany> {
        self.0.of(user, now)?.reconnects.charge(limits.reconnects_per_user, 1, now);
        Ok(())
    }

    /// The meters for a session that begins.
    pub(in crate::server) fn begin_session(&self, user: UserId) -> SessionMeters {
        self.0.get(user).map(|meter| meter.session).unwrap_or_default()
    }

    /// Keeps the meters of a session that has ended, if the user owes something. When the ledger is
    /// full they are lost, but then no session of this user begins either until others have paid.
    pub(in crate::server) fn end_session(
        &mut self,
        user: UserId,
        session: SessionMeters,
        now: Mono,
    ) {
        let owing = UserMeter { session, ..UserMeter::default() }.owes(now);
        if (owing || self.0.get(user).is_some())
            && let Ok(meter) = self.0.of(user, now)
        {
            meter.session = session;
        }
    }
}

impl SessionMeters {
    /// Charges a packet that has arrived. Returns the time before which nothing more should be
    /// read, if packets come too often.
    pub(in crate::server) fn charge_packet(&mut self, limits: &Limits, now: Mono) -> Option<Mono> {
        self.charge(limits, 1, now)
    }

    /// Charges a signature of the server that the user has caused.
    pub(in crate::server) fn charge_signature(
        &mut self,
        limits: &Limits,
        now: Mono,
    ) -> Option<Mono> {
        self.charge(limits, SIGNATURE_COST, now)
    }

    /// Charges a message of the user that was stored, if it is a large one.
    pub(in crate::server) fn charge_stored(
        &mut self,
        limits: &Limits,
        bytes: usize,
        now: Mono,
    ) -> Option<Mono> {
        let cost = u32::try_from(bytes / STORED_BYTES).unwrap_or(u32::MAX);
        if cost == 0 { None } else { self.charge(limits, cost, now) }
    }

    /// A pause lasts until some more packets may come, so that reading is not switched for each.
    fn charge(&mut self, limits: &Limits, cost: u32, now: Mono) -> Option<Mono> {
        let rate = limits.packets_per_user;
        let until = self.packets.charge(rate, cost, now)?;
        Some(until + rate.every.saturating_mul(rate.burst / RESUMED_SHARE))
    }

    /// Takes back the charge for a receipt that was awaited: the senders of the messages have paid
    /// for it. Otherwise they could use up the rate of whom they write to.
    pub(in crate::server) fn refund_packet(&mut self, limits: &Limits) {
        self.packets.refund(limits.packets_per_user);
    }

    /// Counts a look-up.
    pub(in crate::server) fn count_lookup(
        &mut self,
        limits: &Limits,
        now: Mono,
    ) -> Result<(), TooMany> {
        self.lookups.count(limits.lookups_per_user, now)
    }
}

/// Packets that a signature counts as: an operation with the private key takes about twenty times
/// as long as a verification.
const SIGNATURE_COST: u32 = 20;
/// Bytes of a stored message that count as a packet, so that the disk, too, is busy with one user for
/// a share of the time only.
const STORED_BYTES: usize = 4 * 1024;
/// Fraction of the burst that may come after a pause.
const RESUMED_SHARE: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::limits::Rate;
    use core::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        let rate = Rate { burst: 2, every: SECOND };
        Limits {
            remembered: 2,
            reconnects_per_user: rate,
            packets_per_user: rate,
            ..Limits::without_rates()
        }
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_debt_outlives_the_session_until_it_is_paid() {
        let (limits, start) = (limits(), Mono(0));
        let mut meters = UserMeters::new(&limits);
        let mut session = meters.begin_session(user(1));
        for _ in 0..2 {
            assert_eq!(session.charge_packet(&limits, start), None);
        }
        meters.end_session(user(1), session, start);
        let mut session = meters.begin_session(user(1));
        assert_eq!(session.charge_packet(&limits, start), Some(start + SECOND));
        meters.end_session(user(1), session, start);
        let paid = start + 3 * SECOND;
        assert_eq!(meters.begin_session(user(1)).charge_packet(&limits, paid), None);
    }

    #[test]
    fn who_owes_nothing_makes_room_and_a_full_ledger_refuses() {
        let (limits, start) = (limits(), Mono(0));
        let mut meters = UserMeters::new(&limits);
        meters.end_session(user(9), SessionMeters::default(), start);
        assert_eq!(meters.len(), 0, "nothing is owed");
        for id in [1, 2] {
            assert_eq!(meters.charge_reconnect(&limits, user(id), start), Ok(()));
        }
        assert!(meters.charge_reconnect(&limits, user(3), start).is_err());
        assert_eq!(meters.charge_reconnect(&limits, user(3), start + SECOND), Ok(()));
    }

    #[test]
    fn reconnects_are_charged_and_then_not_admitted() {
        let (limits, start) = (limits(), Mono(0));
        let mut meters = UserMeters::new(&limits);
        for _ in 0..2 {
            assert_eq!(meters.admits_reconnect(&limits, user(1), start), Ok(()));
            assert_eq!(meters.charge_reconnect(&limits, user(1), start), Ok(()));
        }
        let refused = Err(TooMany { retry_after: SECOND });
        assert_eq!(meters.admits_reconnect(&limits, user(1), start), refused);
        assert_eq!(meters.admits_reconnect(&limits, user(2), start), Ok(()));
        assert_eq!(meters.admits_reconnect(&limits, user(1), start + SECOND), Ok(()));
    }

    #[test]
    fn a_stored_message_costs_as_much_as_a_packet_for_each_four_kibibytes() {
        let limits = Limits { packets_per_user: Rate { burst: 16, every: SECOND }, ..limits() };
        let mut meters = SessionMeters::default();
        for bytes in [4_095, 65_535] {
            assert_eq!(meters.charge_stored(&limits, bytes, Mono(0)), None);
        }
        assert_eq!(meters.charge_packet(&limits, Mono(0)), None);
        assert!(meters.charge_stored(&limits, 4_096, Mono(0)).is_some());
    }

    #[test]
    fn a_signature_costs_as_much_as_twenty_packets() {
        let limits = Limits { packets_per_user: Rate { burst: 40, every: SECOND }, ..limits() };
        let (mut signed, mut plain) = (SessionMeters::default(), SessionMeters::default());
        signed.charge_signature(&limits, Mono(0));
        for _ in 0..20 {
            plain.charge_packet(&limits, Mono(0));
        }
        let next = |meters: &mut SessionMeters| {
            (0..21)
                .map(|_| meters.charge_packet(&limits, Mono(0)))
                .position(|until| until.is_some())
        };
        assert_eq!((next(&mut signed), next(&mut plain)), (Some(20), Some(20)));
    }
}
