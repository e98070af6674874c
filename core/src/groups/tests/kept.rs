//! Records in the store: each comes back as it was, and nothing else is taken for one.

use std::vec::Vec;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::bed::{Bed, assert_kept, key, name, phone, verify};
use crate::groups::change::Change;
use crate::groups::record::{Held, Owed};
use crate::groups::{
    GroupCommand, GroupTag, InvalidState, ItemId, Mine, Rank, Record, StateHash, limits,
};
use crate::keys::Rejected;

fn hash() -> impl Strategy<Value = StateHash> {
    any::<[u8; 32]>().prop_map(StateHash)
}

fn change() -> impl Strategy<Value = Change> {
    let user = || 0..limits::MEMBERS;
    prop_oneof![
        "[a-zé]{1,40}".prop_map(|text| Change::Rename(name(&text))),
        (0..=limits::EXPIRY_SECS).prop_map(Change::Expire),
        user().prop_map(|user| Change::Invite { key: key(user), phone: phone(user) }),
        user().prop_map(|user| Change::Remove(key(user))),
        user().prop_map(|user| Change::Join(key(user))),
        (user(), 0_u8..50)
            .prop_map(|(user, rank)| Change::Succeed { key: key(user), rank: Rank::new(rank) }),
        user().prop_map(|user| Change::HandOver(key(user))),
        Just(Change::TakeOver),
        Just(Change::Depart),
    ]
}

fn owed() -> impl Strategy<Value = Owed> {
    prop_oneof![Just(Owed::Whole), hash().prop_map(Owed::After), hash().prop_map(Owed::Instead)]
}

fn mine() -> impl Strategy<Value = Mine> {
    prop::sample::select(
        &[Mine::Invited, Mine::Accepted, Mine::Joined, Mine::Declined, Mine::Leaving, Mine::Out][..],
    )
}

proptest! {
    #[test]
    fn record_comes_back_as_it_was(
        mine in mine(),
        excluded in btree_set(0_usize..3, 0..3),
        pending in vec(change(), 0..8),
        held in vec((0_usize..9, any::<u64>(), hash(), any::<u64>()), 0..8),
        asked in btree_map(0_usize..9, hash(), 0..6),
        owed in btree_map(0_usize..9, owed(), 0..6),
        has_offer in any::<bool>(),
    ) {
        let bed = Bed::with_group(3);
        let mut record = bed.record(0);
        let group = record.tag().group;
        record.mine = mine;
        record.excluded = excluded.into_iter().map(key).collect();
        record.pending = pending;
        record.held = held
            .into_iter()
            .map(|(user, epoch, state_hash, item)| Held {
                from: key(user),
                tag: GroupTag { group, epoch, state_hash },
                item: ItemId(item),
            })
            .collect();
        record.asked = asked.into_iter().map(|(user, hash)| (key(user), hash)).collect();
        record.owed = owed.into_iter().map(|(user, owed)| (key(user), owed)).collect();
        record.offer = has_offer.then(|| (key(1), record.chain.to_states()));
        assert_kept(&record);
    }

    #[test]
    fn damaged_record_is_refused(at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut bytes = Bed::with_group(2).record(0).encode();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        // Some bytes are free: an asked peer, the sender of a text. Here there are none, except how
        // the user stands to the group.
        if let Ok(record) = Record::decode(&bytes, verify) {
            prop_assert_ne!(record.mine(), Mine::Joined);
        }
    }
}

#[test]
fn cut_or_extended_record_is_refused() {
    let bytes = Bed::with_group(2).record(0).encode();
    for len in (0..bytes.len()).step_by(7) {
        let cut = Record::decode(&bytes[..len], verify).err();
        assert_eq!(cut, Some(InvalidState::Malformed), "{len} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Record::decode(&longer, verify).err(), Some(InvalidState::Malformed));
}

#[test]
fn record_with_a_forged_signature_is_refused() {
    let bytes = Bed::with_group(2).record(0).encode();
    let refused = Record::decode(&bytes, |_| Err(Rejected)).err();
    assert_eq!(refused, Some(InvalidState::Signature));
}

#[test]
fn restart_from_bytes_goes_on_where_it_was() {
    let mut bed = Bed::with_group(3);
    bed.command(0, GroupCommand::Rename(name("before")));
    let bytes: Vec<u8> = bed.record(0).encode();
    bed.restore(0, Some(Record::decode(&bytes, verify).unwrap()));
    bed.run();
    bed.command(0, GroupCommand::Rename(name("after")));
    bed.run();
    bed.assert_agreement(&[0, 1, 2]);
    assert_eq!(bed.record(2).state().parts().name, name("after"));
}
