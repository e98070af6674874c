//! Recipients as people name them: a phone number, or a group by its name or the beginning of its id.

use std::fmt;

use sealpost_core::ids::Phone;
use sealpost_messenger::api::{
    ApiError, Caller, ErrorKind, Group, GroupStanding, ListConversations, ListGroups, Method, Peer,
    PhoneNumber,
};
use sealpost_programs::{Failure, OneLine};
use serde_json::Value;

use crate::hands::failure;

/// A person or a group on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Recipient {
    Person(Phone),
    /// Name of a group, or the beginning of its id.
    Group(String),
}

/// Reads a recipient. What begins with a plus is a phone number, and nothing else.
pub(crate) fn recipient(text: &str) -> Result<Recipient, sealpost_messenger::api::InvalidPeer> {
    if text.trim_start().starts_with('+') {
        return text.parse().map(|PhoneNumber(phone)| Recipient::Person(phone));
    }
    Ok(Recipient::Group(text.to_owned()))
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(phone) => phone.fmt(f),
            Self::Group(name) => write!(f, "“{}”", OneLine(name)),
        }
    }
}

impl Recipient {
    /// The recipient as methods name them.
    pub(crate) fn peer(&self, caller: &dyn Caller) -> Result<Peer, Failure> {
        match self {
            Self::Person(phone) => Ok((*phone).into()),
            Self::Group(name) => {
                // A group that was forgotten has its history still.
                if let Ok(group) = name.parse() {
                    return Ok(Peer::Group(group));
                }
                let groups = groups(caller).map_err(|error| failure(&error))?;
                match find_group(&groups, name)? {
                    Some(group) => Ok(Peer::Group(group.group_id)),
                    None => forgotten(caller, name)?.ok_or_else(|| no_group(name)),
                }
            }
        }
    }
}

fn groups(caller: &dyn Caller) -> Result<Vec<Group>, ApiError> {
    call::<ListGroups>(caller).map(|found| found.groups)
}

/// Calls a method without parameters.
fn call<M: Method>(caller: &dyn Caller) -> Result<M::Result, ApiError> {
    let found = caller.request(M::NAME, Value::Null)?;
    serde_json::from_value(found).map_err(ApiError::internal)
}

/// The conversation of this name with a group that is not known any more, if there is just one.
fn forgotten(caller: &dyn Caller, name: &str) -> Result<Option<Peer>, Failure> {
    let found = call::<ListConversations>(caller).map_err(|error| failure(&error))?;
    let is_group = |with: &Peer| matches!(with, Peer::Group(_));
    let named = found.conversations.into_iter().filter(|found| found.name.as_deref() == Some(name));
    let mut groups = named.map(|found| found.with).filter(is_group);
    Ok(groups.next().filter(|_| groups.next().is_none()))
}

/// The group that a person means. A group of which they are a member comes before others, so that
/// nobody can take its name by inviting them to another. A name that is the beginning of another
/// group's id means neither. `None` if nothing is called so.
pub(crate) fn find_group<'a>(
    groups: &'a [Group],
    name: &str,
) -> Result<Option<&'a Group>, Failure> {
    let (digits, is_name) = match name.strip_prefix("group:") {
        Some(digits) => (digits, false),
        None => (name, true),
    };
    let is_id = digits.len() >= ID_MIN && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_id = |group: &&Group| {
        is_id && hex::encode(group.group_id.0).starts_with(&digits.to_ascii_lowercase())
    };
    let has_name = |group: &&Group| is_name && group.name == name;
    let is_member = |group: &&Group| group.standing == GroupStanding::Joined;
    let by_name: Vec<_> = groups.iter().filter(has_name).collect();
    let of_mine: Vec<_> = by_name.iter().copied().filter(is_member).collect();
    let by_id: Vec<_> = groups.iter().filter(has_id).collect();
    let is_other = |group: &&&Group| !by_name.contains(*group);
    if !by_name.is_empty() && by_id.iter().any(|group| is_other(&group)) {
        return Err(refused(format_args!(
            "{0} is the name of a group, and the beginning of another one's id: write group:{0} for that \
             one, and for the other the beginning of its id, which sealpost group list shows",
            OneLine(name)
        )));
    }
    for found in [of_mine, by_name, by_id] {
        match found[..] {
            [] => {}
            [group] => return Ok(Some(group)),
            _ => {
                return Err(refused(format_args!(
                    "several groups are called {}: name one by the beginning of its id, which \
                     sealpost group list shows",
                    OneLine(name)
                )));
            }
        }
    }
    Ok(None)
}

