//! Checks when things happen, not only whether they do. A retry after minutes would otherwise hide
//! every timer that was lost.
//!
//! A party is *calm* from the moment at which the last fault, refusal or lost connection that
//! concerns it has passed. A [`Promise`] is made between calm parties. If all of them stay calm, it
//! must be kept by the time at which it is due; if one of them is disturbed before, it is void.

use std::collections::{BTreeMap, BTreeSet};

use sealpost_core::client::OfflineReason;
use sealpost_core::crypto::{Draft, Part};
use sealpost_core::frame::Flow;
use sealpost_core::ids::ConnId;
use sealpost_core::server::store::{Appended, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Mono;
use sealpost_core::wire::{ErrorReply, Op};

use super::bounds::{Bounds, DAY_SECS};
use super::environment::Environment;
use super::plan::Plan;
use super::process::ProcessId;
use super::step::StepKind;
use super::world::World;

/// What is due, and since when each party has been calm.
#[derive(Debug, Default)]
pub(super) struct Timeliness {
    /// Times within which promises are due; `None` if this plan makes none.
    bounds: Option<Bounds>,
    server_calm_from: Mono,
    clients: Vec<Calm>,
    /// Promises that are not due yet, by the time at which they are. The number tells those apart
    /// that are due at the same time.
    pending: BTreeMap<(Mono, u64), Promise>,
    made: u64,
    /// Messages that their senders' clients refused to send.
    refused: BTreeSet<u64>,
}

/// A client's calm.
#[derive(Clone, Copy, Debug, Default)]
struct Calm {
    from: Mono,
    /// Time at which the session began.
    online_since: Option<Mono>,
}

/// Something that must have happened by a certain time.
#[derive(Clone, Copy, Debug)]
struct Promise {
    made_at: Mono,
    /// Time within which it must be kept if nothing else is under way, in microseconds.
    within: u64,
    what: Promised,
    client: usize,
    /// A second client on whose calm it depends.
    peer: Option<usize>,
}

/// What is promised.
#[derive(Clone, Copy, Debug)]
enum Promised {
    /// A message that was written is durable in the client's outbox, or was refused by the client.
    Queued(u64),
    /// A message in the client's outbox is acknowledged.
    Acknowledged(u64),
    /// A message is durable at its recipient, the peer.
    Received(u64),
    /// The client has received everything that was pending when its session began.
    CaughtUp,
    /// A process reads from a connection again.
    Resumed(ProcessId, ConnId),
}

impl Timeliness {
    pub(super) fn new(plan: &Plan) -> Self {
        let settings = &plan.settings;
        // How long a person takes to register again is not promised.
        let checked = !plan.has_active_attackers() && !plan.loses_accounts();
        Self {
            bounds: checked.then(|| Bounds::new(settings)),
            clients: vec![Calm::default(); settings.clients],
            ..Self::default()
        }
    }

    /// Whatever was promised to or by a client is void, and nothing new is promised until a time.
    pub(super) fn disturb_client(&mut self, client: usize, until: Mono) {
        if let Some(calm) = self.clients.get_mut(client) {
            calm.from = calm.from.max(until);
        }
    }

    /// A client crashed, and its session with it.
    pub(super) fn client_crashed(&mut self, client: usize, now: Mono) {
        if let Some(calm) = self.clients.get_mut(client) {
            calm.online_since = None;
        }
        self.disturb_client(client, now);
    }

    /// Whatever was promised is void, and nothing new is promised until a time.
    pub(super) fn disturb_all(&mut self, until: Mono) {
        self.server_calm_from = self.server_calm_from.max(until);
    }

    /// The client itself refused to send a message.
    pub(super) fn message_refused(&mut self, number: u64) {
        self.refused.insert(number);
    }

    /// Time from which on nothing has disturbed the server.
    pub(super) const fn server_calm_from(&self) -> Mono {
        self.server_calm_from
    }

    fn calm_from(&self, client: usize) -> Mono {
        let calm = self.clients.get(client).map_or(Mono(u64::MAX), |calm| calm.from);
        calm.max(self.server_calm_from)
    }

    fn is_online(&self, client: usize) -> bool {
        self.clients.get(client).is_some_and(|calm| calm.online_since.is_some())
    }

    /// Makes a promise, if the parties are calm and online.
    fn promise(
        &mut self,
        now: Mono,
        within: u64,
        what: Promised,
        client: usize,
        peer: Option<usize>,
    ) {
        let ready = |client| self.is_online(client) && self.calm_from(client) <= now;
        if !ready(client) || !peer.is_none_or(ready) {
            return;
        }
        self.made += 1;
        let promise = Promise { made_at: now, within, what, client, peer };
        self.pending.insert((Mono(now.0 + within), self.made), promise);
    }

    /// The next promise that was due before `now`, unless it is void. `debt` is the time that all
    /// messages written so far may take.
    fn next_due(&mut self, now: Mono, debt: u64) -> Option<Promise> {
        while let Some(entry) = self.pending.first_entry()
            && entry.key().0 < now
        {
            let ((due, number), promise) = entry.remove_entry();
            let calm_from = promise.parties().map(|client| self.calm_from(client)).max();
            if calm_from.is_none_or(|calm_from| calm_from > promise.made_at) {
                continue;
            }
            // The debt may have grown since the promise was made.
            let postponed = Mono(promise.made_at.0 + promise.within + debt);
            if postponed <= due {
                return Some(promise);
            }
            self.pending.insert((postponed, number), promise);
        }
        None
    }

    /// Notes that a session ended. Returns whether nothing explains it: neither did anything happen
    /// since the session began, nor so recently that an end may only have noticed now.
    fn ended_without_cause(&mut self, client: usize, now: Mono) -> bool {
        let since = self.clients.get_mut(client).and_then(|calm| calm.online_since.take());
        let calm_from = self.calm_from(client);
        self.bounds.is_some()
            && since.is_some_and(|since| calm_from <= since || calm_from.0 + NOTICED_AFTER < now.0)
    }
}

impl Promise {
    fn parties(&self) -> impl Iterator<Item = usize> {
        [Some(self.client), self.peer].into_iter().flatten()
    }
}

impl Promised {
    /// State of a kept promise, for the summary of a run.
    const fn kept(self) -> &'static str {
        match self {
            Self::Queued(_) => "in time: queued",
            Self::Acknowledged(_) => "in time: acknowledged",
            Self::Received(_) => "in time: received",
            Self::CaughtUp => "in time: caught up",
            Self::Resumed(..) => "in time: reading resumed",
        }
    }
}

