//! The connection to the engine: reads, and transactions within one stream.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::connection::State;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, RequestErrorKind, header};
use futures_util::StreamExt as _;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::failure::Failure;
use super::slot::{Entry, Key, Slot, Write, listed};

/// A connection, which re-establishes itself.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Client,
    context: Context,
    patience: Duration,
    /// Places for transactions, by stream.
    places: Arc<Mutex<BTreeMap<String, Arc<Semaphore>>>>,
}

/// State of the connection to the engine, and what has passed over it since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Whether there is a connection at the moment.
    pub is_connected: bool,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Bytes that the engine has sent.
    pub received_bytes: u64,
    /// Bytes that were sent to the engine.
    pub sent_bytes: u64,
}

/// Messages of a stream in their order, and whether there are others behind them.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// Where to go on; `None` at the end.
    pub(super) next: Option<u64>,
}

impl Connection {
    /// Operations are repeated for as long as `patience` while the engine does not answer.
    pub(super) fn new(client: Client, patience: Duration) -> Self {
        let context = jetstream::new(client.clone());
        Self { client, context, patience, places: Arc::default() }
    }

    /// Places for transactions on a stream.
    fn places(&self, stream: &str) -> Arc<Semaphore> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(MAX_IN_FLIGHT));
        Arc::clone(places.entry(stream.to_owned()).or_insert_with(new))
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) const fn context(&self) -> &Context {
        &self.context
    }

    /// Whether the server is no member of a cluster and has no streams.
    pub(super) fn is_alone_without_streams(&self) -> bool {
        let info = self.client.server_info();
        !info.jetstream && info.cluster.is_none()
    }

    /// State of the connection, and what has passed over it.
    pub(super) fn traffic(&self) -> Traffic {
        let statistics = self.client.statistics();
        Traffic {
            is_connected: self.client.connection_state() == State::Connected,
            reconnects: statistics.connects.load(Ordering::Relaxed).saturating_sub(1),
            received_bytes: statistics.in_bytes.load(Ordering::Relaxed),
            sent_bytes: statistics.out_bytes.load(Ordering::Relaxed),
        }
    }

    /// Reads a key once, without patience, to see whether the engine answers.
    pub(super) async fn probe(&self, key: &Key, within: Duration) -> Result<(), Failure> {
        match timeout(within, self.try_read(key)).await {
            Ok(read) => read.map(drop),
            Err(_) => Err(Failure::Unavailable(format!("not within {} ms", within.as_millis()))),
        }
    }

    /// Reads a key from the leader of its stream. One that was deposed and does not know it yet can
    /// answer with an old value, which no transaction can replace.
    pub(super) async fn read(&self, key: &Key) -> Result<Slot, Failure> {
        self.patiently(async || self.try_read(key).await).await
    }

    async fn try_read(&self, key: &Key) -> Result<Slot, Failure> {
        let stream = self.context.get_stream_no_info(&key.stream).await;
        let stream = stream.map_err(|error| Failure::Refused(error.to_string()))?;
        match stream.get_last_raw_message_by_subject(&key.subject).await {
            Ok(message) => Ok(message.into()),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(Slot { revision: 0, entry: None }),
                LastRawMessageErrorKind::JetStream(error) => Err(Failure::answered(&error)),
                LastRawMessageErrorKind::InvalidSubject => Err(Failure::Refused(error.to_string())),
                LastRawMessageErrorKind::Other => Err(Failure::unavailable(error)),
            },
        }
    }

    /// Writes all or nothing, all in one stream, and returns once it is stored.
    ///
    /// # Errors
    /// [`Failure::Conflict`] if one of the writes replaces another revision than the stored one.
    /// Nothing is written then.
    pub(super) async fn commit(&self, writes: &[Write]) -> Result<(), Failure> {
        // Nothing to write is nothing to do.
        let Some((last, others)) = writes.split_last() else { return Ok(()) };
        self.commit_last(others, last).await.map(|_| ())
    }

    /// The same, with the write that is to be the last. Returns its revision, or that of a later
    /// write to the same key.
    pub(super) async fn commit_last(&self, others: &[Write], last: &Write) -> Result<u64, Failure> {
        let places = self.places(&last.key.stream);
        // It is never closed.
        let _place = places.acquire().await;
        let deadline = Instant::now() + self.patience;
        // Ids of the attempts whose outcome is unknown. One of them at most was carried out, because
        // all of them replace the same revisions.
        let mut unknown: Vec<String> = Vec::new();
        loop {
            // The name of an inbox is unique.
            let id = self.client.new_inbox();
            match self.publish(&id, others, last).await {
                Err(Failure::Unavailable(_)) if Instant::now() < deadline => unknown.push(id),
                Err(Failure::Conflict) if !unknown.is_empty() => {
                    return self.settle_unknown(others, last, &unknown).await;
                }
                outcome => return outcome,
            }
            sleep(PAUSE).await;
        }
    }

    /// Succeeds if the conflict is with one of our own attempts, which had been carried out after
    /// all. Later transactions may have replaced some of what it wrote.
    async fn settle_unknown(
        &self,
        others: &[Write],
        last: &Write,
        attempts: &[String],
    ) -> Result<u64, Failure> {
        let slot = self.read(&last.key).await?;
        let mut is_ours = written_by(&slot, attempts);
        for Write { key, .. } in others {
            is_ours = is_ours || written_by(&self.read(key).await?, attempts);
        }
        if is_ours { Ok(slot.revision) } else { Err(Failure::Conflict) }
    }

    async fn publish(&self, id: &str, others: &[Write], last: &Write) -> Result<u64, Failure> {
        let count = others.len() + 1;
        for (place, write) in (1_usize..).zip(others) {
            let sent = self.client.publish_with_headers(
                write.key.subject.clone(),
                write.headers(id, place),
                write.body(),
            );
            sent.await.map_err(|error| match error.kind() {
                PublishErrorKind::MaxPayloadExceeded => too_large(),
                PublishErrorKind::Send | PublishErrorKind::InvalidSubject => {
                    Failure::unavailable(error)
                }
            })?;
        }
        let mut headers = last.headers(id, count);
        headers.insert(header::NATS_BATCH_COMMIT, header::NATS_BATCH_COMMIT_FINAL);
        let subject = last.key.subject.clone();
        let answer = self.client.request_with_headers(subject, headers, last.body()).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => too_large(),
            RequestErrorKind::TimedOut
            | RequestErrorKind::NoResponders
            | RequestErrorKind::InvalidSubject
            | RequestErrorKind::Other => Failure::unavailable(error),
        })?;
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(committed)) if committed.count == count => Ok(committed.sequence),
            Ok(Response::Ok(Committed { count: stored, .. })) => Err(Failure::Refused(format!(
                "it stored {stored} of {count} writes of a transaction"
            ))),
            Ok(Response::Err { error }) => Err(Failure::answered(&error)),
            Err(error) => Err(Failure::Refused(format!("unreadable answer: {error}"))),
        }
    }

    /// Lists messages whose subjects match a filter, from a sequence on. Any replica may answer,
    /// which may lack the latest writes, but has no gap before the last one that it has.
    pub(super) async fn list(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
    ) -> Result<Listing, Failure> {
        self.patiently(async || self.try_list(stream, filter, from, LISTED).await).await
    }

    /// The first message that matches a filter, removals left out.
    pub(super) async fn first(&self, stream: &str, filter: &str) -> Result<Option<Entry>, Failure> {
        let mut next = Some(1);
        while let Some(from) = next {
            let listing =
                self.patiently(async || self.try_list(stream, filter, from, 1).await).await?;
            if let Some(entry) = listing.entries.into_iter().next() {
                return Ok(Some(entry));
            }
            next = listing.next;
        }
        Ok(None)
    }

    async fn try_list(
        &self,
        stream: &str,
        filter: &str,
        from: u64,
        count: u32,
    ) -> Result<Listing, Failure> {
        let inbox = self.client.new_inbox();
        let mut answers =
            self.client.subscribe(inbox.clone()).await.map_err(Failure::unavailable)?;
        let request = serde_json::json!({
            "seq": from.max(1), "next_by_subj": filter, "batch": count, "max_bytes": LISTED_BYTES,
        });
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let request = request.to_string().into();
        let sent = self.client.publish_with_reply(subject, inbox, request).await;
        sent.map_err(Failure::unavailable)?;
        let mut listing = Listing { entries: Vec::new(), next: None };
        loop {
            let answer = timeout(LISTING_PAUSE, answers.next()).await;
            let message = answer.map_err(Failure::unavailable)?;
            let message = message.ok_or_else(|| Failure::unavailable("connection closed"))?;
            let Some(status) = message.status else {
                let (revision, entry) = listed(message)?;
                listing.next = Some(revision.saturating_add(1));
                listing.entries.extend(entry);
                continue;
            };
            let pending = message
                .headers
                .as_ref()
                .and_then(|headers| headers.get(NUM_PENDING)?.as_str().parse::<u64>().ok());
            return match status.as_u16() {
                NOT_FOUND => Ok(Listing { next: None, ..listing }),
                END_OF_BATCH => {
                    Ok(Listing { next: listing.next.filter(|_| pending != Some(0)), ..listing })
                }
                NO_RESPONDERS => Err(Failure::unavailable("no replica answered")),
                other => Err(Failure::Refused(format!("a listing, with status {other}"))),
            };
        }
    }

    /// Repeats what does no harm when repeated, until it is answered.
    pub(super) async fn patiently<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + self.patience;
        loop {
            match attempt().await {
                Err(Failure::Unavailable(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// Lists everything that matches a filter.
    pub(super) async fn list_all(&self, stream: &str, filter: &str) -> Result<Vec<Entry>, Failure> {
        let (mut all, mut next) = (Vec::new(), Some(1));
        while let Some(from) = next {
            let listing = self.list(stream, filter, from).await?;
            all.extend(listing.entries);
            next = listing.next;
        }
        Ok(all)
    }
}

/// Answer to the last message of a transaction.
#[derive(Deserialize)]
struct Committed {
    #[serde(rename = "seq")]
    sequence: u64,
    count: usize,
}

/// Whether what is stored under a key was written by one of these transactions.
fn written_by(slot: &Slot, attempts: &[String]) -> bool {
    let headers = slot.entry.as_ref().map(|entry| &entry.headers);
    let id = headers.and_then(|headers| headers.get(header::NATS_BATCH_ID));
    id.is_some_and(|id| attempts.iter().any(|attempt| attempt == id.as_str()))
}

/// A record is larger than the engine takes: 1 MiB, unless the operator changed that.
fn too_large() -> Failure {
    Failure::Full("a record is larger than its max_payload".into())
}

/// How long an answer may take before it counts as lost. A disk with a full queue takes tens of
/// milliseconds.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Transactions of this server on one stream at once. The engine takes 50, from all servers together.
const MAX_IN_FLIGHT: usize = 16;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two messages of a listing.
const LISTING_PAUSE: Duration = ANSWER_TIMEOUT;

/// Messages of one listing, and their bytes: they wait in the memory of this process.
const LISTED: u32 = 256;
const LISTED_BYTES: u32 = 1 << 20;

/// Statuses of the message that ends a listing.
const END_OF_BATCH: u16 = 204;
const NOT_FOUND: u16 = 404;
const NO_RESPONDERS: u16 = 503;
/// Header with the number of messages behind those of a listing.
const NUM_PENDING: &str = "Nats-Num-Pending";
