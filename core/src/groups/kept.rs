//! The bytes of a record in the store: deterministic CBOR, like states, behind a version number.
//!
//! The store is the user's own, but it is a file, and a file may be damaged or forged. So what is
//! read is checked as strictly as what a peer sends, signatures included.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::chain::Chain;
use super::change::Change;
use super::codec::{Written, array, expect_array, fixed, phone};
use super::member::Rank;
use super::record::{Held, Mine, Owed, Record};
use super::signed::States;
use super::state::{GroupName, InvalidState};
use super::{GroupTag, ItemId, StateHash, limits};
use crate::crypto::SignatureCheck;
use crate::keys::{Fingerprint, Rejected};

impl Record {
    /// Encodes the record for the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = write(&mut Encoder::new(&mut bytes), self);
        bytes
    }

    /// Decodes a record from the store, and verifies every signature with `verify`.
    ///
    /// # Errors
    /// [`InvalidState`] if the bytes are not those of a record, in its one encoding and within its
    /// bounds, or a signature does not verify.
    pub fn decode(
        bytes: &[u8],
        verify: impl FnMut(SignatureCheck<'_>) -> Result<(), Rejected>,
    ) -> Result<Self, InvalidState> {
        let record = read(&mut Decoder::new(bytes), verify)?;
        let is_valid = record.encode() == bytes && record.is_consistent().is_ok();
        if is_valid { Ok(record) } else { Err(InvalidState::Malformed) }
    }
}

fn write(encoder: &mut Encoder<&mut Vec<u8>>, record: &Record) -> Written {
    encoder.array(9)?.u8(VERSION)?.bytes(&record.chain.to_states().encode())?;
    encoder.u8(mine_code(record.mine))?;
    encoder.array(record.excluded.len() as u64)?;
    for key in &record.excluded {
        encoder.bytes(&key.0)?;
    }
    encoder.array(record.pending.len() as u64)?;
    for change in &record.pending {
        write_change(encoder, change)?;
    }
    encoder.array(record.held.len() as u64)?;
    for Held { from, tag, item } in &record.held {
        encoder.array(4)?.bytes(&from.0)?.u64(tag.epoch)?.bytes(&tag.state_hash.0)?.u64(item.0)?;
    }
    encoder.array(record.asked.len() as u64)?;
    for (key, hash) in &record.asked {
        encoder.array(2)?.bytes(&key.0)?.bytes(&hash.0)?;
    }
    encoder.array(record.owed.len() as u64)?;
    for (key, owed) in &record.owed {
        write_owed(encoder, key, *owed)?;
    }
    match &record.offer {
        None => encoder.null()?,
        Some((from, states)) => encoder.array(2)?.bytes(&from.0)?.bytes(&states.encode())?,
    };
    Ok(())
}

fn write_change(encoder: &mut Encoder<&mut Vec<u8>>, change: &Change) -> Written {
    match change {
        Change::Rename(name) => encoder.array(2)?.u8(RENAME)?.str(name.as_str())?,
        Change::Expire(secs) => encoder.array(2)?.u8(EXPIRE)?.u32(*secs)?,
        Change::Invite { key, phone } => {
            encoder.array(3)?.u8(INVITE)?.bytes(&key.0)?.u64(phone.digits())?
        }
        Change::Remove(key) => encoder.array(2)?.u8(REMOVE)?.bytes(&key.0)?,
        Change::Join(key) => encoder.array(2)?.u8(JOIN)?.bytes(&key.0)?,
        Change::Succeed { key, rank } => {
            encoder.array(3)?.u8(SUCCEED)?.bytes(&key.0)?.u8(rank.map_or(0, Rank::value))?
        }
        Change::HandOver(key) => encoder.array(2)?.u8(HAND_OVER)?.bytes(&key.0)?,
        Change::TakeOver => encoder.array(1)?.u8(TAKE_OVER)?,
        Change::Depart => encoder.array(1)?.u8(DEPART)?,
    };
    Ok(())
}

fn write_owed(encoder: &mut Encoder<&mut Vec<u8>>, key: &Fingerprint, owed: Owed) -> Written {
    encoder.array(3)?.bytes(&key.0)?;
    match owed {
        Owed::Whole => encoder.u8(WHOLE)?.null()?,
        Owed::After(hash) => encoder.u8(AFTER)?.bytes(&hash.0)?,
        Owed::Instead(hash) => encoder.u8(INSTEAD)?.bytes(&hash.0)?,
    };
    Ok(())
}

