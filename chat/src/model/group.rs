//! What the panel of a group shows, and what can be done there.

use sealpost_messenger::api::{
    Conversation, Group, GroupId, GroupStanding, Member, Peer, PhoneNumber, Role,
};

use super::{Candidate, Composer, Model};

/// A row of the panel that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupRow {
    /// A member, by phone number.
    Member(PhoneNumber),
    /// Something to be done with the group.
    Deed(Deed),
}

/// Something that the user may do with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Join,
    AcceptNewest,
    Decline,
    Invite,
    Rename,
    Expire,
    TakeOver,
    Leave,
    Forget,
}

/// Something that the user may do with a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberDeed {
    Write,
    Succeed,
    SucceedNoMore,
    HandOver,
    Remove,
    Readmit,
}

/// People who are chosen to be invited to a group.
#[derive(Clone, Debug)]
pub(crate) struct People {
    pub(crate) invited_to: InvitedTo,
    pub(crate) query: Composer,
    pub(crate) chosen: usize,
    /// Those who are marked, in the order in which that was done.
    pub(crate) marked: Vec<PhoneNumber>,
}

/// The group to which people are invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvitedTo {
    /// One that is made with them.
    New { name: String },
    /// One that there is.
    Known(GroupId),
}

impl People {
    /// Nobody yet.
    pub(crate) fn of(invited_to: InvitedTo) -> Self {
        Self { invited_to, query: Composer::default(), chosen: 0, marked: Vec::new() }
    }
}

impl Deed {
    /// The letter for it, and how the panel names it.
    pub(crate) const fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Join => ("j", "Join."),
            Self::AcceptNewest => ("j", "Accept its newest version."),
            Self::Decline => ("d", "Decline."),
            Self::Invite => ("i", "Invite people."),
            Self::Rename => ("n", "Give it another name."),
            Self::Expire => ("e", "Let messages disappear."),
            Self::TakeOver => ("t", "Become its owner."),
            Self::Leave => ("l", "Leave."),
            Self::Forget => ("f", "Forget its members."),
        }
    }
}

impl MemberDeed {
    pub(crate) const ALL: [Self; 6] = [
        Self::Write,
        Self::Succeed,
        Self::SucceedNoMore,
        Self::HandOver,
        Self::Remove,
        Self::Readmit,
    ];

    /// The key for it, and how the panel names it.
    pub(crate) const fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Write => ("Enter", "write"),
            Self::Succeed => ("s", "may succeed you"),
            Self::SucceedNoMore => ("s", "no successor"),
            Self::HandOver => ("o", "make owner"),
            Self::Remove => ("x", "remove"),
            Self::Readmit => ("r", "send to again"),
        }
    }
}

/// The rows of a group's panel: its members, then what can be done.
pub(crate) fn group_rows(group: &Group) -> Vec<GroupRow> {
    let members = group.members.iter().map(|member| GroupRow::Member(member.phone));
    members.chain(deeds(group).into_iter().map(GroupRow::Deed)).collect()
}

/// What the user may do with a group.
pub(crate) fn deeds(group: &Group) -> Vec<Deed> {
    use Deed::{AcceptNewest, Decline, Expire, Forget, Invite, Join, Leave, Rename, TakeOver};
    let mut deeds = Vec::new();
    if group.newer_states {
        deeds.push(AcceptNewest);
    }
    deeds.extend_from_slice(match group.standing {
        GroupStanding::Invited => &[Join, Decline],
        GroupStanding::Joined => match own_role(group) {
            Some(Role::Owner) => &[Invite, Rename, Expire, Leave],
            Some(Role::Successor(_)) => &[TakeOver, Leave],
            Some(Role::Member) | None => &[Leave],
        },
        GroupStanding::Out => &[Forget],
        GroupStanding::Accepted | GroupStanding::Declined | GroupStanding::Leaving => &[],
    });
    deeds
}

