//! What a server knows of others with which it shares the store: whether a message may still be
//! forwarded from memory, without being stored.
//!
//! A sender who comes from another server may have left messages in the store that their recipient,
//! whose session is here, has not been sent yet: the hint at them can be late, or lost. A message
//! that is forwarded from memory would overtake them. So it is stored instead, until this server has
//! read the recipient's mailbox behind an append of its own that began after the sender's session
//! did. Whatever the sender had stored elsewhere, and knows of, is before that append.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::ids::UserId;
use crate::server::Servers;
use crate::server::store::Seq;

/// A place in the order in which this server's sessions and appends begin. The default is before
/// all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) struct Moment(u64);

/// A session that is about to begin.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct NewSession {
    /// Its place among those of the user on all servers.
    pub(in crate::server) place: Seq,
    /// A moment before it was recorded.
    pub(in crate::server) since: Moment,
}

/// The sessions of a server that shares its store. A server alone has nothing to remember.
#[derive(Debug, Default)]
pub(in crate::server) struct Sharing(Option<Box<Several>>);

#[derive(Debug)]
struct Several {
    look_again: Duration,
    last: Moment,
    sessions: BTreeMap<UserId, SharedSession>,
}

#[derive(Debug)]
struct SharedSession {
    place: Seq,
    began: Moment,
    /// Everything that was stored before then in the user's mailbox has been taken.
    taken: Moment,
}

impl Sharing {
    pub(in crate::server) fn new(servers: Servers) -> Self {
        let Servers::Several { look_again } = servers else { return Self(None) };
        let (last, sessions) = (Moment::default(), BTreeMap::new());
        Self(Some(Box::new(Several { look_again, last, sessions })))
    }

    /// The next moment. A server alone has only one.
    pub(in crate::server) fn moment(&mut self) -> Moment {
        self.0.as_deref_mut().map(Several::moment).unwrap_or_default()
    }

    /// How often mailboxes are read again; `None` if nobody else stores anything in them.
    pub(in crate::server) fn look_again(&self) -> Option<Duration> {
        self.0.as_deref().map(|several| several.look_again)
    }

    /// A session begins. `place` is the one that the store has given it.
    pub(in crate::server) fn begin_session(&mut self, user: UserId, place: Seq) {
        if let Some(several) = &mut self.0 {
            let (began, taken) = (several.moment(), Moment::default());
            several.sessions.insert(user, SharedSession { place, began, taken });
        }
    }

    pub(in crate::server) fn end_session(&mut self, user: UserId) {
        if let Some(several) = &mut self.0 {
            several.sessions.remove(&user);
        }
    }

    /// Whether the user's session began before another one of theirs, on another server.
    pub(in crate::server) fn is_before(&self, user: UserId, place: Seq) -> bool {
        let session = self.0.as_deref().and_then(|several| several.sessions.get(&user));
        session.is_some_and(|session| session.place < place)
    }

    /// The owner of a mailbox has taken all that was stored in it before `moment`.
    pub(in crate::server) fn taken(&mut self, owner: UserId, moment: Moment) {
        let session = self.0.as_deref_mut().and_then(|several| several.sessions.get_mut(&owner));
        if let Some(session) = session {
            session.taken = session.taken.max(moment);
        }
    }

    /// Whether nothing that a sender may have stored elsewhere can be unknown here.
    pub(in crate::server) fn may_forward(&self, sender: UserId, recipient: UserId) -> bool {
        let Some(several) = &self.0 else { return true };
        let [sender, recipient] = [sender, recipient].map(|user| several.sessions.get(&user));
        sender.zip(recipient).is_some_and(|(sender, recipient)| sender.began < recipient.taken)
    }

    /// The users with sessions, if the store is shared.
    pub(in crate::server) fn users(&self) -> Vec<UserId> {
        self.0
            .as_deref()
            .map(|several| several.sessions.keys().copied().collect())
            .unwrap_or_default()
    }
}

impl Several {
    const fn moment(&mut self) -> Moment {
        self.last.0 += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_server_alone_forwards_at_once() {
        let mut alone = Sharing::new(Servers::One);
        alone.begin_session(user(1), Seq::START);
        assert!(alone.may_forward(user(1), user(2)));
        assert!(!alone.is_before(user(1), Seq(9)));
        assert_eq!((alone.moment(), alone.look_again()), (Moment::default(), None));
    }

    #[test]
    fn nothing_is_forwarded_before_an_append_behind_the_sender_s_session_is_taken() {
        let mut sharing = Sharing::new(Servers::Several { look_again: Duration::from_mins(1) });
        let [sender, recipient] = [1, 2].map(user);
        sharing.begin_session(recipient, Seq(1));
        let early = sharing.moment();
        sharing.begin_session(sender, Seq(2));
        sharing.taken(recipient, early);
        assert!(!sharing.may_forward(sender, recipient));
        let late = sharing.moment();
        sharing.taken(recipient, late);
        assert!(sharing.may_forward(sender, recipient));
        // An older one changes nothing.
        sharing.taken(recipient, early);
        assert!(sharing.may_forward(sender, recipient));
        // The sender was elsewhere meanwhile.
        sharing.end_session(sender);
        sharing.begin_session(sender, Seq(5));
        assert!(!sharing.may_forward(sender, recipient));
    }

    #[test]
    fn a_later_session_elsewhere_displaces_one_here() {
        let mut sharing = Sharing::new(Servers::Several { look_again: Duration::from_mins(1) });
        sharing.begin_session(user(1), Seq(7));
        let displaced = [6, 7, 8].map(|place| sharing.is_before(user(1), Seq(place)));
        assert_eq!(displaced, [false, false, true]);
    }
}
