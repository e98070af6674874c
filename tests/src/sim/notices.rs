//! Notices and deliveries of the machines, and the reactions of their applications.

use sealpost_core::client::store::{InboxId, Trust};
use sealpost_core::client::{Command, Notice, OfflineReason, OtpSource};
use sealpost_core::server::{self, DeliveryOutcome, OtpDelivery};
use sealpost_core::wire::Otp;

use super::application::Goal;
use super::disk::LastWrite;
use super::event::SimEvent;
use super::node::Output;
use super::process::ProcessId;
use super::state_names::{error_state, notice_state};
use super::world::World;
use super::{memory_limits, model};
use crate::scenarios::{Device, Observation};

impl World {
    pub(super) fn handle_server_outputs(&mut self, server: usize, actions: usize) {
        self.check_work(ProcessId::Server(server), actions);
        if self.env.tally.inputs.is_multiple_of(memory_limits::CHECK_INTERVAL) {
            self.check_held(server);
        }
        for output in self.servers[server].take_outputs() {
            match output {
                Output::Delivery(otp) => self.take_delivery(server, &otp),
                Output::Notice(notice) => self.handle_server_notice(server, notice),
            }
        }
    }

    fn handle_server_notice(&mut self, server: usize, notice: server::Notice) {
        let now = self.env.queue.now();
        self.env.trace.note(now, &[10], || format!("server {server}: {notice:?}"));
        match notice {
            server::Notice::Misuse { misuse } => {
                self.env.violate(|| format!("the host misused the server: {misuse}"));
            }
            server::Notice::Stopped => {
                self.stopped[server] = true;
                let (after, who) = (self.server_restart_delay, ProcessId::Server(server));
                self.env.queue.schedule_after(after, SimEvent::Start(who));
                self.crash(who, LastWrite::Kept);
            }
            server::Notice::Refused { conn, code } => {
                self.check_refusal(server, conn, code);
                self.env.disturb_by_refusal(server, conn);
                self.tell_script(|| Observation::Refused(code));
                self.env.tally.state(error_state(code));
            }
            server::Notice::ConnectionsShed { .. } => {
                self.env.tally.state("server: connections shed");
            }
            server::Notice::StrangersShed { .. } => self.env.tally.state("server: strangers shed"),
            server::Notice::ClockImplausible { .. } => {
                self.env.tally.state("server's clock implausible");
            }
            server::Notice::StoreFailed { .. } => self.env.tally.state("server's store failed"),
            server::Notice::StoreFull => {
                self.env.tally.state("server's store is full");
                self.env.disturb_by_full_store();
            }
            server::Notice::Unresponsive { .. } => {
                self.env.tally.state("session of an unresponsive client ended");
            }
            server::Notice::SessionOpened { user, conn } => {
                self.check_opened(server, user);
                self.note_session(user);
                self.check_session(server, conn);
            }
            server::Notice::SessionClosed { user, .. } => {
                let name = self.server_name(server);
                self.engine.closed(name, user);
                self.note_session_ended(user);
            }
            server::Notice::Registered { .. }
            | server::Notice::Reconfigured
            | server::Notice::ReconfigurationRefused { .. } => {}
        }
    }

    /// Answers a delivery of the server, as a courier with a queue does. One in twenty finds it
    /// full.
    fn take_delivery(&mut self, server: usize, delivery: &OtpDelivery) {
        let is_full = self.script.is_none() && self.env.dice.chance(50);
        let outcome = if is_full {
            self.fault("courier: full");
            DeliveryOutcome::Refused
        } else {
            self.deliver_otp(delivery);
            DeliveryOutcome::Accepted
        };
        let (id, incarnation) = (delivery.id, self.servers[server].host.incarnation);
        let answer = SimEvent::AnswerDelivery(server, incarnation, id, outcome);
        self.env.queue.schedule_after(1 + self.env.dice.below(1_000), answer);
    }

