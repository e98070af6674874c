//! `sealpost group`.

use std::thread;
use std::time::{Duration, Instant};

use sealpost_core::ids::Phone;
use sealpost_messenger::api::{
    ApiError, ChangeKind, DeclineGroup, Empty, ErrorKind, ForgetGroup, Group, GroupParams,
    GroupStanding, JoinGroup, ListGroups, ListOutbox, Member, OutboxChange, Peer, PhoneNumber,
    QuitGroup, Role, TakeOverGroup, UpdateGroup, UpdateGroupParams,
};
use sealpost_programs::{Failure, Format, Line};

use crate::group_args::{GroupArgs, GroupTask};
use crate::hands::{Hands, failure, seconds, subscribe_changes};
use crate::home::Home;
use crate::recipient::{find_group, no_group};

/// Carries out a command about groups.
pub(crate) fn group(home: &Home, args: GroupArgs) -> Result<(), Failure> {
    home.look_for_account()?;
    let format = if args.json { Format::Json } else { Format::Text };
    let deadline = Instant::now().checked_add(Duration::from_secs(args.timeout));
    let hands = Hands::take(home, subscribe_changes)?;
    let done = carry_out(&hands, args, deadline);
    hands.tell_warnings()?;
    hands.finish()?;
    match done? {
        Done::Groups(groups) => groups.iter().try_for_each(|group| print(group, format)),
        Done::Shown(group) => {
            print(&group, format)?;
            if format == Format::Text {
                group.members.iter().try_for_each(|member| Line::text(of_member(member)))?;
            }
            Ok(())
        }
        Done::Changed(group) => print(&group, format),
        Done::Nothing => Ok(()),
    }
}

enum Done {
    Groups(Vec<Group>),
    Shown(Group),
    Changed(Group),
    Nothing,
}

fn carry_out(hands: &Hands, args: GroupArgs, deadline: Option<Instant>) -> Result<Done, Failure> {
    let GroupArgs { task, timeout, .. } = args;
    let groups = hands.call::<ListGroups>(&Empty {}).map_err(|error| failure(&error))?.groups;
    let update = |params: UpdateGroupParams| {
        let params = UpdateGroupParams { timeout_seconds: seconds(timeout), ..params };
        changed(hands, hands.call::<UpdateGroup>(&params), deadline)
    };
    let one = |name: &str| find_group(&groups, name)?.ok_or_else(|| no_group(name));
    let of = |name: &str| {
        Ok::<_, Failure>(UpdateGroupParams {
            group_id: Some(one(name)?.group_id),
            ..UpdateGroupParams::default()
        })
    };
    match task {
        GroupTask::List => Ok(Done::Groups(groups)),
        GroupTask::Show { group } => one(&group).cloned().map(Done::Shown),
        GroupTask::Create { name, members, expiry } => update(UpdateGroupParams {
            name: Some(name),
            members: numbers(members),
            expiry_seconds: expiry,
            ..UpdateGroupParams::default()
        }),
        GroupTask::Invite { group, members } => {
            update(UpdateGroupParams { members: numbers(members), ..of(&group)? })
        }
        GroupTask::Remove { group, members } => {
            update(UpdateGroupParams { remove_members: numbers(members), ..of(&group)? })
        }
        GroupTask::Rename { group, name } => {
            update(UpdateGroupParams { name: Some(name), ..of(&group)? })
        }
        GroupTask::Expiry { group, seconds } => {
            update(UpdateGroupParams { expiry_seconds: Some(seconds), ..of(&group)? })
        }
        GroupTask::Successors { group, members } => {
            update(UpdateGroupParams { successors: Some(numbers(members)), ..of(&group)? })
        }
        GroupTask::HandOver { group, member } => {
            update(UpdateGroupParams { owner: Some(PhoneNumber(member)), ..of(&group)? })
        }
        GroupTask::Readmit { group, members } => {
            update(UpdateGroupParams { readmit: numbers(members), ..of(&group)? })
        }
        GroupTask::Join { group } => {
            changed(hands, hands.call::<JoinGroup>(&named(one(&group)?)), deadline)
        }
        GroupTask::TakeOver { group } => {
            changed(hands, hands.call::<TakeOverGroup>(&named(one(&group)?)), deadline)
        }
        GroupTask::Decline { group } => {
            let group = named(one(&group)?);
            done(hands, group, hands.call::<DeclineGroup>(&group), deadline)
        }
        GroupTask::Leave { group } => {
            let group = named(one(&group)?);
            done(hands, group, hands.call::<QuitGroup>(&group), deadline)
        }
        GroupTask::Forget { group } => {
            let group = named(one(&group)?);
            done(hands, group, hands.call::<ForgetGroup>(&group), deadline)
        }
    }
}

