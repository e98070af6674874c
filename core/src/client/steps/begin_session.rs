//! Beginning a session.

use crate::client::Client;
use crate::client::alarm::Alarm;
use crate::client::notice::{Notice, Suspicion};
use crate::client::state::account::Learnt;
use crate::client::state::exchange::{GrantPacket, Granted};
use crate::client::state::link::Phase;
use crate::client::state::server_clock::{ClockTrust, ServerClock};
use crate::client::state::session::Session;
use crate::client::store::ClientOp;
use crate::crypto::Grant;
use crate::frame::Judged;
use crate::time::Timestamp;

impl Client {
    /// 201 or 206.
    pub(in crate::client) fn on_grant_opened(&mut self, judged: Judged<GrantPacket, Grant>) {
        let Some(exchange) = self.link.exchange_mut() else { return };
        let granted = match judged {
            Ok((packet, grant)) => {
                let at = packet.get().packet.header().timestamp;
                exchange.accept(packet, grant).map(|granted| (granted, at))
            }
            Err(_) => Err(Suspicion::BadServerSignature),
        };
        match granted {
            Ok((granted, at)) => self.begin_session(granted, at),
            Err(suspicion) => self.fault(suspicion),
        }
    }

    /// `at` is the date of the grant: it was signed in answer to our last request, so it tells the
    /// server's clock.
    fn begin_session(&mut self, granted: Granted, at: Timestamp) {
        let (user, pending) = (granted.user(), granted.pending());
        match self.account.learn_user(user) {
            Learnt::Known => {}
            Learnt::Ended => self.pin(ClientOp::SetUser(user)),
            Learnt::New => {
                self.pin(ClientOp::SetUser(user));
                self.out.notify(Notice::Registered { user });
            }
        }
        self.goal.session_began();
        if self.adopt_clock(at) == ClockTrust::Refused {
            return;
        }
        self.alarms.cancel(Alarm::Progress);
        self.account.doubt_key(false);
        self.keep_successor(granted.successor());
        let clock = ServerClock::told(at, self.now.mono);
        self.set_phase(Phase::Session(Session::begin(granted, clock)));
        self.alarms.arm(Alarm::Stable, self.now.mono + self.config.limits.stable_after);
        self.out.notify(Notice::Online { pending, endpoint: self.redial.endpoint() });
        self.number_drafts();
    }
}
