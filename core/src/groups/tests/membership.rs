//! Inviting, accepting, writing, removing, leaving.

use std::vec;

use super::bed::{Bed, Sent, forge, key, name, phone};
use crate::groups::{
    CommandRefusal, GroupCommand, GroupRequest, Mine, Rank, Refusal, Shown, Standing, Told,
};

#[test]
fn who_is_removed_reads_nothing_more() {
    let mut bed = Bed::new(3);
    bed.create([1, 2]);
    bed.run();
    assert_eq!([1, 2].map(|user| bed.mine(user)), [Some(Mine::Invited); 2]);
    bed.command(1, GroupCommand::Accept);
    bed.command(2, GroupCommand::Accept);
    bed.run();
    assert_eq!([0, 1, 2].map(|user| bed.mine(user)), [Some(Mine::Joined); 3]);
    bed.assert_agreement(&[0, 1, 2]);

    bed.write(1, 10);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Current), (2, 10, Shown::Current)]);

    bed.command(0, GroupCommand::Remove(key(2)));
    bed.run();
    assert_eq!(bed.mine(2), Some(Mine::Out));
    bed.write(1, 11);
    bed.write(0, 12);
    bed.write(2, 13);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 11, Shown::Current), (1, 12, Shown::Current)]);
    bed.assert_agreement(&[0, 1, 2]);
    assert_eq!(bed.take_refused(), vec![]);
}

#[test]
fn who_has_not_answered_is_invited_again() {
    let mut bed = Bed::new(3);
    bed.create([1, 2]);
    // The invitation of user 2 is lost.
    bed.run_without(2);
    let invite = |user| GroupCommand::Invite { key: key(user), phone: phone(user) };
    bed.take_told();
    bed.command(0, invite(2));
    bed.command(0, invite(1));
    bed.run();
    assert_eq!(bed.take_told(), [invited(2)], "user 1 knows of it");
    assert_eq!(bed.epoch(0), 0, "nothing has changed");
    bed.command(2, GroupCommand::Accept);
    bed.run();
    // Nothing is sent to who has joined.
    bed.command(0, invite(2));
    assert!(bed.wire.is_empty());
    bed.command(2, invite(1));
    assert_eq!(
        bed.take_told(),
        [
            (0, Told::Changed),
            (1, Told::Changed),
            joined(2),
            (2, Told::CommandRefused(CommandRefusal::NotOwner)),
        ]
    );
}

#[test]
fn who_has_accepted_can_leave_before_the_owner_knows() {
    for command in [GroupCommand::Leave, GroupCommand::Decline] {
        let mut bed = Bed::new(3);
        bed.create([1, 2]);
        bed.run();
        bed.command(1, GroupCommand::Accept);
        bed.command(1, command);
        assert_eq!(bed.mine(1), Some(Mine::Declined));
        bed.run();
        assert_eq!(bed.mine(1), Some(Mine::Out));
        assert!(bed.record(0).state().member(&key(1)).is_none());
        bed.command(2, GroupCommand::Accept);
        bed.run();
        bed.assert_agreement(&[0, 2]);
    }
}

#[test]
fn invitation_comes_before_everything_else() {
    let mut bed = Bed::new(3);
    bed.create([1, 2]);
    bed.run();
    assert_eq!(bed.take_told(), [joined(0), invited(1), invited(2)]);
    bed.command(1, GroupCommand::Accept);
    bed.run();
    // User 2 has not decided: nobody writes to them, and what is written all the same waits.
    bed.write(0, 10);
    bed.deliver(0, 2, Sent::Text(bed.record(0).tag(), 10));
    bed.run();
    assert_eq!(bed.take_shown(), [(1, 10, Shown::Current)]);
    assert_eq!(bed.take_refused(), []);
    bed.command(2, GroupCommand::Decline);
    bed.run();
    assert_eq!(bed.take_shown(), []);
    assert_eq!(bed.take_refused(), [(2, 10, Refusal::NotJoined)]);
    assert_eq!(bed.mine(2), Some(Mine::Out));
    assert!(bed.record(0).state().member(&key(2)).is_none());
}