/// The failure of a command about a group that there is not.
pub(crate) fn no_group(name: &str) -> Failure {
    refused(format_args!(
        "there is no group {}: sealpost group list shows those that there are; an invitation comes with \
         sealpost listen, chat or daemon; a phone number begins with a plus",
        OneLine(name)
    ))
}

fn refused(message: fmt::Arguments<'_>) -> Failure {
    Failure::with_status(message, ErrorKind::NotFound.exit_status())
}

/// Fewest digits that name a group by its id.
const ID_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use sealpost_messenger::api::GroupId;
    use serde_json::json;

    fn group(id: u8, name: &str, standing: GroupStanding) -> Group {
        Group {
            group_id: GroupId([id; 16]),
            name: name.into(),
            standing,
            epoch: 0,
            expiry_seconds: 0,
            members: Vec::new(),
            newer_states: false,
            blocked: false,
        }
    }

    fn found(groups: &[Group], name: &str) -> Option<u8> {
        find_group(groups, name).ok().flatten().map(|group| group.group_id.0[0])
    }

    #[test]
    fn group_is_named_by_its_name_or_the_beginning_of_its_id() {
        let joined = GroupStanding::Joined;
        let groups = [group(0xab, "climbers", joined), group(0xcd, "family", joined)];
        assert_eq!(found(&groups, "climbers"), Some(0xab));
        assert_eq!(found(&groups, "cdcd"), Some(0xcd));
        assert_eq!(found(&groups, "group:ABAB"), Some(0xab));
        for unknown in ["cdc", "Climbers", "", "cdce"] {
            assert_eq!(found(&groups, unknown), None, "{unknown}");
        }
    }

    /// A home with these groups, of which the last one was forgotten, and a conversation with each.
    struct Home(Vec<Group>);

    impl Caller for Home {
        fn request(&self, method: &str, _: Value) -> Result<Value, ApiError> {
            let conversation = |group: &Group| {
                let with = Peer::Group(group.group_id);
                json!({ "with": with, "name": group.name, "unread": 0, "mute": "off" })
            };
            Ok(match method {
                ListGroups::NAME => json!({ "groups": self.0.split_last().unwrap().1 }),
                _ => {
                    json!({ "conversations": self.0.iter().map(conversation).collect::<Vec<_>>() })
                }
            })
        }
    }

    #[test]
    fn name_that_is_the_id_of_another_group_leads_nowhere() {
        let joined = GroupStanding::Joined;
        let [climbers, abab] = [group(0xab, "climbers", joined), group(0xcd, "abab", joined)];
        let home = Home(vec![climbers, abab, group(0xef, "divers", joined)]);
        let peer = |name: &str| recipient(name).unwrap().peer(&home).ok();
        assert_eq!(peer("climbers"), Some(Peer::Group(GroupId([0xab; 16]))));
        assert_eq!(peer("group:abab"), Some(Peer::Group(GroupId([0xab; 16]))));
        assert_eq!(peer("divers"), Some(Peer::Group(GroupId([0xef; 16]))));
        assert_eq!(peer("abab"), None);
    }

    #[test]
    fn invitation_does_not_take_the_name_of_a_group() {
        let mut groups = vec![
            group(1, "family", GroupStanding::Joined),
            group(2, "family", GroupStanding::Invited),
        ];
        assert_eq!(found(&groups, "family"), Some(1));
        groups.push(group(3, "family", GroupStanding::Joined));
        assert_eq!(found(&groups, "family"), None);
        assert_eq!(found(&groups, "0202"), Some(2));
        // Nobody can take the id of a group by calling another one so.
        groups.push(group(4, "0202", GroupStanding::Joined));
        assert_eq!(found(&groups, "0202"), None);
        assert_eq!(found(&groups, "group:0202"), Some(2));
        assert_eq!(found(&groups, "0404"), Some(4));
    }
}
