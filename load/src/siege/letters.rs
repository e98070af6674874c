//! What one ordinary user writes to another, and what becomes of it.

use std::mem;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sealpost_core::ids::MessageId;
use sealpost_core::wire::{ErrorReply, InReplyTo, Packet, Receipt};
use sealpost_programs::Failure;

use crate::clients::PROFILE;
use crate::clients::ring::content;
use crate::clients::user::User;

/// Messages from one user to another, in order, each with what became of it.
pub(crate) struct Letters {
    all: Vec<Letter>,
    /// Number of messages that are due, the first ones.
    posted: usize,
    /// Number of messages that are sent, at most as many as are due. A message that was refused,
    /// and all after it, count as not sent.
    sent: usize,
    /// A refused message may be repeated from this time on.
    not_before: Option<Instant>,
    /// The recipient has all messages before this one, or has noticed that some are missing.
    next: usize,
    pub(crate) counts: Counts,
}

struct Letter {
    packet: Bytes,
    receipt: Bytes,
    in_reply_to: InReplyTo,
    /// When the message was due, once it is.
    due: Option<Instant>,
    arrived: bool,
    stored: bool,
    receipted: bool,
}

/// What became of the messages of one or more correspondences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    /// Messages that were to be sent.
    pub(crate) sent: u64,
    /// Messages that arrived, byte for byte.
    pub(crate) arrived: u64,
    /// Messages whose receipt arrived.
    pub(crate) receipted: u64,
    /// Messages that arrived again.
    pub(crate) repeated: u64,
    /// Messages that arrived after a later one, or before an earlier one.
    pub(crate) out_of_order: u64,
    /// Packets that nobody sent.
    pub(crate) foreign: u64,
    /// Errors of the server, other than those for messages that are refused already.
    pub(crate) refused: u64,
}

impl Letters {
    /// Seals and signs `count` messages and their receipts.
    pub(crate) fn sign(
        count: u64,
        size: usize,
        sender: &mut User,
        recipient: &mut User,
    ) -> Result<Self, Failure> {
        let letter = |number: u64| {
            let previous = (number > 1).then(|| number - 1);
            let (to, key, content) =
                (recipient.id, recipient.public_key().clone(), content(number, size));
            let packet = sender.message(to, &key, number, previous, content)?;
            let hash = Packet::parse(PROFILE, packet.clone()).map(|packet| packet.request_hash());
            let hash = hash.ok_or_else(|| Failure::new("our own 102 does not parse"))?;
            Ok(Letter {
                packet,
                receipt: recipient.receipt(sender.id, number, number..=number)?,
                in_reply_to: hash.in_reply_to(),
                due: None,
                arrived: false,
                stored: false,
                receipted: false,
            })
        };
        let all = (1..=count).map(letter).collect::<Result<_, Failure>>()?;
        Ok(Self { all, posted: 0, sent: 0, not_before: None, next: 0, counts: Counts::default() })
    }

    /// Whether every message that was due has arrived and is receipted.
    pub(crate) fn are_settled(&self) -> bool {
        self.counts.sent == self.counts.receipted
    }

    /// The next message is due at this time, whether it can be sent then or not.
    pub(crate) fn post(&mut self, due: Instant) {
        if let Some(letter) = self.all.get_mut(self.posted) {
            letter.due = Some(due);
            self.posted += 1;
            self.counts.sent += 1;
        }
    }

    /// The next message to send. `None` if none is due, or if a refused one may not be repeated
    /// yet.
    pub(crate) fn send(&mut self, now: Instant) -> Option<&Bytes> {
        if self.sent == self.posted || self.not_before.is_some_and(|time| now < time) {
            return None;
        }
        self.not_before = None;
        let letter = self.all.get(self.sent)?;
        self.sent += 1;
        Some(&letter.packet)
    }

    /// A session of the sender began: what was not accepted must be sent again.
    pub(crate) fn repeat(&mut self) {
        let first = self.all.iter().position(|letter| !letter.is_accepted());
        self.sent = self.sent.min(first.unwrap_or(self.sent));
        self.not_before = None;
    }

