//! What `updateGroup` asks for, as commands of the machine of groups.

use sealpost_core::groups::{GroupCommand, GroupName, Member, Rank, Record, Role, limits};
use sealpost_core::ids::Phone;
use sealpost_core::keys::Fingerprint;

use crate::api::{ApiError, ErrorKind, PhoneNumber, UpdateGroupParams};

/// The commands that make of a group what is asked for.
pub(super) fn commands(
    record: &Record,
    params: &UpdateGroupParams,
    invited: &[(Fingerprint, Phone)],
    own: &Fingerprint,
) -> Result<Vec<GroupCommand>, ApiError> {
    let mut commands = Vec::new();
    if let Some(name) = &params.name {
        commands.push(GroupCommand::Rename(group_name(name)?));
    }
    commands.extend(params.expiry_seconds.map(GroupCommand::Expire));
    for (key, phone) in invited {
        if record.state().has_joined(key) {
            return Err(ErrorKind::NotAllowed.error(format_args!("{phone} is a member already")));
        }
        commands.push(GroupCommand::Invite { key: *key, phone: *phone });
    }
    let leaving = params.remove_members.len();
    let is_new = |(key, _): &&(Fingerprint, Phone)| record.state().member(key).is_none();
    let count = record.state().parts().members.len() + invited.iter().filter(is_new).count();
    if count > limits::MEMBERS + leaving {
        return Err(ErrorKind::NotAllowed
            .error(format_args!("a group has at most {} members", limits::MEMBERS)));
    }
    for person in &params.remove_members {
        let key = member(record, *person)?;
        if key == *own {
            return Err(ErrorKind::NotAllowed.error("to leave the group, use quitGroup"));
        }
        commands.push(GroupCommand::Remove(key));
    }
    if let Some(successors) = &params.successors {
        commands.extend(succession(record, successors, own)?);
    }
    if let Some(owner) = params.owner {
        commands.push(GroupCommand::HandOver(joined(record, owner, own)?));
    }
    for person in &params.readmit {
        commands.push(GroupCommand::Readmit(member(record, *person)?));
    }
    Ok(commands)
}

/// Names these members successors, the first one first, and nobody else.
fn succession(
    record: &Record,
    successors: &[PhoneNumber],
    own: &Fingerprint,
) -> Result<Vec<GroupCommand>, ApiError> {
    let named: Vec<_> =
        successors.iter().map(|person| joined(record, *person, own)).collect::<Result<_, _>>()?;
    let mut commands = Vec::new();
    for (key, member) in &record.state().parts().members {
        if matches!(member.role, Role::Successor(_)) && !named.contains(key) {
            commands.push(GroupCommand::Succeed { key: *key, rank: None });
        }
    }
    for (key, rank) in named.iter().zip(1..) {
        let rank =
            Rank::new(rank).ok_or_else(|| ErrorKind::InvalidParams.error("too many successors"))?;
        commands.push(GroupCommand::Succeed { key: *key, rank: Some(rank) });
    }
    Ok(commands)
}

/// Key of the member with a phone number.
fn member(record: &Record, PhoneNumber(phone): PhoneNumber) -> Result<Fingerprint, ApiError> {
    let has = |(_, member): &(&Fingerprint, &Member)| member.phone == phone;
    let found = record.state().parts().members.iter().find(has);
    found.map(|(key, _)| *key).ok_or_else(|| {
        ErrorKind::NotFound.error(format_args!("{phone} is not a member of the group"))
    })
}

/// Key of a member who has joined, other than the user.
fn joined(
    record: &Record,
    person: PhoneNumber,
    own: &Fingerprint,
) -> Result<Fingerprint, ApiError> {
    let key = member(record, person)?;
    if key == *own {
        return Err(ErrorKind::NotAllowed.error("you are the owner of the group yourself"));
    }
    if !record.state().has_joined(&key) {
        return Err(
            ErrorKind::NotAllowed.error(format_args!("{} has not joined the group yet", person.0))
        );
    }
    Ok(key)
}

/// The name of a group.
pub(super) fn group_name(name: &str) -> Result<GroupName, ApiError> {
    if !name.is_empty() && name.trim().is_empty() || name.trim_start().starts_with('+') {
        return Err(ErrorKind::InvalidParams.error(
            "the name of a group is not blank, and does not begin with a plus, as phone numbers do",
        ));
    }
    GroupName::new(name).ok_or_else(|| {
        ErrorKind::InvalidParams
            .error(format_args!("the name of a group has 1 to {} bytes", limits::NAME_BYTES))
    })
}
