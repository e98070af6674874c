//! Checks what each user has had stored and has asked for against the allowances of a day, and that
//! people whom a user has answered are known to the store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealpost_core::ids::{MessageId, UserId};
use sealpost_core::server::limits::Limits;
use sealpost_core::server::store::{Appended, LookupOutcome, StoreOp, StoreOutcome, StoreReply};
use sealpost_core::time::Mono;
use sealpost_core::wire::{ItemId, ItemKind, Packet};

use super::bounds::LARGEST_MESSAGE;
use super::disk::Done;
use super::disk_limits::Mailboxes;
use super::server_store::ServerStore;
use super::settings::Settings;
use super::trust::Verdict;
use super::world::World;

/// What users have used.
#[derive(Debug, Default)]
pub(super) struct Allowances {
    by_user: BTreeMap<UserId, Use>,
    /// Messages of greedy users that are not stored.
    sent: BTreeMap<(UserId, u64), Sent>,
    /// Greedy users, with everyone to whom they have written.
    written: BTreeSet<(UserId, UserId)>,
    /// Owners of mailboxes, with those whom the store knows them to have answered.
    answered: BTreeSet<(UserId, UserId)>,
    /// People to whom a session's user has written, and when that was last acknowledged.
    acknowledged: BTreeMap<(UserId, UserId), Mono>,
    /// Answers that the store must know of soon, in order of time.
    due: VecDeque<Due>,
}

/// What a user has used.
#[derive(Debug, Default)]
struct Use {
    /// Bytes of messages that were stored since the server started, after each commit. Only the
    /// last entry is needed that the server knows for certain, and those behind it.
    stored: VecDeque<(Mono, u64)>,
    /// Messages ever sent, counted for greedy users only.
    messages: u64,
    /// Time from which on the receipts that are stored for the user take more than they may.
    over_receipts_since: Option<Mono>,
    /// Day of the last look-up by phone, and look-ups on that day.
    lookups: (i64, u32),
    /// Sessions so far, and when the one under way began.
    sessions: u64,
    online_since: Option<Mono>,
}

/// A message of a greedy user on its way.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Mono,
    /// Bytes of its sender that the server knew to be stored.
    bytes_before: u64,
    /// Sessions that its recipient had begun; `None` if one was under way.
    sessions: Option<u64>,
}

/// An owner of a mailbox who has answered a peer.
#[derive(Clone, Copy, Debug)]
struct Due {
    made_at: Mono,
    by: Mono,
    owner: UserId,
    peer: UserId,
}

impl Allowances {
    /// Pairs of owners and peers whom they have answered, as the store knows.
    pub(super) const fn answered(&self) -> &BTreeSet<(UserId, UserId)> {
        &self.answered
    }

    /// The server's store may have forgotten whom users have answered.
    pub(super) fn forget_answers(&mut self) {
        self.answered.clear();
        self.acknowledged.clear();
        self.due.clear();
    }

    /// The server starts without sessions and debts.
    pub(super) fn forget_debts(&mut self) {
        self.sent.clear();
        for used in self.by_user.values_mut() {
            used.stored.clear();
            used.online_since = None;
        }
    }

    /// Whether a user may be told to wait for what the user has done.
    pub(super) fn is_used_up(&self, user: UserId, limits: &Limits) -> bool {
        let Some(used) = self.by_user.get(&user) else { return false };
        let stored = used.stored.back().map_or(0, |(_, bytes)| *bytes);
        stored + LARGEST_MESSAGE as u64 > limits.stored_bytes_per_day
            || used.lookups.1 >= limits.lookups_per_day.min(limits.lookups_per_user.burst)
    }

