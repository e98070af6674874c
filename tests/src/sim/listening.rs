//! What the machines say to their applications, and what those do about it.

use sealpost_core::client::store::{InboxId, Trust};
use sealpost_core::client::{Command, Notice, OfflineReason, OtpSource};
use sealpost_core::server::{self, OtpDelivery};
use sealpost_core::wire::Otp;

use super::node::Said;
use super::plan::LastWrite;
use super::states::{error_state, notice_state};
use super::world::{Aim, Due, Who, World};
use super::{bounds, model};
use crate::scenario::{Device, Heard};

impl World {
    pub(super) fn heed_server(&mut self, actions: usize) {
        self.check_work(Who::Server, actions);
        if self.around.tally.inputs.is_multiple_of(bounds::EVERY) {
            self.check_held();
        }
        for said in self.server.listen() {
            match said {
                Said::Delivery(otp) => self.bring(&otp),
                Said::Notice(notice) => self.heed_server_notice(notice),
            }
        }
    }

    fn heed_server_notice(&mut self, notice: server::Notice) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[10], || format!("server: {notice:?}"));
        match notice {
            server::Notice::Misuse(misuse) => {
                self.around.violate(|| format!("the server says that its host {misuse}"));
            }
            server::Notice::Stopped => {
                self.stopped = true;
                let after = self.boot_server_after;
                self.around.agenda.after(after, Due::Boot(Who::Server));
                self.crash(Who::Server, LastWrite::Kept);
            }
            server::Notice::Refused(_, code) => {
                self.tell(|| Heard::Refused(code));
                self.around.tally.state(error_state(code));
            }
            server::Notice::StoreFailed(_) => self.around.tally.state("server's store failed"),
            server::Notice::SessionClosed(..)
            | server::Notice::SessionOpened(..)
            | server::Notice::Registered(_) => {}
        }
    }

    /// The messenger takes a one-time password to its owner, if he does not lose it.
    fn bring(&mut self, delivery: &OtpDelivery) {
        if self.tell(|| Heard::Otp(delivery.clone())) {
            return;
        }
        if self.attackers.has(delivery.phone) {
            return self.bring_to_attacker(&delivery.otp);
        }
        let client = (0..self.clients.len()).find(|index| model::phone(*index) == delivery.phone);
        let lost = self.around.dice.chance(100);
        let after = self.around.dice.between(1_000_000, 60_000_000);
        if let Some(client) = client.filter(|_| !lost) {
            let life = self.clients[client].desk.life;
            let command = Command::Confirm { otp: Otp::clone(&delivery.otp) };
            self.around.agenda.after(after, Due::Wish(client, life, command));
        }
    }

    pub(super) fn heed_client(&mut self, client: usize, actions: usize) {
        self.check_work(Who::Client(client), actions);
        for said in self.clients[client].listen() {
            match said {
                Said::Delivery(item) => {
                    if item.message.trust == Trust::Changed {
                        self.around.tally.state("client: message under a changed key");
                    }
                    let verdict = self.model.taken_over(self.account(client), &item);
                    self.judge(verdict);
                    self.mark_shown(client, item.place);
                    self.tell(|| Heard::Message(Device(client), Box::new(item)));
                }
                Said::Notice(notice) => {
                    self.heed_client_notice(client, &notice);
                    self.tell(|| Heard::Notice(Device(client), notice));
                }
            }
        }
    }

    fn mark_shown(&mut self, client: usize, up_to: InboxId) {
        if !self.around.dice.chance(self.around.settings.unmarked_per_mille) {
            let life = self.clients[client].desk.life;
            let after = self.around.dice.below(5_000);
            let command = Command::MarkShown { up_to };
            self.around.agenda.after(after, Due::Wish(client, life, command));
        }
    }

    fn heed_client_notice(&mut self, client: usize, notice: &Notice) {
        let now = self.around.agenda.now();
        self.around.trace.note(now, &[11], || format!("client {client}: {notice:?}"));
        self.around.tally.state(notice_state(notice));
        self.heed_keys(client, notice);
        match notice {
            Notice::Online { pending } => {
                self.apps[client].online = true;
                self.apps[client].caught_up = pending.is_none();
            }
            Notice::CaughtUp { .. } => self.apps[client].caught_up = true,
            Notice::Offline { reason, retry_in } => {
                self.apps[client].online = false;
                let aims = self.apps[client].aim == Aim::Online;
                if retry_in.is_none() && aims && *reason != OfflineReason::AwaitingOtp {
                    let after = self.around.dice.between(1_000_000, 40_000_000);
                    self.go_online_after(client, after);
                }
            }
            Notice::OtpRequested { source: OtpSource::OutOfBand, ttl_secs, .. } => {
                // If the messenger loses it, somebody asks again.
                self.go_online_after(client, u64::from(*ttl_secs) * 1_000_000);
            }
            Notice::Suspicious { suspicion } if self.is_undisturbed() => {
                self.around.violate(|| format!("client {client} suspects {suspicion:?}"));
            }
            Notice::Misuse { misuse } => {
                self.around.violate(|| format!("client {client} says that its host {misuse}"));
            }
            _ => {}
        }
    }

    /// The application tries again after a while, once.
    fn go_online_after(&mut self, client: usize, micros: u64) {
        let life = self.clients[client].desk.life;
        if !std::mem::replace(&mut self.apps[client].will_try, true) {
            self.around.agenda.after(micros, Due::GoOnline(client, life));
        }
    }

    /// Nobody but honest parties and an ordinary network had a hand in this.
    fn is_undisturbed(&self) -> bool {
        !self.around.watched
    }

    fn check_work(&mut self, who: Who, actions: usize) {
        if actions > self.most_actions {
            self.around.violate(|| format!("{who} does {actions} things for one input"));
        }
    }
}
