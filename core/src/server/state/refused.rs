//! Messages of a session that were refused for now.

use alloc::collections::BTreeMap;

use crate::ids::{MessageId, UserId};
use crate::wire::ErrorCode;

/// Refused messages that their sender will repeat. Until a message is repeated, no other one to the
/// same recipient is accepted (PROTOCOL 6.2).
#[derive(Debug, Default)]
pub(in crate::server) struct RefusedMessages {
    by_name: BTreeMap<(UserId, MessageId), Refused>,
    /// Count of all refusals in the session.
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    code: ErrorCode,
    /// Place among the refusals of the session.
    number: u64,
}

/// No room to remember one more refused message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct NoRoom;

impl RefusedMessages {
    pub(super) const fn new() -> Self {
        Self { by_name: BTreeMap::new(), count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Remembers a refused message, if fewer than `limit` are remembered.
    pub(super) fn add(
        &mut self,
        limit: usize,
        recipient: UserId,
        id: MessageId,
        code: ErrorCode,
    ) -> Result<(), NoRoom> {
        if self.by_name.len() >= limit {
            return Err(NoRoom);
        }
        self.count += 1;
        self.by_name.insert((recipient, id), Refused { code, number: self.count });
        Ok(())
    }

    /// Notes the arrival of a message, which may be one that was refused. Returns the code of the
    /// earlier refused message that it has to wait for; `None` if it is accepted.
    ///
    /// A sender repeats a message only when it has heard of all that it sent before it. So a
    /// message that was refused and comes again does not wait for those that were refused earlier
    /// than it: those have ended in another way, by a receipt for example.
    pub(super) fn out_of_turn(&mut self, recipient: UserId, id: MessageId) -> Option<ErrorCode> {
        let own = self.by_name.remove(&(recipient, id)).map_or(0, |refused| refused.number);
        let before = || (recipient, MessageId(0))..(recipient, id);
        let awaited = self.by_name.range(before()).find(|(_, refused)| refused.number > own);
        if let Some((_, refused)) = awaited {
            return Some(refused.code);
        }
        self.by_name.extract_if(before(), |_, _| true).for_each(drop);
        None
    }
}