fn changed(
    hands: &Hands,
    result: Result<Group, ApiError>,
    deadline: Option<Instant>,
) -> Result<Done, Failure> {
    let group = result.map_err(|error| failure(&error))?;
    wait_until_sent(hands, named(&group), deadline)?;
    Ok(Done::Changed(group))
}

fn done(
    hands: &Hands,
    group: GroupParams,
    result: Result<Empty, ApiError>,
    deadline: Option<Instant>,
) -> Result<Done, Failure> {
    result.map_err(|error| failure(&error))?;
    wait_until_sent(hands, group, deadline)?;
    Ok(Done::Nothing)
}

/// Waits until the server holds what tells the others of a group. It is durable here before.
fn wait_until_sent(
    hands: &Hands,
    GroupParams { group_id }: GroupParams,
    deadline: Option<Instant>,
) -> Result<(), Failure> {
    let is_of_group = |change: &OutboxChange| {
        change.change == ChangeKind::Group && change.conversation == Peer::Group(group_id)
    };
    loop {
        let outbox = hands.call::<ListOutbox>(&Empty {}).map_err(|error| failure(&error))?;
        if !outbox.changes.iter().any(is_of_group) {
            return Ok(());
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Failure::with_status(
                "done, but the server did not take everything in time that tells the others; it is \
                 kept, and sent later",
                ErrorKind::KeptForLater.exit_status(),
            ));
        }
        thread::sleep(PAUSE);
    }
}

const fn named(group: &Group) -> GroupParams {
    GroupParams { group_id: group.group_id }
}

fn numbers(phones: Vec<Phone>) -> Vec<PhoneNumber> {
    phones.into_iter().map(PhoneNumber).collect()
}

fn print(group: &Group, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => Line::json(group),
        Format::Text => {
            let joined = group.members.iter().filter(|member| member.joined).count();
            Line::text(format_args!(
                "{}  {:<8}  {joined} of {} joined  {}",
                short(group),
                standing(group),
                group.members.len(),
                group.name
            ))
        }
    }
}

/// The beginning of a group's id, which names it in commands.
pub(crate) fn short(group: &Group) -> String {
    hex::encode(group.group_id.0).chars().take(SHORT).collect()
}

const fn standing(group: &Group) -> &'static str {
    match group.standing {
        _ if group.blocked => "blocked",
        _ if group.newer_states => "outdated",
        GroupStanding::Invited => "invited",
        GroupStanding::Accepted => "joining",
        GroupStanding::Joined => "member",
        GroupStanding::Declined => "declined",
        GroupStanding::Leaving => "leaving",
        GroupStanding::Out => "left",
    }
}

fn of_member(member: &Member) -> String {
    let role = match member.role {
        Role::Owner => "owner".to_owned(),
        Role::Successor(rank) => format!("successor {rank}"),
        Role::Member if member.joined => "member".to_owned(),
        Role::Member => "invited".to_owned(),
    };
    let who = if member.own { " (you)" } else { "" };
    let excluded = if member.excluded { ", gets no messages" } else { "" };
    let name = member.name.as_ref().map_or_else(String::new, |name| format!("  {name}"));
    format!("  {:<16}  {role}{excluded}{who}{name}", member.phone.to_string())
}

/// Digits of a group's id that are shown.
pub(crate) const SHORT: usize = 8;
const PAUSE: Duration = Duration::from_millis(50);
