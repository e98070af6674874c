//! Reading and writing the fields of a payload: little-endian integers, `str8`, byte strings.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{InReplyTo, Malformed};
use crate::ids::{Phone, UserId};
use crate::keys::{Plaintext, SymmetricKey};
use crate::time::Timestamp;

/// Takes fields off the front of a payload. If the rest is too short, a method fails; none panics.
#[derive(Clone, Copy)]
pub struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Takes the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    /// Takes the next `len` bytes.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|&[byte]| byte)
    }

    /// Takes two bytes, little endian.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    /// Takes four bytes, little endian.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// Takes eight bytes, little endian.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// Takes a user id of eight bytes. 0 is not a user and fails.
    pub fn user_id(&mut self) -> Result<UserId, Malformed> {
        UserId::new(self.u64()?).ok_or(Malformed)
    }

    /// Takes a length of one byte and that number of bytes, which must be UTF-8.
    pub fn str8(&mut self) -> Result<&'a str, Malformed> {
        let len = self.u8()?;
        core::str::from_utf8(self.bytes(len.into())?).map_err(|_| Malformed)
    }

    /// Takes a phone number, a `str8`.
    pub fn phone(&mut self) -> Result<Phone, Malformed> {
        self.str8()?.parse().map_err(|_| Malformed)
    }

    /// Takes a timestamp of 19 ASCII characters, which must be a second of the calendar.
    pub fn timestamp(&mut self) -> Result<Timestamp, Malformed> {
        Timestamp::parse(self.array()?).ok_or(Malformed)
    }

    /// Takes a symmetric key of 32 bytes.
    pub fn symmetric_key(&mut self) -> Result<SymmetricKey, Malformed> {
        self.array().map(SymmetricKey::copied)
    }

    /// Takes an `in_reply_to`: the first 8 bytes of a request's hash.
    pub fn in_reply_to(&mut self) -> Result<InReplyTo, Malformed> {
        self.array().map(|bytes| InReplyTo(*bytes))
    }

    /// Takes the version byte, which must be 1.
    pub fn version(&mut self) -> Result<(), Malformed> {
        if self.u8()? == VERSION { Ok(()) } else { Err(Malformed) }
    }

    /// Whether nothing is left.
    pub const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all remaining bytes.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Succeeds if nothing is left, for payloads that may not grow.
    pub const fn end(self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed) }
    }
}

/// Appends fields to a payload. The counterpart of [`Parser`].
pub trait Write {
    /// Appends bytes as they are.
    fn put(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    /// Appends two bytes, little endian.
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }

    /// Appends four bytes, little endian.
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }

    /// Appends eight bytes, little endian.
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    /// Appends a length of one byte and the text. Text over 255 bytes is cut between two
    /// characters.
    fn put_str8(&mut self, text: &str) {
        let end = text.floor_char_boundary(u8::MAX.into());
        let text = text.get(..end).unwrap_or_default();
        self.put_u8(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.put(text.as_bytes());
    }

    /// Appends a phone number as `str8`.
    fn put_phone(&mut self, phone: Phone) {
        self.put_str8(&phone.to_string());
    }
}

impl Write for Plaintext {
    fn put(&mut self, bytes: &[u8]) {
        self.extend(bytes);
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Version byte `v` of every payload that has one.
pub const VERSION: u8 = 1;
