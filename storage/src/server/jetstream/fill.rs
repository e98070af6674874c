//! How full the whole store is.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use super::connection::Connection;
use super::failure::Failure;
use super::layout::Layout;
use super::mailbox::Mailbox;
use super::records::Record as _;
use crate::server::usage::Usage;

/// Bytes of the packets in all mailboxes. Adding them up reads the record of every mailbox, so this
/// is done only when the streams themselves, which are larger, exceed what is asked for.
///
/// What other servers store is seen once a sum is too old: until then, each of them may exceed the
/// quota by what it stores.
#[derive(Debug, Default)]
pub(super) struct Fill {
    streams: Cell<Option<Sum>>,
    packets: Cell<Option<Sum>>,
}

#[derive(Clone, Copy, Debug)]
struct Sum {
    at: Instant,
    bytes: u64,
}

impl Fill {
    /// Bytes of all packets, or more if `limit` is not exceeded by that either.
    pub(super) async fn stored_bytes(
        &self,
        connection: &Connection,
        layout: &Layout,
        limit: u64,
    ) -> Result<u64, Failure> {
        let streams = match fresh(&self.streams, STREAMS_MAX_AGE) {
            Some(bytes) => bytes,
            None => remember(&self.streams, size_of_streams(connection, layout).await?),
        };
        if streams <= limit {
            return Ok(streams);
        }
        if let Some(bytes) = fresh(&self.packets, PACKETS_MAX_AGE) {
            return Ok(bytes);
        }
        let bytes = usage_of_all(connection, layout).await?.all_bytes();
        Ok(remember(&self.packets, bytes))
    }

    /// The counters of a mailbox have changed.
    pub(super) fn change(&self, before: Usage, after: Usage) {
        self.packets.update(|sum| {
            let Sum { at, bytes } = sum?;
            let bytes = bytes.checked_sub(before.all_bytes())?.checked_add(after.all_bytes())?;
            Some(Sum { at, bytes })
        });
        // What is deleted stays in the streams for a while, and what is stored takes more there.
        let added = after.all_bytes().saturating_sub(before.all_bytes()).saturating_mul(2);
        self.streams.update(|sum| {
            let Sum { at, bytes } = sum?;
            Some(Sum { at, bytes: bytes.saturating_add(added) })
        });
    }

    /// Much was deleted.
    pub(super) fn forget(&self) {
        self.streams.set(None);
        self.packets.set(None);
    }
}

fn fresh(sum: &Cell<Option<Sum>>, max_age: Duration) -> Option<u64> {
    sum.get().filter(|sum| sum.at.elapsed() < max_age).map(|sum| sum.bytes)
}

fn remember(sum: &Cell<Option<Sum>>, bytes: u64) -> u64 {
    sum.set(Some(Sum { at: Instant::now(), bytes }));
    bytes
}

async fn size_of_streams(connection: &Connection, layout: &Layout) -> Result<u64, Failure> {
    let sizes = (0..layout.shards).map(async |shard| {
        let stream = connection.context().get_stream(layout.mailboxes(shard)).await;
        let stream = stream.map_err(Failure::unavailable)?;
        Ok::<_, Failure>(stream.cached_info().state.bytes)
    });
    Ok(try_join_all(sizes).await?.into_iter().fold(0, u64::saturating_add))
}

/// Adds up the counters of all mailboxes.
pub(super) async fn usage_of_all(
    connection: &Connection,
    layout: &Layout,
) -> Result<Usage, Failure> {
    let mut all = Usage::default();
    for shard in 0..layout.shards {
        let filter = layout.every_mailbox(shard);
        let mut next = Some(1);
        while let Some(from) = next {
            let listing = connection.list(&layout.mailboxes(shard), &filter, from).await?;
            next = listing.next;
            for entry in &listing.entries {
                all.add_all(Mailbox::read(entry)?.usage);
            }
        }
    }
    Ok(all)
}

/// A request to each stream.
const STREAMS_MAX_AGE: Duration = Duration::from_secs(1);
/// A read of the record of every mailbox.
const PACKETS_MAX_AGE: Duration = Duration::from_mins(1);
