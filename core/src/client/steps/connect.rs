//! Connecting to the server.

use core::time::Duration;

use crate::client::alarm::Alarm;
use crate::client::notice::OfflineReason;
use crate::client::state::goal::Goal;
use crate::client::state::link::{Gone, Phase, Sending};
use crate::client::{Client, Lifecycle};
use crate::ids::ConnId;

impl Client {
    /// [`Command::Connect`](crate::client::Command::Connect). A registration that is under way ends
    /// online anyway.
    pub(in crate::client) fn connect(&mut self) {
        if !self.goal.registers() {
            self.pursue(Goal::Online);
        }
    }

    /// Sets a goal that needs a connection. A connection that is busy with an earlier goal turns to
    /// this one when its request has been answered.
    pub(in crate::client) fn pursue(&mut self, goal: Goal) {
        // A command may cross with the shutdown: a process that is to end begins nothing more.
        if self.lifecycle != Lifecycle::Running {
            return;
        }
        self.goal = goal;
        self.dial();
    }

    /// Makes a connection now, unless there is one.
    pub(in crate::client) fn dial(&mut self) {
        let Some(conn) = self.link.dial() else { return };
        self.alarms.cancel(Alarm::Redial);
        self.expect_progress();
        self.out.dial(conn, self.redial.next_endpoint());
    }

    pub(in crate::client) fn on_opened(&mut self, conn: ConnId) {
        let (profile, now) = (self.config.profile, self.now.mono);
        if self.link.open(conn, profile, now).is_none() {
            return;
        }
        // Answers can only be verified once the server's key is known.
        match self.account.begin_connection() {
            None => self.pursue_goal(),
            Some(question) => self.ask_server_key(question),
        }
    }

    pub(in crate::client) fn on_closed(&mut self, conn: ConnId) {
        match self.link.gone(conn) {
            Gone::Unreachable => self.down(OfflineReason::Unreachable, Duration::ZERO),
            // What arrived before the end still counts: `settle` takes the link down when nothing
            // of it is under way any more.
            Gone::Ended | Gone::Unknown => {}
        }
    }

    pub(in crate::client) fn on_congestion(&mut self, conn: ConnId, sending: Sending) {
        if let Some(connection) = self.link.connection_mut()
            && connection.id() == conn
        {
            connection.set_sending(sending);
        }
    }

    /// Turns the connection to its next use, if there is one.
    pub(in crate::client) fn set_phase(&mut self, phase: Phase) {
        if let Some(connection) = self.link.connection_mut() {
            connection.set_phase(phase);
        }
    }

    /// What the server owes us must come within the time for a request.
    pub(in crate::client) fn expect_progress(&mut self) {
        let at = self.now.mono + self.config.limits.request_timeout;
        self.alarms.arm(Alarm::Progress, at);
    }
}
