//! The profile of CBOR that an event keeps to (PROTOCOL 5.4).

use core::cmp::Ordering;

use minicbor::Decoder;
use minicbor::data::Type;

use super::NotAnEvent;

/// Checks that the bytes are one item of the profile and nothing after it, without allocating.
///
/// The profile is RFC 8949, section 4.2.1, without floats and tags: every number and length is as
/// short as it can be, lengths are announced, the keys of a map are sorted and differ. At most
/// [`MAX_DEPTH`] arrays and maps are inside each other.
pub(in crate::event) fn check_profile(bytes: &[u8]) -> Result<(), NotAnEvent> {
    let mut decoder = Decoder::new(bytes);
    check_item(&mut decoder, MAX_DEPTH)?;
    if decoder.position() == bytes.len() { Ok(()) } else { Err(NotAnEvent) }
}

/// Checks the next item, in which `depth` more levels of arrays and maps are allowed.
fn check_item(decoder: &mut Decoder<'_>, depth: usize) -> Result<(), NotAnEvent> {
    let start = decoder.position();
    match decoder.datatype()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let number = decoder.u64()?;
            check_head(start, decoder.position(), number)
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
            let number = i128::from(decoder.int()?);
            // -1 - n, where n is what the head says.
            let said = u64::try_from(-1 - number).map_err(|_| NotAnEvent)?;
            check_head(start, decoder.position(), said)
        }
        Type::Bytes => {
            let len = decoder.bytes()?.len();
            check_head(start, decoder.position() - len, len as u64)
        }
        Type::String => {
            let len = decoder.str()?.len();
            check_head(start, decoder.position() - len, len as u64)
        }
        Type::Array => {
            let depth = depth.checked_sub(1).ok_or(NotAnEvent)?;
            let count = decoder.array()?.ok_or(NotAnEvent)?;
            check_head(start, decoder.position(), count)?;
            // Each item takes a byte at least, so this ends with the input, whatever was announced.
            (0..count).try_for_each(|_| check_item(decoder, depth))
        }
        Type::Map => {
            let depth = depth.checked_sub(1).ok_or(NotAnEvent)?;
            let count = decoder.map()?.ok_or(NotAnEvent)?;
            check_head(start, decoder.position(), count)?;
            check_entries(decoder, depth, count)
        }
        Type::Bool | Type::Null => Ok(decoder.skip()?),
        Type::Undefined
        | Type::F16
        | Type::F32
        | Type::F64
        | Type::Simple
        | Type::BytesIndef
        | Type::StringIndef
        | Type::ArrayIndef
        | Type::MapIndef
        | Type::Tag
        | Type::Break
        | Type::Unknown(_) => Err(NotAnEvent),
    }
}

/// Checks the entries of a map: the encoded keys ascend, byte by byte.
fn check_entries(decoder: &mut Decoder<'_>, depth: usize, count: u64) -> Result<(), NotAnEvent> {
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let start = decoder.position();
        check_item(decoder, depth)?;
        let key = decoder.input().get(start..decoder.position()).ok_or(NotAnEvent)?;
        if last.is_some_and(|last| last.cmp(key) != Ordering::Less) {
            return Err(NotAnEvent);
        }
        last = Some(key);
        check_item(decoder, depth)?;
    }
    Ok(())
}

/// Checks that a head is the shortest one that says this number.
fn check_head(start: usize, end: usize, number: u64) -> Result<(), NotAnEvent> {
    let shortest = match number {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        0x1_0000_0000.. => 9,
    };
    if end - start == shortest { Ok(()) } else { Err(NotAnEvent) }
}

/// Levels of arrays and maps, the event itself included. Events have three; the rest is for fields
/// of later versions.
const MAX_DEPTH: usize = 8;