impl Environment {
    /// Notes how long a step disturbs whom.
    pub(super) fn disturb(&mut self, step: &StepKind) {
        let now = self.queue.now();
        let after_ms = |ms: u64| Mono(now.0 + ms * 1_000 + AFTERMATH);
        let look_again_ms = self.settings.look_again_ms;
        let calm = &mut self.timeliness;
        match step {
            StepKind::Disconnect { client } | StepKind::Cut { client } => {
                calm.disturb_client(*client, after_ms(0));
            }
            StepKind::HalfOpen { client, .. } => {
                calm.disturb_client(*client, Mono(now.0 + NOTICED_AFTER));
            }
            StepKind::Stall { client, ms, .. }
            | StepKind::Unreachable { client, ms }
            | StepKind::ClientDisk { client, ms, .. }
            | StepKind::CrashClient { client, down_ms: ms, .. }
            | StepKind::LoseDirectory { client, down_ms: ms } => {
                calm.disturb_client(*client, after_ms(*ms));
            }
            StepKind::Engine { fault, ms } => calm.disturb_all(after_ms(ms + fault.aftermath_ms(look_again_ms))),
            StepKind::SkipIds { client, .. } => calm.disturb_client(*client, after_ms(1)),
            StepKind::ServerDisk { ms, .. }
            | StepKind::CrashServer { down_ms: ms, .. }
            | StepKind::ChangeServerKey { down_ms: ms, .. }
            | StepKind::StopServer { down_ms: ms } => calm.disturb_all(after_ms(*ms)),
            // A clock that is wrong shows itself in refusals, which disturb as well.
            StepKind::ClientClock { client, .. } => calm.disturb_client(*client, after_ms(0)),
            StepKind::ServerClock { .. } => calm.disturb_all(after_ms(0)),
            StepKind::Register { .. }
            | StepKind::Connect { .. }
            | StepKind::Send { .. }
            | StepKind::SendToKey { .. }
            | StepKind::Cancel { .. }
            | StepKind::Forget { .. }
            | StepKind::BackUp { .. }
            // Nothing that a greedy user does may disturb others.
            | StepKind::Greed { .. }
            // Plans with these steps make no promises.
            | StepKind::LoseAccount { .. }
            | StepKind::BackUpServer
            | StepKind::RestoreServer { .. }
            | StepKind::Restore { .. }
            | StepKind::Tamper { .. }
            | StepKind::SecondConnection { .. }
            | StepKind::Attack { .. }
            | StepKind::Dishonest { .. } => {}
        }
    }

