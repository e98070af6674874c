//! Texts and phone numbers, by which the model knows messages and people.

use sealpost_core::ids::Phone;

/// Marker in every plaintext. No packet may contain it.
pub(in crate::sim) const MARK: &str = "SEALPOST-PLAINTEXT";

/// A unique text of about this size.
pub(super) fn text(number: usize, size: usize) -> String {
    let mut text = format!("{MARK} {number} ");
    while text.len() < size {
        text.push(char::from(b'a' + u8::try_from((text.len() + number) % 26).unwrap_or(0)));
    }
    text
}

/// Phone number of a client.
pub(in crate::sim) fn phone(client: usize) -> Phone {
    format!("+49151{client:08}").parse().unwrap()
}

/// Phone number of an attacker.
pub(in crate::sim) fn attacker_phone(index: usize) -> Phone {
    format!("+666{index:08}").parse().unwrap()
}

pub(super) const fn is_attacker(phone: Phone) -> bool {
    phone.digits() / 100_000_000 == 666
}
