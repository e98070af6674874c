//! What the servers of a world tell each other, and the sessions that the engine has on record.

use sealpost_core::frame::{Event, Input};
use sealpost_core::ids::{UserId, UserRef};
use sealpost_core::server::store::{
    CreateOutcome, ReconnectOutcome, Seq, SessionOutcome, StoreOp, StoreOutcome, StoreReply,
};
use sealpost_core::server::{AccountChange, Command, Elsewhere};

use super::engine::{EngineFault, ServerName, SessionBegins, SessionRecord, carry_out};
use super::event::SimEvent;
use super::world::World;

impl World {
    /// The process of a server.
    pub(super) fn server_name(&self, server: usize) -> ServerName {
        ServerName { server, incarnation: self.servers[server].host.incarnation }
    }

    /// A server hears what another one has done.
    pub(super) fn hear(&mut self, name: ServerName, what: Elsewhere) {
        if self.server_name(name.server) == name && self.servers[name.server].machine.is_some() {
            let now = self.env.queue.now();
            self.env.tally.state(match what {
                Elsewhere::Appended { .. } => "hint: appended",
                Elsewhere::SessionBegun { .. } => "hint: session begun",
                Elsewhere::AccountChanged { .. } => "hint: account changed",
                Elsewhere::Missed => "hint: missed",
            });
            self.env.trace.note(now, &[16], || format!("server {} hears {what:?}", name.server));
            self.input_server(name.server, Input::Event(Event::Command(Command::Elsewhere(what))));
            self.check_displaced(name, what);
        }
    }

    /// Checks that a server that hears of a later session of a user has none any more.
    fn check_displaced(&mut self, name: ServerName, what: Elsewhere) {
        let Elsewhere::SessionBegun { user, place } = what else { return };
        self.engine.heard(name, user, place);
        if self.engine.has_session_before(name, user, place) {
            let server = name.server;
            self.env.violate(|| format!("server {server} keeps a session of {user}, displaced"));
        }
    }

    /// Checks that a session that begins was not displaced while it was being granted.
    pub(super) fn check_opened(&mut self, server: usize, user: UserId) {
        let name = self.server_name(server);
        if !self.engine.opened(name, user) {
            self.env.violate(|| format!("server {server} begins a session of {user}, displaced"));
        }
    }

    /// Checks that at rest nobody has sessions on two servers.
    pub(super) fn check_sessions(&mut self) {
        let runs = |name: ServerName| self.server_name(name.server) == name;
        if let Some(user) = self.engine.has_two_sessions(runs) {
            self.env.violate(|| format!("user {user} has sessions on two servers"));
        }
    }

    /// Tells a server something. Returns after how many microseconds it hears it, if it does.
    fn tell(&mut self, from: Option<usize>, to: ServerName, what: Elsewhere) -> Option<u64> {
        let now = self.env.queue.now();
        let is_cut_off =
            from.into_iter().chain([to.server]).any(|server| self.engine.is_cut_off(server, now));
        if is_cut_off || self.engine.has(EngineFault::LostHints, now) && self.env.dice.chance(900) {
            self.env.tally.state("hint lost");
            return None;
        }
        let is_late = self.engine.has(EngineFault::LateHints, now);
        let most = if is_late { LATE } else { PROMPT };
        let after = 1 + self.env.dice.below(most);
        self.env.queue.schedule_after(after, SimEvent::Hint(to, what));
        if is_late && self.env.dice.chance(500) {
            let again = 1 + self.env.dice.below(most);
            self.env.queue.schedule_after(again, SimEvent::Hint(to, what));
        }
        Some(after)
    }

    /// Something was appended to a mailbox by a server.
    pub(super) fn tell_appended(&mut self, by: ServerName, owner: UserId) {
        if let Some(session) = self.engine.session(owner).filter(|session| session.name != by) {
            self.tell(Some(by.server), session.name, Elsewhere::Appended { owner });
        }
    }

    /// An account was changed by the operator: every server is told.
    pub(super) fn tell_account_changed(&mut self, user: UserId, change: AccountChange) {
        self.engine.forget_states();
        for server in 0..self.servers.len() {
            let to = self.server_name(server);
            self.tell(None, to, Elsewhere::AccountChanged { user, change });
        }
    }