    /// Notes that a client's connection broke, and its client will notice after a while.
    pub(super) fn disturb_until_noticed(&mut self, who: ProcessId, after: u64) {
        let until = Mono(self.queue.now().0 + after + AFTERMATH);
        if let ProcessId::Client(client) = who {
            self.timeliness.disturb_client(client, until);
        }
    }

    /// Notes that the server refused a packet. In a session, what was refused may be held back for a
    /// while.
    pub(super) fn disturb_by_refusal(&mut self, server: usize, conn: ConnId) {
        let Some((_, _, link)) = self.network.find(ProcessId::Server(server), conn) else { return };
        let ProcessId::Client(client) = link.dialler else { return };
        let is_held = self.timeliness.is_online(client);
        let held = if is_held { LONGEST_HOLD } else { 0 };
        let until = Mono(self.queue.now().0 + held);
        self.timeliness.disturb_client(client, until);
    }

    /// Notes that the store is full: what was in flight and has to be stored waits for room, and its
    /// sender is not told.
    pub(super) fn disturb_by_full_store(&mut self) {
        self.timeliness.disturb_all(Mono(self.queue.now().0 + AFTERMATH));
    }

    /// Notes that reading from a connection paused: it must be resumed soon.
    pub(super) fn expect_resumption(&mut self, who: ProcessId, dialler: ProcessId, conn: ConnId) {
        if let (Some(bounds), ProcessId::Client(client)) = (self.timeliness.bounds, dialler) {
            let (now, what) = (self.queue.now(), Promised::Resumed(who, conn));
            self.timeliness.promise(now, bounds.resumed, what, client, None);
        }
    }

    /// Checks the pause that an error asks for.
    pub(super) fn check_retry_after(&mut self, draft: &Draft) {
        let Some(bounds) = self.timeliness.bounds.filter(|_| draft.header.op == Op::Error) else {
            return;
        };
        let reply = match draft.parts.last() {
            Some(Part::Sealed { plaintext, .. }) => ErrorReply::parse(plaintext.expose()),
            Some(Part::Clear(bytes)) => ErrorReply::parse(bytes),
            Some(Part::Oaep { .. } | Part::Envelope { .. }) | None => return,
        };
        let secs = reply.map(|reply| u64::from(reply.retry_after_secs));
        // The passwords of a phone are counted by the day; everything in a session has a rate.
        let in_session = draft.header.recipient.is_some();
        let most = if in_session { bounds.retry_after_secs } else { DAY_SECS };
        if secs.is_ok_and(|secs| secs <= most) {
            return;
        }
        self.violate(|| format!("the server asks for a pause of {secs:?} s"));
    }
}

impl World {
    /// A message was written: the client must make it durable, or refuse it.
    pub(super) fn expect_queued(&mut self, client: usize, number: u64) {
        if let Some(bounds) = self.env.timeliness.bounds {
            let now = self.env.queue.now();
            let what = Promised::Queued(number);
            self.env.timeliness.promise(now, bounds.queued, what, client, None);
        }
    }

    /// A message is durable in its sender's outbox: it must be acknowledged, and arrive at a
    /// recipient who is there.
    pub(super) fn expect_delivery(&mut self, client: usize, number: u64) {
        let Some(bounds) = self.env.timeliness.bounds else { return };
        let now = self.env.queue.now();
        let calm = &mut self.env.timeliness;
        let acknowledged = Promised::Acknowledged(number);
        calm.promise(now, bounds.acknowledged, acknowledged, client, None);
        let recipient = self.model.recipient(number);
        let app = recipient.and_then(|recipient| self.apps.get(recipient));
        if app.is_some_and(|app| app.caught_up) {
            let received = Promised::Received(number);
            calm.promise(now, bounds.received, received, client, recipient);
        }
    }

    /// A session began: everything that waits on either side must move.
    pub(super) fn expect_catching_up(&mut self, client: usize, pending: Option<u32>) {
        let now = self.env.queue.now();
        // The second device of an account, in a scenario, is promised nothing.
        let Some(calm) = self.env.timeliness.clients.get_mut(client) else { return };
        calm.online_since = Some(now);
        let Some(bounds) = self.env.timeliness.bounds else { return };
        for number in self.model.queued_by(client) {
            self.expect_delivery(client, number);
        }
        let windows = 1 + u64::from(pending.unwrap_or(0) / self.env.settings.drain_items);
        let within = windows * bounds.window;
        self.env.timeliness.promise(now, within, Promised::CaughtUp, client, None);
    }

