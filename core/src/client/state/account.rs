//! The user's account on its server: what of it is known, the server's clock, and the dates of our
//! 106s.

use crate::client::store::Account;
use crate::frame::{Durable, Signed, Verified};
use crate::ids::{Phone, UserId};
use crate::keys::{Fingerprint, PublicKey, SymmetricKey};
use crate::time::{Now, Timestamp};
use crate::wire::Packet;

/// The account in memory. It changes only by what the server has proved.
#[derive(Debug)]
pub(in crate::client) struct OwnAccount(Account);

/// A 204 before a session: the key that the server offers, in a packet that this key signs.
#[derive(Debug)]
pub(in crate::client) struct ServerKeyOffer {
    pub(in crate::client) packet: Packet,
    pub(in crate::client) public_key: PublicKey,
}

/// The date of one 106. A 106 is built from a [`Durable`] one only, so that no date is used again
/// after a crash.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct ReconnectDate(Timestamp);

/// What a grant says about our account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Learnt {
    /// Nothing new.
    Known,
    /// The account is the one that we know: no registration is under way any more.
    Ended,
    /// The account is new.
    New,
}

impl OwnAccount {
    pub(in crate::client) const fn new(account: Account) -> Self {
        Self(account)
    }

    pub(in crate::client) const fn phone(&self) -> Phone {
        self.0.phone
    }

    /// Our user id, as far as is known; `None` before the first registration.
    pub(in crate::client) const fn user(&self) -> Option<UserId> {
        self.0.user
    }

    /// Fingerprint of the server's key, from its address.
    pub(in crate::client) const fn server(&self) -> &Fingerprint {
        &self.0.server
    }

    pub(in crate::client) const fn server_key(&self) -> Option<&PublicKey> {
        self.0.server_key.as_ref()
    }

    /// The server signed the offer with the key that it offers. Whether the key is the one in the
    /// address was checked before the signature, so that no signature of another key is verified.
    pub(in crate::client) fn learn_server_key(&mut self, offer: Verified<ServerKeyOffer>) {
        let ServerKeyOffer { public_key, .. } = offer.into_inner();
        debug_assert_eq!(public_key.fingerprint(), &self.0.server);
        self.0.server_key = Some(public_key);
    }

    /// Reply key of every 100 and 101 of the registration under way; `None` if there is none. With one
    /// key, a 100 that is repeated brings the living password instead of another, and a 101 may
    /// come on another connection, or from another process.
    pub(in crate::client) const fn reply_key(&self) -> Option<&SymmetricKey> {
        self.0.reply_key.as_ref()
    }

    /// The registration begins.
    pub(in crate::client) fn begin_registration(&mut self, reply_key: SymmetricKey) {
        self.0.reply_key = Some(reply_key);
    }

    /// The server has granted a session to this user id, which is ours from now on, and ends the
    /// registration. Returns whether that is to be recorded.
    pub(in crate::client) fn learn_user(&mut self, user: UserId) -> Learnt {
        if self.0.user == Some(user) && self.0.reply_key.is_none() {
            return Learnt::Known;
        }
        self.0.reply_key = None;
        if self.0.user.replace(user) == Some(user) { Learnt::Ended } else { Learnt::New }
    }

    /// Time on the server's clock, as far as is known.
    pub(in crate::client) const fn server_time(&self, now: Now) -> Timestamp {
        now.wall.plus_secs(self.0.clock_offset_secs)
    }

    /// Adopts the server's clock. Returns the offset if it has changed.
    pub(in crate::client) fn learn_clock(
        &mut self,
        now: Now,
        server_time: Timestamp,
    ) -> Option<i64> {
        let secs = server_time.secs_since(now.wall);
        let changed = secs != self.0.clock_offset_secs;
        self.0.clock_offset_secs = secs;
        changed.then_some(secs)
    }

    /// Date of the next 106, which must be strictly newer than the last one (PROTOCOL 4.3): the
    /// current time, or the second after the last date if that is only slightly ahead. A last date
    /// further ahead came from a wrong clock; the server did not accept it, so it does not bind us.
    pub(in crate::client) fn next_reconnect(&self, now: Now, ahead_secs: i64) -> ReconnectDate {
        let present = self.server_time(now);
        ReconnectDate(match self.0.last_reconnect {
            Some(last) if last >= present && last.secs_since(present) < ahead_secs => {
                last.plus_secs(1)
            }
            Some(_) | None => present,
        })
    }

    /// The store was asked to record this date. It counts as used even if the store failed: whether
    /// anything reached the disk is not known, and a skipped second costs nothing.
    pub(in crate::client) fn use_reconnect_date(&mut self, date: ReconnectDate) {
        self.0.last_reconnect = self.0.last_reconnect.max(Some(date.0));
    }
}

impl ReconnectDate {
    /// The date, to be recorded by the store. A packet takes its date from a proof.
    pub(in crate::client) const fn to_record(self) -> Timestamp {
        self.0
    }

    /// The date of the 106 that may leave now.
    pub(in crate::client) const fn of(date: &Durable<Self>) -> Timestamp {
        date.get().0
    }
}

impl Signed for ServerKeyOffer {
    fn packet(&self) -> &Packet {
        &self.packet
    }

    fn into_packet(self) -> Packet {
        self.packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::Snapshot;
    use crate::time::Mono;

    fn at(secs: i64) -> Now {
        Now { mono: Mono(0), wall: Timestamp::from_unix_secs(secs) }
    }

    #[test]
    fn each_reconnect_is_dated_after_the_last_one() {
        let snapshot = Snapshot::new("+4915112345678".parse().unwrap(), Fingerprint([0; 32]));
        let mut account = OwnAccount::new(snapshot.account);
        let mut date = |now| {
            let date = account.next_reconnect(at(now), 120);
            account.use_reconnect_date(date);
            date.to_record().secs_since(Timestamp::from_unix_secs(0))
        };
        assert_eq!([date(100), date(100), date(99)], [100, 101, 102]);
        assert_eq!(date(-17), 103, "119 seconds ahead");
        // The clock was wrong, and nobody accepted those dates.
        assert_eq!(date(-100), -100);
    }
}
