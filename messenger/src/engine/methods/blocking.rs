//! Blocking: people whose messages are dropped, and groups whose invitations are ignored.

use sealpost_core::event::GroupId;
use sealpost_core::groups::{GroupCommand, Mine, Record};
use sealpost_storage::client::conversations::Visibility;

use crate::api::{self, ApiError, Changed, Empty, Peer, PeerParams, PhoneNumber};
use crate::engine::core::Core;
use crate::engine::entries;

impl Core {
    /// Drops what comes from a person, and gives up transfers with them; leaves a group, and ignores
    /// further invitations.
    pub(in crate::engine) fn block(&self, params: PeerParams) -> Result<Empty, ApiError> {
        let PeerParams { recipient } = params;
        if let Peer::Group(api::GroupId(id)) = recipient {
            self.leave_for_good(GroupId(id))?;
        }
        self.set_visibility(recipient, Visibility::Blocked)?;
        self.files.give_up();
        Ok(Empty {})
    }

    /// Takes messages of a person, or invitations to a group, again.
    pub(in crate::engine) fn unblock(&self, params: PeerParams) -> Result<Empty, ApiError> {
        self.set_visibility(params.recipient, Visibility::Shown)?;
        Ok(Empty {})
    }

    /// Leaves a group, or declines its invitation. Its owner has to name a successor first.
    fn leave_for_good(&self, group: GroupId) -> Result<(), ApiError> {
        let mine = self.with_groups(|groups| groups.group(group).map(Record::mine))?;
        let command = match mine {
            Some(Mine::Joined | Mine::Accepted) => GroupCommand::Leave,
            Some(Mine::Invited) => GroupCommand::Decline,
            Some(Mine::Declined | Mine::Leaving | Mine::Out) => return Ok(()),
            None => {
                // One that was forgotten has its conversation still.
                return self.conversation_with(&Peer::Group(api::GroupId(group.0))).map(drop);
            }
        };
        self.command_group(group, vec![command])
    }

    fn set_visibility(&self, recipient: Peer, visibility: Visibility) -> Result<(), ApiError> {
        let peer = entries::kept_peer(&recipient);
        self.write(move |store| {
            let id = store.open_conversation(&peer)?;
            store.set_visibility(id, visibility)
        })?;
        match recipient {
            Peer::Person(PhoneNumber(phone)) => self.person_changed(phone),
            Peer::Group(_) => self.hub.show(&Changed::Conversation { with: recipient }),
        }
        Ok(())
    }
}