    /// Has every client write a message in a world at rest, once nothing that was refused is held
    /// back any more: whatever the faults have left behind, these messages must be in time.
    pub(super) fn write_in_calm(&mut self) {
        if self.env.timeliness.bounds.is_none() {
            return;
        }
        self.run_until(Mono(self.env.queue.now().0 + LONGEST_HOLD));
        let clients = self.clients.len();
        for client in 0..clients {
            self.send_messages(client, (client + 1) % clients, 1, 30);
        }
    }

    /// Notes whose messages found no room in a mailbox: one that was in flight waits for room, and its
    /// sender is not told.
    pub(super) fn disturb_by_full_mailbox(&mut self, op: &StoreOp, outcome: &StoreOutcome) {
        let (StoreOp::Append { packets, .. }, Ok(StoreReply::Appended(each))) = (op, outcome)
        else {
            return;
        };
        let until = Mono(self.env.queue.now().0 + AFTERMATH);
        let refused = packets.iter().zip(each).filter(|(_, it)| **it == Appended::MailboxFull);
        for (packet, _) in refused {
            let Some(sender) = packet.header().sender else { continue };
            if let Some(client) = self.apps.iter().position(|app| app.user == Some(sender)) {
                self.env.timeliness.disturb_client(client, until);
            }
        }
    }

    /// A client lost its session: something must have happened to it or to the server.
    pub(super) fn check_cause(&mut self, client: usize, reason: OfflineReason) {
        let now = self.env.queue.now();
        let without_cause = self.env.timeliness.ended_without_cause(client, now);
        if without_cause && reason != OfflineReason::Requested {
            self.env
                .violate(|| format!("client {client} goes offline without a cause: {reason:?}"));
        }
        self.env.timeliness.disturb_client(client, now);
    }

    /// Checks the promises that were due.
    pub(super) fn check_promises(&mut self) {
        let now = self.env.queue.now();
        let Some(Bounds { per_message, .. }) = self.env.timeliness.bounds else { return };
        let tally = &self.env.tally;
        let debt = per_message * (tally.messages + tally.greedy_messages);
        while let Some(promise) = self.env.timeliness.next_due(now, debt) {
            let Promise { client, made_at, what, .. } = promise;
            let Some(broken) = self.broken(promise) else {
                self.env.tally.state(what.kept());
                continue;
            };
            let secs = (now.0 - made_at.0) / 1_000_000;
            self.env.violate(|| format!("late: client {client}, after {secs} s: {broken}"));
        }
    }

    /// Describes what should have happened, if it has not.
    fn broken(&mut self, promise: Promise) -> Option<String> {
        match promise.what {
            Promised::Queued(number) => {
                let dealt_with =
                    self.model.is_queued(number) || self.env.timeliness.refused.contains(&number);
                (!dealt_with).then(|| format!("text {number} is not in the outbox"))
            }
            Promised::Acknowledged(number) => (!self.model.is_acknowledged(number))
                .then(|| format!("text {number} is not acknowledged")),
            Promised::Received(number) => (!self.model.is_received(number))
                .then(|| format!("text {number} is not at its recipient, who is there")),
            Promised::CaughtUp => (!self.apps[promise.client].caught_up)
                .then(|| "what was pending has not arrived".to_owned()),
            Promised::Resumed(who, conn) => {
                let (_, end, link) = self.env.network.find(who, conn)?;
                let socket = link.socket(end);
                let still = socket.open
                    && socket.flow == Flow::Pause
                    && socket.flow_since <= promise.made_at;
                still.then(|| format!("{who} still does not read"))
            }
        }
    }
}

/// Time after the end of a fault in which its traces disappear, in microseconds: failed store
/// operations are repeated after a second.
const AFTERMATH: u64 = 3_000_000;
/// Longest pause before a client repeats what was refused, in microseconds: its `hold_max`.
const LONGEST_HOLD: u64 = 600_000_000;
/// Time in which both ends of a dead connection notice, in microseconds: 90 s, and an
/// acknowledgement that is overdue after 60 s.
const NOTICED_AFTER: u64 = 160_000_000;