    /// Delivers a one-time password out of band, with a delay. One in ten is lost.
    fn deliver_otp(&mut self, delivery: &OtpDelivery) {
        if self.tell_script(|| Observation::Otp(delivery.clone())) {
            return;
        }
        if self.attackers.has(delivery.phone) {
            return self.deliver_otp_to_attacker(&delivery.otp);
        }
        if let Some(index) = self.greedy_user_of(delivery.phone) {
            return self.deliver_otp_to_greedy_user(index, &delivery.otp);
        }
        let client = (0..self.clients.len()).find(|index| model::phone(*index) == delivery.phone);
        let lost = self.env.dice.chance(100);
        let after = self.env.dice.between(1_000_000, 60_000_000);
        if let Some(client) = client.filter(|_| !lost) {
            let incarnation = self.clients[client].host.incarnation;
            let command = Command::Confirm { otp: Otp::clone(&delivery.otp) };
            self.env
                .queue
                .schedule_after(after, SimEvent::RunCommand(client, incarnation, command));
        }
    }

    pub(super) fn handle_client_outputs(&mut self, client: usize, actions: usize) {
        self.check_work(ProcessId::Client(client), actions);
        for output in self.clients[client].take_outputs() {
            match output {
                Output::Delivery(item) => {
                    if item.message.trust == Trust::Changed {
                        self.env.tally.state("client: message under a changed key");
                    }
                    let verdict = self.model.shown(self.account(client), &item);
                    self.check(verdict);
                    self.mark_shown(client, item.place);
                    self.tell_script(|| Observation::Message(Device(client), Box::new(item)));
                }
                Output::Notice(notice) => {
                    self.handle_client_notice(client, &notice);
                    self.tell_script(|| Observation::Notice(Device(client), notice));
                }
            }
        }
    }

    fn mark_shown(&mut self, client: usize, up_to: InboxId) {
        if !self.env.dice.chance(self.env.settings.unmarked_per_mille) {
            let incarnation = self.clients[client].host.incarnation;
            let after = self.env.dice.below(5_000);
            let command = Command::MarkShown { up_to };
            self.env
                .queue
                .schedule_after(after, SimEvent::RunCommand(client, incarnation, command));
        }
    }

    fn handle_client_notice(&mut self, client: usize, notice: &Notice) {
        let now = self.env.queue.now();
        self.env.trace.note(now, &[11], || format!("client {client}: {notice:?}"));
        self.env.tally.state(notice_state(notice));
        self.handle_key_notice(client, notice);
        self.take_answer(client, notice);
        match notice {
            Notice::Online { pending, .. } => {
                self.apps[client].online = true;
                self.env.registering_at[client] = None;
                self.apps[client].denied = false;
                self.apps[client].caught_up = pending.is_none();
                self.expect_catching_up(client, *pending);
            }
            Notice::CaughtUp { .. } => self.apps[client].caught_up = true,
            Notice::Offline { reason, retry_in } => {
                self.apps[client].online = false;
                self.check_cause(client, *reason);
                self.apps[client].denied |= *reason == OfflineReason::NotRegistered;
                let wants = self.apps[client].goal == Goal::Online;
                if retry_in.is_none() && wants && *reason != OfflineReason::AwaitingOtp {
                    let after = self.env.dice.between(1_000_000, 40_000_000);
                    self.go_online_after(client, after);
                }
            }
            Notice::SendRefused { token, .. } => {
                self.apps[client].refused(*token);
                self.env.timeliness.message_refused(token.0);
            }
            Notice::OtpRequested { source: OtpSource::OutOfBand, ttl_secs, .. } => {
                // The password may be lost, so ask for another when it has expired.
                self.go_online_after(client, u64::from(*ttl_secs) * 1_000_000);
            }
            Notice::Suspicious { suspicion } if self.is_undisturbed() => {
                self.env.violate(|| format!("client {client} suspects {suspicion:?}"));
            }
            Notice::Misuse { misuse } => {
                self.env
                    .violate(|| format!("client {client} reports a mistake of its host: {misuse}"));
            }
            _ => {}
        }
    }

    /// Schedules one attempt to go online, unless one is scheduled.
    fn go_online_after(&mut self, client: usize, micros: u64) {
        let incarnation = self.clients[client].host.incarnation;
        if !std::mem::replace(&mut self.apps[client].retry_scheduled, true) {
            self.env.queue.schedule_after(micros, SimEvent::GoOnline(client, incarnation));
        }
    }

    /// Whether there are only honest parties and an ordinary network.
    fn is_undisturbed(&self) -> bool {
        !self.env.capture
    }

    fn check_work(&mut self, who: ProcessId, actions: usize) {
        if actions > self.max_actions {
            self.env.violate(|| format!("{who} takes {actions} actions for one input"));
        }
    }
}
