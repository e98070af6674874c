//! The user's account on its server: what of it is known, the server's clock, and the dates of our
//! 106s.

use crate::client::notice::ServerKeyChange;
use crate::client::store::{Account, ClientOp};
use crate::frame::{Durable, Signed, Verified};
use crate::ids::{Phone, UserId};
use crate::keys::{Fingerprint, PublicKey, SymmetricKey};
use crate::time::{Now, Timestamp};
use crate::wire::Packet;

/// The account in memory. It changes only by what the server has proved.
#[derive(Debug)]
pub(in crate::client) struct OwnAccount {
    account: Account,
    /// Key of the server on the present connection, once it is known.
    key_in_use: Option<PublicKey>,
    /// An answer of the server could not be read, perhaps because the server's keys are other ones
    /// than we think: the next connection asks for the first of them.
    doubts_key: bool,
}

/// A 204 before a session: the key that the server offers, in a packet that this key signs.
#[derive(Debug)]
pub(in crate::client) struct ServerKeyOffer {
    pub(in crate::client) packet: Packet,
    pub(in crate::client) public_key: PublicKey,
    pub(in crate::client) question: KeyQuestion,
}

/// Which of its keys the server is asked for (PROTOCOL 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum KeyQuestion {
    /// The first one: the 105 is empty.
    First,
    /// The successor, of which a session has told.
    Successor(Fingerprint),
    /// The key in our address, because the first one was this other key.
    Ours { instead_of: Fingerprint },
}

/// What a key that the server offers is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::client) enum Offered {
    /// The key in our address, or its successor.
    Trusted,
    /// Another one, and the server may have ours as well.
    Another,
    /// Another one, and the server does not have ours.
    Wrong,
}

/// The key of the server that we keep, and the one to ask for. Used only once it is durable.
#[derive(Clone, Debug)]
pub(in crate::client) struct ServerKeys {
    key: PublicKey,
    successor: Option<Fingerprint>,
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
    pub(in crate::client) fn new(account: Account) -> Self {
        Self { key_in_use: account.server_key.clone(), account, doubts_key: false }
    }

    pub(in crate::client) const fn phone(&self) -> Phone {
        self.account.phone
    }

    /// Our user id, as far as is known; `None` before the first registration.
    pub(in crate::client) const fn user(&self) -> Option<UserId> {
        self.account.user
    }

    /// Fingerprint of the server's key, from its address.
    pub(in crate::client) const fn server(&self) -> &Fingerprint {
        &self.account.server
    }

    /// Key of the server on the present connection.
    pub(in crate::client) const fn server_key(&self) -> Option<&PublicKey> {
        self.key_in_use.as_ref()
    }

    /// A connection has opened. Returns the question that comes first on it, if any: without one, the
    /// server uses its first key, which must be the one that we keep.
    pub(in crate::client) fn begin_connection(&mut self) -> Option<KeyQuestion> {
        let question = match (self.doubts_key, self.account.successor) {
            (false, Some(successor)) => Some(KeyQuestion::Successor(successor)),
            (false, None) if self.account.server_key.is_some() => None,
            (false, None) | (true, _) => Some(KeyQuestion::First),
        };
        self.key_in_use = if question.is_none() { self.account.server_key.clone() } else { None };
        question
    }

    /// What the server offers in answer to a question.
    pub(in crate::client) fn judge(&self, offered: Fingerprint, question: KeyQuestion) -> Offered {
        if offered == self.account.server || Some(offered) == self.account.successor {
            return Offered::Trusted;
        }
        match question {
            KeyQuestion::First => Offered::Another,
            KeyQuestion::Successor(_) | KeyQuestion::Ours { .. } => Offered::Wrong,
        }
    }

    /// The server signed the offer with the key that it offers. Whether the key is ours was judged
    /// before the signature, so that no signature of another key is verified. Returns whether it is
    /// to be pinned.
    pub(in crate::client) fn learn_server_key(
        &mut self,
        offer: Verified<ServerKeyOffer>,
    ) -> Option<PublicKey> {
        let ServerKeyOffer { public_key, .. } = offer.into_inner();
        self.key_in_use = Some(public_key.clone());
        let is_first = self.account.server_key.is_none();
        if !is_first || *public_key.fingerprint() != self.account.server {
            return None;
        }
        self.account.server_key = Some(public_key.clone());
        Some(public_key)
    }

