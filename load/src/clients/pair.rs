//! A sender and a recipient, both connected, who do what clients must.

use std::time::{Duration, Instant};

use mio::{Registry, Token};
use sealpost_core::wire::Op;
use sealpost_programs::Failure;

use crate::clients::fleet::LoadPair;
use crate::clients::flow::Flow;
use crate::clients::link::{Frame, Link};
use crate::clients::ring::Ring;
use crate::clients::user::User;
use crate::figures::Latencies;

/// One pair under load.
pub(crate) struct Pair {
    sender: Side,
    recipient: Side,
    ring: Ring,
    flow: Flow,
    /// Acknowledgements with which the server said that it stored messages. It stores them only if
    /// the recipient is too slow for the live path.
    stored_acks: u64,
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
        let flow = Flow::new(ring.shape())?;
        Ok(Self {
            sender: Side { user: sender, link: Link::new(sender_stream, registry, Token(token))? },
            recipient: Side {
                user: recipient,
                link: Link::new(recipient_stream, registry, Token(token + 1))?,
            },
            ring,
            flow,
            stored_acks: 0,
        })
    }
}

impl LoadPair for Pair {
    fn flow(&self) -> &Flow {
        &self.flow
    }

    fn packet_len(&self) -> usize {
        self.ring.message_len()
    }

    fn traffic(&self) -> u64 {
        self.sender.link.traffic + self.recipient.link.traffic
    }

    fn stored_acks(&self) -> u64 {
        self.stored_acks
    }

    fn send(&mut self, due: Instant) {
        self.sender.link.queue(self.ring.message(self.flow.sent));
        self.flow.send(due);
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.sender.link.flush()?;
        self.recipient.link.flush()
    }

    fn read_messages(
        &mut self,
        buffer: &mut [u8],
        span: Span,
        latencies: &mut Latencies,
    ) -> Result<(), Failure> {
        let Self { recipient: Side { user, link }, ring, flow, .. } = self;
        let before = flow.arrived;
        link.read(buffer, |frame, at| {
            if flow.arrived == flow.sent || frame.bytes != ring.message(flow.arrived) {
                return Err(unexpected(user, frame, "a recipient", "its next message"));
            }
            flow.arrive(at, span, latencies);
            Ok(())
        })?;
        for arrived in before + 1..=flow.arrived {
            if let Some(receipt) = ring.receipt(arrived) {
                link.queue(receipt);
            }
        }
        Ok(())
    }

    fn read_receipts(&mut self, buffer: &mut [u8]) -> Result<(), Failure> {
        let Self { sender: Side { user, link }, ring, flow, stored_acks, .. } = self;
        let before = flow.receipted;
        let batch = flow.shape().batch();
        link.read(buffer, |frame, _| {
            if frame.is_from_server() && frame.op() == Some(Op::DeliveryAck) {
                *stored_acks += 1;
                return Ok(());
            }
            let next = flow.receipted + batch;
            let expected = ring.receipt(next).filter(|_| next <= flow.arrived);
            if expected.is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a sender", "its next receipt"));
            }
            flow.receipted = next;
            Ok(())
        })?;
        for receipted in before + 1..=flow.receipted {
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
