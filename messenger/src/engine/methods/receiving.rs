//! Receiving: consumers with names, and changes for displays.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use sealpost_core::client::Command;
use sealpost_core::client::store::Trust as KeyTrust;
use sealpost_core::client::store::{
    ClientOp, ClientReply, Content, InboxId, InboxItem, ReceivedContent,
};
use sealpost_core::client::{Arrival as Order, Continuity};
use sealpost_core::event;
use sealpost_storage::Storage;

use crate::api::{
    AcknowledgeParams, ApiError, Arrival, Body, ConsumerParams, Empty, Entry, ErrorKind,
    Notification, PhoneNumber, Receive, ReceivedEvent, SubscribeParams, SubscribeResult, Time,
    Trust,
};
use crate::engine::access::Access;
use crate::engine::core::Core;

impl Access {
    pub(in crate::engine) fn subscribe_receive(
        &self,
        params: &SubscribeParams,
    ) -> Result<SubscribeResult, ApiError> {
        let consumer = name(&params.consumer)?.to_owned();
        let acknowledged = 0;
        let subscribed = self.core.hub.subscribe(self.seat, &consumer);
        let (number, notifications) = subscribed.ok_or_else(|| {
            ErrorKind::Busy.error("too many consumers are subscribed; end one of them first")
        })?;
        let core = Arc::clone(&self.core);
        let pump = move || pump(&core, &consumer, number, acknowledged, &notifications);
        thread::Builder::new()
            .name("subscription".into())
            .spawn(pump)
            .map_err(ApiError::internal)?;
        Ok(SubscribeResult { acknowledged })
    }

    pub(in crate::engine) fn unsubscribe_receive(
        &self,
        params: &ConsumerParams,
    ) -> Result<Empty, ApiError> {
        self.core.hub.unsubscribe(name(&params.consumer)?);
        Ok(Empty {})
    }

    pub(in crate::engine) fn subscribe_changes(&self) -> Empty {
        self.core.hub.make_display(self.seat);
        Empty {}
    }
}

impl Core {
    pub(in crate::engine) fn acknowledge(
        &self,
        params: AcknowledgeParams,
    ) -> Result<Empty, ApiError> {
        let AcknowledgeParams { consumer, up_to } = params;
        self.handle.command(Command::MarkShown { up_to: InboxId(up_to) });
        self.hub.acknowledged(&consumer, up_to);
        Ok(Empty {})
    }

    fn page(&self, after: u64, limit: u32) -> Result<Vec<InboxItem>, ApiError> {
        self.write(move |store| {
            let mut outcomes = Vec::new();
            store.commit(&[ClientOp::Unshown { after: InboxId(after), limit }], &mut outcomes);
            match outcomes.pop() {
                Some(Ok(ClientReply::Unshown { items, .. })) => Ok(items),
                Some(Err(error)) => Err(error),
                _ => Ok(Vec::new()),
            }
        })
    }
}

/// Sends a consumer what it has not acknowledged, until its subscription is over.
fn pump(
    core: &Core,
    consumer: &str,
    number: u64,
    acknowledged: u64,
    notifications: &SyncSender<Notification>,
) {
    let mut sent = acknowledged;
    'pages: while let Some(room) = core.hub.wait(consumer, number, sent) {
        let limit = u32::try_from(room).unwrap_or(u32::MAX);
        let page = match core.page(sent, limit) {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "can't read the inbox for a consumer");
                break;
            }
        };
        if page.is_empty() {
            sent = core.hub.arrived_up_to();
        }
        for item in page {
            sent = item.place.0;
            core.hub.sending(consumer, number, sent);
            let event = ReceivedEvent::Message { message: Box::new(entry(&item)) };
            let receive = Receive { consumer: consumer.to_owned(), place: sent, event };
            if notifications.send(Notification::Receive(receive)).is_err() {
                break 'pages;
            }
        }
    }
    core.hub.end(consumer, number);
}

fn entry(item: &InboxItem) -> Entry {
    let message = &item.message;
    Entry {
        entry: item.place.0,
        conversation: message.phone.into(),
        from: Some(PhoneNumber(message.phone)),
        message_id: Some(message.id.0),
        sent_at: Time(message.sent_at),
        received_at: Some(Time(message.received_at)),
        body: match &message.content {
            ReceivedContent::Opened(Content::Text(text)) => Body::Text { text: text.clone() },
            ReceivedContent::Opened(Content::Bytes(bytes)) => {
                Body::Bytes { hex: hex::encode(bytes) }
            }
            ReceivedContent::Opened(Content::Event(event)) => match event.event() {
                Ok(event) => match &event.body {
                    event::Body::Text { text, .. } => Body::Text { text: text.as_str().into() },
                    _ => Body::NeedsNewerVersion,
                },
                Err(_) => Body::NeedsNewerVersion,
            },
            ReceivedContent::Undecryptable => Body::Undecryptable,
        },
        reply_to: None,
        edited_at: None,
        reactions: Vec::new(),
        progress: None,
        copies: Vec::new(),
        trust: Some(match message.trust {
            KeyTrust::FirstUse => Trust::FirstUse,
            KeyTrust::Verified => Trust::Verified,
            KeyTrust::Changed => Trust::Changed,
        }),
        arrival: match item.arrival {
            Order::InOrder => None,
            Order::Late => Some(Arrival::Late),
            Order::FillsGap => Some(Arrival::FillsGap),
            Order::ReusedId => Some(Arrival::ReusedId),
        },
        after_gap: item.continuity == Continuity::AfterGap,
        expires_at: None,
    }
}

/// The name of a consumer.
fn name(consumer: &str) -> Result<&str, ApiError> {
    if (1..=NAME_MAX).contains(&consumer.len()) {
        return Ok(consumer);
    }
    Err(ErrorKind::InvalidParams
        .error(format_args!("the name of a consumer has 1 to {NAME_MAX} bytes")))
}

/// Longest name of a consumer, in bytes.
const NAME_MAX: usize = 64;