    /// The server names a successor, or none. Returns what is to be kept, if it differs from what is.
    /// Until the successor is the only key, the one before it stays: the server may yet be restored
    /// from a backup that has no other.
    pub(in crate::client) fn keys_with(
        &self,
        successor: Option<Fingerprint>,
    ) -> Option<ServerKeys> {
        let in_use = self.key_in_use.as_ref()?;
        let uses_successor = successor == Some(*in_use.fingerprint());
        let key = if uses_successor { self.account.server_key.as_ref()? } else { in_use };
        let is_known =
            *key.fingerprint() == self.account.server && successor == self.account.successor;
        (!is_known).then(|| ServerKeys { key: key.clone(), successor })
    }

    /// The keys are durable: they are used from the next connection on. Returns what the user is to be
    /// told.
    pub(in crate::client) fn use_keys(
        &mut self,
        keys: Durable<ServerKeys>,
    ) -> Option<(ServerKeyChange, Fingerprint)> {
        let ServerKeys { key, successor } = keys.into_inner();
        let server = *key.fingerprint();
        let replaced = self.account.server != server;
        self.account.server = server;
        self.account.server_key = Some(key);
        self.account.successor = successor;
        if replaced {
            return Some((ServerKeyChange::Replaced, server));
        }
        let announced = successor.filter(|successor| *successor != server);
        announced.map(|successor| (ServerKeyChange::Announced, successor))
    }

    /// An answer before a session does not verify with the key in use.
    pub(in crate::client) const fn doubt_key(&mut self, doubts: bool) {
        self.doubts_key = doubts;
    }

    /// Reply key of every 100 and 101 of the registration under way; `None` if there is none. With one
    /// key, a 100 that is repeated brings the living password instead of another, and a 101 may
    /// come on another connection, or from another process.
    pub(in crate::client) const fn reply_key(&self) -> Option<&SymmetricKey> {
        self.account.reply_key.as_ref()
    }

    /// The registration begins.
    pub(in crate::client) fn begin_registration(&mut self, reply_key: SymmetricKey) {
        self.account.reply_key = Some(reply_key);
    }

    /// The server has granted a session to this user id, which is ours from now on, and ends the
    /// registration. Returns whether that is to be recorded.
    pub(in crate::client) fn learn_user(&mut self, user: UserId) -> Learnt {
        if self.account.user == Some(user) && self.account.reply_key.is_none() {
            return Learnt::Known;
        }
        self.account.reply_key = None;
        if self.account.user.replace(user) == Some(user) { Learnt::Ended } else { Learnt::New }
    }

    /// Time on the server's clock, as far as is known.
    pub(in crate::client) const fn server_time(&self, now: Now) -> Timestamp {
        now.wall.plus_secs(self.account.clock_offset_secs)
    }

    /// Adopts the server's clock. Returns the offset if it has changed.
    pub(in crate::client) fn learn_clock(
        &mut self,
        now: Now,
        server_time: Timestamp,
    ) -> Option<i64> {
        let secs = server_time.secs_since(now.wall);
        let changed = secs != self.account.clock_offset_secs;
        self.account.clock_offset_secs = secs;
        changed.then_some(secs)
    }

    /// Date of the next 106, which must be strictly newer than the last one (PROTOCOL 4.3): the
    /// current time, or the second after the last date if that is only slightly ahead. A last date
    /// further ahead came from a wrong clock; the server did not accept it, so it does not bind us.
    pub(in crate::client) fn next_reconnect(&self, now: Now, ahead_secs: i64) -> ReconnectDate {
        let present = self.server_time(now);
        ReconnectDate(match self.account.last_reconnect {
            Some(last) if last >= present && last.secs_since(present) < ahead_secs => {
                last.plus_secs(1)
            }
            Some(_) | None => present,
        })
    }

    /// The store was asked to record this date. It counts as used even if the store failed: whether
    /// anything reached the disk is not known, and a skipped second costs nothing.
    pub(in crate::client) fn use_reconnect_date(&mut self, date: ReconnectDate) {
        self.account.last_reconnect = self.account.last_reconnect.max(Some(date.0));
    }
}

impl ServerKeys {
    /// The operation that keeps them.
    pub(in crate::client) fn to_keep(&self) -> ClientOp {
        ClientOp::ChangeServerKey { key: self.key.clone(), successor: self.successor }
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
