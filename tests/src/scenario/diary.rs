//! What one device's application was told and handed.

use std::collections::BTreeMap;

use sealpost_core::client::Notice;
use sealpost_core::client::store::{Content, InboxId, InboxItem, ReceivedContent};
use sealpost_core::ids::Phone;

use super::seen::Event;

/// Everything, in order.
#[derive(Clone, Debug, Default)]
pub struct Diary {
    notices: Vec<Notice>,
    shown: Vec<InboxItem>,
    events: Vec<Event>,
    session: Option<u32>,
    /// How many messages had been handed over when the process was started last.
    shown_before: usize,
}

impl Diary {
    /// Every notice.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Those notices that do not depend on timing.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// While the device is online: how much the server said that it held for it.
    pub const fn session(&self) -> Option<u32> {
        self.session
    }

    /// The messages that this life of the process has handed over, repeats and all.
    pub fn shown(&self) -> Vec<&str> {
        self.shown.iter().skip(self.shown_before).map(text_of).collect()
    }

    /// Every message, as it was handed over first, in the order of their places.
    pub fn inbox(&self) -> impl Iterator<Item = &InboxItem> {
        let mut inbox: BTreeMap<InboxId, &InboxItem> = BTreeMap::new();
        for item in &self.shown {
            inbox.entry(item.place).or_insert(item);
        }
        inbox.into_values()
    }

    /// What came from somebody.
    pub fn read(&self, from: Phone) -> Vec<&str> {
        self.inbox().filter(|item| item.message.phone == from).map(text_of).collect()
    }

    pub(super) fn note(&mut self, notice: Notice) {
        match &notice {
            Notice::Online { pending } => self.session = Some(pending.unwrap_or(0)),
            Notice::Offline { .. } => self.session = None,
            _ => {}
        }
        self.events.extend(Event::of(&notice));
        self.notices.push(notice);
    }

    pub(super) fn show(&mut self, item: InboxItem) {
        self.shown.push(item);
    }

    /// The process is gone.
    pub(super) fn end_life(&mut self) {
        self.session = None;
        self.shown_before = self.shown.len();
    }
}

/// Scenarios send texts.
pub(super) fn text_of(item: &InboxItem) -> &str {
    match &item.message.content {
        ReceivedContent::Opened(Content::Text(text)) => text,
        ReceivedContent::Opened(Content::Bytes(_)) | ReceivedContent::Undecryptable => {
            panic!("no text: {item:?}")
        }
    }
}