    /// An error of the server has arrived at the sender.
    pub(crate) fn refuse(&mut self, error: &ErrorReply, now: Instant) {
        let sent = self.all.get(..self.sent).unwrap_or_default();
        if let Some(index) = sent.iter().position(|letter| letter.in_reply_to == error.in_reply_to)
        {
            self.sent = index;
            let pause = Duration::from_secs(error.retry_after_secs.into()).max(SHORTEST_PAUSE);
            self.not_before = Some(now + pause.min(LONGEST_PAUSE));
            self.counts.refused += 1;
        } else if !self.all.iter().any(|letter| letter.in_reply_to == error.in_reply_to) {
            self.counts.refused += 1;
        }
    }

    /// The server has acknowledged messages as stored. Calls `record` with the time at which each
    /// was due.
    pub(crate) fn store(
        &mut self,
        ids: impl Iterator<Item = MessageId>,
        mut record: impl FnMut(Instant),
    ) {
        for id in ids {
            match self.index(id).and_then(|index| self.all.get_mut(index)) {
                Some(letter) => {
                    let again = mem::replace(&mut letter.stored, true);
                    letter.due.filter(|_| !again).into_iter().for_each(&mut record);
                }
                None => self.counts.foreign += 1,
            }
        }
    }

    /// A receipt has arrived at the sender.
    pub(crate) fn receipt(&mut self, receipt: &Receipt) {
        for id in &receipt.message_ids {
            match self.index(*id).and_then(|index| self.all.get_mut(index)) {
                Some(letter) if letter.arrived => {
                    let again = mem::replace(&mut letter.receipted, true);
                    self.counts.receipted += u64::from(!again);
                }
                Some(_) | None => self.counts.foreign += 1,
            }
        }
    }

    /// A message has arrived at the recipient. Returns the receipt to send, and the time at which
    /// the message was due if this is the first time that it arrived.
    pub(crate) fn arrive(
        &mut self,
        id: MessageId,
        packet: &[u8],
    ) -> Option<(&Bytes, Option<Instant>)> {
        let index = self.index(id);
        let letter = index.and_then(|index| self.all.get_mut(index));
        let (Some(index), Some(letter)) = (index, letter.filter(|letter| letter.packet == packet))
        else {
            self.counts.foreign += 1;
            return None;
        };
        if mem::replace(&mut letter.arrived, true) {
            self.counts.repeated += 1;
            return Some((&letter.receipt, None));
        }
        self.counts.arrived += 1;
        self.counts.out_of_order += u64::from(index != self.next);
        self.next = index + 1;
        Some((&letter.receipt, letter.due))
    }

    fn index(&self, MessageId(number): MessageId) -> Option<usize> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.all.get(index)?.due.map(|_| index)
    }
}

impl Letter {
    const fn is_accepted(&self) -> bool {
        self.stored || self.receipted
    }
}

impl Counts {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            arrived: self.arrived + other.arrived,
            receipted: self.receipted + other.receipted,
            repeated: self.repeated + other.repeated,
            out_of_order: self.out_of_order + other.out_of_order,
            foreign: self.foreign + other.foreign,
            refused: self.refused + other.refused,
        }
    }
}

