//! The engine that the servers of a world store in, where there are several: a model of what a store in
//! NATS JetStream promises (docs/ENGINE.md), and of how it fails.
//!
//! There is one truth, the [`ServerStore`]. The engine adds to it what only several servers see: which
//! of them has a user's session, what they tell each other, and mailboxes as they were a moment ago.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealpost_core::ids::UserId;
use sealpost_core::server::store::{
    Page, PageLimit, Seq, StoreOp, StoreOutcome, StoreReply, StoredItem,
};
use sealpost_core::time::Mono;
use sealpost_storage::Storage as _;
use serde::{Deserialize, Serialize};

use super::server_store::ServerStore;

/// A fault of the engine, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineFault {
    /// A part of the mailboxes has no leader: what concerns it waits.
    LeaderChange,
    /// Everything waits.
    Down,
    /// One of the servers does not reach the engine, nor the other servers.
    Partition,
    /// Operations fail, and may have taken effect.
    LostAnswers,
    /// What servers tell each other is lost.
    LostHints,
    /// What servers tell each other comes late, twice, and in any order.
    LateHints,
    /// Pages lack what other servers have stored last.
    StalePages,
}

impl EngineFault {
    /// Milliseconds for which its traces remain, beside those of every fault.
    pub(super) const fn aftermath_ms(self, look_again_ms: u64) -> u64 {
        match self {
            // Operations are given up after 10 s.
            Self::LeaderChange | Self::Down | Self::LostAnswers => PATIENCE_MS,
            // Only a look at the mailbox shows what a hint was to say.
            Self::LostHints | Self::Partition => PATIENCE_MS + look_again_ms,
            Self::LateHints | Self::StalePages => 5_000 + look_again_ms,
        }
    }
}

/// A process of a server: what it was told before a restart does not reach the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerName {
    pub(super) server: usize,
    pub(super) incarnation: u32,
}

/// A user's session, as far as the engine knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionRecord {
    pub(super) name: ServerName,
    pub(super) place: Seq,
}

/// Whether a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionBegins {
    Now,
    Never,
}

/// What the engine knows beside the store's contents.
#[derive(Debug, Default)]
pub(super) struct Engine {
    sessions: BTreeMap<UserId, SessionRecord>,
    /// Place of the last session of each user on each server.
    places: BTreeMap<(ServerName, UserId), Seq>,
    /// Place of the last session elsewhere that each server has heard of.
    heard: BTreeMap<(ServerName, UserId), Seq>,
    /// Sessions that servers have, whether or not they have been displaced.
    open: BTreeSet<(ServerName, UserId)>,
    last_place: u64,
    mailboxes: BTreeMap<UserId, History>,
    /// Time until which each fault lasts.
    faults: BTreeMap<EngineFault, Mono>,
    /// Part of the mailboxes that has no leader.
    leaderless: u64,
    /// Server that does not reach the engine.
    partitioned: usize,
}

/// The last states of a mailbox.
#[derive(Debug, Default)]
struct History {
    version: u64,
    states: VecDeque<State>,
    /// The version of each server's last write.
    written: BTreeMap<ServerName, u64>,
}

#[derive(Debug)]
struct State {
    version: u64,
    until: Mono,
    items: Vec<StoredItem>,
}

impl Engine {
    /// A fault begins. `part` says which mailboxes or which server it concerns.
    pub(super) fn fail(&mut self, fault: EngineFault, part: usize, until: Mono) {
        match fault {
            EngineFault::LeaderChange => self.leaderless = part as u64 % SHARDS,
            EngineFault::Partition => self.partitioned = part,
            EngineFault::Down
            | EngineFault::LostAnswers
            | EngineFault::LostHints
            | EngineFault::LateHints
            | EngineFault::StalePages => {}
        }
        self.faults.insert(fault, until);
    }

    /// Ends all faults.
    pub(super) fn mend(&mut self) {
        self.faults.clear();
    }

    pub(super) fn has(&self, fault: EngineFault, now: Mono) -> bool {
        self.fault_until(fault, now).is_some()
    }

    fn fault_until(&self, fault: EngineFault, now: Mono) -> Option<Mono> {
        self.faults.get(&fault).copied().filter(|until| *until > now)
    }

