//! Messages as inputs of the machine of groups.

use sealpost_core::client::store::{Content, InboxItem, ReceivedContent};
use sealpost_core::event::{self, Event, GroupId, GroupRequest, GroupTag, UnknownEvent};

/// What a message for a group is.
#[derive(Debug)]
pub(in crate::engine) enum Concern {
    /// A text, an edit, a reaction or anything else that members show each other.
    Text(GroupTag),
    /// States; their group, if the message names it.
    States(Option<GroupId>, Vec<u8>),
    /// A request.
    Request(GroupTag, GroupRequest),
    /// A request that does not say what its sender knows.
    Nothing,
}

/// What a message is to groups; `None` if it belongs to a conversation of two.
pub(in crate::engine) fn concern(item: &InboxItem) -> Option<Concern> {
    let ReceivedContent::Opened(Content::Event(encoded)) = &item.message.content else {
        return None;
    };
    match encoded.event() {
        Ok(Event { group, body: event::Body::GroupState(states), .. }) => {
            Some(Concern::States(group.map(|tag| tag.group), states.as_bytes().to_vec()))
        }
        Ok(Event { group, body: event::Body::GroupRequest { group: named, request }, .. }) => {
            let tag = group.filter(|tag| tag.group == *named);
            Some(tag.map_or(Concern::Nothing, |tag| Concern::Request(tag, *request)))
        }
        Ok(Event { group, .. }) | Err(UnknownEvent { group, .. }) => group.map(Concern::Text),
    }
}
