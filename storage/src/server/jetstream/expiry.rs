//! Deletion of items that nobody took.

use std::collections::BTreeMap;

use sealpost_core::ids::UserId;
use sealpost_core::time::Timestamp;
use sealpost_core::wire::ItemId;

use super::failure::Failure;
use super::layout::item_of;
use super::mailboxes::Mailboxes;

impl Mailboxes<'_> {
    /// Deletes items that were appended before a time; `limit` at most. Returns how many.
    ///
    /// A stream is read in its order until an item comes that stays. Where the clock was set back, older
    /// items may be behind that one: they are deleted once it is.
    pub(super) async fn expire(&self, before: Timestamp, limit: u32) -> Result<u32, Failure> {
        let mut left = limit;
        for shard in 0..self.layout.shards {
            if left == 0 {
                break;
            }
            let expired = self.expired(shard, before, left).await?;
            for (owner, items) in expired {
                self.remove(owner, &items).await?;
                left = left.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
            }
        }
        Ok(limit.saturating_sub(left))
    }

    /// The first `limit` items of a shard that were appended before a time, by mailbox.
    async fn expired(
        &self,
        shard: u16,
        before: Timestamp,
        limit: u32,
    ) -> Result<BTreeMap<UserId, Vec<ItemId>>, Failure> {
        let mut expired: BTreeMap<UserId, Vec<ItemId>> = BTreeMap::new();
        let (stream, filter) = (self.layout.mailboxes(shard), self.layout.every_item(shard));
        let (mut count, mut next) = (0, Some(1));
        while let Some(from) = next {
            let listing = self.connection.list(&stream, &filter, from).await?;
            for entry in &listing.entries {
                if count == limit || entry.stored_at()? >= before {
                    return Ok(expired);
                }
                let (owner, item) = item_of(&entry.subject).ok_or(Failure::Damaged("item"))?;
                expired.entry(owner).or_default().push(item);
                count += 1;
            }
            next = listing.next;
        }
        Ok(expired)
    }
}