#[test]
fn nobody_joins_without_having_accepted() {
    let mut bed = Bed::new(2);
    bed.create([1]);
    bed.run();
    let joined = forge(&bed.record(0), 0, |parts| {
        let member = parts.members.get_mut(&key(1)).unwrap();
        member.standing = Standing::Joined;
    });
    bed.deliver(0, 1, Sent::States(joined));
    assert_eq!((bed.epoch(1), bed.mine(1)), (1, Some(Mine::Invited)));
    bed.command(1, GroupCommand::Accept);
    assert_eq!(bed.mine(1), Some(Mine::Joined));
}

#[test]
fn who_leaves_gets_no_more_copies_whether_or_not_the_owner_is_there() {
    let mut bed = Bed::with_group(4);
    bed.command(3, GroupCommand::Leave);
    bed.run_without(0);
    assert_eq!(bed.take_told(), [1, 2].map(|user| (user, Told::MemberLeft { key: key(3) })));
    bed.write(1, 10);
    assert!(bed.wire.iter().all(|(_, to, _)| *to != 3));
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Current), (2, 10, Shown::Current)]);
    // The owner hears of it at last.
    bed.restore(3, Some(bed.record(3)));
    bed.run();
    assert_eq!(bed.mine(3), Some(Mine::Out));
    assert!(bed.record(1).state().member(&key(3)).is_none());
}

#[test]
fn who_was_removed_gets_the_state_that_says_so_and_nothing_after() {
    let mut bed = Bed::with_group(3);
    let backup = bed.record(2);
    bed.command(0, GroupCommand::Remove(key(2)));
    bed.command(0, GroupCommand::Rename(name("without you")));
    bed.run();
    bed.restore(2, Some(backup));
    bed.write(2, 10);
    bed.run();
    assert_eq!(bed.take_refused(), []);
    assert_eq!((bed.mine(2), bed.epoch(2) + 1), (Some(Mine::Out), bed.epoch(0)));
    let ask = Sent::Request(bed.record(2).tag(), GroupRequest::NewerState);
    bed.deliver(2, 0, ask);
    bed.run();
    assert_eq!(bed.record(2).state().parts().name, name("climbers"));
}

#[test]
fn owner_who_leaves_makes_the_first_successor_owner() {
    let mut bed = Bed::with_group(3);
    bed.command(0, GroupCommand::Leave);
    let refused = Told::CommandRefused(CommandRefusal::NoSuccessor);
    assert_eq!(bed.take_told(), [(0, refused)]);
    bed.command(0, GroupCommand::Succeed { key: key(1), rank: Rank::new(2) });
    bed.command(0, GroupCommand::Succeed { key: key(2), rank: Rank::new(1) });
    bed.run();
    bed.command(0, GroupCommand::Leave);
    bed.run();
    assert_eq!(bed.mine(0), Some(Mine::Out));
    assert!(bed.record(1).state().is_owner(&key(2)));
    bed.assert_agreement(&[1, 2]);
}

#[test]
fn only_the_owner_changes_the_group() {
    let mut bed = Bed::with_group(2);
    for command in [
        GroupCommand::Rename(name("mine")),
        GroupCommand::Remove(key(0)),
        GroupCommand::HandOver(key(1)),
        GroupCommand::Invite { key: key(2), phone: phone(2) },
    ] {
        bed.command(1, command);
        let refused = Told::CommandRefused(CommandRefusal::NotOwner);
        assert_eq!(bed.take_told(), [(1, refused)]);
    }
    bed.command(1, GroupCommand::TakeOver);
    let refused = Told::CommandRefused(CommandRefusal::NotSuccessor);
    assert_eq!(bed.take_told(), [(1, refused)]);
}

#[test]
fn group_has_fifty_members_at_most() {
    let mut bed = Bed::new(51);
    bed.create(1..51);
    assert_eq!(bed.take_told(), [(0, Told::CommandRefused(CommandRefusal::Invalid))]);
    bed.create(1..50);
    bed.run();
    bed.command(0, GroupCommand::Invite { key: key(50), phone: phone(50) });
    bed.run();
    assert_eq!(bed.record(0).state().parts().members.len(), 50);
    assert_eq!(bed.mine(50), None);
}

fn joined(user: usize) -> (usize, Told) {
    (user, Told::Joined)
}

fn invited(user: usize) -> (usize, Told) {
    (user, Told::Invited { by: key(0) })
}
