//! A recipient that comes back, drains its mailbox and signs receipts.

use bytes::Bytes;
use sealpost_core::wire::{Op, Packet};
use sealpost_programs::Failure;

use crate::clients::link::Link;
use crate::clients::pair::unexpected;
use crate::clients::signed_packets::SignedPackets;
use crate::clients::user::User;

/// A recipient between its 106 and its 255.
pub(crate) struct Recipient {
    user: User,
    link: Link,
    request: Bytes,
    arrived: usize,
    resumed: Option<Packet>,
    live: Option<Packet>,
}

impl Recipient {
    /// Starts with the 106.
    pub(crate) fn new(user: User, mut link: Link, request: Bytes) -> Self {
        link.queue(&request);
        Self { user, link, request, arrived: 0, resumed: None, live: None }
    }

    pub(crate) const fn arrived(&self) -> u64 {
        self.arrived as u64
    }

    /// Whether the server said that nothing is left.
    pub(crate) const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.link.flush()
    }

    /// Reads what has arrived: a 206, then messages, each of which must be the next one, then a
    /// 255.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        packets: &SignedPackets,
    ) -> Result<(), Failure> {
        let Self { user, link, arrived, resumed, live, .. } = self;
        let before = *arrived;
        let count = packets.messages.len();
        link.read(buffer, |frame, _| {
            let op = frame.op().filter(|_| frame.is_from_server());
            if resumed.is_none() && op == Some(Op::SessionResumed) {
                *resumed = Some(frame.packet()?);
                return Ok(());
            }
            if live.is_none() && *arrived == count && op == Some(Op::NoMoreMessages) {
                *live = Some(frame.packet()?);
                return Ok(());
            }
            let expected = packets.messages.get(*arrived).filter(|_| resumed.is_some());
            if expected.is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a recipient", "its next stored message"));
            }
            *arrived += 1;
            Ok(())
        })?;
        for arrived in before + 1..=*arrived {
            if let Some(receipt) = packets.receipt_after(arrived) {
                link.queue(receipt);
            }
        }
        Ok(())
    }

    /// Verifies the server's packets, and checks that both report this number of messages: as
    /// pending, and as drained.
    pub(crate) fn check(&mut self, messages: u64) -> Result<(), Failure> {
        let (Some(resumed), Some(live)) = (self.resumed.take(), self.live.take()) else {
            return Err(Failure::new("a recipient did not get both a 206 and a 255"));
        };
        let pending = self.user.resumed(&self.request, resumed)?;
        let drained = self.user.drained(live)?;
        if u64::from(pending) != messages || u64::from(drained) != messages {
            return Err(Failure::new(format_args!(
                "of {messages} messages, the server reported {pending} as pending and {drained} as \
                 drained"
            )));
        }
        Ok(())
    }
}
