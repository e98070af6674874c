//! Receiving: consumers with names, and changes for displays.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use sealpost_core::client::store::InboxId;
use sealpost_storage::client::SqliteClientStorage;

use crate::api::{
    AcknowledgeParams, ApiError, Changed, Consumer, ConsumerParams, ConsumersResult, Empty,
    ErrorKind, Notification, Receive, SubscribeParams, SubscribeResult,
};
use crate::engine::access::Access;
use crate::engine::consumers;
use crate::engine::core::Core;

impl Access {
    pub(in crate::engine) fn subscribe_receive(
        &self,
        params: &SubscribeParams,
    ) -> Result<SubscribeResult, ApiError> {
        let consumer = name(&params.consumer)?.to_owned();
        let acknowledged = self.core.consumer(&consumer, params.from_start)?;
        let subscribed = self.core.hub.subscribe(self.seat, &consumer);
        let (number, notifications) = subscribed.ok_or_else(|| {
            ErrorKind::Busy.error("too many consumers are subscribed; end one of them first")
        })?;
        let core = Arc::clone(&self.core);
        let pump = move || pump(&core, &consumer, number, acknowledged, &notifications);
        let started = thread::Builder::new().name("subscription".into()).spawn(pump);
        started.map_err(ApiError::internal)?;
        Ok(SubscribeResult { acknowledged: acknowledged.0 })
    }

    pub(in crate::engine) fn unsubscribe_receive(
        &self,
        params: &ConsumerParams,
    ) -> Result<Empty, ApiError> {
        self.core.hub.unsubscribe(name(&params.consumer)?, Some(self.seat));
        Ok(Empty {})
    }

    /// Tells how the connection is, and what changes from now on.
    pub(in crate::engine) fn subscribe_changes(&self) -> Empty {
        self.core.hub.make_display(self.seat);
        Empty {}
    }
}

impl Core {
    /// Where a consumer is. A new one begins at the end of the inbox, or at its start.
    fn consumer(&self, consumer: &str, from_start: bool) -> Result<InboxId, ApiError> {
        if let Some(place) = self.read(|store| store.consumer(consumer))? {
            return Ok(place);
        }
        if self.read(SqliteClientStorage::consumers)?.len() >= CONSUMERS_MAX {
            return Err(ErrorKind::Busy.error(format_args!(
                "there are {CONSUMERS_MAX} consumers: remove one with removeConsumer"
            )));
        }
        let start = if from_start { InboxId::START } else { InboxId(self.hub.arrived_up_to()) };
        let consumer = consumer.to_owned();
        self.write(move |store| store.advance_consumer(&consumer, start))
    }

    pub(in crate::engine) fn acknowledge(
        &self,
        params: AcknowledgeParams,
    ) -> Result<Empty, ApiError> {
        let AcknowledgeParams { consumer, up_to } = params;
        if self.read(|store| store.consumer(&consumer))?.is_none() {
            return Err(no_consumer(&consumer));
        }
        // What has not arrived yet was not dealt with.
        let up_to = up_to.min(self.hub.arrived_up_to());
        let named = consumer.clone();
        self.write(move |store| store.advance_consumer(&named, InboxId(up_to)))?;
        self.hub.acknowledged(&consumer, up_to);
        Ok(Empty {})
    }

    pub(in crate::engine) fn list_consumers(&self) -> Result<ConsumersResult, ApiError> {
        self.read(|store| {
            let consumers = store.consumers()?.into_iter().map(|(name, place)| {
                Ok(Consumer { name, acknowledged: place.0, waiting: store.inbox_behind(place)? })
            });
            Ok(ConsumersResult { consumers: consumers.collect::<Result<_, _>>()? })
        })
    }

    pub(in crate::engine) fn remove_consumer(
        &self,
        params: ConsumerParams,
    ) -> Result<Empty, ApiError> {
        let ConsumerParams { consumer } = params;
        self.hub.unsubscribe(&consumer, None);
        let named = consumer.clone();
        if self.write(move |store| store.remove_consumer(&named))? {
            return Ok(Empty {});
        }
        Err(no_consumer(&consumer))
    }
}

/// Sends a consumer what it has not acknowledged, until its subscription is over.
fn pump(
    core: &Core,
    consumer: &str,
    number: u64,
    acknowledged: InboxId,
    notifications: &SyncSender<Notification>,
) {
    let mut sent = acknowledged;
    while let Some(room) = core.hub.wait(consumer, number, sent.0) {
        let arrived = core.hub.arrived_up_to();
        match page(core, sent, room, arrived) {
            Ok(page) if page.is_empty() => sent = InboxId(arrived),
            Ok(page) => {
                for (place, event) in page {
                    sent = place;
                    let Some(event) = event else { continue };
                    core.hub.sending(consumer, number, place.0);
                    let (consumer, place) = (consumer.to_owned(), place.0);
                    let receive = Receive { consumer, place, event };
                    if notifications.send(Notification::Receive(receive)).is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "can't read the inbox for a consumer");
                core.hub.show(&Changed::Warning {
                    text: format!("the consumer {consumer} gets nothing more: {error}"),
                });
                core.hub.fail(consumer, number);
                return;
            }
        }
    }
}

type Page = Vec<(InboxId, Option<crate::api::ReceivedEvent>)>;

/// The next items of the inbox, and what the consumer is told of them.
fn page(core: &Core, after: InboxId, room: usize, arrived: u64) -> Result<Page, ApiError> {
    let limit = u32::try_from(room).unwrap_or(u32::MAX);
    core.read(|store| {
        let items = store.inbox_after(after, limit)?;
        let items = items.iter().take_while(|item| item.place.0 <= arrived);
        items.map(|item| Ok((item.place, consumers::event(core, store, item)?))).collect()
    })
}

/// The name of a consumer.
fn name(consumer: &str) -> Result<&str, ApiError> {
    if (1..=NAME_MAX).contains(&consumer.len()) {
        return Ok(consumer);
    }
    Err(ErrorKind::InvalidParams
        .error(format_args!("the name of a consumer has 1 to {NAME_MAX} bytes")))
}

fn no_consumer(consumer: &str) -> ApiError {
    let shown: String = consumer.chars().take(NAME_MAX).collect();
    ErrorKind::NotFound.error(format_args!("there is no consumer {shown:?}: subscribe it first"))
}

/// Longest name of a consumer, in bytes.
const NAME_MAX: usize = 64;
/// Most consumers.
const CONSUMERS_MAX: usize = 1_000;
