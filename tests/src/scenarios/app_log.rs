//! Log of one device's application: the notices and messages it was given.

use std::collections::BTreeMap;

use sealpost_core::client::Notice;
use sealpost_core::client::store::{InboxId, InboxItem, ReceivedContent};
use sealpost_core::ids::Phone;

use super::outcome::Event;
use crate::content;

/// Notices and messages of one application, in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct AppLog {
    notices: Vec<Notice>,
    delivered: Vec<InboxItem>,
    events: Vec<Event>,
    session: Option<u32>,
    /// Number of messages delivered before the process was last restarted.
    delivered_before: usize,
}

impl AppLog {
    /// Every notice, in order.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Notices that do not depend on timing.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// While the device is online, the number of pending items the server announced.
    pub const fn session(&self) -> Option<u32> {
        self.session
    }

    /// Texts delivered since the process was last restarted, repeats included.
    pub fn delivered(&self) -> Vec<&str> {
        self.delivered.iter().skip(self.delivered_before).map(text_of).collect()
    }

    /// Every message as it was first delivered, in inbox order.
    pub fn inbox(&self) -> impl Iterator<Item = &InboxItem> {
        let mut inbox: BTreeMap<InboxId, &InboxItem> = BTreeMap::new();
        for item in &self.delivered {
            inbox.entry(item.place).or_insert(item);
        }
        inbox.into_values()
    }

    /// Texts received from one phone number, each once.
    pub fn texts_from(&self, from: Phone) -> Vec<&str> {
        self.inbox().filter(|item| item.message.phone == from).map(text_of).collect()
    }

    pub(super) fn record_notice(&mut self, notice: Notice) {
        match &notice {
            Notice::Online { pending, .. } => self.session = Some(pending.unwrap_or(0)),
            Notice::Offline { .. } => self.session = None,
            _ => {}
        }
        self.events.extend(Event::of(&notice));
        self.notices.push(notice);
    }

    pub(super) fn record_message(&mut self, item: InboxItem) {
        self.delivered.push(item);
    }

    /// Records that the process ended: its session is gone, and later deliveries belong to the
    /// next process.
    pub(super) fn record_process_end(&mut self) {
        self.session = None;
        self.delivered_before = self.delivered.len();
    }
}

/// Text of a delivered message. Scenarios send nothing else.
pub(super) fn text_of(item: &InboxItem) -> &str {
    let text = match &item.message.content {
        ReceivedContent::Opened(content) => content::text_of(content),
        ReceivedContent::Undecryptable => None,
    };
    text.unwrap_or_else(|| panic!("not a text: {item:?}"))
}
