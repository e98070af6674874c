//! The state of the made-up people.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;

use sealpost_messenger::api::{
    Body, Changed, Connection, Contact, Conversation, Copy, Entry, FileState, Group, KeyTrust,
    Mute, Notification, Peer, PhoneNumber, Progress, Reaction, Time, Trust,
};

/// Conversations, and what will happen in them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Time,
    pub(super) account: PhoneNumber,
    pub(super) connection: Connection,
    pub(super) contacts: BTreeMap<PhoneNumber, Contact>,
    pub(super) conversations: Vec<Conversation>,
    pub(super) members: BTreeMap<Peer, Vec<PhoneNumber>>,
    pub(super) entries: Vec<Entry>,
    /// The last entry of each conversation that was seen.
    pub(super) seen: BTreeMap<Peer, u64>,
    /// What will happen, in order.
    plans: BTreeMap<(Time, u64), Plan>,
    planned: u64,
    /// How many answers were given.
    pub(super) answers: usize,
    sender: Sender<Notification>,
}

/// Something that will happen.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Somebody writes.
    Write { with: Peer, from: PhoneNumber, body: Body },
    /// A message gets further.
    Progress { entry: u64, progress: Progress },
    /// Somebody invites the user to a group.
    Invite { group: Box<Group>, text: &'static str },
    /// Somebody who was invited to a group joins.
    Join { with: Peer, phone: PhoneNumber },
    /// A file gets further: this many percent of it are there.
    Transfer { entry: u64, percent: u64 },
    /// Somebody reacts.
    React { entry: u64, from: PhoneNumber, emoji: &'static str },
    /// The connection is not as it was.
    Connection(Connection),
}

impl World {
    pub(super) fn new(now: Time, sender: Sender<Notification>) -> Self {
        Self {
            now,
            account: super::story::phone(0),
            connection: Connection::Online { since: now, waiting: None },
            contacts: BTreeMap::new(),
            conversations: Vec::new(),
            members: BTreeMap::new(),
            entries: Vec::new(),
            seen: BTreeMap::new(),
            plans: BTreeMap::new(),
            planned: 0,
            answers: 0,
            sender,
        }
    }

    /// Lets happen what happens until then.
    pub(super) fn advance(&mut self, now: Time) {
        while let Some(first) = self.plans.first_entry() {
            let (at, _) = *first.key();
            if at > now {
                break;
            }
            let plan = first.remove();
            self.now = self.now.max(at);
            self.carry_out(plan);
        }
        self.now = self.now.max(now);
    }

    pub(super) fn plan(&mut self, in_secs: i64, plan: Plan) {
        self.planned = self.planned.saturating_add(1);
        self.plans.insert((self.later(in_secs), self.planned), plan);
    }

    /// The time after some seconds, or before.
    pub(super) const fn later(&self, secs: i64) -> Time {
        Time(self.now.0.plus_secs(secs))
    }

    /// Adds an entry, with the next number.
    pub(super) fn add(&mut self, mut entry: Entry) -> u64 {
        entry.entry = self.entries.last().map_or(1, |last| last.entry.saturating_add(1));
        let number = entry.entry;
        self.tell_entry(entry.clone());
        self.entries.push(entry);
        number
    }

    /// Changes an entry.
    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Entry)) -> Option<Entry> {
        let entry = self.entries.iter_mut().find(|entry| entry.entry == number)?;
        change(entry);
        let entry = entry.clone();
        self.tell_entry(entry.clone());
        Some(entry)
    }

    pub(super) fn conversation(&mut self, with: Peer) -> Option<&mut Conversation> {
        self.conversations.iter_mut().find(|known| known.with == with)
    }

    /// An entry that was received just now.
    pub(super) fn received(&self, with: Peer, from: PhoneNumber, body: Body) -> Entry {
        let contact = self.contacts.get(&from);
        let verified = contact.is_some_and(|known| known.trust == KeyTrust::Verified);
        let trust = if verified { Trust::Verified } else { Trust::FirstUse };
        Entry {
            from: Some(from),
            received_at: Some(self.now),
            trust: Some(trust),
            ..self.sent(with, body)
        }
    }

    /// An entry that is sent now.
    pub(super) fn sent(&self, with: Peer, body: Body) -> Entry {
        Entry {
            entry: 0,
            conversation: with,
            from: None,
            message_id: None,
            sent_at: self.now,
            received_at: None,
            body,
            mentions: Vec::new(),
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            progress: None,
            copies: Vec::new(),
            trust: None,
            arrival: None,
            after_gap: false,
            group_name: None,
            written_in: None,
            expires_at: None,
        }
    }

    /// The copies of a message that is sent.
    pub(super) fn copies(&self, with: Peer) -> Vec<Copy> {
        let to = match with {
            Peer::Person(phone) => vec![phone],
            Peer::Group(_) => self.members.get(&with).cloned().unwrap_or_default(),
        };
        let copy = |to| Copy { to, message_id: None, progress: Progress::Queued, waits_for: None };
        to.into_iter().map(copy).collect()
    }

    /// A conversation, as it is listed.
    pub(super) fn described(&self, known: &Conversation) -> Conversation {
        let seen = self.seen.get(&known.with).copied().unwrap_or(0);
        let here = || self.entries.iter().filter(|entry| entry.conversation == known.with);
        let unread = here().filter(|entry| entry.from.is_some() && entry.entry > seen).count();
        let unread = u64::try_from(unread).unwrap_or(u64::MAX);
        Conversation {
            unread,
            read_up_to: seen,
            last: here().next_back().cloned(),
            ..known.clone()
        }
    }

    /// Begins a conversation with nobody in it yet.
    pub(super) fn begin(&mut self, with: Peer, name: Option<&str>) {
        self.conversations.push(Conversation {
            with,
            name: name.map(str::to_owned),
            unread: 0,
            read_up_to: 0,
            last: None,
            mute: Mute::Off,
            blocked: false,
            key_changed: false,
            verified: false,
            expiry_seconds: 0,
            read_receipts: true,
            group: None,
            accept_files_up_to: 0,
            draft: String::new(),
        });
    }

    pub(super) fn tell(&self, changed: Changed) {
        // Nobody listens any more if it fails.
        let _ = self.sender.send(Notification::Changed(changed));
    }

    fn tell_entry(&self, entry: Entry) {
        self.tell(Changed::Entry { entry: Box::new(entry) });
    }

    fn carry_out(&mut self, plan: Plan) {
        match plan {
            // What comes from there is dropped.
            Plan::Write { with, .. }
                if self.conversation(with).is_some_and(|known| known.blocked) => {}
            Plan::Write { with, from, body } => {
                let entry = self.received(with, from, body);
                self.add(entry);
            }
            Plan::Invite { group, text } => {
                let with = Peer::Group(group.group_id);
                self.begin(with, Some(&group.name));
                if let Some(conversation) = self.conversation(with) {
                    conversation.group = Some(group);
                }
                let notice = self.sent(with, Body::Notice { text: text.to_owned() });
                self.add(notice);
            }
            Plan::Join { with, phone } => super::groups::join(self, with, phone),
            Plan::Progress { entry, progress } => {
                self.change(entry, |entry| {
                    for copy in &mut entry.copies {
                        copy.progress = progress.clone();
                    }
                    entry.progress = Some(progress);
                });
            }
            Plan::Transfer { entry, percent } => {
                self.change(entry, |entry| {
                    let is_own = entry.from.is_none();
                    if let Body::File { name, size, done, state, path, .. } = &mut entry.body
                        && *state != FileState::Cancelled
                    {
                        *done = size.saturating_mul(percent) / 100;
                        let is_whole = percent >= 100;
                        *state = if is_whole { FileState::Complete } else { FileState::Underway };
                        *path = (is_whole && !is_own).then(|| format!("~/.sealpost/files/{name}"));
                    }
                });
            }
            Plan::React { entry, from, emoji } => {
                let reaction = Reaction { from: Some(from), emoji: emoji.to_owned() };
                self.change(entry, |entry| entry.reactions.push(reaction));
            }
            Plan::Connection(connection) => {
                self.connection = connection.clone();
                self.tell(Changed::Connection { connection });
            }
        }
    }
}
