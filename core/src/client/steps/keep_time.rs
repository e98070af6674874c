//! Keeping time: the server's clock dates every packet, because the server refuses other dates.

use crate::client::Client;
use crate::client::awaits::AwaitStore;
use crate::client::notice::{Notice, OfflineReason};
use crate::client::state::server_clock::{ClockTrust, ServerClock};
use crate::client::store::ClientOp;
use crate::time::Timestamp;

impl Client {
    /// Time on the server's clock, which dates every packet.
    pub(in crate::client) fn server_time(&self) -> Timestamp {
        match self.link.session() {
            Some(session) => session.clock().time(self.now.mono),
            None => self.account.server_time(self.now),
        }
    }

    /// Adopts a time that the server has signed in answer to us. The user is told if it is far from
    /// ours. If it is a day away, one of the two clocks is plainly wrong, or the server is not
    /// honest: nothing is signed under such a date,
    /// and the client stays away until the application wants a connection again.
    pub(in crate::client) fn adopt_clock(&mut self, server_time: Timestamp) -> ClockTrust {
        let limits = &self.config.limits;
        let secs = server_time.secs_since(self.now.wall);
        if secs.unsigned_abs() >= limits.clock_warning_secs {
            self.out.notify(Notice::ClockOffset { secs });
        }
        if secs.unsigned_abs() >= limits.clock_refusal_secs {
            self.leave(OfflineReason::WrongClock);
            return ClockTrust::Refused;
        }
        // What the answer's way took makes the times differ a little each time. That is not worth a
        // store operation.
        let known = self.account.server_time(self.now);
        if server_time.secs_since(known).unsigned_abs() >= limits.clock_warning_secs
            && let Some(secs) = self.account.learn_clock(self.now, server_time)
        {
            self.out.store(ClientOp::SetClockOffset { secs }, AwaitStore::Kept);
        }
        let clock = ServerClock::told(server_time, self.now.mono);
        if let Some(session) = self.link.session_mut() {
            session.set_clock(clock);
        }
        ClockTrust::Adopted
    }
}