/// What the user may do with a member.
pub(crate) fn member_deeds(group: &Group, member: &Member) -> Vec<MemberDeed> {
    if member.own || group.standing != GroupStanding::Joined {
        return Vec::new();
    }
    let mut deeds = vec![MemberDeed::Write];
    if member.excluded {
        deeds.push(MemberDeed::Readmit);
    }
    if is_owner(group) {
        if matches!(member.role, Role::Successor(_)) {
            deeds.push(MemberDeed::SucceedNoMore);
        } else if member.joined {
            deeds.push(MemberDeed::Succeed);
        }
        if member.joined {
            deeds.push(MemberDeed::HandOver);
        }
        deeds.push(MemberDeed::Remove);
    }
    deeds
}

/// Members who may take over from the owner, the first one first.
pub(crate) fn successors(group: &Group) -> Vec<PhoneNumber> {
    let rank = |member: &Member| match member.role {
        Role::Successor(rank) => Some((rank, member.phone)),
        Role::Owner | Role::Member => None,
    };
    let mut ranked: Vec<_> = group.members.iter().filter_map(rank).collect();
    ranked.sort_unstable_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, phone)| phone).collect()
}

/// Whether the user, who owns a group with others in it, has to name a successor before leaving.
pub(crate) fn needs_successor(group: &Group) -> bool {
    is_owner(group) && group.members.len() > 1 && successors(group).is_empty()
}

/// Whether the user owns a group.
pub(crate) fn is_owner(group: &Group) -> bool {
    own_role(group) == Some(Role::Owner)
}

fn own_role(group: &Group) -> Option<Role> {
    group.members.iter().find(|member| member.own).map(|member| member.role)
}

/// Whether the conversation is an invitation that was not answered.
pub(crate) fn is_invitation(conversation: &Conversation) -> bool {
    let standing = conversation.group.as_ref().map(|group| group.standing);
    standing == Some(GroupStanding::Invited)
}

impl Model {
    /// What is known of a group.
    pub(crate) fn group(&self, group_id: GroupId) -> Option<&Group> {
        self.conversation(Peer::Group(group_id))?.group.as_deref()
    }

    /// The name of a member, or that it is the user.
    pub(crate) fn member_name(&self, member: &Member) -> String {
        if member.own { "You".to_owned() } else { self.name(Peer::Person(member.phone)) }
    }

    /// Who can be invited and has a name or number like what was typed: the best first. While nothing
    /// is typed, everybody who is marked and not a contact comes last.
    pub(crate) fn invitees(&self, people: &People) -> Vec<Candidate> {
        let members: &[Member] = match people.invited_to {
            InvitedTo::New { .. } => &[],
            InvitedTo::Known(group_id) => self.group(group_id).map_or(&[], |group| &group.members),
        };
        let mut found = self.candidates(people.query.text());
        found.retain(|candidate| {
            candidate.person().is_some_and(|phone| {
                Some(phone) != self.account && !members.iter().any(|member| member.phone == phone)
            })
        });
        let marked = if people.query.is_blank() { people.marked.as_slice() } else { &[] };
        for phone in marked {
            if !self.contacts.contains_key(phone)
                && !found.iter().any(|candidate| candidate.person() == Some(*phone))
            {
                found.push(Candidate::LookUp { phone: *phone });
            }
        }
        found
    }

    /// Everybody whom Enter invites: those who are marked, and the one who is chosen if something is
    /// typed or nobody is marked. `None` if nobody fits what is typed.
    pub(crate) fn invited(&self, people: &People) -> Option<Vec<PhoneNumber>> {
        let mut invited = people.marked.clone();
        if invited.is_empty() || !people.query.is_blank() {
            let chosen = self.invitees(people).get(people.chosen).and_then(Candidate::person)?;
            if !invited.contains(&chosen) {
                invited.push(chosen);
            }
        }
        Some(invited)
    }
}
