//! A sender and a recipient, both connected, who do what clients must.

use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sealpost_core::wire::Op;
use sealpost_programs::Failure;

use crate::clients::link::{Frame, Link};
use crate::clients::ring::Ring;
use crate::clients::user::User;
use crate::figures::Latencies;

/// One pair under load.
pub(crate) struct Pair {
    sender: Side,
    recipient: Side,
    ring: Ring,
    /// Time when the message in each slot was due.
    due: Vec<Instant>,
    /// Messages sent, and how many of them have arrived at the recipient and are receipted to the
    /// sender.
    pub(crate) sent: u64,
    pub(crate) arrived: u64,
    pub(crate) receipted: u64,
    /// Acknowledgements with which the server said that it stored messages. It stores them only if
    /// the recipient is too slow for the live path.
    pub(crate) stored_acks: u64,
}

/// One end of a pair.
struct Side {
    user: User,
    link: Link,
}

/// The part of a run during which latencies count.
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
    /// Takes over two users and their connections. The poll reports events of the sender under
    /// `token` and events of the recipient under the token after it.
    pub(crate) fn new(
        (sender, sender_stream): (User, std::net::TcpStream),
        (recipient, recipient_stream): (User, std::net::TcpStream),
        ring: Ring,
        registry: &Registry,
        token: usize,
    ) -> Result<Self, Failure> {
        let slots = usize::try_from(ring.shape().slots())?;
        Ok(Self {
            sender: Side { user: sender, link: Link::new(sender_stream, registry, Token(token))? },
            recipient: Side {
                user: recipient,
                link: Link::new(recipient_stream, registry, Token(token + 1))?,
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
        self.sender.link.traffic + self.recipient.link.traffic
    }

    /// The number of messages that may be sent now.
    pub(crate) fn room(&self) -> u64 {
        self.ring.shape().room(self.sent, self.receipted)
    }

    /// Whether everything that was sent has arrived and is receipted.
    pub(crate) const fn is_settled(&self) -> bool {
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
        self.recipient.link.flush()
    }

    /// Reads messages from the recipient's connection. Each must be the next one.
    pub(crate) fn read_messages(
        &mut self,
        buffer: &mut [u8],
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure> {
        let Self { recipient: Side { user, link }, ring, due, sent, arrived, .. } = self;
        let before = *arrived;
        link.read(buffer, |frame, at| {
            if *arrived == *sent || frame.bytes != ring.message(*arrived) {
                return Err(unexpected(user, frame, "a recipient", "its next message"));
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

    /// Reads receipts from the sender's connection. Each must be the next one.
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

/// The failure for an unexpected packet.
pub(crate) fn unexpected(user: &mut User, frame: Frame<'_>, who: &str, expected: &str) -> Failure {
    let got = user.describe(frame);
    Failure::new(format_args!("{who} got {got} instead of {expected}"))
}
