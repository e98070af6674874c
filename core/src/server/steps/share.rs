//! What other servers do to the store that this one shares with them.

use core::time::Duration;

use crate::ids::UserId;
use crate::server::alarm::Alarm;
use crate::server::store::Seq;
use crate::server::{Elsewhere, Server};

impl Server {
    pub(in crate::server) fn on_elsewhere(&mut self, what: Elsewhere) {
        match what {
            Elsewhere::Appended { owner } => self.look_again(owner),
            Elsewhere::SessionBegun { user, place } => self.on_begun_elsewhere(user, place),
            Elsewhere::AccountChanged { user, change } => self.on_account_changed(user, change),
            Elsewhere::Missed => self.look_again_soon(),
        }
    }

    /// A session that began here earlier ends, and one that is being granted does not begin.
    fn on_begun_elsewhere(&mut self, user: UserId, place: Seq) {
        self.connections.begun_elsewhere(user, place);
        if self.sharing.is_before(user, place) {
            self.displace(user);
        }
    }

    /// A session has begun here, in a store that others share.
    pub(in crate::server) fn begin_sharing(&mut self, user: UserId, place: Seq) {
        self.sharing.begin_session(user, place);
        self.arm_look_again(user);
    }

    pub(in crate::server) fn end_sharing(&mut self, user: UserId) {
        self.sharing.end_session(user);
        self.alarms.cancel(Alarm::LookAgain(user));
    }

    pub(in crate::server) fn on_look_again_alarm(&mut self, user: UserId) {
        self.look_again(user);
        self.arm_look_again(user);
    }

    fn arm_look_again(&mut self, user: UserId) {
        if let Some(wait) = self.sharing.look_again() {
            self.alarms.arm(Alarm::LookAgain(user), self.now.mono + wait);
        }
    }

    /// Reads a user's mailbox, in which others may have stored something.
    fn look_again(&mut self, user: UserId) {
        if self.connections.live(user).is_some() {
            self.mailbox(user).0.look_again();
            self.touched.mailbox(user);
        }
    }

    /// All mailboxes are read, one after the other, so that the store is not asked for all at once. If
    /// more is missed meanwhile, none is put off.
    fn look_again_soon(&mut self) {
        let users = self.sharing.users();
        let Some(wait) = self.sharing.look_again() else { return };
        let step = wait.min(CATCH_UP) / u32::try_from(users.len().max(1)).unwrap_or(u32::MAX);
        let mut at = self.now.mono;
        for user in users {
            self.alarms.arm_at_latest(Alarm::LookAgain(user), at);
            at = at + step;
        }
    }
}

/// Time over which all mailboxes are read after hints were lost.
const CATCH_UP: Duration = Duration::from_secs(5);