    /// Whether a server is cut off from the engine and from the others.
    pub(super) fn is_cut_off(&self, server: usize, now: Mono) -> bool {
        self.cut_off_until(server, now).is_some()
    }

    fn cut_off_until(&self, server: usize, now: Mono) -> Option<Mono> {
        let partitioned = self.partitioned == server;
        let partition = self.fault_until(EngineFault::Partition, now).filter(|_| partitioned);
        partition.max(self.fault_until(EngineFault::Down, now))
    }

    /// Time until which an operation of a server has to wait.
    pub(super) fn waits_until(&self, server: usize, op: &StoreOp, now: Mono) -> Option<Mono> {
        let leader = self.fault_until(EngineFault::LeaderChange, now);
        let is_leaderless = op
            .users()
            .unwrap_or_default()
            .iter()
            .any(|user| user.value() % SHARDS == self.leaderless);
        self.cut_off_until(server, now).max(leader.filter(|_| is_leaderless))
    }

    /// The place of a 106, behind all earlier ones.
    pub(super) fn next_place(&mut self) -> Seq {
        self.last_place += 1;
        Seq(self.last_place)
    }

    /// Records that a session of a user begins, unless a later one has.
    pub(super) fn begin_session(
        &mut self,
        user: UserId,
        name: ServerName,
        place: Seq,
    ) -> SessionBegins {
        if self.sessions.get(&user).is_some_and(|before| before.place > place) {
            return SessionBegins::Never;
        }
        self.sessions.insert(user, SessionRecord { name, place });
        self.places.insert((name, user), place);
        SessionBegins::Now
    }

    pub(super) fn session(&self, user: UserId) -> Option<SessionRecord> {
        self.sessions.get(&user).copied()
    }

    /// A server says that a session has begun. Returns whether it may: it has not heard of a later one.
    pub(super) fn opened(&mut self, name: ServerName, user: UserId) -> bool {
        self.open.insert((name, user));
        let heard = self.heard.get(&(name, user)).copied().unwrap_or_default();
        !self.has_session_before(name, user, heard)
    }

    /// A server has heard of a session elsewhere.
    pub(super) fn heard(&mut self, name: ServerName, user: UserId, place: Seq) {
        let heard = self.heard.entry((name, user)).or_default();
        *heard = place.max(*heard);
    }

    /// A server says that a session has ended.
    pub(super) fn closed(&mut self, name: ServerName, user: UserId) {
        self.open.remove(&(name, user));
    }

    /// Whether a server has a session of a user that began before `place`.
    pub(super) fn has_session_before(&self, name: ServerName, user: UserId, place: Seq) -> bool {
        let own = self.places.get(&(name, user)).copied().unwrap_or_default();
        self.open.contains(&(name, user)) && own < place
    }

    /// A user with sessions on two servers that run.
    pub(super) fn has_two_sessions(&self, runs: impl Fn(ServerName) -> bool) -> Option<UserId> {
        let mut users = BTreeSet::new();
        let mut sessions = self.open.iter().filter(|(name, _)| runs(*name));
        sessions.find(|(_, user)| !users.insert(*user)).map(|(_, user)| *user)
    }

    /// The store was changed in another way: no page is older.
    pub(super) fn forget_states(&mut self) {
        for history in self.mailboxes.values_mut() {
            history.states.clear();
        }
    }

    /// The version of a mailbox.
    pub(super) fn version(&self, owner: UserId) -> u64 {
        self.mailboxes.get(&owner).map_or(0, |history| history.version)
    }

    /// A mailbox is about to be changed: what it was is kept for a while.
    pub(super) fn keep(&mut self, store: &mut ServerStore, owner: UserId, now: Mono) {
        let items = page_of(store, owner, Seq::START, EVERYTHING).items;
        let history = self.mailboxes.entry(owner).or_default();
        history.states.push_back(State { version: history.version, until: now, items });
        while history.states.len() > KEPT_STATES {
            history.states.pop_front();
        }
        history.version += 1;
    }

    /// An operation that may have changed a mailbox has ended. Returns whether it has.
    pub(super) fn has_changed(&mut self, store: &mut ServerStore, owner: UserId) -> bool {
        let items = page_of(store, owner, Seq::START, EVERYTHING).items;
        let history = self.mailboxes.entry(owner).or_default();
        let is_unchanged = history.states.back().is_some_and(|state| state.items == items);
        if is_unchanged {
            history.states.pop_back();
            history.version -= 1;
        }
        !is_unchanged
    }

