//! Checks that what one user does is charged to that user alone: greedy users get no more than their
//! rates, whatever they send and however often they reconnect, and others are not slowed down or
//! refused in their place.

use std::collections::BTreeMap;

use sealpost_core::crypto::{Draft, Job, Part};
use sealpost_core::ids::{ConnId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::time::Mono;
use sealpost_core::wire::{ErrorCode, ErrorReply, Op};

use super::environment::Environment;
use super::process::ProcessId;
use super::world::World;

/// What the server has done for each greedy user.
#[derive(Debug, Default)]
pub(super) struct Fairness(BTreeMap<UserId, Spending>);

/// What the server has done for a user since it started.
#[derive(Clone, Copy, Debug, Default)]
struct Spending {
    /// Time at which all of it is paid off at the rate of the limits.
    paid_off: Mono,
    /// Receipts on their way for which nothing is charged, because somebody may await them.
    refunds: u64,
}

impl Fairness {
    /// Begins to watch a greedy user's account.
    pub(super) fn watch(&mut self, user: UserId) {
        self.0.entry(user).or_default();
    }

    pub(super) fn is_greedy(&self, user: UserId) -> bool {
        self.0.contains_key(&user)
    }

    /// A greedy user sends a receipt that may be awaited.
    pub(super) fn expect_refund(&mut self, user: UserId) {
        if let Some(spending) = self.0.get_mut(&user) {
            spending.refunds += 1;
        }
    }

    /// Whether a receipt of a user may be awaited.
    fn takes_refund(&mut self, user: UserId) -> bool {
        let Some(spending) = self.0.get_mut(&user) else { return false };
        let is_expected = spending.refunds > 0;
        spending.refunds = spending.refunds.saturating_sub(1);
        is_expected
    }

    /// The server starts, and remembers nothing.
    pub(super) fn forget_debts(&mut self) {
        for spending in self.0.values_mut() {
            spending.paid_off = Mono(0);
        }
    }

    /// Charges a job of the server to the greedy user for whom it is done. Returns the user, and how
    /// many packets too many that makes.
    fn charge(&mut self, limits: &Limits, job: &Job, now: Mono) -> Option<(UserId, u64)> {
        let (user, cost) = match job {
            Job::Verify { packet, .. } if packet.op() == Op::DeliveryAck => {
                let sender = packet.header().sender?;
                (sender, u32::from(!self.takes_refund(sender)))
            }
            Job::Verify { packet, .. } | Job::OpenSealed { packet, .. } => {
                (packet.header().sender?, 1)
            }
            // What is signed costs as much as twenty packets.
            Job::Emit(draft) if is_charged(draft) => (draft.header.recipient?, 20),
            Job::Emit(_)
            | Job::OpenRequest { .. }
            | Job::OpenGrant { .. }
            | Job::OpenMessage { .. } => return None,
        };
        let spending = self.0.get_mut(&user)?;
        let every = limits.packets_per_user.every;
        spending.paid_off = spending.paid_off.max(now) + every * cost;
        let debt = spending.paid_off.since(now).as_micros() / every.as_micros().max(1);
        let most = u64::from(limits.packets_per_user.burst) + overshoot(limits);
        let excess = u64::try_from(debt).unwrap_or(u64::MAX).saturating_sub(most);
        (excess > 0).then_some((user, excess))
    }
}

/// Packets by which a user may exceed the rate: those that are under way when it is reached may each
/// lead to an error. After a pause, a sixteenth of the burst may come at once.
fn overshoot(limits: &Limits) -> u64 {
    21 * u64::from(limits.packets_per_user.burst / 16 + UNDER_WAY)
}

/// Whether a packet is an answer that is charged to its user: the answer to a look-up, or an error.
/// Errors before a session are in the clear, and are charged to the address. Any number of messages
/// that were accepted may be refused at once because their mailbox turned out to be full.
fn is_charged(draft: &Draft) -> bool {
    let Some(Part::Sealed { plaintext, .. }) = draft.parts.last() else { return false };
    match draft.header.op {
        Op::PublicKey => true,
        Op::Error => ErrorReply::parse(plaintext.expose()).is_ok_and(|reply| {
            !matches!(reply.code, ErrorCode::MailboxFull | ErrorCode::Unavailable)
        }),
        _ => false,
    }
}

impl Environment {
    /// Charges a job of the server, and checks that it is within its user's rate. If the store was
    /// disturbed, many errors may follow at once.
    pub(super) fn charge(&mut self, job: &Job) {
        if self.settings.greedy == 0 {
            return;
        }
        let now = self.queue.now();
        if self.timeliness.server_calm_from().0 + AFTERMATH > now.0 {
            return self.fairness.forget_debts();
        }
        let limits = self.settings.server_limits();
        if let Some((user, excess)) = self.fairness.charge(&limits, job, now) {
            self.violate(|| format!("greedy user {user} gets {excess} packets over the rate"));
        }
    }
}

impl World {
    /// Checks that a client that is told to slow down has itself used up what it may.
    pub(super) fn check_refusal(&mut self, server: usize, conn: ConnId, code: ErrorCode) {
        if code != ErrorCode::RateLimited || self.env.settings.greedy == 0 {
            return;
        }
        let Some((_, _, link)) = self.env.network.find(ProcessId::Server(server), conn) else {
            return;
        };
        let ProcessId::Client(client) = link.dialler else { return };
        let Some(user) = self.apps[client].user.filter(|_| self.apps[client].online) else {
            return;
        };
        if !self.allowances.is_used_up(user, &self.env.settings.server_limits()) {
            self.env.violate(|| format!("client {client} is refused for what others do"));
        }
    }

    /// The server restarts, and remembers no debts.
    pub(super) fn forget_debts(&mut self) {
        self.env.fairness.forget_debts();
        self.allowances.forget_debts();
    }
}

/// Packets of a greedy user that are verified, stored or answered at once, at most: those of three
/// turns.
const UNDER_WAY: u32 = 100;
/// Time in which the traces of a disturbance disappear, in microseconds.
const AFTERMATH: u64 = 5_000_000;
