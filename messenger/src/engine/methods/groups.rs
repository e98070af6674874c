//! Groups: made, changed, joined and left.

use std::sync::Arc;
use std::time::Instant;

use sealpost_core::event::GroupId as Id;
use sealpost_core::groups::{
    Command, CommandRefusal, GroupCommand, Input, Mine, Record, Role as KeptRole, Standing, limits,
};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;
use sealpost_storage::client::conversations::{Peer as KeptPeer, Visibility};

use super::group_changes::{commands, group_name};
use crate::api::{
    ApiError, Empty, ErrorKind, Group, GroupId, GroupParams, GroupStanding, GroupsResult, Member,
    PhoneNumber, Role, UpdateGroupParams,
};
use crate::engine::clock;
use crate::engine::core::Core;
use crate::engine::groups::Cause;
use crate::engine::hub::deadline_in;

impl Core {
    pub(in crate::engine) fn list_groups(&self) -> Result<GroupsResult, ApiError> {
        let own = *self.public_key.fingerprint();
        let mut groups: Vec<_> = self.with_groups(|groups| {
            groups.iter().map(|(id, record)| shown(id, record, &own)).collect()
        })?;
        for group in &mut groups {
            self.complete(group)?;
        }
        Ok(GroupsResult { groups })
    }

    /// A group as the interface shows it.
    pub(in crate::engine) fn group(&self, id: Id) -> Result<Option<Group>, ApiError> {
        let own = *self.public_key.fingerprint();
        let found = self.with_groups(|groups| Some(shown(id, groups.group(id)?, &own)))?;
        found.map(|mut group| self.complete(&mut group).map(|()| group)).transpose()
    }

    /// Adds what the store says: names of members, and whether the group is blocked.
    fn complete(&self, group: &mut Group) -> Result<(), ApiError> {
        self.read(|store| {
            let found = store.conversation(&KeptPeer::Group(Id(group.group_id.0)))?;
            group.blocked = found.is_some_and(|found| found.visibility == Visibility::Blocked);
            for member in &mut group.members {
                let PhoneNumber(phone) = member.phone;
                member.name = store
                    .conversation(&KeptPeer::Person(phone))?
                    .and_then(|conversation| conversation.name);
            }
            Ok(())
        })
    }

    /// Makes or changes a group. People are looked up first, so this may have to wait for the server.
    pub(in crate::engine) fn update_group(
        self: &Arc<Self>,
        params: UpdateGroupParams,
    ) -> Result<impl FnOnce() -> Result<Group, ApiError> + use<>, ApiError> {
        if let Some(name) = &params.name {
            group_name(name)?;
        }
        if params.expiry_seconds.is_some_and(|secs| secs > limits::EXPIRY_SECS) {
            return Err(
                ErrorKind::InvalidParams.error("expirySeconds is at most 31622400, 366 days")
            );
        }
        let deadline = deadline_in(params.timeout_seconds);
        let core = Arc::clone(self);
        Ok(move || {
            let invited = core.invited(&params.members, deadline)?;
            let id = match params.group_id {
                None => core.create_group(&params, invited)?,
                Some(GroupId(id)) => core.change_group(Id(id), &params, &invited)?,
            };
            core.group(id)?.ok_or_else(|| unknown(id))
        })
    }