    /// A server knows that it has changed a mailbox.
    pub(super) fn has_written(&mut self, name: ServerName, owner: UserId) {
        let history = self.mailboxes.entry(owner).or_default();
        history.written.insert(name, history.version);
    }

    /// States of a mailbox, from now back, that a server may be given: those behind its own last write.
    pub(super) fn stale_states(&self, name: ServerName, owner: UserId, now: Mono) -> usize {
        let Some(history) = self.mailboxes.get(&owner) else { return 0 };
        let written = history.written.get(&name).copied().unwrap_or_default();
        let may_be_given =
            |state: &&State| state.version >= written && state.until.0 + DEPOSED_FOR > now.0;
        history.states.iter().rev().take_while(may_be_given).count()
    }

    /// Reads a page of a mailbox as it was so many changes ago.
    pub(super) fn stale_page(
        &self,
        owner: UserId,
        changes: usize,
        after: Seq,
        limit: PageLimit,
    ) -> Option<Page> {
        let state = self.mailboxes.get(&owner)?.states.iter().rev().nth(changes.checked_sub(1)?)?;
        let behind: Vec<_> = state.items.iter().filter(|item| item.seq > after).collect();
        let mut bytes = 0;
        let fits = |(count, item): &(usize, &&StoredItem)| {
            bytes += item.packet.bytes().len();
            *count == 0 || *count < limit.items as usize && bytes <= limit.bytes as usize
        };
        let items: Vec<_> =
            behind.iter().enumerate().take_while(fits).map(|(_, item)| (*item).clone()).collect();
        Some(Page { more: items.len() < behind.len(), items })
    }
}

/// Reads a page of the truth.
pub(super) fn page_of(
    store: &mut ServerStore,
    recipient: UserId,
    after: Seq,
    limit: PageLimit,
) -> Page {
    match carry_out(store, StoreOp::Page { recipient, after, limit }) {
        Ok(StoreReply::Page(page)) => page,
        _ => Page { items: Vec::new(), more: false },
    }
}

/// Carries an operation out.
pub(super) fn carry_out(store: &mut ServerStore, op: StoreOp) -> StoreOutcome {
    let mut outcomes = Vec::new();
    store.commit(&[op], &mut outcomes);
    outcomes.pop().expect("each operation has an outcome")
}

/// Mailboxes that an operation changes.
pub(super) fn changed(op: &StoreOp) -> Vec<UserId> {
    match op {
        StoreOp::BeginSession { .. }
        | StoreOp::RecordAnswers { .. }
        | StoreOp::Append { .. }
        | StoreOp::DropReceipts { .. }
        | StoreOp::Settle(_) => op.users().unwrap_or_default(),
        StoreOp::CreateUser { .. }
        | StoreOp::CheckInvitation { .. }
        | StoreOp::FindUser(_)
        | StoreOp::LookUp { .. }
        | StoreOp::FindSender { .. }
        | StoreOp::RecordReconnect { .. }
        | StoreOp::Undeliverable { .. }
        | StoreOp::ForgetUndeliverable { .. }
        | StoreOp::Page { .. }
        | StoreOp::RecordClock { .. }
        | StoreOp::Expire { .. } => Vec::new(),
    }
}

/// Count of the first operations that run at once: none concerns a user of another one.
pub(super) fn wave_len<'a>(ops: impl Iterator<Item = &'a StoreOp>) -> usize {
    let mut seen: Vec<UserId> = Vec::new();
    let independent = ops.take_while(|op| {
        let Some(users) = op.users() else { return false };
        if users.iter().any(|user| seen.contains(user)) {
            return false;
        }
        seen.extend(users);
        true
    });
    independent.count().max(1)
}

/// Time after which a server gives an operation up, in milliseconds.
pub(super) const PATIENCE_MS: u64 = 10_000;
const EVERYTHING: PageLimit = PageLimit { items: u32::MAX, bytes: u32::MAX };
/// Parts that the mailboxes are in.
const SHARDS: u64 = 4;
/// Earlier states of a mailbox that are kept.
const KEPT_STATES: usize = 16;
/// Time for which a leader that was deposed may not know it, in microseconds.
const DEPOSED_FOR: u64 = 5_000_000;
