//! The bytes of states (PROTOCOL 5.5): deterministic CBOR, of which there is one encoding for each
//! value. What is decoded is encoded again and compared, so no other encoding is accepted.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::member::{Member, Rank, Role, Standing};
use super::state::{GroupName, InvalidState, Members, Parts, State};
use super::{GroupId, StateHash, limits};
use crate::ids::Phone;
use crate::keys::Fingerprint;

/// Encodes a state.
pub(super) fn encode_state(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory does not fail.
    let _ = write_state(&mut Encoder::new(&mut bytes), state.parts());
    bytes
}

/// Decodes a state, which must be in its one encoding.
pub(super) fn decode_state(bytes: &[u8]) -> Result<State, InvalidState> {
    let state = State::new(read_state(&mut Decoder::new(bytes))?)?;
    if encode_state(&state) == bytes { Ok(state) } else { Err(InvalidState::Malformed) }
}

/// A state with the key and the signature of its writer, as it travels.
pub(super) struct Envelope<'a> {
    pub(super) state: &'a [u8],
    pub(super) der: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// Encodes a list of states.
pub(super) fn encode_list<'a>(states: impl ExactSizeIterator<Item = Envelope<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    // Writing to memory does not fail.
    let _ = encoder.array(states.len() as u64);
    for Envelope { state, der, signature } in states {
        let _ = write_envelope(&mut encoder, state, der, signature);
    }
    bytes
}

/// Decodes a list of one to [`limits::CHAIN`] states, which must be in its one encoding.
pub(super) fn decode_list(bytes: &[u8]) -> Result<Vec<Envelope<'_>>, InvalidState> {
    let mut decoder = Decoder::new(bytes);
    let count = array(&mut decoder)?;
    if !(1..=limits::CHAIN as u64).contains(&count) {
        return Err(InvalidState::Malformed);
    }
    let read = |_| {
        expect_array(&mut decoder, 3)?;
        let (state, der) = (decoder.bytes()?, decoder.bytes()?);
        Ok(Envelope { state, der, signature: decoder.bytes()? })
    };
    let states = (0..count).map(read).collect::<Result<Vec<_>, InvalidState>>()?;
    let again =
        states.iter().map(|&Envelope { state, der, signature }| Envelope { state, der, signature });
    if encode_list(again) == bytes { Ok(states) } else { Err(InvalidState::Malformed) }
}

pub(super) type Written = Result<(), minicbor::encode::Error<core::convert::Infallible>>;

fn write_envelope(
    encoder: &mut Encoder<&mut Vec<u8>>,
    state: &[u8],
    der: &[u8],
    signature: &[u8],
) -> Written {
    encoder.array(3)?.bytes(state)?.bytes(der)?.bytes(signature)?;
    Ok(())
}

fn write_state(encoder: &mut Encoder<&mut Vec<u8>>, parts: &Parts) -> Written {
    encoder.array(7)?.bytes(&parts.group.0)?.u64(parts.epoch)?;
    match &parts.previous {
        Some(hash) => encoder.bytes(&hash.0)?,
        None => encoder.null()?,
    };
    encoder.str(parts.name.as_str())?.u32(parts.expiry_secs)?.bytes(&parts.writer.0)?;
    encoder.array(parts.members.len() as u64)?;
    for (key, member) in &parts.members {
        let standing = match member.standing {
            Standing::Invited => 0,
            Standing::Joined => 1,
        };
        encoder.array(4)?.bytes(&key.0)?.u64(member.phone.digits())?;
        encoder.u8(role_code(member.role))?.u8(standing)?;
    }
    Ok(())
}

fn read_state(decoder: &mut Decoder<'_>) -> Result<Parts, InvalidState> {
    expect_array(decoder, 7)?;
    let group = GroupId(fixed(decoder)?);
    let epoch = decoder.u64()?;
    let previous = if decoder.datatype()? == Type::Null {
        decoder.null()?;
        None
    } else {
        Some(StateHash(fixed(decoder)?))
    };
    let name = GroupName::new(decoder.str()?).ok_or(InvalidState::Malformed)?;
    let expiry_secs = decoder.u32()?;
    let writer = Fingerprint(fixed(decoder)?);
    Ok(Parts { group, epoch, previous, name, expiry_secs, writer, members: members(decoder)? })
}

fn members(decoder: &mut Decoder<'_>) -> Result<Members, InvalidState> {
    let count = array(decoder)?;
    // Bounded before memory is taken for them.
    if count > limits::MEMBERS as u64 {
        return Err(InvalidState::Malformed);
    }
    let mut members = BTreeMap::new();
    for _ in 0..count {
        expect_array(decoder, 4)?;
        let key = Fingerprint(fixed(decoder)?);
        let phone = phone(decoder.u64()?)?;
        let role = role(decoder.u8()?)?;
        let standing = match decoder.u8()? {
            0 => Standing::Invited,
            1 => Standing::Joined,
            2.. => return Err(InvalidState::Malformed),
        };
        members.insert(key, Member { phone, role, standing });
    }
    Ok(members)
}

const fn role_code(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Owner => 1,
        Role::Successor(rank) => rank.value().saturating_add(1),
    }
}

fn role(code: u8) -> Result<Role, InvalidState> {
    match code {
        0 => Ok(Role::Member),
        1 => Ok(Role::Owner),
        2.. => Rank::new(code - 1).map(Role::Successor).ok_or(InvalidState::Malformed),
    }
}

pub(super) fn phone(digits: u64) -> Result<Phone, InvalidState> {
    alloc::format!("+{digits}").parse().map_err(|_| InvalidState::Malformed)
}

pub(super) fn fixed<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], InvalidState> {
    decoder.bytes()?.try_into().map_err(|_| InvalidState::Malformed)
}

pub(super) fn array(decoder: &mut Decoder<'_>) -> Result<u64, InvalidState> {
    decoder.array()?.ok_or(InvalidState::Malformed)
}

pub(super) fn expect_array(decoder: &mut Decoder<'_>, len: u64) -> Result<(), InvalidState> {
    if array(decoder)? == len { Ok(()) } else { Err(InvalidState::Malformed) }
}

impl From<minicbor::decode::Error> for InvalidState {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}
