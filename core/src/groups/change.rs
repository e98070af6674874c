//! Changes of a group, and the state that they lead to.

use super::member::{Member, Rank, Role, Standing};
use super::state::{GroupName, Parts, State};
use super::{StateHash, limits};
use crate::ids::Phone;
use crate::keys::Fingerprint;

/// One change that a new state makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group gets another name.
    Rename(GroupName),
    /// Texts live this many seconds from now on; 0 for ever.
    Expire(u32),
    /// Somebody is invited.
    Invite {
        /// Fingerprint of their identity key.
        key: Fingerprint,
        /// Their phone number.
        phone: Phone,
    },
    /// Somebody is a member no longer.
    Remove(Fingerprint),
    /// Somebody who was invited has accepted.
    Join(Fingerprint),
    /// A member becomes the successor of this rank, or none. Who had the rank loses it.
    Succeed {
        /// The member.
        key: Fingerprint,
        /// Place among the successors.
        rank: Option<Rank>,
    },
    /// A member becomes the owner; the owner stays a member.
    HandOver(Fingerprint),
    /// The writer, a successor, becomes the owner; the owner stays a member.
    TakeOver,
    /// The owner leaves, and the first successor becomes the owner.
    Depart,
}

/// The state that `writer` makes of `state`. Changes that don't apply any more are left out; `None`
/// if nothing would change.
pub(super) fn apply(
    state: &State,
    hash: StateHash,
    writer: Fingerprint,
    changes: &[Change],
) -> Option<State> {
    let mut parts = state.parts().clone();
    for change in changes {
        apply_one(&mut parts, writer, change);
    }
    if parts == *state.parts() {
        return None;
    }
    let epoch = parts.epoch.checked_add(1)?;
    State::new(Parts { epoch, previous: Some(hash), writer, ..parts }).ok()
}

fn apply_one(parts: &mut Parts, writer: Fingerprint, change: &Change) {
    let members = &mut parts.members;
    match change {
        Change::Rename(name) => parts.name = name.clone(),
        Change::Expire(secs) => parts.expiry_secs = (*secs).min(limits::EXPIRY_SECS),
        Change::Invite { key, phone } => {
            if members.len() < limits::MEMBERS {
                members.entry(*key).or_insert_with(|| Member::invited(*phone));
            }
        }
        Change::Remove(key) => {
            if members.get(key).is_some_and(|member| member.role != Role::Owner) {
                members.remove(key);
            }
        }
        Change::Join(key) => {
            if let Some(member) = members.get_mut(key) {
                member.standing = Standing::Joined;
            }
        }
        Change::Succeed { key, rank } => succeed(parts, key, *rank),
        Change::HandOver(key) => give(parts, key),
        Change::TakeOver => give(parts, &writer),
        Change::Depart => {
            if let Some(successor) = first_successor(parts) {
                give(parts, &successor);
                parts.members.remove(&writer);
            }
        }
    }
}

/// Makes a member who has joined the successor of a rank.
fn succeed(parts: &mut Parts, key: &Fingerprint, rank: Option<Rank>) {
    let may = |member: &Member| member.standing == Standing::Joined && member.role != Role::Owner;
    if !parts.members.get(key).is_some_and(may) {
        return;
    }
    let role = rank.map_or(Role::Member, Role::Successor);
    for member in parts.members.values_mut() {
        if member.role == role {
            member.role = Role::Member;
        }
    }
    if let Some(member) = parts.members.get_mut(key) {
        member.role = role;
    }
}

/// Makes a member who has joined the owner.
fn give(parts: &mut Parts, key: &Fingerprint) {
    let may = |member: &Member| member.standing == Standing::Joined;
    if !parts.members.get(key).is_some_and(may) {
        return;
    }
    for member in parts.members.values_mut().filter(|member| member.role == Role::Owner) {
        member.role = Role::Member;
    }
    if let Some(member) = parts.members.get_mut(key) {
        member.role = Role::Owner;
    }
}

fn first_successor(parts: &Parts) -> Option<Fingerprint> {
    let ranked = parts.members.iter().filter(|(_, member)| member.role != Role::Owner);
    ranked.filter_map(|(key, member)| Some((member.rank()?, *key))).min().map(|(_, key)| key)
}
