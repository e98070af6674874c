//! Blocking: people whose messages are dropped, and groups whose invitations are ignored.

use sealpost_core::event::GroupId;
use sealpost_core::groups::{GroupCommand, Mine, Record};
use sealpost_storage::client::conversations::{Conversation, Mute, Peer as KeptPeer, Visibility};

use crate::api::{self, ApiError, Changed, Empty, ErrorKind, Peer, PeerParams, PhoneNumber};
use crate::engine::core::Core;
use crate::engine::entries;

impl Core {
    /// Drops what comes from a person, and gives up transfers with them; leaves a group, and ignores
    /// further invitations.
    pub(in crate::engine) fn block(&self, params: PeerParams) -> Result<Empty, ApiError> {
        let PeerParams { recipient } = params;
        if recipient == Peer::Person(PhoneNumber(self.identity.phone)) {
            return Err(ErrorKind::InvalidParams.error("that is your own phone number"));
        }
        if let Peer::Group(api::GroupId(id)) = recipient {
            self.leave_for_good(GroupId(id))?;
        }
        self.set_visibility(recipient, Visibility::Blocked)?;
        self.files.give_up();
        Ok(Empty {})
    }

    /// Takes messages of a person, or invitations to a group, again.
    pub(in crate::engine) fn unblock(&self, params: PeerParams) -> Result<Empty, ApiError> {
        let PeerParams { recipient } = params;
        if !self.is_blocked(&entries::kept_peer(&recipient))? {
            return Err(ErrorKind::NotFound.error(format_args!("{recipient} is not blocked")));
        }
        self.set_visibility(recipient, Visibility::Shown)?;
        self.forget_if_empty(&recipient)?;
        Ok(Empty {})
    }

    /// Deletes a conversation that was there for the block alone.
    fn forget_if_empty(&self, with: &Peer) -> Result<(), ApiError> {
        let found = self.conversation_with(with)?;
        let Conversation { peer, name, mute, expiry_secs, draft, last, .. } = found;
        let is_empty = name.is_none()
            && mute == Mute::Off
            && expiry_secs.is_none()
            && draft.is_empty()
            && last.is_none();
        if is_empty && matches!(peer, KeptPeer::Person(_)) {
            self.write(move |store| store.delete_conversation(&peer))?;
        }
        Ok(())
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