fn read(
    decoder: &mut Decoder<'_>,
    mut verify: impl FnMut(SignatureCheck<'_>) -> Result<(), Rejected>,
) -> Result<Record, InvalidState> {
    expect_array(decoder, 9)?;
    if decoder.u8()? != VERSION {
        return Err(InvalidState::Malformed);
    }
    let states = States::verify(decoder.bytes()?, &mut verify)?;
    let chain = Chain::of(&states).ok_or(InvalidState::Malformed)?;
    let tag = chain.tag();
    let mine = mine(decoder.u8()?)?;
    let excluded = list(decoder, limits::PEERS, |decoder| Ok(Fingerprint(fixed(decoder)?)))?;
    let pending = list(decoder, limits::PENDING, read_change)?;
    let held = list(decoder, limits::HELD, |decoder| read_held(decoder, tag))?;
    let asked = list(decoder, limits::PEERS, |decoder| {
        expect_array(decoder, 2)?;
        Ok((Fingerprint(fixed(decoder)?), StateHash(fixed(decoder)?)))
    })?;
    let owed = list(decoder, limits::PEERS, read_owed)?;
    let offer = if null(decoder)? {
        None
    } else {
        expect_array(decoder, 2)?;
        let from = Fingerprint(fixed(decoder)?);
        let states = States::verify(decoder.bytes()?, &mut verify)?;
        if states.group() != Some(tag.group) {
            return Err(InvalidState::Malformed);
        }
        Some((from, states))
    };
    Ok(Record {
        chain,
        mine,
        excluded: excluded.into_iter().collect::<BTreeSet<_>>(),
        pending,
        held,
        asked: asked.into_iter().collect::<BTreeMap<_, _>>(),
        owed: owed.into_iter().collect::<BTreeMap<_, _>>(),
        offer,
    })
}

fn read_change(decoder: &mut Decoder<'_>) -> Result<Change, InvalidState> {
    let fields = array(decoder)?;
    let (change, expected) = match decoder.u8()? {
        RENAME => {
            let name = GroupName::new(decoder.str()?).ok_or(InvalidState::Malformed)?;
            (Change::Rename(name), 2)
        }
        EXPIRE => (Change::Expire(decoder.u32()?), 2),
        INVITE => {
            let key = Fingerprint(fixed(decoder)?);
            (Change::Invite { key, phone: phone(decoder.u64()?)? }, 3)
        }
        REMOVE => (Change::Remove(Fingerprint(fixed(decoder)?)), 2),
        JOIN => (Change::Join(Fingerprint(fixed(decoder)?)), 2),
        SUCCEED => {
            let key = Fingerprint(fixed(decoder)?);
            let rank = match decoder.u8()? {
                0 => None,
                rank => Some(Rank::new(rank).ok_or(InvalidState::Malformed)?),
            };
            (Change::Succeed { key, rank }, 3)
        }
        HAND_OVER => (Change::HandOver(Fingerprint(fixed(decoder)?)), 2),
        TAKE_OVER => (Change::TakeOver, 1),
        DEPART => (Change::Depart, 1),
        _ => return Err(InvalidState::Malformed),
    };
    if fields == expected { Ok(change) } else { Err(InvalidState::Malformed) }
}

fn read_held(decoder: &mut Decoder<'_>, newest: GroupTag) -> Result<Held, InvalidState> {
    expect_array(decoder, 4)?;
    let from = Fingerprint(fixed(decoder)?);
    let epoch = decoder.u64()?;
    let tag = GroupTag { group: newest.group, epoch, state_hash: StateHash(fixed(decoder)?) };
    Ok(Held { from, tag, item: ItemId(decoder.u64()?) })
}

fn read_owed(decoder: &mut Decoder<'_>) -> Result<(Fingerprint, Owed), InvalidState> {
    expect_array(decoder, 3)?;
    let key = Fingerprint(fixed(decoder)?);
    let owed = match (decoder.u8()?, null(decoder)?) {
        (WHOLE, true) => Owed::Whole,
        (AFTER, false) => Owed::After(StateHash(fixed(decoder)?)),
        (INSTEAD, false) => Owed::Instead(StateHash(fixed(decoder)?)),
        _ => return Err(InvalidState::Malformed),
    };
    Ok((key, owed))
}

/// Reads a list of at most `most` items, which is bounded before memory is taken for it.
fn list<T>(
    decoder: &mut Decoder<'_>,
    most: usize,
    mut item: impl FnMut(&mut Decoder<'_>) -> Result<T, InvalidState>,
) -> Result<Vec<T>, InvalidState> {
    let count = array(decoder)?;
    if count > most as u64 {
        return Err(InvalidState::Malformed);
    }
    (0..count).map(|_| item(decoder)).collect()
}

/// Reads a null, if there is one.
fn null(decoder: &mut Decoder<'_>) -> Result<bool, InvalidState> {
    let is_null = decoder.datatype()? == Type::Null;
    if is_null {
        decoder.null()?;
    }
    Ok(is_null)
}

const fn mine_code(mine: Mine) -> u8 {
    match mine {
        Mine::Invited => 0,
        Mine::Accepted => 1,
        Mine::Joined => 2,
        Mine::Declined => 3,
        Mine::Leaving => 4,
        Mine::Out => 5,
    }
}

const fn mine(code: u8) -> Result<Mine, InvalidState> {
    Ok(match code {
        0 => Mine::Invited,
        1 => Mine::Accepted,
        2 => Mine::Joined,
        3 => Mine::Declined,
        4 => Mine::Leaving,
        5 => Mine::Out,
        _ => return Err(InvalidState::Malformed),
    })
}

/// Version of the encoding. Another one is a record of another version of this program.
const VERSION: u8 = 1;

// Codes of changes.
const RENAME: u8 = 0;
const EXPIRE: u8 = 1;
const INVITE: u8 = 2;
const REMOVE: u8 = 3;
const JOIN: u8 = 4;
const SUCCEED: u8 = 5;
const HAND_OVER: u8 = 6;
const TAKE_OVER: u8 = 7;
const DEPART: u8 = 8;

// Codes of states that are owed.
const WHOLE: u8 = 0;
const AFTER: u8 = 1;
const INSTEAD: u8 = 2;