/// Shortest and longest pause before a refused message is repeated.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use sealpost_core::ids::ReceiptId;
    use sealpost_core::time::Timestamp;
    use sealpost_core::wire::ErrorCode;

    use super::*;

    fn letters(count: u8) -> Letters {
        let letter = |n| Letter {
            packet: vec![n].into(),
            receipt: vec![n, n].into(),
            in_reply_to: InReplyTo([n; 8]),
            due: None,
            arrived: false,
            stored: false,
            receipted: false,
        };
        let all = (1..=count).map(letter).collect();
        Letters { all, posted: 0, sent: 0, not_before: None, next: 0, counts: Counts::default() }
    }

    fn sent(count: u8) -> (Letters, Instant) {
        let (mut letters, now) = (letters(count), Instant::now());
        for _ in 0..count {
            letters.post(now);
            assert!(letters.send(now).is_some());
        }
        (letters, now)
    }

    fn receipt(id: u64) -> Receipt {
        Receipt { receipt_id: ReceiptId(id), message_ids: vec![MessageId(id)] }
    }

    fn error(in_reply_to: u8, retry_after_secs: u32) -> ErrorReply {
        ErrorReply {
            code: ErrorCode::MailboxFull,
            in_reply_to: InReplyTo([in_reply_to; 8]),
            retry_after_secs,
            server_time: Timestamp::from_unix_secs(0),
            text: String::new(),
        }
    }

    #[test]
    fn letters_are_settled_once_all_have_arrived_and_are_receipted() {
        let (mut letters, now) = sent(2);
        for n in [1, 2] {
            assert!(!letters.are_settled());
            let id = u64::from(n);
            let (receipt_bytes, due) = letters.arrive(MessageId(id), &[n]).unwrap();
            assert_eq!((&receipt_bytes[..], due), (&[n; 2][..], Some(now)));
            letters.receipt(&receipt(id));
        }
        assert!(letters.are_settled());
        let counts = Counts { sent: 2, arrived: 2, receipted: 2, ..Counts::default() };
        assert_eq!(letters.counts, counts);
    }

    #[test]
    fn repeats_gaps_and_foreign_packets_are_counted() {
        let (mut letters, _) = sent(3);
        assert!(letters.arrive(MessageId(2), &[2]).is_some());
        assert!(letters.arrive(MessageId(2), &[2]).is_some());
        assert!(letters.arrive(MessageId(1), &[1]).is_some());
        assert!(letters.arrive(MessageId(3), &[9]).is_none());
        assert!(letters.arrive(MessageId(4), &[4]).is_none());
        letters.receipt(&receipt(3));
        let counts = Counts {
            sent: 3,
            arrived: 2,
            repeated: 1,
            out_of_order: 2,
            foreign: 3,
            ..Counts::default()
        };
        assert_eq!(letters.counts, counts);
    }

    #[test]
    fn message_that_is_not_due_cannot_arrive() {
        let mut letters = letters(1);
        assert!(letters.arrive(MessageId(1), &[1]).is_none());
        assert_eq!(letters.counts.foreign, 1);
    }

    #[test]
    fn refused_message_is_repeated_after_its_pause_and_before_all_others() {
        let (mut letters, now) = sent(3);
        letters.refuse(&error(2, 5), now);
        // The server refuses what came after it, too.
        letters.refuse(&error(3, 9), now);
        assert_eq!(letters.counts.refused, 1);
        let later = now + Duration::from_secs(5);
        assert_eq!(letters.send(now + Duration::from_millis(4_999)), None);
        assert_eq!(letters.send(later).unwrap(), &[2][..]);
        assert_eq!(letters.send(later).unwrap(), &[3][..]);
        assert_eq!(letters.send(later), None);
    }

    #[test]
    fn message_that_came_due_during_a_pause_counts_from_then() {
        let (mut letters, now) = (letters(2), Instant::now());
        letters.post(now);
        assert!(letters.send(now).is_some());
        letters.refuse(&error(1, 5), now);
        letters.post(now + Duration::from_secs(1));
        assert_eq!(letters.send(now + Duration::from_secs(1)), None);
        assert_eq!(letters.counts.sent, 2);
        let later = now + Duration::from_secs(5);
        assert!(letters.send(later).is_some() && letters.send(later).is_some());
        let (_, due) = letters.arrive(MessageId(2), &[2]).unwrap();
        assert_eq!(due, Some(now + Duration::from_secs(1)));
    }

    #[test]
    fn new_session_repeats_from_the_first_message_that_was_not_accepted() {
        let (mut letters, now) = sent(3);
        let mut stored = Vec::new();
        for _ in 0..2 {
            letters.store([MessageId(1)].into_iter(), |due| stored.push(due));
        }
        assert_eq!(stored, [now]);
        letters.repeat();
        assert_eq!(letters.send(now).unwrap(), &[2][..]);
    }
}
