//! What is a state, and who may write it.

use std::vec;
use std::vec::Vec;

use super::bed::{Bed, GROUP, Sent, forge, key, me, name, phone, public_key, sign, verify};
use crate::groups::{
    DOMAIN, InvalidState, Member, Parts, Role, Standing, State, States, Told, limits,
};
use crate::wire::{Header, Profile};

/// A group in which user 1 has joined, and what user 0 is told when `bytes` arrive from user 1.
fn told_by(bytes: impl FnOnce(&Bed) -> Vec<u8>) -> Vec<(usize, Told)> {
    let mut bed = Bed::with_group(3);
    let before = bed.record(0).tag();
    let bytes = bytes(&bed);
    bed.deliver(1, 0, Sent::States(bytes));
    assert_eq!(bed.record(0).tag(), before);
    bed.take_told()
}

fn suspicious(why: InvalidState) -> Vec<(usize, Told)> {
    vec![(0, Told::Suspicious { from: key(1), why })]
}

#[test]
fn only_owner_and_successors_write() {
    let told = told_by(|bed| forge(&bed.record(1), 1, |_| {}));
    assert_eq!(told, suspicious(InvalidState::NotEntitled));
}

#[test]
fn state_is_signed_by_its_writer() {
    let told = told_by(|bed| {
        let state = State::new(Parts {
            epoch: bed.epoch(1) + 1,
            previous: Some(bed.record(1).tag().state_hash),
            writer: key(0),
            name: name("by user 0"),
            ..bed.record(1).state().parts().clone()
        });
        let state = state.unwrap();
        state.encode_signed(&public_key(0), &sign(&key(1), &state.signed_text()))
    });
    assert_eq!(told, suspicious(InvalidState::Signature));
    let told = told_by(|bed| {
        let parts = bed.record(1).state().parts().clone();
        let state = State::new(Parts { writer: key(0), ..parts }).unwrap();
        state.encode_signed(&public_key(1), &sign(&key(1), &state.signed_text()))
    });
    assert_eq!(told, suspicious(InvalidState::Signature));
}

#[test]
fn nobody_is_a_member_without_an_invitation() {
    let mut bed = Bed::with_group(3);
    let forced = forge(&bed.record(0), 0, |parts| {
        let (role, standing) = (Role::Member, Standing::Joined);
        parts.members.insert(key(7), Member { phone: phone(7), role, standing });
    });
    bed.deliver(0, 1, Sent::States(forced));
    let why = InvalidState::NotInvited;
    assert_eq!(bed.take_told(), [(1, Told::Suspicious { from: key(0), why })]);
}

#[test]
fn successor_writes_only_to_take_over() {
    let mut bed = Bed::with_group(3);
    let rank = crate::groups::Rank::new(1);
    bed.command(0, crate::groups::GroupCommand::Succeed { key: key(1), rank });
    bed.run();
    bed.take_told();
    let removed = forge(&bed.record(1), 1, |parts| {
        parts.members.remove(&key(2));
    });
    bed.deliver(1, 0, Sent::States(removed));
    assert_eq!(bed.take_told(), suspicious(InvalidState::NotEntitled));
}

#[test]
fn state_has_one_encoding() {
    let bed = Bed::with_group(3);
    let bytes = forge(&bed.record(0), 0, |_| {});
    assert!(States::verify(&bytes, verify).is_ok());
    for cut in 0..bytes.len() {
        assert!(States::verify(&bytes[..cut], verify).is_err(), "{cut}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(States::verify(&longer, verify), Err(InvalidState::Malformed));
    // An array of one, announced in two bytes.
    let indirect = [&[0x98, 1], &bytes[1..]].concat();
    assert_eq!(States::verify(&indirect, verify), Err(InvalidState::Malformed));
    for place in 0..bytes.len() {
        let mut edited = bytes.clone();
        edited[place] ^= 1;
        assert!(States::verify(&edited, verify).is_err(), "{place}");
    }
}

#[test]
fn announced_counts_take_no_memory() {
    for bytes in [
        [0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff].as_slice(),
        &[0x81, 0x83, 0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x80],
        &[0x91],
        &[],
    ] {
        assert_eq!(States::verify(bytes, verify), Err(InvalidState::Malformed));
    }
}

#[test]
fn full_chain_of_a_full_group_fits_a_message() {
    let mut bed = Bed::new(limits::MEMBERS);
    bed.create(1..limits::MEMBERS);
    let long = "n".repeat(limits::NAME_BYTES - 2);
    for number in 10..10 + limits::CHAIN {
        let name = name(&std::format!("{number}{long}"));
        bed.command(0, crate::groups::GroupCommand::Rename(name));
    }
    let states: Vec<_> = bed.record(0).states().cloned().collect();
    assert_eq!(states.len(), limits::CHAIN);
    let bytes = States::consecutive(states).unwrap().encode();
    assert!(crate::event::GroupState::new(bytes).is_ok());
}

#[test]
fn signed_text_is_no_packet() {
    let owner = Member { phone: me(0).phone, role: Role::Owner, standing: Standing::Joined };
    let state = State::new(Parts {
        group: GROUP,
        epoch: 0,
        previous: None,
        name: name("climbers"),
        expiry_secs: 0,
        writer: key(0),
        members: [(key(0), owner)].into(),
    });
    let text = state.unwrap().signed_text();
    assert!(text.starts_with(DOMAIN.as_bytes()));
    for profile in [Profile::Compact, Profile::Wide] {
        assert_eq!(Header::parse(profile, &text), None);
        // Whatever follows: the year of a packet has digits where this has letters.
        let year = 2 * profile.id_len()..2 * profile.id_len() + 4;
        assert!(DOMAIN.as_bytes()[year].iter().any(|byte| !byte.is_ascii_digit()));
    }
}
