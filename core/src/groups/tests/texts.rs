//! Texts and the states that they name.

use super::bed::{Bed, GROUP, Sent, forge, key, name};
use crate::groups::{GroupCommand, GroupTag, Refusal, Shown, StateHash, Told, limits};

#[test]
fn text_of_an_older_state_is_shown_as_such_and_answered_with_the_newer_ones() {
    let mut bed = Bed::with_group(3);
    bed.command(0, GroupCommand::Rename(name("new")));
    bed.run_without(2);
    bed.write(2, 10);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Older), (1, 10, Shown::Older)]);
    bed.assert_agreement(&[0, 1, 2]);
}

#[test]
fn text_of_a_newer_state_waits_for_it() {
    let mut bed = Bed::with_group(3);
    bed.command(0, GroupCommand::Rename(name("new")));
    let lost = bed.lose_to(2);
    bed.run();
    bed.write(1, 10);
    let (from, to, text) = bed.lose_to(2).pop().unwrap();
    bed.run();
    bed.take_shown();
    bed.deliver(from, to, text);
    assert_eq!(bed.take_shown(), []);
    for (from, to, sent) in lost {
        bed.deliver(from, to, sent);
    }
    assert_eq!(bed.take_shown(), [(2, 10, Shown::Current)]);
    bed.run();
    bed.assert_agreement(&[0, 1, 2]);
}

#[test]
fn text_of_a_newer_state_is_enough_to_learn_of_it() {
    let mut bed = Bed::with_group(3);
    bed.command(0, GroupCommand::Rename(name("new")));
    bed.run_without(2);
    bed.write(1, 10);
    bed.run();
    assert_eq!(bed.take_shown(), [(0, 10, Shown::Current), (2, 10, Shown::Current)]);
}

#[test]
fn text_of_nobody_in_the_group_is_refused() {
    let mut bed = Bed::with_group(3);
    let before = bed.record(0).tag();
    bed.command(0, GroupCommand::Remove(key(2)));
    bed.run();
    let now = bed.record(0).tag();
    // Who was removed may have written before.
    bed.deliver(2, 0, Sent::Text(before, 10));
    assert_eq!(bed.take_shown(), [(0, 10, Shown::BeforeRemoval)]);
    let unknown = GroupTag { state_hash: StateHash([9; 32]), ..now };
    for (text, tag) in [(11, now), (12, unknown)] {
        bed.deliver(2, 0, Sent::Text(tag, text));
    }
    assert_eq!(bed.take_shown(), []);
    let refused = [11, 12].map(|text| (0, text, Refusal::NotAMember));
    assert_eq!(bed.take_refused(), refused);
}

#[test]
fn texts_that_wait_are_bounded_for_each_sender() {
    let mut bed = Bed::with_group(3);
    let tag = bed.record(0).tag();
    let newer = GroupTag { epoch: tag.epoch + 1, state_hash: StateHash([9; 32]), ..tag };
    let most = limits::HELD_OF_ONE as u64;
    for text in 0..=most {
        bed.deliver(1, 0, Sent::Text(newer, text));
    }
    assert_eq!(bed.take_refused(), [(0, most, Refusal::TooMany)]);
    bed.deliver(2, 0, Sent::Text(newer, 100));
    assert_eq!(bed.take_refused(), []);
}

#[test]
fn owner_who_tells_members_different_things_is_noticed_by_a_text() {
    let mut bed = Bed::with_group(3);
    let record = bed.record(0);
    for (user, claimed) in [(1, "one"), (2, "two")] {
        let state = forge(&record, 0, |parts| parts.name = name(claimed));
        bed.deliver(0, user, Sent::States(state));
    }
    assert_ne!(bed.record(1).tag(), bed.record(2).tag());
    bed.take_told();
    bed.write(1, 10);
    bed.write(2, 11);
    bed.run_without(0);
    bed.assert_agreement(&[1, 2]);
    let told = bed.take_told();
    let two_states = Told::TwoStates { writer: key(0), epoch: record.tag().epoch + 1 };
    assert!(told.contains(&(1, two_states.clone())) || told.contains(&(2, two_states)), "{told:?}");
    assert!(told.contains(&(1, Told::Differs { from: key(2) })), "{told:?}");
}

#[test]
fn text_of_an_unknown_group_is_refused() {
    let mut bed = Bed::new(2);
    let tag = GroupTag { group: GROUP, epoch: 0, state_hash: StateHash([0; 32]) };
    bed.deliver(0, 1, Sent::Text(tag, 10));
    assert_eq!(bed.take_refused(), [(1, 10, Refusal::UnknownGroup)]);
}
