//! One who comes back, takes what waits, and signs for it.

use bytes::Bytes;
use sealpost_core::wire::{Op, Packet};
use sealpost_programs::Failure;

use crate::letters::Letters;
use crate::link::Link;
use crate::pair::unexpected;
use crate::user::User;

/// A reader between its 106 and its 255.
pub(crate) struct Reader {
    user: User,
    link: Link,
    request: Bytes,
    arrived: usize,
    resumed: Option<Packet>,
    live: Option<Packet>,
}

impl Reader {
    /// Begins with the 106.
    pub(crate) fn new(user: User, mut link: Link, request: Bytes) -> Self {
        link.queue(&request);
        Self { user, link, request, arrived: 0, resumed: None, live: None }
    }

    pub(crate) const fn arrived(&self) -> u64 {
        self.arrived as u64
    }

    /// It was told that nothing is left.
    pub(crate) const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.link.flush()
    }

    /// What has come: a 206, then messages, each of which must be the next one, then a 255.
    pub(crate) fn read(&mut self, buffer: &mut [u8], letters: &Letters) -> Result<(), Failure> {
        let Self { user, link, arrived, resumed, live, .. } = self;
        let before = *arrived;
        let count = letters.messages.len();
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
            let expected = letters.messages.get(*arrived).filter(|_| resumed.is_some());
            if expected.is_none_or(|expected| frame.bytes != expected) {
                return Err(unexpected(user, frame, "a reader", "what is stored for it"));
            }
            *arrived += 1;
            Ok(())
        })?;
        for arrived in before + 1..=*arrived {
            if let Some(receipt) = letters.receipt_after(arrived) {
                link.queue(receipt);
            }
        }
        Ok(())
    }

    /// Checks what the server said: that so many were pending, and that as many went out.
    pub(crate) fn check(&mut self, messages: u64) -> Result<(), Failure> {
        let (Some(resumed), Some(live)) = (self.resumed.take(), self.live.take()) else {
            return Err(Failure::new("a reader got no 206, or no 255"));
        };
        let pending = self.user.resumed(&self.request, resumed)?;
        let drained = self.user.drained(live)?;
        if u64::from(pending) != messages || u64::from(drained) != messages {
            return Err(Failure::new(format_args!(
                "of {messages} messages the server called {pending} pending and {drained} drained"
            )));
        }
        Ok(())
    }
}
