//! Two devices, the server between them, and what happens.

use std::collections::VecDeque;

use super::Dice;
use super::device::{Device, Event, content, mirrored, peer};
use crate::sized;
use sealpost_core::event::{FileId, FileOffer};
use sealpost_core::files::{
    Command, Direction, End, Fate, Input, PieceName, Record, State, TransferId, Written, limits,
};

/// The devices and the server.
#[derive(Debug)]
pub(super) struct World {
    dice: Dice,
    devices: [Device; 2],
    /// What the server holds for each user.
    mailboxes: [VecDeque<(u64, Event)>; 2],
    /// Pieces that fit a mailbox.
    mailbox_size: usize,
    next_message: u64,
    next_file: u8,
    offered: Vec<(usize, TransferId)>,
    /// Backups, cancellations and changes let transfers end before they are complete.
    may_fail: bool,
    pub(super) tally: Tally,
}

/// What happened how often.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally([u64; EVENTS.len()]);

const EVENTS: [&str; 13] = [
    "complete",
    "refused",
    "cancelled",
    "failed",
    "crashes",
    "restored",
    "full mailbox",
    "full disk",
    "full outbox",
    "sent again",
    "asked",
    "lost with a backup",
    "given up",
];

impl Tally {
    fn count(&mut self, event: &str) {
        let at = EVENTS.iter().position(|name| *name == event).unwrap();
        self.0[at] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count += more);
    }

    pub(super) fn assert_everything_happened(&self) {
        for (event, count) in EVENTS.iter().zip(self.0) {
            let is_one_seed = std::env::var_os("SEALPOST_FILE_SEED").is_some();
            assert!(count > 0 || is_one_seed, "{event}: {:?}", self.0);
        }
    }
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let devices = [0, 1].map(|user| Device::new(user, dice.chance(300)));
        let mailbox_size = if dice.chance(300) { 5 } else { 1_000 };
        Self {
            devices,
            mailboxes: [VecDeque::new(), VecDeque::new()],
            mailbox_size,
            next_message: 0,
            next_file: 1,
            offered: Vec::new(),
            may_fail: dice.chance(300),
            tally: Tally::default(),
            dice,
        }
    }

    /// Runs to the end; the first thing that does not hold, in words.
    pub(super) fn live(&mut self) -> Result<(), String> {
        for _ in 0..=self.dice.below(3) {
            self.offer();
        }
        for _ in 0..200 + self.dice.below(3_000) {
            self.step();
            self.check()?;
        }
        self.heal()?;
        self.check_the_end()
    }

    fn step(&mut self) {
        let user = usize::try_from(self.dice.below(2)).unwrap();
        match self.dice.below(1_000) {
            0..=4 => self.offer(),
            5..=14 => self.devices[user].dies_in = Some(self.dice.below(6)),
            15..=17 => {
                self.tally.count("crashes");
                self.devices[user].restart(&mut self.next_message);
            }
            18..=22 => self.devices[user].is_disk_full ^= true,
            23..=25 => self.devices[user].is_outbox_full ^= true,
            26..=40 => {
                self.devices[user].give(Input::Retry, &mut self.next_message);
            }
            41..=70 => self.decide(user),
            71..=73 if self.may_fail => self.disturb(user),
            74..=79 if self.may_fail => self.back_up_or_restore(user),
            80..=349 => self.push(user),
            350..=599 => self.pull(user),
            600..=799 => self.devices[user].take(&mut self.next_message),
            _ => self.work(user),
        }
    }

    /// A user offers a file.
    fn offer(&mut self) {
        let user = usize::try_from(self.dice.below(2)).unwrap();
        let size = match self.dice.below(6) {
            0 => 0,
            1 => self.dice.below(30),
            2 => 2_000,
            _ => self.dice.below(1_500),
        };
        let (file, to) = (FileId([self.next_file; 16]), peer(self.devices[user].user));
        let offer = FileOffer { file, ..sized(size, 10) };
        self.next_file = self.next_file.wrapping_add(1);
        let id = TransferId { direction: Direction::Outgoing, peer: to, file };
        self.offered.push((user, id));
        let send = Input::Command(Command::Send { to, offer });
        self.devices[user].give(send, &mut self.next_message);
    }

    /// A user decides on an offer.
    fn decide(&mut self, user: usize) {
        let device = &mut self.devices[user];
        let is_offer = |(id, record): &(TransferId, &Record)| {
            id.direction == Direction::Incoming && record.state == State::Offered
        };
        let Some((id, _)) = device.files.records().find(is_offer) else { return };
        let refuses = self.may_fail && self.dice.chance(100);
        let command = if refuses { Command::Refuse(id) } else { Command::Accept(id) };
        self.tally.count("asked");
        device.give(Input::Command(command), &mut self.next_message);
    }

    /// A user cancels a transfer, or changes the file.
    fn disturb(&mut self, user: usize) {
        let device = &mut self.devices[user];
        let open: Vec<_> =
            device.files.records().filter(|(_, it)| it.is_open()).map(|(id, _)| id).collect();
        if open.is_empty() {
            return;
        }
        let id = open[usize::try_from(self.dice.below(open.len() as u64)).unwrap()];
        if self.dice.chance(500) {
            device.changed.push(id);
        } else {
            device.give(Input::Command(Command::Cancel(id)), &mut self.next_message);
        }
    }

    fn back_up_or_restore(&mut self, user: usize) {
        let device = &mut self.devices[user];
        match device.backup.take() {
            None => device.backup = Some(device.disk.clone()),
            Some(backup) => {
                self.tally.count("restored");
                device.disk = backup;
                device.restart(&mut self.next_message);
            }
        }
    }

    /// The server takes the next message of a user.
    fn push(&mut self, user: usize) {
        let Some((message, event)) = self.devices[user].disk.outbox.front().cloned() else {
            return;
        };
        let mailbox = &mut self.mailboxes[1 - user];
        if mailbox.len() >= self.mailbox_size {
            return self.tally.count("full mailbox");
        }
        mailbox.push_back((message, event));
        self.devices[user].disk.outbox.pop_front();
        self.devices[user].report(message, Fate::Stored);
    }

    /// A user gets the next message from the server, and signs a receipt.
    fn pull(&mut self, user: usize) {
        let Some((message, event)) = self.mailboxes[user].pop_front() else { return };
        self.devices[user].disk.inbox.push_back(event);
        self.devices[1 - user].report(message, Fate::Delivered);
    }

    /// A host reports an outcome.
    fn work(&mut self, user: usize) {
        let device = &mut self.devices[user];
        let Some(input) = device.take_outcome(&mut self.dice) else { return };
        if let Input::Written { outcome: Written::Failed, .. } = &input {
            self.tally.count("full disk");
        }
        if let Input::Sent { fate: Fate::NoRoom, .. } = &input {
            self.tally.count("full outbox");
        }
        if let Input::Read { name: PieceName { round: 1.., .. }, .. } = &input {
            self.tally.count("sent again");
        }
        device.give(input, &mut self.next_message);
    }

    /// What always holds.
    fn check(&self) -> Result<(), String> {
        for device in &self.devices {
            device.files.is_consistent()?;
            if device.pieces_queued() > limits::QUEUED_OF_ONE {
                return Err(format!("{} pieces are queued", device.pieces_queued()));
            }
            for (id, saved) in &device.disk.saved {
                if *saved != content(id.file, saved.len() as u64) {
                    return Err(format!("{id:?} was saved with another content"));
                }
            }
        }
        Ok(())
    }

    /// Everything works again, and both users accept what is offered, until all is quiet.
    fn heal(&mut self) -> Result<(), String> {
        self.mailbox_size = usize::MAX;
        for user in [0, 1] {
            let device = &mut self.devices[user];
            (device.is_disk_full, device.is_outbox_full, device.dies_in) = (false, false, None);
        }
        for _ in 0..4 {
            for user in [0, 1] {
                self.devices[user].restart(&mut self.next_message);
                self.devices[user].give(Input::Retry, &mut self.next_message);
            }
            self.drain()?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), String> {
        for _ in 0..20_000 {
            let mut is_quiet = true;
            for user in [0, 1] {
                let device = &self.devices[user];
                is_quiet &= device.disk.outbox.is_empty()
                    && device.disk.inbox.is_empty()
                    && device.outcomes.is_empty()
                    && self.mailboxes[user].is_empty();
                self.push(user);
                self.pull(user);
                self.devices[user].take(&mut self.next_message);
                self.work(user);
                self.decide(user);
            }
            self.check()?;
            if is_quiet {
                return Ok(());
            }
        }
        Err("messages without end".into())
    }

    /// What holds at the end.
    fn check_the_end(&mut self) -> Result<(), String> {
        for (user, outgoing) in self.offered.clone() {
            let (sender, recipient) = (&self.devices[user], &self.devices[1 - user]);
            let incoming = mirrored(sender.user, outgoing);
            let ends = [sender.files.record(outgoing), recipient.files.record(incoming)];
            let is_saved = recipient.disk.saved.contains_key(&incoming);
            let [Some(sent), Some(received)] = ends.map(|record| record.map(|it| it.state)) else {
                // The recipient had as many open transfers as it takes: after a crash, it may not know yet
                // that one is over of which it has told the sender.
                let is_refused = matches!(
                    sender.files.record(outgoing).map(|record| record.state),
                    Some(State::Ended { end: End::Refused, .. })
                );
                if is_refused {
                    self.tally.count("refused");
                    continue;
                }
                if !self.may_fail && sender.files.record(outgoing).is_some() {
                    return Err(format!("{outgoing:?} is forgotten: {ends:?}"));
                }
                self.tally.count("lost with a backup");
                continue;
            };
            // A sender who has lost the end, with a backup or in the middle of cancelling, and has
            // nothing more to send, waits until the user gives up.
            if self.may_fail && is_open(sent) && !is_open(received) {
                self.tally.count("given up");
                let cancel = Input::Command(Command::Cancel(outgoing));
                self.devices[user].give(cancel, &mut self.next_message);
                self.drain()?;
                if self.devices[user].files.record(outgoing).is_some_and(Record::is_open) {
                    return Err(format!("{outgoing:?} can't be cancelled"));
                }
                continue;
            }
            let (State::Ended { end: sent, .. }, State::Ended { end: received, .. }) =
                (sent, received)
            else {
                return Err(format!("{outgoing:?} goes on: {sent:?}, {received:?}"));
            };
            if received == End::Complete && !is_saved {
                return Err(format!("{outgoing:?} was not saved"));
            }
            if sent == End::Complete && received != End::Complete && !self.may_fail {
                return Err(format!("{outgoing:?}: {sent:?}, but {received:?}"));
            }
            match (sent, received) {
                (End::Complete, End::Complete) => self.tally.count("complete"),
                _ if !self.may_fail => {
                    return Err(format!("{outgoing:?}: {sent:?}, {received:?}"));
                }
                (End::Refused, _) => self.tally.count("refused"),
                (End::Cancelled | End::CancelledByPeer, _) => self.tally.count("cancelled"),
                (End::Failed(_) | End::Complete, _) => self.tally.count("failed"),
            }
        }
        Ok(())
    }
}

const fn is_open(state: State) -> bool {
    !matches!(state, State::Ended { .. })
}