    /// Notes what a commit of the server's store means for its users' allowances.
    pub(super) fn note(
        &mut self,
        done: &[Done<ServerStore>],
        settings: &Settings,
        now: Mono,
        day: i64,
    ) -> Verdict {
        let limits = settings.server_limits();
        for (_, op, outcome) in done {
            match (op, outcome) {
                (StoreOp::Append { recipient, packets, .. }, Ok(StoreReply::Appended(each))) => {
                    for (packet, appended) in packets.iter().zip(each) {
                        if *appended == Appended::Stored {
                            self.note_stored(*recipient, packet, &limits, settings.outcome, now)?;
                        }
                    }
                }
                (StoreOp::RecordAnswers { owner, peers }, Ok(_)) => {
                    self.answered.extend(peers.iter().map(|peer| (*owner, *peer)));
                }
                (StoreOp::LookUp { asker, day: on, .. }, outcome) => {
                    self.note_lookup(*asker, *on, outcome, &limits, day)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A message was stored. If it is a greedy user's and its recipient was away all the time, the
    /// sender must have had something left.
    fn note_stored(
        &mut self,
        recipient: UserId,
        packet: &Packet,
        limits: &Limits,
        outcome: u64,
        now: Mono,
    ) -> Verdict {
        let Some(item) = ItemId::of(packet).filter(|item| item.kind == ItemKind::Message) else {
            return Ok(());
        };
        let (sender, len) = (item.origin, packet.bytes().len() as u64);
        let away = self.by_user.get(&recipient).map_or(Some(0), Use::sessions_before);
        let sent = self.sent.remove(&(sender, item.id));
        let used = self.by_user.entry(sender).or_default();
        let bytes = used.stored.back().map_or(0, |(_, bytes)| *bytes);
        used.stored.push_back((now, bytes + len));
        let Some(sent) = sent.filter(|sent| sent.sessions.is_some() && sent.sessions == away)
        else {
            return Ok(());
        };
        if sent.bytes_before + len > allowed_bytes(limits, now) {
            return Err(format!("user {sender} has more stored than the bytes of a day"));
        }
        match used.over_receipts_since {
            Some(since) if since.0 + outcome < sent.at.0 => {
                Err(format!("user {sender} sends more, without having taken the receipts"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// A look-up by phone was carried out on the day `on`, while it is `day` for the server.
    fn note_lookup(
        &mut self,
        asker: UserId,
        on: i64,
        outcome: &StoreOutcome,
        limits: &Limits,
        day: i64,
    ) -> Verdict {
        let Ok(StoreReply::LookedUp(LookupOutcome::Found(_) | LookupOutcome::NotFound)) = outcome
        else {
            return Ok(());
        };
        let lookups = &mut self.by_user.entry(asker).or_default().lookups;
        if lookups.0 != day {
            *lookups = (day, 0);
        }
        lookups.1 += 1;
        // The server's clock may have jumped since the request was made.
        if on == day && lookups.1 > limits.lookups_per_day {
            return Err(format!("user {asker} looks up {} phones on a day", lookups.1));
        }
        Ok(())
    }

    /// Checks the bytes of receipts that are stored for users.
    pub(super) fn check_receipts(
        &mut self,
        mailboxes: &Mailboxes,
        settings: &Settings,
        now: Mono,
    ) -> Verdict {
        for (user, used) in &mut self.by_user {
            let bytes = mailboxes.receipt_bytes(*user);
            if used.messages > 0 && bytes > used.messages * RECEIPT_BYTES {
                let messages = used.messages;
                return Err(format!("user {user} has {bytes} bytes of {messages} receipts stored"));
            }
            if bytes <= settings.receipt_bytes + UNCOUNTED_BYTES {
                used.over_receipts_since = None;
            } else if used.over_receipts_since.is_none() {
                used.over_receipts_since = Some(now);
            }
        }
        Ok(())
    }
}

impl Use {
    /// Sessions so far; `None` if one is under way.
    const fn sessions_before(&self) -> Option<u64> {
        if self.online_since.is_some() { None } else { Some(self.sessions) }
    }

    /// Bytes that were stored so long ago that the server was told.
    fn known_bytes(&mut self, outcome: u64, now: Mono) -> u64 {
        let is_known = |(at, _): &(Mono, u64)| at.0 + outcome < now.0;
        while self.stored.get(1).is_some_and(is_known) {
            self.stored.pop_front();
        }
        self.stored.front().filter(|entry| is_known(entry)).map_or(0, |(_, bytes)| *bytes)
    }
}

impl World {
    /// A greedy user sends a message.
    pub(super) fn note_sent(&mut self, sender: UserId, recipient: UserId, packet: &Packet) {
        let Some(item) = ItemId::of(packet) else { return };
        let (now, outcome) = (self.env.queue.now(), self.env.settings.outcome);
        let by_user = &mut self.allowances.by_user;
        let sessions = by_user.get(&recipient).map_or(Some(0), Use::sessions_before);
        let used = by_user.entry(sender).or_default();
        used.messages += 1;
        let sent = Sent { at: now, bytes_before: used.known_bytes(outcome, now), sessions };
        self.allowances.sent.insert((sender, item.id), sent);
        self.allowances.written.insert((sender, recipient));
        self.env.tally.greedy_messages += 1;
    }

    /// Whether a client or greedy user has ever written to somebody.
    pub(super) fn has_written(&self, sender: UserId, recipient: UserId) -> bool {
        self.model.has_written(sender, recipient)
            || self.allowances.written.contains(&(sender, recipient))
    }

    /// The server acknowledged messages of a client as stored.
    pub(super) fn note_acknowledged(&mut self, client: usize, ids: &[MessageId]) {
        let now = self.env.queue.now();
        for pair in self.model.senders_and_recipients(client, ids) {
            self.allowances.acknowledged.insert(pair, now);
        }
    }

    /// The server began a session.
    pub(super) fn note_session(&mut self, user: UserId) {
        let now = self.env.queue.now();
        let used = self.allowances.by_user.entry(user).or_default();
        used.sessions += 1;
        used.online_since = Some(now);
    }

    /// The server ended a session: it must record whom its user has answered, unless it or its store
    /// was disturbed.
    pub(super) fn note_session_ended(&mut self, user: UserId) {
        let now = self.env.queue.now();
        let allowances = &mut self.allowances;
        let Some(used) = allowances.by_user.get_mut(&user) else { return };
        let Some(since) = used.online_since.take() else { return };
        if self.env.timeliness.server_calm_from() > since {
            return;
        }
        let by = Mono(now.0 + 2 * (self.env.settings.commit + 1) + MARGIN);
        for ((owner, peer), at) in &allowances.acknowledged {
            if *owner == user && *at >= since {
                allowances.due.push_back(Due { made_at: now, by, owner: user, peer: *peer });
            }
        }
    }

    /// Checks the answers that the store must know of by now.
    pub(super) fn check_answers(&mut self) {
        let now = self.env.queue.now();
        let calm_from = self.env.timeliness.server_calm_from();
        while let Some(due) = self.allowances.due.pop_front_if(|due| due.by < now) {
            let Due { made_at, owner, peer, .. } = due;
            if calm_from <= made_at && !self.allowances.answered.contains(&(owner, peer)) {
                self.env.violate(|| format!("user {owner} is not known to have answered {peer}"));
            }
        }
    }
}

/// Bytes that a user may have had stored since the server started: a day's at once, and as many again
/// spread over each day.
fn allowed_bytes(limits: &Limits, now: Mono) -> u64 {
    let day = limits.stored_bytes_per_day;
    let forgiven = u128::from(day) * u128::from(now.0) / 86_400_000_000;
    day.saturating_add(u64::try_from(forgiven).unwrap_or(u64::MAX))
}

/// Bytes of stored receipts for each message, at most: one that names the message and an invented
/// one.
const RECEIPT_BYTES: u64 = 400;
/// Receipts that are stored while a session begins may not be counted in it.
const UNCOUNTED_BYTES: u64 = 2_000;
/// Time for what the bounds do not count, in microseconds.
const MARGIN: u64 = 1_000_000;