    /// A server has read a mailbox, and tells itself if its owner's session is not there any more.
    pub(super) fn tell_found(&mut self, name: ServerName, owner: UserId) {
        let session = self.engine.session(owner);
        if session.is_none() && self.has_account(owner) {
            // The session began with the account, and could not be recorded then.
            self.engine.begin_session(owner, name, Seq::START);
        }
        let session = session.filter(|session| session.name != name);
        let what = if !self.has_account(owner) {
            Elsewhere::AccountChanged { user: owner, change: AccountChange::Deleted }
        } else if let Some(session) = session {
            Elsewhere::SessionBegun { user: owner, place: session.place }
        } else {
            return;
        };
        self.env.queue.schedule_after(0, SimEvent::Hint(name, what));
    }

    fn has_account(&mut self, user: UserId) -> bool {
        let found = carry_out(&mut self.store, StoreOp::FindUser(UserRef::Id(user)));
        matches!(found, Ok(StoreReply::Found(Some(_))))
    }

    /// Records the date of a 106, which gets a place behind all earlier ones.
    pub(super) fn record_reconnect(&mut self, op: &StoreOp) -> StoreOutcome {
        match carry_out(&mut self.store, op.clone())? {
            StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(_)) => {
                let place = self.engine.next_place();
                Ok(StoreReply::ReconnectRecorded(ReconnectOutcome::Recorded(place)))
            }
            refused => Ok(refused),
        }
    }

    /// Records that a session of a user begins on a server.
    pub(super) fn record_session(
        &mut self,
        name: ServerName,
        user: UserId,
        place: Seq,
    ) -> StoreOutcome {
        // Deleted meanwhile: the first page ends the session.
        if self.has_account(user)
            && self.engine.begin_session(user, name, place) == SessionBegins::Never
        {
            return Ok(StoreReply::SessionBegun(SessionOutcome::Overtaken));
        }
        carry_out(&mut self.store, StoreOp::BeginSession { user, place })
    }

    /// A session that was recorded displaces the one before. Returns how long the server waits for the
    /// one that had it, in microseconds.
    pub(super) fn displace(
        &mut self,
        name: ServerName,
        user: UserId,
        before: Option<SessionRecord>,
        place: Seq,
    ) -> u64 {
        let Some(before) = before.filter(|before| before.name != name) else { return 0 };
        let now = self.env.queue.now();
        if self.server_name(before.name.server) != before.name
            || self.servers[before.name.server].machine.is_none()
        {
            // The engine says at once that nobody listens, unless it does not know yet.
            let is_calm = self.env.timeliness.server_calm_from() < now;
            return if is_calm || self.env.dice.chance(500) { 0 } else { DISPLACED_WITHIN };
        }
        let told =
            self.tell(Some(name.server), before.name, Elsewhere::SessionBegun { user, place });
        let back = 1 + self.env.dice.below(PROMPT);
        told.map_or(DISPLACED_WITHIN, |after| (after + back).min(DISPLACED_WITHIN))
    }

    /// Creates an account, and records its first session.
    pub(super) fn create_user(&mut self, name: ServerName, op: &StoreOp) -> StoreOutcome {
        let created = carry_out(&mut self.store, op.clone())?;
        if let StoreReply::Created(CreateOutcome::Created(user)) = created {
            let is_lost = self.engine.has(EngineFault::LostAnswers, self.env.queue.now());
            if !is_lost || self.env.dice.chance(500) {
                self.engine.begin_session(user, name, Seq::START);
            }
        }
        Ok(created)
    }

    /// A server that was cut off reaches the engine again, and knows that it may have missed hints.
    pub(super) fn reach_again(&mut self, name: ServerName) {
        if !self.engine.is_cut_off(name.server, self.env.queue.now()) {
            self.hear(name, Elsewhere::Missed);
        }
    }
}

/// Time within which a hint arrives, in microseconds.
const PROMPT: u64 = 2_000;
/// The same while hints are late.
const LATE: u64 = 5_000_000;
/// Time for which the server of a session that begins waits for the one of the session before it, in
/// microseconds.
const DISPLACED_WITHIN: u64 = 1_000_000;
