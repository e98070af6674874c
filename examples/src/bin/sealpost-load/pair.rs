//! A sender and a reader, both connected: each does what a client must.

use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sealpost_core::wire::Op;
use sealpost_programs::Failure;

use crate::figures::Latencies;
use crate::link::{Frame, Link};
use crate::ring::Ring;
use crate::user::User;

/// One pair under load.
pub(crate) struct Pair {
    sender: Side,
    reader: Side,
    ring: Ring,
    /// When the message in each slot was due.
    due: Vec<Instant>,
    /// Messages sent, and how many of these have arrived, and are receipted to the sender.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) receipted: u64,
    /// Acknowledgements that the server has stored messages: it does so only if a reader was too
    /// slow for the live path.
    pub(crate) stored_acks: u64,
}

/// One end of a pair.
struct Side {
    user: User,
    link: Link,
}

/// The part of a run in which latencies count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Span {
    pub(crate) fn new(begin: Instant, length: Duration) -> Self {
        Self { begin, end: begin + length }
    }

    pub(crate) fn contains(self, at: Instant) -> bool {
        self.begin <= at && at < self.end
    }
}

impl Pair {
    /// Takes two users with their connections over, whose events come under `token` and the one
    /// after it.
    pub(crate) fn new(
        (sender, sender_stream): (User, std::net::TcpStream),
        (reader, reader_stream): (User, std::net::TcpStream),
        ring: Ring,
        registry: &Registry,
        token: usize,
    ) -> Result<Self, Failure> {
        let slots = usize::try_from(ring.shape().slots())?;
        Ok(Self {
            sender: Side { user: sender, link: Link::new(sender_stream, registry, Token(token))? },
            reader: Side {
                user: reader,
                link: Link::new(reader_stream, registry, Token(token + 1))?,
            },
            ring,
            due: vec![Instant::now(); slots],
            sent: 0,
            arrived: 0,
            receipted: 0,
            stored_acks: 0,
        })
    }

    pub(crate) const fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Bytes that both ends have received and sent.
    pub(crate) const fn traffic(&self) -> u64 {
        self.sender.link.traffic + self.reader.link.traffic
    }

    /// How many messages may be sent now.
    pub(crate) fn room(&self) -> u64 {
        self.ring.shape().room(self.sent, self.receipted)
    }

    /// Everything that was sent has arrived and is receipted.
    pub(crate) const fn is_at_rest(&self) -> bool {
        self.receipted == self.sent
    }

    /// Queues the next message. There must be room.
    pub(crate) fn send(&mut self, due: Instant) {
        self.sender.link.queue(self.ring.message(self.sent));
        if let Some(slot) = self.due.get_mut(self.ring.shape().slot(self.sent)) {
            *slot = due;
        }
        self.sent += 1;
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.sender.link.flush()?;
        self.reader.link.flush()
    }

    /// The reader's connection has something: messages, each of which must be the next one.
    pub(crate) fn read_messages(
        &mut self,
        buffer: &mut [u8],
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure> {
        let Self { reader: Side { user, link }, ring, due, sent, arrived, .. } = self;
        let before = *arrived;
        link.read(buffer, |frame, at| {
            if *arrived == *sent || frame.bytes != ring.message(*arrived) {
                return Err(unexpected(user, frame, "a reader", "its next message"));
            }
            let due = due.get(ring.shape().slot(*arrived)).copied().unwrap_or(at);
            if span.contains(due) {
                latencies.record(at.saturating_duration_since(due));
            }
            *arrived += 1;
            Ok(())
        })?;
        for arrived in before + 1..=*arrived {
            if let Some(receipt) = ring.receipt(arrived) {
                link.queue(receipt);
            }
        }
        Ok(())
    }

    /// The sender's connection has something: receipts, each of which must be the next one.
    pub(crate) fn read_receipts(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Self { sender: Side { user, link }, ring, arrived, receipted, stored_acks, .. } = self;
        let before = *receipted;
        let batch = ring.shape().batch();
        link.read(buffer, |frame, _| {
            if frame.is_from_server() && frame.op() == Some(Op::DeliveryAck) {
                *stored_acks += 1;
                return Ok(());
            }
            let next = *receipted + batch;
            let expected = ring.receipt(next).filter(|_| next <= *arrived);
            if expected.is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a sender", "its next receipt"));
            }
            *receipted = next;
            Ok(())
        })?;
        for receipted in before + 1..=*receipted {
            if let Some(taken) = ring.taken(receipted) {
                link.queue(taken);
            }
        }
        Ok(())
    }
}

/// What to say of a packet that should not have come.
pub(crate) fn unexpected(user: &mut User, frame: Frame<'_>, who: &str, expected: &str) -> Failure {
    let got = user.describe(frame);
    Failure::new(format_args!("{who} got {got} in place of {expected}"))
}