    fn create_group(
        &self,
        params: &UpdateGroupParams,
        invite: Vec<(Fingerprint, Phone)>,
    ) -> Result<Id, ApiError> {
        let UpdateGroupParams { name, remove_members, successors, owner, readmit, .. } = params;
        let Some(name) = name else {
            return Err(ErrorKind::InvalidParams
                .error("a new group needs a name; pass groupId to change an existing one"));
        };
        let has_others = !remove_members.is_empty()
            || successors.is_some()
            || owner.is_some()
            || !readmit.is_empty();
        if has_others {
            return Err(ErrorKind::InvalidParams.error(
                "nobody has joined a new group yet: name successors and owners later, with groupId",
            ));
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(ApiError::internal)?;
        let (group, name) = (Id(id), group_name(name)?);
        let expiry_secs = params.expiry_seconds.unwrap_or(0);
        let create = Command::Create { group, name, expiry_secs, invite };
        self.command_groups(vec![Input::Command(create)])?;
        Ok(group)
    }

    fn change_group(
        &self,
        id: Id,
        params: &UpdateGroupParams,
        invited: &[(Fingerprint, Phone)],
    ) -> Result<Id, ApiError> {
        let own = *self.public_key.fingerprint();
        let commands = self.with_groups(|groups| {
            let record = groups.group(id).ok_or_else(|| unknown(id))?;
            commands(record, params, invited, &own)
        })??;
        if commands.is_empty() {
            return Err(ErrorKind::InvalidParams.error("nothing of the group is to be changed"));
        }
        self.command_group(id, commands)?;
        Ok(id)
    }

    /// Keys of people who are to be invited.
    fn invited(
        self: &Arc<Self>,
        people: &[PhoneNumber],
        deadline: Instant,
    ) -> Result<Vec<(Fingerprint, Phone)>, ApiError> {
        people.iter().map(|person| Ok((self.key_of(*person, deadline)?, person.0))).collect()
    }

    fn key_of(
        self: &Arc<Self>,
        person: PhoneNumber,
        deadline: Instant,
    ) -> Result<Fingerprint, ApiError> {
        let PhoneNumber(phone) = person;
        if phone == self.identity.phone {
            return Err(ErrorKind::InvalidParams.error("you are in the group yourself"));
        }
        let contact = self.known_or_looked_up(phone, deadline)?;
        if contact.offered.is_some() {
            return Err(ErrorKind::KeyChanged.error(format_args!(
                "the key of {phone} has changed; compare the safety number with sealpost verify \
                 {phone}, then add --accept, and invite them again"
            )));
        }
        Ok(*contact.pinned.public_key.fingerprint())
    }

    pub(in crate::engine) fn join_group(&self, params: GroupParams) -> Result<Group, ApiError> {
        let GroupParams { group_id: GroupId(id) } = params;
        if self.is_blocked(&KeptPeer::Group(Id(id)))? {
            return Err(ErrorKind::NotAllowed
                .error("the group is blocked: unblock it, and ask its owner to invite you again"));
        }
        let group = self.command_and_show(params, GroupCommand::Accept)?;
        self.invitation_answered(Id(id))?;
        Ok(group)
    }

    pub(in crate::engine) fn decline_group(&self, params: GroupParams) -> Result<Empty, ApiError> {
        self.command_and_show(params, GroupCommand::Decline)?;
        let GroupParams { group_id: GroupId(id) } = params;
        self.invitation_answered(Id(id))?;
        Ok(Empty {})
    }

    pub(in crate::engine) fn quit_group(&self, params: GroupParams) -> Result<Empty, ApiError> {
        self.command_and_show(params, GroupCommand::Leave).map(|_| Empty {})
    }

    pub(in crate::engine) fn take_over_group(
        &self,
        params: GroupParams,
    ) -> Result<Group, ApiError> {
        self.command_and_show(params, GroupCommand::TakeOver)
    }

    pub(in crate::engine) fn forget_group(&self, params: GroupParams) -> Result<Empty, ApiError> {
        let GroupParams { group_id: GroupId(id) } = params;
        self.command_group(Id(id), vec![GroupCommand::Forget])?;
        Ok(Empty {})
    }

    /// The user has seen the invitation, and all that was there before it was answered.
    fn invitation_answered(&self, id: Id) -> Result<(), ApiError> {
        let found = self.read(|store| store.conversation(&KeptPeer::Group(id)))?;
        let Some((id, last)) = found.and_then(|found| Some((found.id, found.last?.id))) else {
            return Ok(());
        };
        let at = clock::now().0;
        self.write(move |store| store.read_up_to(id, last, at))?;
        Ok(())
    }

    fn command_and_show(
        &self,
        GroupParams { group_id: GroupId(id) }: GroupParams,
        command: GroupCommand,
    ) -> Result<Group, ApiError> {
        self.command_group(Id(id), vec![command])?;
        self.group(Id(id))?.ok_or_else(|| unknown(Id(id)))
    }

    /// Gives commands for one group, all in one turn.
    pub(in crate::engine) fn command_group(
        &self,
        id: Id,
        commands: Vec<GroupCommand>,
    ) -> Result<(), ApiError> {
        let input = |command| Input::Command(Command::In(id, command));
        self.command_groups(commands.into_iter().map(input).collect())
    }

    fn command_groups(&self, inputs: Vec<Input>) -> Result<(), ApiError> {
        let turned = self.group_turn(Cause { inputs, ..Cause::default() })?;
        turned.refused.map_or(Ok(()), |why| Err(refused(why)))
    }
}

fn shown(id: Id, record: &Record, own: &Fingerprint) -> Group {
    let parts = record.state().parts();
    Group {
        group_id: GroupId(id.0),
        name: parts.name.as_str().to_owned(),
        standing: match record.mine() {
            Mine::Invited => GroupStanding::Invited,
            Mine::Accepted => GroupStanding::Accepted,
            Mine::Joined => GroupStanding::Joined,
            Mine::Declined => GroupStanding::Declined,
            Mine::Leaving => GroupStanding::Leaving,
            Mine::Out => GroupStanding::Out,
        },
        epoch: parts.epoch,
        expiry_seconds: parts.expiry_secs,
        members: parts
            .members
            .iter()
            .map(|(key, member)| Member {
                phone: PhoneNumber(member.phone),
                name: None,
                fingerprint: key.to_string(),
                role: match member.role {
                    KeptRole::Owner => Role::Owner,
                    KeptRole::Successor(rank) => Role::Successor(rank.value()),
                    KeptRole::Member => Role::Member,
                },
                joined: member.standing == Standing::Joined,
                own: key == own,
                excluded: record.is_excluded(key),
            })
            .collect(),
        newer_states: record.has_offer(),
        blocked: false,
    }
}

/// There is no such group.
pub(in crate::engine) fn unknown(id: Id) -> ApiError {
    ErrorKind::NotFound.error(format_args!(
        "there is no group {}: listGroups lists those that there are",
        GroupId(id.0)
    ))
}

/// The error for a command that the machine of groups refused.
pub(in crate::engine) fn refused(why: CommandRefusal) -> ApiError {
    match why {
        CommandRefusal::UnknownGroup => ErrorKind::NotFound.error(why),
        CommandRefusal::Invalid => ErrorKind::InvalidParams.error(why),
        CommandRefusal::TooManyChanges => ErrorKind::Busy.error(why).with_retry_after(1),
        CommandRefusal::Exists
        | CommandRefusal::TooManyGroups
        | CommandRefusal::NotInvited
        | CommandRefusal::NotJoined
        | CommandRefusal::NotLeft
        | CommandRefusal::NotOwner
        | CommandRefusal::NotSuccessor
        | CommandRefusal::NoSuccessor
        | CommandRefusal::NoSuchMember => ErrorKind::NotAllowed.error(why),
    }
}
