//! Two states with one number.

use std::vec::Vec;

use super::bed::{Bed, Sent, forge, key, name};
use crate::groups::{GroupCommand, Mine, Rank, Shown, Told};

/// A group of four in which user 1 is the first successor.
fn with_successor() -> Bed {
    let mut bed = Bed::with_group(4);
    bed.command(0, GroupCommand::Succeed { key: key(1), rank: Rank::new(1) });
    bed.run();
    bed.take_told();
    bed
}

#[test]
fn successor_takes_over() {
    let mut bed = with_successor();
    bed.command(1, GroupCommand::TakeOver);
    bed.run();
    bed.command(1, GroupCommand::Remove(key(0)));
    bed.run();
    bed.assert_agreement(&[0, 1, 2, 3]);
    assert!(bed.record(2).state().is_owner(&key(1)));
    assert_eq!(bed.mine(0), Some(Mine::Out));
}

#[test]
fn takeover_that_races_with_the_owner_is_undone_everywhere() {
    let mut bed = with_successor();
    bed.command(1, GroupCommand::TakeOver);
    bed.command(0, GroupCommand::Rename(name("mine")));
    // Half of them hear of one first, half of the other.
    let sent: Vec<_> = bed.wire.drain(..).collect();
    let (to_2, others): (Vec<_>, Vec<_>) = sent.into_iter().partition(|(_, to, _)| *to == 2);
    bed.wire.extend(others);
    bed.wire.extend(to_2.into_iter().rev());
    bed.run();
    bed.assert_agreement(&[0, 1, 2, 3]);
    assert!(bed.record(3).state().is_owner(&key(0)));
    let undone = |(user, told): &(usize, Told)| {
        let Told::Undone { before, after } = told else { return None };
        assert!(before.is_owner(&key(1)) && after.is_owner(&key(0)));
        Some(*user)
    };
    let mut undone: Vec<_> = bed.take_told().iter().filter_map(undone).collect();
    undone.sort_unstable();
    assert_eq!(undone, [1, 3]);
}

#[test]
fn restored_owner_who_writes_again_leads_to_one_state_and_is_shown() {
    let mut bed = Bed::with_group(3);
    let backup = bed.record(0);
    bed.command(0, GroupCommand::Rename(name("first")));
    bed.run();
    let first = bed.record(1).tag();
    bed.restore(0, Some(backup));
    bed.command(0, GroupCommand::Rename(name("second")));
    let second = bed.record(0).tag();
    bed.take_told();
    bed.run();
    bed.assert_agreement(&[0, 1, 2]);
    assert_eq!(bed.record(0).tag().state_hash, first.state_hash.min(second.state_hash));
    let two_states = Told::TwoStates { writer: key(0), epoch: first.epoch };
    let told = bed.take_told();
    assert!([1, 2].iter().all(|user| told.contains(&(*user, two_states.clone()))), "{told:?}");
}

#[test]
fn who_was_removed_by_a_state_that_is_undone_reads_nothing_until_the_user_says_so() {
    let mut bed = with_successor();
    // User 1 takes over and removes user 3, and the owner has not heard of it.
    bed.command(1, GroupCommand::TakeOver);
    bed.run_without(0);
    bed.command(1, GroupCommand::Remove(key(3)));
    bed.run_without(0);
    bed.command(0, GroupCommand::Rename(name("mine")));
    bed.run();
    bed.assert_agreement(&[0, 1, 2]);
    assert!(bed.record(2).state().has_joined(&key(3)));
    bed.write(2, 10);
    assert!(bed.wire.iter().all(|(_, to, _)| *to != 3), "{:?}", bed.wire);
    bed.run();
    bed.command(2, GroupCommand::Readmit(key(3)));
    bed.write(2, 11);
    assert!(bed.wire.iter().any(|(_, to, _)| *to == 3));
}

#[test]
fn who_joined_only_in_the_branch_that_lost_hears_of_it() {
    let mut bed = Bed::new(4);
    bed.create([1, 2]);
    bed.run();
    for user in [1, 2] {
        bed.command(user, GroupCommand::Accept);
        bed.run();
    }
    bed.command(0, GroupCommand::Succeed { key: key(1), rank: Rank::new(1) });
    bed.run();
    bed.command(1, GroupCommand::TakeOver);
    bed.run_without(0);
    bed.command(1, GroupCommand::Invite { key: key(3), phone: super::bed::phone(3) });
    bed.run_without(0);
    bed.command(3, GroupCommand::Accept);
    bed.run_without(0);
    assert_eq!(bed.mine(3), Some(Mine::Joined));
    bed.command(0, GroupCommand::Rename(name("mine")));
    bed.run();
    assert_eq!(bed.mine(3), Some(Mine::Out));
    bed.assert_agreement(&[0, 1, 2]);
}

#[test]
fn chain_that_was_missed_for_too_long_is_taken_only_with_the_user() {
    let mut bed = Bed::with_group(3);
    for number in 0..crate::groups::limits::CHAIN + 3 {
        bed.command(0, GroupCommand::Rename(name(&std::format!("{number}"))));
        bed.run_without(2);
    }
    bed.take_told();
    let before = bed.record(2).tag();
    bed.write(1, 10);
    bed.run();
    assert_eq!(bed.take_told(), [(2, Told::Missed { from: key(1) })]);
    assert_eq!(bed.record(2).tag(), before);
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Current)]);
    bed.command(2, GroupCommand::Accept);
    bed.run();
    bed.assert_agreement(&[0, 1, 2]);
    assert_eq!(bed.take_shown(), [(2, 10, Shown::Current)]);
}

#[test]
fn former_successor_rewrites_nothing() {
    let mut bed = with_successor();
    let past = bed.record(1);
    bed.command(0, GroupCommand::Remove(key(1)));
    bed.run();
    let now = bed.record(2).tag();
    let usurped = forge(&past, 1, |parts| {
        for member in parts.members.values_mut() {
            member.role = crate::groups::Role::Member;
        }
        parts.members.get_mut(&key(1)).unwrap().role = crate::groups::Role::Owner;
    });
    bed.deliver(1, 2, Sent::States(usurped));
    assert_eq!(bed.record(2).tag(), now);
}
